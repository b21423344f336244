// `ouro recover`: what programs and recorders that were killed left in memory.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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
#include "record/core_file.hpp"
#include "record/session.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro recover writes what programs and recorders that were killed left in memory.

Usage: ouro recover [OPTIONS] [SESSION...]
       ouro recover [OPTIONS] --backing DIR [SESSION...]
       ouro recover [OPTIONS] DIR/session-NAME
       ouro recover [OPTIONS] --core FILE [SESSION...]

Without SESSION: the sessions whose recorder was killed, and flight recorders whose programs have all ended. Everything that was committed
before a program died is there, unless it was overwritten or written to a trace already. A session without a recorder ends when its trace is
complete; a flight recorder goes on (hint: ouro stop). The next ouro record removes sessions that killed recorders left: recover them first,
or go on recording with ouro record --resume DIR.

With --backing, or a path: from the files that ouro record --flight --backing DIR made, also when the machine was started anew since. What a power
cut tore is dropped, and counted where that is known; all that is whole is there. The files stay: remove them when the trace is safe.

With --core: from a core dump of a program, if it has the sessions' memory. The kernel dumps that only where it was asked to, before the program
died: echo 0x3b >/proc/PID/coredump_filter, which programs hand on to those that they start.

Options:
  -o, --output DIR   the trace's folder, new or empty; of several sessions, each has its own there
                     (default: ./ouro-recovered-YYYYmmdd-HHMMSS)
      --backing DIR  sessions whose memory is a file in DIR
      --core FILE    sessions that a core dump has
      --list         only shows what there is, in the runtime folder; writes nothing and ends nothing
      --json         with --list: as JSON
  -h, --help         this text

Exit status: 0, also if there was nothing; 1 if a session is not there or cannot be read, or a trace is not complete; 2 if the command line makes no sense.

Examples:
  ouro recover --list
  ouro recover -o crash flight
  ouro recover -o before-the-reboot --backing /var/lib/ouro
  ouro recover -o crash --core core.4711
)";

struct Options {
  std::vector<std::string> names;
  std::string output, backing, core;
  bool list = false, json = false;
};

void define(CommandLine& line, Options& options) {
  line.add_argument("sessions", options.names, "SESSION");
  line.add_option("-o,--output", options.output, "FOLDER");
  line.add_option("--backing", options.backing, "FOLDER");
  line.add_option("--core", options.core, "FILE");
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

// Where the traces of several sessions go, and of one.
class Outputs {
 public:
  Outputs(const std::string& output, std::size_t sessions) : output_(output), apart_(sessions > 1 && !output.empty()) {}
  Status make() const {
    std::error_code error;
    if (apart_ && (std::filesystem::create_directories(output_, error), error))
      return errorf(error.value(), "folder '%s': %s", output_.c_str(), error.message().c_str());
    return Ok{};
  }
  std::string of(const std::string& name) const { return apart_ ? output_ + "/" + name : output_; }

 private:
  const std::string& output_;
  bool apart_;
};

int refuse(const Error& error) {
  say("error: recover: %s", error.text.c_str());
  return 1;
}

bool is_wanted(const std::vector<std::string>& names, const std::string& file) {
  return names.empty() || std::find_if(names.begin(), names.end(), [&](const std::string& name) { return record::kSessionPrefix + name == file; }) != names.end();
}

// One of several may be named twice. 0, or the exit status of the first that is not complete.
int write_images(std::vector<record::Session>& images, const Options& options) {
  const Outputs outputs(options.output, images.size());
  if (Status made = outputs.make(); !made) return refuse(made.error());
  int status = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string& name = images[i].options().name;
    const bool is_second = std::any_of(images.begin(), images.begin() + static_cast<std::ptrdiff_t>(i), [&](const record::Session& s) { return s.options().name == name; });
    const Result<bool> complete = write_snapshot_of(images[i], outputs.of(is_second ? name + "-" + std::to_string(i + 1) : name), "recovered", std::nullopt);
    if (!complete) refuse(complete.error());
    if (!complete || !*complete) status = 1;
  }
  return status;
}

