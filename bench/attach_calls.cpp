// bench/attach_calls.cpp -- how long the library's calls take that switch a running program's events on and off: a JSON object, in
// microseconds. Run by bench/attach.
//
//   attach_calls PID ROUNDS
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/runtime_dir.hpp"
#include "measure.hpp"
#include "record/attachment.hpp"
#include "record/registry_file.hpp"
#include "record/session.hpp"
#include "record/session_rules.hpp"
#include "record/target.hpp"

namespace {

using namespace ouro;

[[noreturn]] void fail(const Error& error) {
  std::fprintf(stderr, "attach_calls: %s\n", error.text.c_str());
  std::exit(1);
}

struct Times {
  std::vector<double> make, find, attach, change, detach;
};

template <class F>
void time(std::vector<double>& into, F call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  into.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
}

std::uint32_t round_of(const base::RuntimeDir& folder, int pid, Times& times) {
  record::SessionOptions options;
  options.name = "attach-" + std::to_string(getpid());
  options.mode = abi::FullMode::overwrite;
  options.rules = {{.name = "*"}};
  std::optional<record::Session> session;
  std::optional<record::Target> target;
  std::uint32_t events = 0;
  time(times.make, [&] {
    Result<record::Session> made = record::Session::create(folder, options);
    if (!made) fail(made.error());
    session.emplace(std::move(*made));
  });
  time(times.find, [&] {
    Result<record::Target> found = record::find_target(pid);
    if (!found) fail(found.error());
    target.emplace(std::move(*found));
  });
  record::Attachment attachment(*session, folder.path);
  time(times.attach, [&] {
    if (Status added = attachment.add(*target); !added) fail(added.error());
    events = attachment.events();
  });
  usleep(20'000);  // some events, so that the program has mapped it
  time(times.change, [&] {
    Result<record::SessionRules> rules = record::SessionRules::open(folder.path, session->file());
    if (!rules) fail(rules.error());
    Result<record::SessionRules::Change> change = rules->change();
    if (!change) fail(change.error());
    const Result<std::vector<std::byte>> list = change->set(std::vector<record::Rule>{{.name = "*"}, {.name = "*1", .excludes = true}});
    if (!list) fail(list.error());
    for (const std::string& path : record::find_registries(folder.path)) {
      Result<record::RegistryFile> registry = record::RegistryFile::open(path, record::RegistryFile::Access::read_write);
      if (!registry || !registry->slot_of(rules->name())) continue;
      const base::Fd lock = registry->lock();
      if (const Result<std::uint32_t> on = registry->attach(rules->name(), *list); !on) fail(on.error());
    }
  });
  time(times.detach, [&] { session->close(); });
  return events;
}

}  // namespace

int main(int argc, char** argv) {
  base::RuntimeDir folder;
  if (argc != 3 || base::find_runtime_dir(folder, false) != 0) {
    std::fprintf(stderr, "usage: attach_calls PID ROUNDS, with a runtime folder\n");
    return 2;
  }
  Times times;
  std::uint32_t events = 0;
  for (int i = 0; i < std::atoi(argv[2]); ++i) events = round_of(folder, std::atoi(argv[1]), times);
  std::printf("{\"events\": %u, \"make\": %.1f, \"find\": %.1f, \"attach\": %.1f, \"change\": %.1f, \"detach\": %.1f}\n", events, bench::median(times.make),
              bench::median(times.find), bench::median(times.attach), bench::median(times.change), bench::median(times.detach));
}
