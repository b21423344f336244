// `ouro enable` and `ouro disable`: other events for a session that is being recorded.
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "base/rules.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/event_options.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "format/event_class.hpp"
#include "record/registry_file.hpp"
#include "record/session_rules.hpp"
#include "record/target.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kEnableHelp = R"(ouro enable switches events on in a session that is being recorded, from any terminal.

Usage: ouro enable [OPTIONS] SESSION EVENT...

SESSION is a name that ouro list --sessions shows. EVENT is a name or a pattern of *, ? and [set]. What a session wanted
before stays; of all that was said about an event, the last counts, also for its filter and limits. Programs of the
session that run are told at once, those that come later and libraries that are loaded later find it.

Options:
  -p, --pid PID       SESSION is one that this process is in, where that is not among this user's own: root's, of
                      another user's program or one in a container
      --filter EXPR   only events for which it holds, such as 'total > 100 && user == "eve*"' (docs/filters.md)
      --level LEVEL   only those of this level or graver: emergency, alert, critical, error, warning, notice, info,
                      debug_system ... debug
      --file GLOB     only those that stand in such a source file; a name without '/' is the last part of a path
      --rate N        at most N events of a kind in a second, in all programs together; what is left out is counted
      --sample N      one of every N events of a kind; what is left out is counted
  -h, --help          this text

Exit status: 0; 1 if it could not be done; 2 for a wrong command line.

Examples:
  ouro enable live 'shop:sql*'
  ouro enable live shop:order --filter 'total > 100'
  sudo ouro enable -p 4711 live 'shop:*'
)";

constexpr const char* kDisableHelp = R"(ouro disable switches events off in a session that is being recorded, from any terminal.

Usage: ouro disable [OPTIONS] SESSION EVENT...

SESSION is a name that ouro list --sessions shows. EVENT is a name or a pattern of *, ? and [set].

Options:
  -p, --pid PID       SESSION is one that this process is in, as with ouro enable
      --level LEVEL   only those of this level or graver
      --file GLOB     only those that stand in such a source file
  -h, --help          this text

Exit status: 0; 1 if it could not be done; 2 for a wrong command line.

Examples:
  ouro disable live 'shop:sql*'
  ouro disable live '*'                 the session goes on, without events, until some are enabled
)";

struct Registries {
  std::vector<record::RegistryFile> list;
  std::vector<std::vector<std::byte>> schemas;
};

// Where the session is.
struct Place {
  std::string folder;
  uid_t owner = ::geteuid();
  std::optional<record::Target> target;  // holds the folder open, if it is not this user's own
};
Result<Place> find_place(int pid) {
  Place out;
  if (pid == 0) {
    const Result<base::RuntimeDir> own = runtime_dir(false);
    if (!own) return own.error();
    out.folder = own->path;
    return out;
  }
  Result<record::Target> target = record::find_target(pid);
  if (!target) return target.error();
  out.target = std::move(*target);
  out.folder = out.target->path();
  out.owner = out.target->uid;
  return out;
}

// Of the programs that are in the session.
Registries registries_of(const Place& place, const record::SessionName& session) {
  Registries out;
  for (const std::string& path : record::find_registries(place.folder)) {
    Result<record::RegistryFile> registry = record::RegistryFile::open(path, record::RegistryFile::Access::read_write, place.owner);
    if (!registry || !registry->slot_of(session)) continue;
    for (std::uint32_t i = 0, n = registry->row_count(); i < n; ++i) out.schemas.push_back(registry->schema(i));
    out.list.push_back(std::move(*registry));
  }
  return out;
}

bool selects(const record::Rule& rule, const std::vector<std::byte>& schema) {
  record::Rule any = rule;
  any.excludes = false;
  const Result<std::vector<std::byte>> list = record::encode(std::vector<record::Rule>{any});
  const Result<format::EventClass> event = format::parse_schema(schema);
  char name[256];
  base::EventFacts facts;
  base::Rule found;
  return list && event && base::facts_of(reinterpret_cast<const char*>(schema.data()), name, facts) &&
         base::find_rule(list->data(), list->size(), facts, found);
}

