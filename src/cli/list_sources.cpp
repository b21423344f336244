#include "cli/list_sources.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include <ouro/read.hpp>

#include "cli/say.hpp"
#include "record/program_file.hpp"
#include "record/registry_file.hpp"
#include "record/session_file.hpp"
#include "record/target.hpp"

namespace ouro::cli {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

// A span is one thing to whoever reads the list; where it comes from, it is two events.
std::string name_of(std::string name, abi::EventKind kind) {
  constexpr std::string_view suffix = "_begin";
  if (kind == abi::EventKind::span_begin && name.size() > suffix.size() && name.ends_with(suffix))
    name.erase(name.size() - suffix.size());
  return name;
}

void sort(std::vector<ListedEvent>& events) {
  std::stable_sort(events.begin(), events.end(), [](const ListedEvent& a, const ListedEvent& b) {
    return std::tie(a.name, a.file, a.line) < std::tie(b.name, b.file, b.line);
  });
}

ListedEvent listed(const format::EventClass& event) {
  ListedEvent out;
  out.name = name_of(event.name, event.kind);
  out.kind = format::to_string(event.kind);
  out.level = format::to_string(event.level);
  out.file = event.file;
  out.line = event.line;
  for (const format::Field& field : event.fields) {
    ListedField one{field.name, format::type_name(field), {}};
    for (const format::Label& label : field.labels) {
      const std::string number = field.type == abi::FieldType::u64
                                     ? std::to_string(static_cast<std::uint64_t>(label.value))
                                     : std::to_string(label.value);
      one.labels.push_back({number, number, label.text});
    }
    out.fields.push_back(std::move(one));
  }
  return out;
}

// ---- running programs

// The sessions of the runtime folder, each read when it is first asked for.
class Sessions {
 public:
  Sessions(std::string folder, uid_t owner) : folder_(std::move(folder)), owner_(owner) {}

  // None: nobody counts, or the session cannot be read.
  std::optional<std::uint64_t> count(const std::string& file, const std::vector<std::byte>& schema) {
    const auto [at, is_new] = counts_.try_emplace(file);
    if (is_new) at->second = read(file);
    if (!at->second) return std::nullopt;
    const auto found = at->second->find(schema);
    return found == at->second->end() ? 0 : found->second;
  }

 private:
  using Counts = std::map<std::vector<std::byte>, std::uint64_t>;  // by schema
  std::optional<Counts> read(const std::string& file) const {
    const Result<record::SessionFile> session = record::SessionFile::open(folder_, file, owner_);
    if (!session || session->mode() == abi::FullMode::overwrite || session->is_left_behind()) return std::nullopt;
    Counts out;
    for (record::SessionFile::Event& event : session->events()) out[std::move(event.schema)] += event.count;
    return out;
  }

  std::string folder_;
  uid_t owner_;
  std::map<std::string, std::optional<Counts>> counts_;
};

// "" if the slot is nobody's.
std::string session_of(const record::RegistryFile& registry, std::uint32_t k) {
  abi::SessionSlot& slot = registry.slot(k);
  if (slot.state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(abi::SlotState::free)) return {};
  char file[sizeof slot.file];
  std::memcpy(file, slot.file, sizeof file);
  return {file, ::strnlen(file, sizeof file)};
}

// `target`: whose it is to be; null: any process of this user's.
void add_registry(const std::string& path, const record::Target* target, Sessions& sessions, std::vector<Listing>& processes) {
  const Result<record::RegistryFile> registry =
      record::RegistryFile::open(path, record::RegistryFile::Access::read_only, target != nullptr ? target->uid : ::geteuid());
  if (record::remove_if_dead(path, registry)) return;
  if (!registry) {
    if (registry.error().code != ENOENT && registry.error().code != EAGAIN)
      say("warning: %s", registry.error().text.c_str());
    return;
  }
  if (target != nullptr && !target->owns(*registry)) return;
  const int pid = target != nullptr ? target->pid : record::pid_here(*registry);
  auto process = std::find_if(processes.begin(), processes.end(), [&](const Listing& p) { return p.pid == pid; });
  if (process == processes.end()) {
    process = processes.insert(processes.end(), Listing{});
    process->of = Listing::Of::process;
    process->pid = pid;
    process->name = registry->process_name();
  }
  for (std::uint32_t i = 0, n = registry->row_count(); i < n; ++i) {
    const std::vector<std::byte> schema = registry->schema(i);
    const Result<format::EventClass> parsed = format::parse_schema(schema);
    if (!parsed || parsed->kind == abi::EventKind::span_end) continue;
    ListedEvent event = listed(*parsed);
    const auto bits = static_cast<std::uint32_t>(registry->row(i).enabled.load(relaxed));
    for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k) {
      if ((bits >> k & 1) == 0) continue;
      const std::string file = session_of(*registry, k);
      if (file.empty()) continue;
      const bool is_named = file.rfind(record::kSessionPrefix, 0) == 0;
      event.sessions.push_back(
          {is_named ? file.substr(std::strlen(record::kSessionPrefix)) : file, sessions.count(file, schema)});
    }
    process->events.push_back(std::move(event));
  }
}

// ---- traces

bool is_bool(const read::Type& type) {
  return type.kind == read::Kind::enumeration && type.bits == 8 && type.labels.size() == 2 &&
         type.labels[0].text == "false" && type.labels[1].text == "true";
}

