// format/ctf.cpp -- the metadata of a trace as TSDL text, its packet headers and its state events as bytes.
// docs/trace-format.md specifies both.
//
// Every layout is packed: align = 8 for whole bytes, align = 1 inside the compact event header. Names that came
// from a program never reach the text unchecked: identifiers are rewritten to [A-Za-z0-9_], texts are escaped.
#include "format/ctf.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <set>
#include <type_traits>

namespace ouro::format {
namespace {

using abi::FieldShape;
using abi::FieldType;

[[gnu::format(printf, 2, 3)]] void add(std::string& out, const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  const int n = std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n > 0) out.append(text, std::min<std::size_t>(static_cast<std::size_t>(n), sizeof text - 1));
}

// A TSDL string literal. Octal escapes have three digits, so that a digit behind one cannot join it.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      add(out, "\\%03o", unsigned{byte});
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string identifier(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    out += letter || (digit && !out.empty()) ? c : '_';
  }
  return out.empty() ? "_" : out;
}

// Names that are free in one structure. A field "a" that is a sequence also takes "_a_length".
class FieldNames {
 public:
  std::string take(const Field& field) {
    const std::string wanted = identifier(field.name);
    const bool sequence = field.shape == FieldShape::sequence;
    std::string name = wanted;
    for (int i = 2; is_taken(name) || (sequence && is_taken(length_of(name))); ++i)
      name = wanted + "_" + std::to_string(i);
    taken_.insert(name);
    if (sequence) taken_.insert(length_of(name));
    return name;
  }
  static std::string length_of(const std::string& name) { return "_" + name + "_length"; }

 private:
  // babeltrace2 2.0.4 also refuses `x` behind `_x` (but not `_x` behind `x`).
  bool is_taken(const std::string& name) const { return taken_.count(name) != 0 || taken_.count("_" + name) != 0; }

  std::set<std::string> taken_;
};

std::string uuid_text(const Uuid& uuid) {
  std::string out;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    add(out, "%02x", unsigned{uuid[i]});
  }
  return out;
}

bool is_signed(FieldType type) { return type >= FieldType::i8 && type <= FieldType::i64; }

// Whether an enumeration over `type` can have this value. A u64 above 2^63 is stated as the i64 of the same bits.
bool fits(std::int64_t value, FieldType type) {
  const unsigned bits = abi::size_of(type) * 8;
  if (bits == 64) return true;
  const std::int64_t high = (std::int64_t{1} << (is_signed(type) ? bits - 1 : bits)) - 1;
  return value <= high && value >= (is_signed(type) ? -high - 1 : 0);
}

std::string enumeration(const Field& field, const char* integer) {
  std::string labels;
  for (const Label& label : field.labels) {
    if (!fits(label.value, field.type)) continue;
    labels += (labels.empty() ? "" : ", ") + quoted(label.text) + " = ";
    if (is_signed(field.type))
      add(labels, "%" PRId64, label.value);
    else
      add(labels, "%" PRIu64, static_cast<std::uint64_t>(label.value));
  }
  return labels.empty() ? integer : std::string("enum : ") + integer + " { " + labels + " }";
}

std::string element_type(const Field& field) {
  static constexpr const char* names[] = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f32", "f64"};
  switch (field.type) {
    case FieldType::string: return "string { encoding = UTF8; }";
    case FieldType::boolean: return "enum : u8 { \"false\" = 0, \"true\" = 1 }";
    case FieldType::pointer: return "integer { size = 64; align = 8; signed = false; base = 16; }";
    case FieldType::f32:
    case FieldType::f64: return names[static_cast<std::size_t>(field.type)];
    default: break;
  }
  if (!field.labels.empty()) return enumeration(field, names[static_cast<std::size_t>(field.type)]);
  if (!field.hex) return names[static_cast<std::size_t>(field.type)];
  std::string out;
  add(out, "integer { size = %u; align = 8; signed = %s; base = 16; }", abi::size_of(field.type) * 8,
      is_signed(field.type) ? "true" : "false");
  return out;
}

// TSDL names carry a leading underscore, which readers strip: so a field may have a keyword's name.
void add_field(std::string& out, const Field& field, FieldNames& names) {
  const std::string name = names.take(field);
  const std::string type = element_type(field);
  switch (field.shape) {
    case FieldShape::scalar: out += "    " + type + " _" + name + ";\n"; break;
    case FieldShape::array: out += "    " + type + " _" + name + "[" + std::to_string(field.count) + "];\n"; break;
    case FieldShape::sequence: {
      const std::string length = "_" + FieldNames::length_of(name);
      out += "    u32 " + length + ";\n";
      out += "    " + type + " _" + name + "[ " + length + " ];\n";
      break;
    }
  }
}

