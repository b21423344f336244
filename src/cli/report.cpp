#include "cli/report.hpp"

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <cerrno>
#include <ctime>

#include "cli/say.hpp"

namespace ouro::cli {
namespace {

const char* hint_for(abi::Loss cause) {
  switch (cause) {
    case abi::Loss::full: return "the buffers were full (hint: a larger --buffer-size, or --overwrite)";
    case abi::Loss::too_large:
      return "larger than a part of the buffer (hint: a larger --buffer-size or fewer --subbuf-count)";
    case abi::Loss::busy:
      return "they could not be written where they happened (hint: too many large events at once on one CPU)";
    case abi::Loss::no_memory: return "no memory for a CPU's buffer";
    case abi::Loss::dead_writer: return "their thread was killed while it wrote them";
    case abi::Loss::lapped:
      return "overwritten by newer ones before they were read (hint: a larger --buffer-size keeps more)";
    case abi::Loss::table_full:
      return "the session's table had no room for their kinds of event (hint: fewer kinds, with -e)";
  }
  return "";
}

}  // namespace

std::uint64_t free_space(const char* folder) {
  struct statvfs status;
  return ::statvfs(folder, &status) == 0 ? std::uint64_t{status.f_bavail} * status.f_frsize : ~std::uint64_t{0};
}

std::string dated_name(const std::string& kind) {
  char when[64];
  const std::time_t now = std::time(nullptr);
  std::strftime(when, sizeof when, "-%Y%m%d-%H%M%S", std::localtime(&now));
  return "ouro-" + kind + when;
}

std::vector<std::pair<std::string, std::string>> trace_environment(const std::string& command, abi::FullMode mode) {
  utsname machine{};
  ::uname(&machine);
  return {{"ouro_version", OURO_VERSION},
          {"hostname", machine.nodename},
          {"sysname", machine.sysname},
          {"kernel_release", machine.release},
          {"architecture", machine.machine},
          {"command", command},
          {"mode", mode == abi::FullMode::overwrite ? "overwrite" : "discard"}};
}

namespace {

// `make`: of a path. A name in use: of this second.
template <class Make>
auto make_named(const std::string& path, const std::string& kind, Make make) {
  if (!path.empty()) return make(path);
  const std::string name = "./" + dated_name(kind);
  for (int i = 2;; ++i) {
    auto made = make(i == 2 ? name : name + ("-" + std::to_string(i - 1)));
    if (made || (made.error().code != EEXIST && made.error().code != EBUSY) || i > 100) return made;
  }
}

}  // namespace

Result<record::TraceFolder> make_trace_folder(const std::string& path, const std::string& kind) {
  return make_named(path, kind, [](const std::string& at) { return record::TraceFolder::create(at); });
}

Result<std::unique_ptr<record::Rotation>> make_rotation(const std::string& path, const record::RotationOptions& options) {
  return make_named(path, "traces", [&](const std::string& at) { return record::Rotation::create(at, options); });
}

void say_losses(const record::Summary& summary) {
  for (std::size_t i = 0; i < abi::kLossCauses; ++i)
    if (summary.lost[i] != 0) say("lost %llu events: %s", static_cast<unsigned long long>(summary.lost[i]), hint_for(static_cast<abi::Loss>(i)));
}

void say_rotation(const record::Rotation& rotation) {
  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  const record::Rotation::Removed& removed = rotation.removed();
  say("in %llu traces; removed %llu, the oldest, of %s, with %llu of these events", number(rotation.traces()), number(removed.traces), human_bytes(removed.bytes).c_str(), number(removed.events));
}

void say_summary(const record::Summary& summary, const record::SessionOptions& session, const std::string& folder, const char* runtime) {
  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  say("recorded %llu events, %llu lost, %llu streams, %s to %s", number(summary.events), number(summary.lost_total()),
      number(summary.streams), human_bytes(summary.bytes).c_str(), folder.c_str());
  say_losses(summary);
  if (summary.over_rate != 0) say("left out %llu events above --rate, as asked for (ouro stats says which)", number(summary.over_rate));
  if (summary.not_sampled != 0) say("left out %llu events that are not among the samples, as asked for (ouro stats says which)", number(summary.not_sampled));
  if (summary.unwritten != 0)
    say("lost %llu events: they could not be written to %s", number(summary.unwritten), folder.c_str());
  if (summary.rings_refused != 0)
    say("warning: no memory for the buffers of %llu CPUs: %s free in %s, want %s for each CPU (hint: a smaller "
        "--buffer-size, a larger "
        "/dev/shm, or another OURO_RUNTIME_DIR)",
        number(summary.rings_refused), human_bytes(free_space(runtime)).c_str(), runtime,
        human_bytes((session.subbuf_count + std::uint64_t{1}) * session.subbuf_size).c_str());
  if (summary.threads_lost + summary.processes_lost != 0)
    say("warning: the names of %llu threads and %llu processes are not known: their tables were full, or they were killed while they said them",
        number(summary.threads_lost), number(summary.processes_lost));
  if (summary.processes == 0 && summary.events == 0)
    say("hint: no event came. Does the program state events (ouro::trace), do they match -e, and may it find the "
        "session? Setuid programs "
        "do not look for one, others must see %s",
        runtime);
}

}  // namespace ouro::cli
