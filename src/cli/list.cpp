// `ouro list`: what can be traced, is being traced, and was traced.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/glob.hpp"
#include "base/runtime_dir.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/list_show.hpp"
#include "cli/list_sources.hpp"
#include "cli/say.hpp"
#include "format/event_class.hpp"
#include "record/contexts.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro list shows the events of programs, running or not, and of traces.

Usage: ouro list [OPTIONS] [PID|NAME|FILE|TRACE]...
       ouro list --sessions [--json] [SESSION...]
       ouro list --contexts [--json]

For each event: its name, kind (event, span, counter), level, place in the source, and its fields with their types; of
running programs also in which sessions it is on, and how many of it are in each one's trace so far; of traces how many
there are. Without arguments, all running programs of this user are shown. What dead programs left in the runtime
folder is removed.

  PID    a number: the program that runs as this process; root may ask for other users', and for those in containers
  NAME   programs that run under this name, or under one that matches this pattern of *, ? and [set]
  FILE   a program or shared library, running or not: what it holds itself, not what it loads. Stripped ones have their
         events, too; only without section headers they are not found
  TRACE  a folder that ouro record or another tracer wrote (CTF 1.8 or 2)

What has a '/' in it is a FILE or TRACE. Without one, running programs come first: say ./NAME for the file.

A count of '-' is one that nobody keeps: in sessions that overwrite, nobody looks at events before the end. Counts are
about a second old at most, and the session's: of all its processes together. A span counts when it begins.

Options:
      --sessions   the sessions in the runtime folder, or those whose name is, or matches, SESSION: mode, who made it
                   and whether it was left behind, processes, kinds of event, events recorded and lost so far, memory
      --contexts   what ouro record --context can record with each event, and what of it this machine has
      --json       the same as JSON: [{"pid", "name", "events": [...]} or {"file", "events"} or {"trace", "complete",
                   "event_count", "lost": {"total", "by_cause"}, "events"}]; an event is {"name", "kind", "level",
                   "fields": [{"name", "type", "labels": [{"value", "text"}]}], "file", "line"}, of programs with
                   "enabled" and "sessions": [{"name", "count"}], of traces with "count". Of sessions: [{"name", "mode",
                   "open", "left_behind", "creator_pid", "processes", "events", "recorded", "lost", "buffer_size",
                   "memory"}], sizes in bytes. Of contexts: [{"name", "type", "description", "missing"}]
  -h, --help       this text

Exit status: 0; 1 if something that was asked for is not there, has no events, or is damaged; 2 if the command line makes
no sense.

Examples:
  ouro list
  ouro list 4711 'shop*'
  ouro list ./shop /usr/lib/libstore.so
  ouro list ./trace
  ouro list --sessions
  ouro list --json | jq '.[].events[] | select(.enabled) | .name'
)";

struct Options {
  bool json = false, sessions = false, contexts = false;
  std::vector<std::string> arguments;
};

void define(CommandLine& line, Options& options) {
  line.add_flag("--json", options.json);
  line.add_flag("--sessions", options.sessions);
  line.add_flag("--contexts", options.contexts);
  line.add_argument("arguments", options.arguments, [&options] { return options.sessions ? "SESSION" : "PID|NAME|FILE|TRACE"; });
}

int show_contexts(bool json) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const abi::ContextInfo& info : abi::kContexts) {
    if (!abi::is_for_users(info.context)) continue;
    const std::string type = format::type_name({info.name, info.type, info.shape, info.hex, 0, {}});
    const std::optional<std::string> missing = record::unavailable(info);
    if (json)
      out.push_back({{"name", info.name}, {"type", type}, {"description", info.description},
                     {"missing", missing ? nlohmann::ordered_json(*missing) : nlohmann::ordered_json(nullptr)}});
    else
      std::printf("%-22s %-8s %s%s\n", info.name, type.c_str(), info.description, missing ? (" (not here: " + *missing + ")").c_str() : "");
  }
  if (json) std::puts(out.dump(2).c_str());
  return 0;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// Nothing if it is no process's number.