const char* fragment_of(abi::EventKind kind) {
  switch (kind) {
    case abi::EventKind::point: return "";
    case abi::EventKind::span_begin: return "#span_begin";
    case abi::EventKind::span_end: return "#span_end";
    case abi::EventKind::counter: return "#counter";
  }
  return "";
}

void add_event(std::string& out, std::uint32_t id, std::uint32_t stream_id, const EventClass& event) {
  out += "event {\n  name = " + quoted(event.name) + ";\n";
  add(out, "  id = %u;\n  stream_id = %u;\n  loglevel = %u;\n", id, stream_id, static_cast<unsigned>(event.level));
  if (!event.file.empty() || event.kind != abi::EventKind::point)
    out +=
        "  model.emf.uri = " + quoted(event.file + ":" + std::to_string(event.line) + fragment_of(event.kind)) + ";\n";
  out += "  fields := struct {\n";
  FieldNames names;
  for (const Field& field : event.fields) add_field(out, field, names);
  out += "  };\n};\n\n";
}

constexpr const char* kTypes = R"(typealias integer { size = 8; align = 8; signed = false; } := u8;
typealias integer { size = 16; align = 8; signed = false; } := u16;
typealias integer { size = 32; align = 8; signed = false; } := u32;
typealias integer { size = 64; align = 8; signed = false; } := u64;
typealias integer { size = 8; align = 8; signed = true; } := i8;
typealias integer { size = 16; align = 8; signed = true; } := i16;
typealias integer { size = 32; align = 8; signed = true; } := i32;
typealias integer { size = 64; align = 8; signed = true; } := i64;
typealias floating_point { exp_dig = 8; mant_dig = 24; align = 8; } := f32;
typealias floating_point { exp_dig = 11; mant_dig = 53; align = 8; } := f64;

)";

void add_trace(std::string& out, const Uuid& uuid) {
  out += "trace {\n  major = 1;\n  minor = 8;\n  uuid = \"" + uuid_text(uuid) + "\";\n  byte_order = le;\n";
  out += R"(  packet.header := struct {
    u32 magic;
    u8 uuid[16];
    u32 stream_id;
    u64 stream_instance_id;
  };
};

)";
}

// tracer_name is always there, and ours; a name that stands twice is taken once.
void add_env(std::string& out, const std::vector<std::pair<std::string, std::string>>& env) {
  out += "env {\n  tracer_name = \"ouro\";\n";
  std::set<std::string> taken{"tracer_name"};
  for (const auto& [name, value] : env)
    if (taken.insert(identifier(name)).second) out += "  " + identifier(name) + " = " + quoted(value) + ";\n";
  out += "};\n\n";
}

// absolute: the offset is from the epoch, so readers may merge this trace with others. The clock's uuid is the
// trace's: ticks of two recordings are not comparable by themselves.
void add_clock(std::string& out, const ClockDescription& clock, const Uuid& uuid) {
  const std::string name = identifier(clock.name);
  out += "clock {\n  name = " + name + ";\n  uuid = \"" + uuid_text(uuid) + "\";\n";
  out += "  description = " + quoted(clock.description) + ";\n";
  add(out, "  freq = %" PRIu64 ";\n  precision = %" PRIu64 ";\n", clock.frequency, clock.precision_ticks);
  add(out, "  offset_s = %" PRId64 ";\n  offset = %" PRIu64 ";\n  absolute = true;\n};\n\n", clock.offset_s,
      clock.offset_ticks);
  const std::string map = "map = clock." + name + ".value; ";
  out += "typealias integer { size = 64; align = 8; signed = false; " + map + "} := stamp64;\n";
  add(out, "typealias integer { size = %d; align = 1; signed = false; ", kStampBits);
  out += map + "} := stamp_compact;\n";
  out += "typealias integer { size = 64; align = 1; signed = false; " + map + "} := stamp_extended;\n\n";
}

// Behind the thread id; the names' dots and hyphens become underscores.
void add_contexts(std::string& out, std::uint64_t contexts) {
  FieldNames names;
  for (const abi::ContextInfo& info : abi::kContexts) {
    if ((contexts & abi::bit(info.context)) == 0 || info.context == abi::Context::tid) continue;
    add_field(out, {info.name, info.type, info.shape, info.hex, 0, {}}, names);
  }
}