// Files of the folder, or the paths.
int recover_files(const Options& options) {
  std::vector<std::string> paths;
  if (options.backing.empty()) {
    paths = options.names;
  } else {
    std::error_code error;
    if (!std::filesystem::is_directory(options.backing, error))
      return refuse(errorf(ENOTDIR, "--backing is '%s': %s, want a folder", options.backing.c_str(), error ? error.message().c_str() : "no folder"));
    for (const std::string& file : record::find_sessions(options.backing))
      if (is_wanted(options.names, file)) paths.push_back(options.backing + "/" + file);
    if (paths.empty()) {
      say(options.names.empty() ? "there is nothing to recover (looked in %s)" : "error: recover: none of these sessions is in %s", options.backing.c_str());
      return options.names.empty() ? 0 : 1;
    }
  }
  std::vector<record::Session> images;
  int status = 0;
  for (const std::string& path : paths) {
    base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) {
      status = refuse(error_from_errno("session '%s'", path.c_str()));
      continue;
    }
    Result<record::Session> image = record::Session::of_image(std::move(file), path);
    if (image) images.push_back(std::move(*image));
    else status = refuse(image.error());
  }
  const int written = write_images(images, options);
  for (const record::Session& image : images)
    if (written == 0) say("hint: %s stays; remove it when the trace is safe", image.path().c_str());
  return std::max(status, written);
}

int recover_core(const Options& options) {
  Result<record::CoreFile> core = record::read_core(options.core);
  if (!core) return refuse(core.error());
  int status = 0;
  for (const std::string& why : core->left_out) say("warning: recover: %s", why.c_str()), status = 1;
  if (core->is_cut_short) say("warning: recover: core '%s' ends before its parts do: what is missing is zeros (hint: ulimit -c, or a full disk)", options.core.c_str()), status = 1;
  std::vector<record::Session> images;
  for (record::CoreSession& found : core->sessions) {
    const std::string path = found.path.empty() ? "./session-core" : found.path;
    if (!is_wanted(options.names, path.substr(path.rfind('/') + 1))) continue;
    if (found.missing != 0)
      say("warning: recover: %s: the core lacks %llu of its %llu bytes; they are zeros", path.c_str(), static_cast<unsigned long long>(found.missing), static_cast<unsigned long long>(found.size)), status = 1;
    Result<record::Session> image = record::Session::of_image(std::move(found.image), path);
    if (image) images.push_back(std::move(*image));
    else status = refuse(image.error());
  }
  if (images.empty()) return refuse(errorf(ENOENT, "core '%s' has no session%s that can be read%s", options.core.c_str(), options.names.empty() ? "" : " of these names",
                                            core->left_out.empty() ? " (hint: was the program traced when it died?)" : ""));
  return std::max(status, write_images(images, options));
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
  const bool are_paths = !options.names.empty() && options.names.front().find('/') != std::string::npos;
  if (!options.backing.empty() && !options.core.empty()) return usage_error("recover", "--backing with --core, want one of them");
  for (const char* option : {"--backing", "--core"})
    if (line.count(option) != 0 && options.backing.empty() && options.core.empty()) return usage_error("recover", std::string(option) + " is '', want a name");
  if ((are_paths || !options.backing.empty() || !options.core.empty()) && (options.list || options.json))
    return usage_error("recover", "--list or --json with --backing, --core or a path, want neither: they are about the runtime folder");
  if (options.json && !options.list) return usage_error("recover", "--json without --list, want both: what is written is said in lines");
  if (!options.core.empty()) return recover_core(options);
  if (are_paths || !options.backing.empty()) return recover_files(options);
  const Result<base::RuntimeDir> folder = runtime_dir(false);
  if (!folder && folder.error().code == ENOENT && options.names.empty()) {
    if (options.json) std::puts("[]");
    else say("there is nothing to recover");
    return 0;
  }
  if (!folder) return refuse(folder.error());
  bool all = true;
  Sessions sessions = all_sessions(folder->path, "recover", &all);
  if (options.names.empty()) {
    sessions = abandoned(std::move(sessions), folder->path);
  } else {
    Result<Sessions> named = named_sessions(std::move(sessions), options.names, folder->path);
    if (!named) return refuse(named.error());
    sessions = std::move(*named);
    all = true;  // of those that were asked for
  }
  if (options.list) {
    all &= show_status(folder->path, sessions, options.json);
    return all ? 0 : 1;
  }
  if (sessions.empty()) say("there is nothing to recover (looked in %s)", folder->path);
  int status = all ? 0 : 1;
  const Outputs outputs(options.output, sessions.size());
  if (Status made = outputs.make(); !made) return refuse(made.error());
  for (const record::SessionFile& one : sessions) {
    const Result<bool> complete = recover(folder->path, one, outputs.of(one.name()));
    if (!complete) refuse(complete.error());
    if (!complete || !*complete) status = 1;
  }
  return status;
}

}  // namespace ouro::cli
