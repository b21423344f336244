// `ouro list`: what running programs can be asked to trace, read from their registries.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/runtime_dir.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/say.hpp"
#include "format/event_class.hpp"
#include "record/registry_file.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro list shows the events of this user's running programs.

Usage: ouro list [OPTIONS] [PID...]

For each program: pid and name; for each of its events: name, kind (event, span, counter), level, fields with their
types, place in the source, and whether a session has it on. Without PIDs all programs are shown. What dead programs
left in the runtime folder is removed.

Options:
      --json   the same as JSON: [{"pid", "name", "events": [{"name", "kind", "level", "fields": [{"name", "type"}],
               "file", "line", "enabled"}]}]
  -h, --help   this text

Exit status: 0; 1 if a PID that was asked for has no events to show.

Examples:
  ouro list
  ouro list 4711
  ouro list --json | jq '.[].events[].name'
)";

struct Event {
  format::EventClass what;
  bool enabled = false;
};

struct Process {
  int pid = 0;
  std::string name;
  std::vector<Event> events;
};

// A span is one thing to whoever reads the list; in the registry it is two events.
std::optional<Event> event_of(const record::RegistryFile& registry, std::uint32_t row) {
  const std::vector<std::byte> schema = registry.schema(row);
  if (schema.empty()) return std::nullopt;
  Result<format::EventClass> parsed = format::parse_schema(schema);
  if (!parsed || parsed->kind == abi::EventKind::span_end) return std::nullopt;
  Event out{std::move(*parsed),
            static_cast<std::uint32_t>(registry.row(row).enabled.load(std::memory_order_relaxed)) != 0};
  const std::string suffix = "_begin";
  std::string& name = out.what.name;
  if (out.what.kind == abi::EventKind::span_begin && name.size() > suffix.size() &&
      name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0)
    name.erase(name.size() - suffix.size());
  return out;
}

// Nothing if it is no process's number.
std::optional<int> parse_pid(const std::string& text) {
  int pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

void add_registry(const std::string& path, std::vector<Process>& processes) {
  const Result<record::RegistryFile> registry =
      record::RegistryFile::open(path, record::RegistryFile::Access::read_only);
  if (record::remove_if_dead(path, registry)) return;
  if (!registry) {
    if (registry.error().code != ENOENT && registry.error().code != EAGAIN) say("warning: %s", registry.error().text.c_str());
    return;
  }
  auto process =
      std::find_if(processes.begin(), processes.end(), [&](const Process& p) { return p.pid == registry->pid(); });
  if (process == processes.end())
    process = processes.insert(processes.end(), {registry->pid(), registry->process_name(), {}});
  for (std::uint32_t i = 0, n = registry->row_count(); i < n; ++i)
    if (std::optional<Event> event = event_of(*registry, i)) process->events.push_back(std::move(*event));
}

std::string kind_of(const Event& event) { return format::to_string(event.what.kind); }

std::string fields_of(const Event& event) {
  std::string out;
  for (const format::Field& field : event.what.fields)
    out += (out.empty() ? "" : ", ") + field.name + " " + format::type_name(field);
  return out;
}

std::string place_of(const Event& event) { return event.what.file + ":" + std::to_string(event.what.line); }

// Names and texts come from programs: nothing but what a terminal shows leaves here.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

void print_text(const std::vector<Process>& processes) {
  for (const Process& process : processes) {
    std::printf("%d %s: %zu events\n", process.pid, printable(process.name).c_str(), process.events.size());
    std::size_t name_width = 0, fields_width = 0;
    for (const Event& event : process.events) {
      name_width = std::max(name_width, event.what.name.size());
      fields_width = std::max(fields_width, std::min<std::size_t>(fields_of(event).size(), 48));
    }
    for (const Event& event : process.events)
      std::printf("  %-*s  %-7s  %-7s  %-*s  %s%s\n", static_cast<int>(name_width), printable(event.what.name).c_str(),
                  kind_of(event).c_str(), format::to_string(event.what.level), static_cast<int>(fields_width),
                  printable(fields_of(event)).c_str(), printable(place_of(event)).c_str(), event.enabled ? "  on" : "");
  }
}

void print_json(const std::vector<Process>& processes) {
  nlohmann::json out = nlohmann::json::array();
  for (const Process& process : processes) {
    nlohmann::json events = nlohmann::json::array();
    for (const Event& event : process.events) {
      nlohmann::json fields = nlohmann::json::array();
      for (const format::Field& field : event.what.fields)
        fields.push_back({{"name", field.name}, {"type", format::type_name(field)}});
      events.push_back({{"name", event.what.name},
                        {"kind", kind_of(event)},
                        {"level", format::to_string(event.what.level)},
                        {"fields", fields},
                        {"file", event.what.file},
                        {"line", event.what.line},
                        {"enabled", event.enabled}});
    }
    out.push_back({{"pid", process.pid}, {"name", process.name}, {"events", events}});
  }
  std::puts(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

// Those asked for; false if one of them is not there.
bool keep_only(const std::vector<int>& pids, std::vector<Process>& processes) {
  bool all = true;
  for (const int pid : pids) {
    if (std::any_of(processes.begin(), processes.end(), [&](const Process& p) { return p.pid == pid; })) continue;
    say("error: list: process %d has no events, want one that links ouro::trace and belongs to this user (hint: ouro "
        "list shows all)",
        pid);
    all = false;
  }
  if (!pids.empty())
    std::erase_if(processes,
                  [&](const Process& p) { return std::find(pids.begin(), pids.end(), p.pid) == pids.end(); });
  return all;
}

}  // namespace

int list_command(int argc, char** argv) {
  CLI::App app("ouro list");
  bool json = false;
  std::vector<std::string> arguments;
  app.add_flag("--json", json);
  app.add_option("pids", arguments);
  if (const std::optional<int> status = parse_command_line(app, argc, argv, kHelp)) return *status;
  std::vector<int> pids;
  for (const std::string& argument : arguments) {
    const std::optional<int> pid = parse_pid(argument);
    if (!pid) return usage_error("list", "PID is '" + argument + "', want a number above 0");
    pids.push_back(*pid);
  }
  base::RuntimeDir folder;
  const int error = base::find_runtime_dir(folder, false);
  if (error != 0 && error != ENOENT) {
    say("error: list: runtime folder '%s': %s (hint: ouro doctor)", folder.path, std::strerror(error));
    return 1;
  }
  std::vector<Process> processes;
  if (error == 0)
    for (const std::string& path : record::find_registries(folder.path)) add_registry(path, processes);
  const bool all = keep_only(pids, processes);
  if (json)
    print_json(processes);
  else
    print_text(processes);
  if (!json && processes.empty() && pids.empty())
    say("no running program of this user has events (looked in %s)", folder.path);
  return all ? 0 : 1;
}

}  // namespace ouro::cli
