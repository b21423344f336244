// `ouro status`: what sessions there are, what they hold, how fast it comes and what was lost.
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/status_table.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro status shows the sessions of this user: what their memory holds, how fast it comes, and what was lost.

Usage: ouro status [OPTIONS] [SESSION...]

  kind         flight: a flight recorder, which needs no tool; recorded: somebody writes its trace; left behind: who did was killed
  processes    running programs that are in it
  events       that are in memory now; covers: for how long back all of them are; events/s: while these came
  lost         by all causes but overwritten, which is what a flight recorder does with the oldest
  memory       that it takes now; a CPU's buffer is reserved when the CPU first writes
  file         in which that memory is kept (ouro record --flight --backing), if there is one

Options:
      --json   as JSON, losses by cause
  -h, --help   this text

Exit status: 0; 1 if a session is not there, cannot be read or makes no sense: the others are shown; 2 if the command line makes no sense.

Example:
  ouro status --json | jq '.[] | {name, covers_seconds, lost, file}'
)";

struct Options {
  std::vector<std::string> names;
  bool json = false;
};

void define(CommandLine& line, Options& options) {
  line.add_argument("sessions", options.names, "SESSION");
  line.add_flag("--json", options.json);
}

}  // namespace

const char* define_status(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int status_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  const Result<base::RuntimeDir> folder = runtime_dir(false);
  const bool none = !folder && folder.error().code == ENOENT && options.names.empty();
  if (!folder && !none) {
    say("error: status: %s", folder.error().text.c_str());
    return 1;
  }
  bool all = true;
  Sessions sessions;
  if (!none) sessions = all_sessions(folder->path, "status", &all);
  if (!options.names.empty()) {
    Result<Sessions> named = named_sessions(std::move(sessions), options.names, folder->path);
    if (!named) {
      say("error: status: %s", named.error().text.c_str());
      return 1;
    }
    sessions = std::move(*named);
    all = true;  // of those that were asked for
  }
  all &= show_status(none ? "" : folder->path, sessions, options.json);
  if (sessions.empty() && !options.json) say(all ? "there are no sessions" : "there are no sessions that can be read");
  return all ? 0 : 1;
}

}  // namespace ouro::cli
