// `ouro recover`: what programs and recorders that were killed left in memory.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/sessions.hpp"
#include "cli/snapshot_write.hpp"
#include "cli/status_table.hpp"
#include "record/session.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro recover writes what programs and recorders that were killed left in memory.

Usage: ouro recover [OPTIONS] [SESSION...]

Without SESSION: the sessions whose recorder was killed, and flight recorders whose programs have all ended. Everything that was committed
before a program died is there, unless it was overwritten or written to a trace already. A session without a recorder ends when its trace is
complete; a flight recorder goes on (hint: ouro stop). The next ouro record removes sessions that killed recorders left: recover them first,
or go on recording with ouro record --resume DIR.

Options:
  -o, --output DIR   the trace's folder, new or empty; of several sessions, each has its own there
                     (default: ./ouro-recovered-YYYYmmdd-HHMMSS)
      --list         only shows what there is
      --json         as JSON
  -h, --help         this text

Exit status: 0, also if there was nothing; 1 if a session is not there, or a trace not complete; 2 if the command line makes no sense.

Examples:
  ouro recover --list
  ouro recover -o crash flight
)";

struct Options {
  std::vector<std::string> names;
  std::string output;
  bool list = false, json = false;
};

void define(CommandLine& line, Options& options) {
  line.add_argument("sessions", options.names, "SESSION");
  line.add_option("-o,--output", options.output, "FOLDER");
  line.add_flag("--list", options.list);
  line.add_flag("--json", options.json);
}

// Those that nobody has any more.
Sessions abandoned(Sessions all, const std::string& folder) {
  std::erase_if(all, [&](const record::SessionFile& s) {
    if (s.is_watched()) return true;  // what it holds is in another as well
    return s.is_kept() ? count_processes(folder, s.session_name()) != 0 : !s.is_left_behind();
  });
  return all;
}

// Is its trace complete?
Result<bool> recover(const std::string& folder, const record::SessionFile& one, const std::string& output) {
  const bool ends = one.is_left_behind();
  Result<record::Session> session = record::Session::adopt(folder, one.session_name().file, ends ? record::Session::Adopt::inherit : record::Session::Adopt::look);
  if (!session) return session.error();
  if (ends) {
    session->close();
    ::usleep(10'000);  // those who had begun a record finish it
  }
  Result<bool> complete = write_snapshot_of(*session, output, "recovered", std::nullopt);
  if (ends && !(complete && *complete)) {
    session->leave();
    say("warning: recover: session %s stays (hint: ouro stop %s removes it)", one.name().c_str(), one.name().c_str());
  }
  return complete;
}

}  // namespace

const char* define_recover(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int recover_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  const auto refuse = [](const Error& error) {
    say("error: recover: %s", error.text.c_str());
    return 1;
  };
  const Result<base::RuntimeDir> folder = runtime_dir(false);
  if (!folder && folder.error().code == ENOENT && options.names.empty()) {
    if (options.json) std::puts("[]");
    say("there is nothing to recover");
    return 0;
  }
  if (!folder) return refuse(folder.error());
  Sessions sessions = all_sessions(folder->path, "recover");
  if (options.names.empty()) {
    sessions = abandoned(std::move(sessions), folder->path);
  } else {
    Result<Sessions> named = named_sessions(std::move(sessions), options.names, folder->path);
    if (!named) return refuse(named.error());
    sessions = std::move(*named);
  }
  if (options.list || options.json) {
    show_status(folder->path, sessions, options.json);
    if (options.list) return 0;
  }
  if (sessions.empty()) say("there is nothing to recover (looked in %s)", folder->path);
  int status = 0;
  if (sessions.size() > 1 && !options.output.empty()) {
    std::error_code error;
    if (std::filesystem::create_directories(options.output, error); error)
      return refuse(errorf(error.value(), "folder '%s': %s", options.output.c_str(), error.message().c_str()));
  }
  for (const record::SessionFile& one : sessions) {
    const bool apart = sessions.size() > 1 && !options.output.empty();
    const Result<bool> complete = recover(folder->path, one, apart ? options.output + "/" + one.name() : options.output);
    if (!complete) refuse(complete.error());
    if (!complete || !*complete) status = 1;
  }
  return status;
}

}  // namespace ouro::cli