void add_streams(std::string& out, std::uint64_t contexts) {
  constexpr const char* packet_context = R"(  packet.context := struct {
    stamp64 timestamp_begin;
    stamp64 timestamp_end;
    u64 content_size;
    u64 packet_size;
    u64 packet_seq_num;
    u64 events_discarded;
    u32 cpu_id;
  };
)";
  // The extended part has align = 1: a member of align = 8 would move the variant itself, which begins at bit 10.
  // `ignored` is mapped to the clock only because babeltrace2 warns of header fields without a meaning; the whole
  // stamp behind it replaces whatever it said.
  add(out,
      "stream {\n  id = 0;\n  event.header := struct {\n    enum : integer { size = %d; align = 1; signed = false; } ",
      32 - kStampBits);
  add(out, "{ compact = 0 ... %u, extended = %u } id;\n", kCompactIds - 1, kCompactIds);
  out += "    variant <id> {\n      struct {\n        stamp_compact timestamp;\n      } compact;\n      struct {\n";
  out +=
      "        stamp_compact ignored;\n        integer { size = 32; align = 1; signed = false; } id;\n        "
      "stamp_extended timestamp;\n";
  out += "      } extended;\n    } v;\n  };\n  event.context := struct {\n    u32 _tid;\n";
  add_contexts(out, contexts);
  out += "  };\n";
  out += packet_context;
  out += "};\n\nstream {\n  id = 1;\n  event.header := struct {\n    u16 id;\n    stamp64 timestamp;\n  };\n";
  out += packet_context;
  out += "};\n\n";
}

Field scalar(const char* name, FieldType type) { return {name, type, FieldShape::scalar, false, 0, {}}; }

Field ring_kind(const char* name) {
  const auto label = [](abi::RingKind kind, const char* text) { return Label{static_cast<std::int64_t>(kind), text}; };
  Field out = scalar(name, FieldType::u8);
  out.labels = {label(abi::RingKind::per_cpu, "per_cpu"), label(abi::RingKind::shared, "shared")};
  return out;
}

EventClass state_class(StateEvent id) {
  EventClass out;
  out.level = abi::Level::info;
  switch (id) {
    case StateEvent::process:
      out.name = "ouro:process";
      out.fields = {scalar("pid", FieldType::i32), scalar("parent_pid", FieldType::i32),
                    scalar("name", FieldType::string), scalar("cmdline", FieldType::string)};
      break;
    case StateEvent::thread:
      out.name = "ouro:thread";
      out.fields = {scalar("pid", FieldType::i32), scalar("tid", FieldType::i32), scalar("name", FieldType::string)};
      break;
    case StateEvent::lost:
      out.name = "ouro:lost";
      out.level = abi::Level::warning;
      out.fields = {scalar("cpu", FieldType::u32), ring_kind("ring"), scalar("cause", FieldType::string),
                    scalar("count", FieldType::u64)};
      break;
    case StateEvent::left_out:
      out.name = "ouro:left_out";
      out.fields = {scalar("event", FieldType::string), scalar("over_rate", FieldType::u64), scalar("not_sampled", FieldType::u64)};
      break;
    case StateEvent::stream:
      out.name = "ouro:stream";
      out.fields = {scalar("file", FieldType::string), scalar("packets", FieldType::u64)};
      break;
  }
  return out;
}

void put(std::vector<std::byte>& out, const void* bytes, std::size_t size) {
  const auto* begin = static_cast<const std::byte*>(bytes);
  out.insert(out.end(), begin, begin + size);
}
template <class T>
requires std::is_integral_v<T>
void put(std::vector<std::byte>& out, T value) { put(out, &value, sizeof value); }
// Up to the first NUL, which a CTF string cannot hold.
void put(std::vector<std::byte>& out, const std::string& text) {
  put(out, text.c_str(), std::strlen(text.c_str()) + 1);
}

void put_header(std::vector<std::byte>& out, StateEvent id, std::uint64_t stamp) {
  put(out, static_cast<std::uint16_t>(id));
  put(out, stamp);
}