std::string type_name(const read::Type& type, bool is_ours) {
  const std::string bits = std::to_string(type.bits);
  switch (type.kind) {
    case read::Kind::unsigned_integer: return is_ours && type.base == 16 && type.bits == 64 ? "pointer" : "u" + bits;
    case read::Kind::signed_integer: return "i" + bits;
    case read::Kind::enumeration: return is_bool(type) ? "bool" : (type.is_signed ? "enum i" : "enum u") + bits;
    case read::Kind::floating_point: return "f" + bits;
    case read::Kind::string: return "string";
    case read::Kind::structure: return "struct";
    case read::Kind::variant: return "variant";
    case read::Kind::boolean: return "bool";
    case read::Kind::bit_array:
    case read::Kind::bit_map: return "bits" + bits;
    case read::Kind::blob: return type.is_sequence ? "bytes" : "bytes[" + std::to_string(type.count) + "]";
    case read::Kind::optional: return type_name(*type.members[0].type, is_ours) + "?";
    case read::Kind::array: break;
  }
  if (type.members.empty()) return "array";
  const read::Type& element = *type.members.front().type;
  const bool raw = element.kind == read::Kind::unsigned_integer && element.bits == 8 && element.base == 16;
  if (!type.is_sequence) return (raw ? "bytes" : type_name(element, is_ours)) + "[" + std::to_string(type.count) + "]";
  return raw ? "bytes" : type_name(element, is_ours) + "[]";
}

ListedEvent listed(const read::EventClass& event, std::uint64_t count, bool is_ours) {
  ListedEvent out;
  out.name = name_of(event.name, event.kind);
  out.kind = format::to_string(event.kind);
  if (event.level >= 0) out.level = format::to_string(static_cast<abi::Level>(event.level));
  out.file = event.file;
  out.line = event.line;
  out.count = count;
  const auto add = [&](const read::Field& field) {
    ListedField one{field.name, type_name(*field.type, is_ours), {}};
    const auto number = [&](std::uint64_t value) {
      return field.type->is_signed ? std::to_string(static_cast<std::int64_t>(value)) : std::to_string(value);
    };
    if (field.type->kind == read::Kind::enumeration && !is_bool(*field.type))
      for (const read::Label& label : field.type->labels)
        one.labels.push_back({number(label.low), number(label.high), label.text});
    out.fields.push_back(std::move(one));
  };
  for (const read::Field& field : event.context) add(field);
  for (std::size_t i = 0; i < event.fields.size(); ++i) {
    const read::Field& field = event.fields[i];
    // Before a sequence stands its length, which is nothing of its own.
    if (i + 1 < event.fields.size() && event.fields[i + 1].type->is_sequence &&
        field.name == "_" + event.fields[i + 1].name + "_length")
      continue;
    add(field);
  }
  return out;
}

}  // namespace

std::vector<Listing> list_processes(const std::string& folder) {
  std::vector<Listing> out;
  Sessions sessions(folder, ::geteuid());
  for (const std::string& path : record::find_registries(folder)) add_registry(path, nullptr, sessions, out);
  for (Listing& process : out) sort(process.events);
  return out;
}

Result<Listing> list_process(int pid) {
  const Result<record::Target> target = record::find_target(pid);
  if (!target) return target.error();
  std::vector<Listing> out;
  Sessions sessions(target->path(), target->uid);
  for (const std::string& path : record::find_registries(target->path(), target->inner_pid)) add_registry(path, &*target, sessions, out);
  if (out.empty()) return errorf(ESRCH, "process %d (%s) has ended, or has no registry any more", pid, target->name.c_str());
  sort(out.front().events);
  return std::move(out.front());
}

Result<Listing> list_file(const std::string& path, int& status) {
  Result<record::ProgramFile> file = record::read_program_file(path);
  if (!file) return file.error();
  for (const std::string& what : file->spoiled) {
    say("warning: list: file '%s': %s", path.c_str(), what.c_str());
    status = 1;
  }
  Listing out;
  out.of = Listing::Of::file;
  out.name = path;
  for (const format::EventClass& event : file->events)
    if (event.kind != abi::EventKind::span_end) out.events.push_back(listed(event));
  sort(out.events);
  return out;
}

Result<Listing> list_trace(const std::string& path, int& status) {
  Result<read::Trace> trace = read::Trace::open(path);
  if (!trace) return trace.error();
  std::vector<std::uint64_t> counts(trace->classes().size());
  Listing out;
  Losses losses;
  while (const read::Event* event = trace->next()) {
    losses.see(*event);
    if (event->type->is_state) continue;
    ++counts[event->type->index];
    ++out.event_count;
  }
  out.of = Listing::Of::trace;
  out.name = path;
  const bool is_ours = trace->environment("tracer_name") == "ouro";
  for (const read::EventClass& event : trace->classes())
    if (!event.is_state && event.kind != abi::EventKind::span_end)
      out.events.push_back(listed(event, counts[event.index], is_ours));
  sort(out.events);
  out.lost = losses.total(*trace);
  out.lost_by_cause = losses.by_cause();
  out.complete = trace->complete();
  status = std::max(status, say_damage("list", *trace));
  return out;
}

}  // namespace ouro::cli
