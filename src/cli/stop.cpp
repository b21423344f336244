// `ouro stop`: ends flight recorders.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/sessions.hpp"
#include "record/session.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro stop ends flight recorders: programs stop writing to them, and their memory goes back to the system.

Usage: ouro stop SESSION...

What they hold is gone then: ouro snapshot SESSION writes it first. Sessions of recorders that were killed can be ended like this, too; one
that is being recorded ends with its recorder.

Options:
  -h, --help   this text

Exit status: 0; 1 if one of them is not there, or is being recorded; 2 if the command line makes no sense.

Example:
  ouro stop flight
)";

void define(CLI::App& app, std::vector<std::string>& names) { app.add_option("sessions", names)->type_name("SESSION"); }

}  // namespace

const char* define_stop(CLI::App& app) {
  static std::vector<std::string> unread;
  define(app, unread);
  return kHelp;
}

int stop_command(int argc, char** argv) {
  CLI::App app("ouro stop");
  std::vector<std::string> names;
  define(app, names);
  if (const std::optional<int> status = parse_command_line(app, argc, argv, kHelp)) return *status;
  if (names.empty()) return usage_error("stop", "no SESSION, want one (hint: ouro status)");
  const auto refuse = [](const Error& error) {
    say("error: stop: %s", error.text.c_str());
    return 1;
  };
  const Result<base::RuntimeDir> folder = runtime_dir(false);
  if (!folder) return refuse(folder.error());
  int status = 0;
  std::vector<FoundSession> all = all_sessions(folder->path, "stop");
  std::erase_if(names, [&](const std::string& name) {
    const std::string file = record::kSessionPrefix + name;
    if (name.find('/') != std::string::npos || std::any_of(all.begin(), all.end(), [&](const FoundSession& s) { return s.name() == name; }) ||
        ::access((std::string(folder->path) + "/" + file).c_str(), F_OK) != 0)
      return false;
    // Its header makes no sense to us: it is ended all the same.
    if (const Status ended = record::end_session(folder->path, file); !ended) status = refuse(ended.error());
    else say("session %s is over", name.c_str());
    return true;
  });
  const Result<std::vector<FoundSession>> found = named_sessions(std::move(all), names, folder->path);
  if (!found) return refuse(found.error());
  for (const FoundSession& one : *found) {
    Result<record::Session> session = record::Session::adopt(folder->path, one.file, record::Session::Adopt::inherit);
    if (!session && session.error().code == EBUSY && one.session.is_kept())
      status = refuse(errorf(EBUSY, "session '%s': another ouro is at it, want it done (hint: try again)", one.name().c_str()));
    else if (!session && session.error().code == EBUSY)
      status = refuse(errorf(EBUSY, "session '%s' is recorded by process %d, want none that is (hint: kill -INT %d ends it)", one.name().c_str(), one.session.creator_pid(),
                             one.session.creator_pid()));
    else if (!session)
      status = refuse(session.error());
    else
      say("session %s is over", one.name().c_str());  // as it goes out of scope
  }
  return status;
}

}  // namespace ouro::cli