std::optional<int> parse_pid(const std::string& text) {
  int pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

enum class Path { none, file, trace, folder };

Path path_of(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return Path::none;
  if (!S_ISDIR(status.st_mode)) return Path::file;
  return ::access((path + "/metadata").c_str(), F_OK) == 0 ? Path::trace : Path::folder;
}

// The kernel cuts names of processes after 15 characters.
bool is_called(const Listing& process, const std::string& name) {
  constexpr std::size_t kLongest = 15;
  return base::glob_match(name.c_str(), process.name.c_str()) ||
         (process.name.size() == kLongest && name.size() > kLongest && name.compare(0, kLongest, process.name) == 0);
}

// One that is not there is empty.
std::optional<Error> find_folder(base::RuntimeDir& folder) {
  const int error = base::find_runtime_dir(folder, false);
  if (error == 0 || error == ENOENT) return std::nullopt;
  return errorf(error, "runtime folder '%s': %s (hint: ouro doctor)", folder.path, std::strerror(error));
}

class List {
 public:
  void add_all() {
    out_ = processes();
    if (out_.empty() && status_ == 0)
      nothing_ = "no running program of this user has events (looked in " + std::string(folder_.path) + ")";
  }
  void add(const std::string& argument) {
    if (is_number(argument)) return add_pid(*parse_pid(argument));
    if (argument.find('/') == std::string::npos && add_named(argument)) return;
    add_path(argument);
  }
  const std::vector<Listing>& listings() const { return out_; }
  const std::string& nothing() const { return nothing_; }
  int status() const { return status_; }

 private:
  const std::vector<Listing>& processes() {
    if (processes_) return *processes_;
    const std::optional<Error> error = find_folder(folder_);
    if (error) fail(error->text);
    return processes_.emplace(error ? std::vector<Listing>{} : list_processes(folder_.path));
  }

  void add_process(const Listing& process) {
    const auto is_it = [&](const Listing& l) { return l.of == Listing::Of::process && l.pid == process.pid; };
    if (std::none_of(out_.begin(), out_.end(), is_it)) out_.push_back(process);
  }

  void add_pid(int pid) {
    for (const Listing& process : processes())
      if (process.pid == pid) return add_process(process);
    const Result<Listing> other = list_process(pid);
    if (!other) return fail(other.error().text);
    add_process(*other);
  }

  bool add_named(const std::string& name) {
    bool found = false;
    for (const Listing& process : processes()) {
      if (!is_called(process, name)) continue;
      add_process(process);
      found = true;
    }
    if (const Path path = path_of(name); found && (path == Path::file || path == Path::trace))
      say("list: '%s' is a running program, which is shown, and a %s here (hint: ./%s)", name.c_str(),
          path == Path::file ? "file" : "trace", name.c_str());
    return found;
  }

  void add_path(const std::string& path) {
    const Path kind = path_of(path);
    if (kind == Path::none && path.find('/') == std::string::npos)
      return fail(
          "'" + path +
          "' is no running program of this user's with events, and no file or trace here (hint: ouro list shows all)");
    const bool is_folder = kind == Path::trace || kind == Path::folder;
    Result<Listing> listing = is_folder ? list_trace(path, status_) : list_file(path, status_);
    if (!listing) return fail(listing.error().text);
    out_.push_back(std::move(*listing));
  }

  void fail(const std::string& text) {
    say("error: list: %s", text.c_str());
    status_ = 1;
  }

  base::RuntimeDir folder_{};
  std::optional<std::vector<Listing>> processes_;
  std::vector<Listing> out_;
  std::string nothing_;
  int status_ = 0;
};

int run(const Options& options) {
  List list;
  if (options.arguments.empty()) list.add_all();
  for (const std::string& argument : options.arguments) list.add(argument);
  if (options.json)
    show_json(list.listings());
  else
    show_text(list.listings());
  if (!options.json && !list.nothing().empty()) say_line(list.nothing());
  return list.status();
}

int run_sessions(const Options& options) {
  base::RuntimeDir folder{};
  const std::optional<Error> error = find_folder(folder);
  if (!error) return show_sessions(folder.path, options.arguments, options.json);
  say("error: list: %s", error->text.c_str());
  return 1;
}

}  // namespace

const char* define_list(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int list_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  for (const std::string& argument : options.arguments) {
    if (argument.empty()) return usage_error("list", "an argument is '', want a PID, NAME, FILE or TRACE");
    if (!options.sessions && is_number(argument) && !parse_pid(argument))
      return usage_error("list", "PID is '" + argument + "', want a number above 0");
  }
  if (options.contexts && (options.sessions || !options.arguments.empty()))
    return usage_error("list", "--contexts with other things to list, want it alone");
  const int status = options.contexts ? show_contexts(options.json) : options.sessions ? run_sessions(options) : run(options);
  if (std::fflush(stdout) != 0) {
    say("error: list: standard output cannot be written");
    return 1;
  }
  return status;
}

}  // namespace ouro::cli
