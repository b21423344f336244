// `ouro stop`: ends flight recorders.
#include <fcntl.h>
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

// Why somebody has its lock.
Error busy(const Result<record::SessionFile>& session, const std::string& name) {
  if (!session || session->is_kept()) return errorf(EBUSY, "session '%s': another ouro is at it, want it done (hint: try again)", name.c_str());
  return errorf(EBUSY, "session '%s' is recorded by process %d, want none that is (hint: kill -INT %d ends it)", name.c_str(), session->creator_pid(), session->creator_pid());
}

void define(CommandLine& line, std::vector<std::string>& names) { line.add_argument("sessions", names, "SESSION"); }

}  // namespace

const char* define_stop(CommandLine& line) {
  static std::vector<std::string> unread;
  define(line, unread);
  return kHelp;
}

int stop_command(int argc, char** argv) {
  CommandLine line;
  std::vector<std::string> names;
  define(line, names);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (names.empty()) return usage_error("stop", "no SESSION, want one (hint: ouro status)");
  const auto refuse = [](const Error& error) {
    say("error: stop: %s", error.text.c_str());
    return 1;
  };
  const Result<base::RuntimeDir> folder = runtime_dir(false);
  if (!folder) return refuse(folder.error());
  const auto is_there = [&](const std::string& name) {
    return name.find('/') == std::string::npos && ::faccessat(AT_FDCWD, (std::string(folder->path) + "/" + record::kSessionPrefix + name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  };
  if (const auto missing = std::find_if_not(names.begin(), names.end(), is_there); missing != names.end())
    return refuse(named_sessions(all_sessions(folder->path, "stop"), {*missing}, folder->path).error());
  int status = 0;
  for (const std::string& name : names) {
    const std::string file = record::kSessionPrefix + name;
    const Status ended = record::end_session(folder->path, file);
    if (ended) say("session %s is over", name.c_str());
    else status = refuse(ended.error().code == EBUSY ? busy(record::SessionFile::open(folder->path, file), name) : ended.error());
  }
  return status;
}

}  // namespace ouro::cli