int change(const std::string& command, int pid, const std::string& session_name, const std::vector<record::Rule>& rules) {
  const auto refuse = [&](const Error& error) {
    say("error: %s: %s", command.c_str(), error.text.c_str());
    return 1;
  };
  const Result<Place> place = find_place(pid);
  if (!place) return refuse(place.error());
  Result<record::SessionRules> session = record::SessionRules::open(place->folder, session_name, place->owner);
  if (!session) return refuse(session.error());
  Result<record::SessionRules::Change> locked = session->change();
  if (!locked) return refuse(locked.error());
  Registries programs = registries_of(*place, session->name());
  if (Status checked = check_filters(rules, programs.schemas, say_line); !checked) return refuse(checked.error());
  std::vector<record::Rule> all = locked->rules();
  for (const record::Rule& rule : rules) {
    all = record::with_rule(std::move(all), rule);
    if (!programs.list.empty() &&
        std::none_of(programs.schemas.begin(), programs.schemas.end(), [&](const auto& schema) { return selects(rule, schema); }))
      say("warning: %s: '%s' matches no event that the session's programs have now", command.c_str(), rule.name.c_str());
  }
  const Result<std::vector<std::byte>> list = locked->set(all);
  if (!list) return refuse(list.error());
  std::uint32_t events = 0;
  bool complete = true, is_patient = true;
  for (record::RegistryFile& program : programs.list) {
    const base::Fd lock = program.lock(is_patient ? record::RegistryFile::kPatience : std::chrono::milliseconds(0));
    is_patient &= static_cast<bool>(lock);
    const Result<std::uint32_t> on = lock ? program.attach(session->name(), *list) : errorf(EBUSY, "process %d: its registry is locked, want it let go (hint: try again)", program.pid());
    if (!on) refuse(on.error());
    complete &= static_cast<bool>(on);
    events += on ? *on : 0;
  }
  std::printf("session %s: %u events of %zu processes are on\n", session_name.c_str(), events, programs.list.size());
  return complete ? 0 : 1;
}

struct Options {
  std::string session, pid;
  std::vector<std::string> events;
  EventOptions how;
};

void define(CommandLine& line, Options& options) {
  line.add_argument("session", options.session, "SESSION");
  line.add_argument("events", options.events, "EVENT");
  line.add_option("-p,--pid", options.pid, "PID");
  options.how.define(line, false);
}

int run(int argc, char** argv, bool enables, const char* help) {
  const std::string command = argv[0];
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, help)) return *status;
  if (options.session.empty()) return usage_error(command, "no SESSION, want one (hint: ouro list --sessions)");
  if (options.events.empty()) return usage_error(command, "no EVENT, want a name or a pattern, such as 'shop:*'");
  for (std::string& event : options.events) {
    if (event.starts_with('!')) return usage_error(command, "EVENT is '" + event + "', want a name or a pattern (hint: ouro disable)");
    if (!enables) event.insert(0, "!");
  }
  const Result<std::vector<record::Rule>> rules = options.how.rules(line, options.events);
  if (!rules) return usage_error(command, rules.error().text);
  int pid = 0;
  const char* const end = options.pid.data() + options.pid.size();
  if (!options.pid.empty() && (std::from_chars(options.pid.data(), end, pid).ptr != end || pid <= 0))
    return usage_error(command, "--pid is '" + options.pid + "', want a process's number");
  return change(command, pid, options.session, *rules);
}

const char* define_unread(CommandLine& line, const char* help) {
  static Options unread;
  define(line, unread);
  return help;
}

}  // namespace

const char* define_enable(CommandLine& line) { return define_unread(line, kEnableHelp); }
const char* define_disable(CommandLine& line) { return define_unread(line, kDisableHelp); }

int enable_command(int argc, char** argv) { return run(argc, argv, true, kEnableHelp); }
int disable_command(int argc, char** argv) { return run(argc, argv, false, kDisableHelp); }

}  // namespace ouro::cli