#pragma pack(push, 1)
struct PacketHeaderBytes {
  std::uint32_t magic;
  std::uint8_t uuid[16];
  std::uint32_t stream_id;
  std::uint64_t stream_instance_id;
  std::uint64_t timestamp_begin, timestamp_end;
  std::uint64_t content_bits, packet_bits;
  std::uint64_t packet_seq_num;
  std::uint64_t events_discarded;
  std::uint32_t cpu_id;
};
#pragma pack(pop)
static_assert(sizeof(PacketHeaderBytes) == kPacketHeaderSize);
static_assert(offsetof(PacketHeaderBytes, events_discarded) == kEventsDiscardedOffset);

}  // namespace

std::string metadata_text(const TraceDescription& trace) {
  std::string out = "/* CTF 1.8 */\n\n";
  out += kTypes;
  add_trace(out, trace.uuid);
  add_env(out, trace.env);
  add_clock(out, trace.clock, trace.uuid);
  add_streams(out, trace.contexts);
  for (const StateEvent id : {StateEvent::process, StateEvent::thread, StateEvent::lost, StateEvent::left_out, StateEvent::stream})
    add_event(out, static_cast<std::uint32_t>(id), 1, state_class(id));
  for (const auto& [id, event] : trace.events) add_event(out, id, 0, event);
  return out;
}

std::array<std::byte, kPacketHeaderSize> encode(const PacketHeader& header) {
  PacketHeaderBytes bytes{};
  bytes.magic = 0xc1fc1fc1;
  std::memcpy(bytes.uuid, header.uuid.data(), sizeof bytes.uuid);
  bytes.stream_id = header.stream_id;
  bytes.stream_instance_id = header.stream_instance_id;
  bytes.timestamp_begin = header.timestamp_begin;
  bytes.timestamp_end = header.timestamp_end;
  bytes.content_bits = header.content_bytes * 8;
  bytes.packet_bits = header.content_bytes * 8;
  bytes.packet_seq_num = header.packet_seq_num;
  bytes.events_discarded = header.events_discarded;
  bytes.cpu_id = header.cpu_id;
  std::array<std::byte, kPacketHeaderSize> out{};
  std::memcpy(out.data(), &bytes, sizeof bytes);
  return out;
}

std::optional<PacketHeader> decode(const std::array<std::byte, kPacketHeaderSize>& from) {
  PacketHeaderBytes bytes{};
  std::memcpy(&bytes, from.data(), sizeof bytes);
  if (bytes.magic != 0xc1fc1fc1 || bytes.content_bits != bytes.packet_bits || bytes.content_bits % 8 != 0 || bytes.content_bits / 8 < kPacketHeaderSize) return std::nullopt;
  PacketHeader out;
  std::memcpy(out.uuid.data(), bytes.uuid, sizeof bytes.uuid);
  out.stream_id = bytes.stream_id;
  out.stream_instance_id = bytes.stream_instance_id;
  out.timestamp_begin = bytes.timestamp_begin;
  out.timestamp_end = bytes.timestamp_end;
  out.content_bytes = bytes.content_bits / 8;
  out.packet_seq_num = bytes.packet_seq_num;
  out.events_discarded = bytes.events_discarded;
  out.cpu_id = bytes.cpu_id;
  return out;
}

void append_process(std::vector<std::byte>& out, std::uint64_t stamp, std::int32_t pid, std::int32_t parent_pid,
                    const std::string& name, const std::string& cmdline) {
  put_header(out, StateEvent::process, stamp);
  put(out, pid);
  put(out, parent_pid);
  put(out, name);
  put(out, cmdline);
}

void append_thread(std::vector<std::byte>& out, std::uint64_t stamp, std::int32_t pid, std::int32_t tid,
                   const std::string& name) {
  put_header(out, StateEvent::thread, stamp);
  put(out, pid);
  put(out, tid);
  put(out, name);
}

void append_lost(std::vector<std::byte>& out, std::uint64_t stamp, std::uint32_t cpu, abi::RingKind ring,
                 const std::string& cause, std::uint64_t count) {
  put_header(out, StateEvent::lost, stamp);
  put(out, cpu);
  put(out, static_cast<std::uint8_t>(ring));
  put(out, cause);
  put(out, count);
}

void append_left_out(std::vector<std::byte>& out, std::uint64_t stamp, const std::string& event, std::uint64_t over_rate, std::uint64_t not_sampled) {
  put_header(out, StateEvent::left_out, stamp);
  put(out, event);
  put(out, over_rate);
  put(out, not_sampled);
}

void append_stream(std::vector<std::byte>& out, std::uint64_t stamp, const std::string& file, std::uint64_t packets) {
  put_header(out, StateEvent::stream, stamp);
  put(out, file);
  put(out, packets);
}

}  // namespace ouro::format
