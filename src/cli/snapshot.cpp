// `ouro snapshot`: what a session's memory holds now, as a trace; recording goes on.
#include <cstdio>
#include <optional>
#include <string>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/report.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/sessions.hpp"
#include "cli/snapshot_write.hpp"
#include "cli/units.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro snapshot writes what the memory of a session holds now as a trace, while recording goes on.

Usage: ouro snapshot [OPTIONS] [SESSION]

Without SESSION: the flight recorder, or the session, if there is only one. The trace has all events of all CPUs up to one instant that
were not overwritten by then; what was, is said. Nothing is taken out of the memory: the next snapshot has it again. Programs are
not stopped, and may be stopped or dead.

Options:
  -o, --output DIR   the trace's folder, new or empty (default: ./ouro-snapshot-YYYYmmdd-HHMMSS)
      --last TIME    nothing that is older: 30, 30s, 500ms, 5m, 2h
  -h, --help         this text

Exit status: 0; 1 if there is no such session, or what was written is not complete; 2 if the command line makes no sense.

Examples:
  ouro record --flight --all                    once; then, when something happened:
  ouro snapshot -o incident --last 30s
)";

struct Options {
  std::string session, output, last;
};

void define(CommandLine& line, Options& options) {
  line.add_argument("session", options.session, "SESSION");
  line.add_option("-o,--output", options.output, "FOLDER");
  line.add_option("--last", options.last, "TIME");
}

// The one that is meant where none is named.
Result<record::SessionFile> choose(Sessions all, const std::string& name, const std::string& folder) {
  if (!name.empty()) {
    Result<Sessions> named = named_sessions(std::move(all), {name}, folder);
    if (!named) return named.error();
    return std::move(named->front());
  }
  Sessions flights;
  for (record::SessionFile& s : all)
    if (s.is_kept()) flights.push_back(std::move(s));
  if (flights.size() == 1) return std::move(flights.front());
  if (flights.empty() && all.size() == 1) return std::move(all.front());
  if (flights.empty() && all.empty()) return errorf(ENOENT, "there is no session, want one (hint: ouro record --flight starts a flight recorder; looked in %s)", folder.c_str());
  std::string names;
  for (const record::SessionFile& s : flights.empty() ? all : flights) names += (names.empty() ? "" : ", ") + s.name();
  return errorf(EINVAL, "there are several sessions, want the name of one: %s", names.c_str());
}

}  // namespace

const char* define_snapshot(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int snapshot_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  std::optional<std::chrono::nanoseconds> last;
  if (line.count("--last") != 0) {
    const auto time = parse_time(options.last);
    if (!time) return usage_error("snapshot", "--last is '" + options.last + "', want a time such as 30s, 500ms, 5m or 2h");
    last = *time;
  }
  const auto refuse = [](const Error& error) {
    say("error: snapshot: %s", error.text.c_str());
    return 1;
  };
  const Result<base::RuntimeDir> folder = runtime_dir(false);
  if (!folder) return refuse(folder.error());
  const Result<record::SessionFile> chosen = choose(all_sessions(folder->path, "snapshot"), options.session, folder->path);
  if (!chosen) return refuse(chosen.error());
  Result<record::Session> session = record::Session::adopt(folder->path, chosen->session_name().file, record::Session::Adopt::look);
  if (!session) return refuse(session.error());
  const Result<bool> complete = write_snapshot_of(*session, options.output, "snapshot", last);
  if (!complete) return refuse(complete.error());
  return *complete ? 0 : 1;
}

}  // namespace ouro::cli
