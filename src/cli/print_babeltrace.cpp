#include "cli/print_babeltrace.hpp"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "cli/print_number.hpp"
#include "cli/say.hpp"

namespace ouro::cli {

using read::Field;
using read::Kind;
using read::Type;
using read::Value;

// How a value is shown.
struct BabeltracePrinter::Shape {
  enum class As : std::uint8_t { decimal, negative, bits, enumeration, real, text, structure, variant, array, boolean, bytes, optional };
  As as{};
  bool is_shown = true;
  Lead lead;                 // in front of it: ", name = "
  const Type* type = nullptr;
  std::vector<Shape> inner;  // of a structure its members, of a variant its options, of an array its element
  struct Mapping {
    std::string text;  // with its quotes
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  };
  std::vector<Mapping> mappings;  // of an enumeration
};

struct BabeltracePrinter::Class {
  std::string name;  // "every:request: "
  mutable Lead head; // "vm every:request: ", once there was one
  const read::Clock* clock = nullptr;
  std::int64_t offset_ns = 0;  // of the clock
  std::shared_ptr<const Shape> packet;   // null: nothing of it is shown; so are the others
  std::shared_ptr<const Shape> stream;
  std::shared_ptr<const Shape> own, fields;
  std::size_t stream_members = 0;  // in Event::context, before its own
};

namespace {

using Shape = BabeltracePrinter::Shape;
using As = Shape::As;
using Slots = std::unordered_set<std::int32_t>;
using Hidden = std::unordered_set<const Type*>;

// ---- what is shown

// Members of a packet's context that the reader itself uses.
bool is_of_packets(const std::string& name) {
  for (const char* other : {"timestamp_begin", "timestamp_end", "events_discarded", "packet_seq_num", "packet_size", "content_size"})
    if (name == other) return true;
  return false;
}

bool is_integer(const Type& type) {
  return type.kind == Kind::unsigned_integer || type.kind == Kind::signed_integer || type.kind == Kind::enumeration;
}

// Stamps are not shown, but for those that say how long or which something is that is shown: `used` has their slots. So what comes
// later is looked at earlier. Answers whether the value is shown, and notes in `hidden` if not.
bool find_hidden(const Type& type, Slots& used, Hidden& hidden, bool in_packet_context = false) {
  bool shown = true;
  switch (type.kind) {
    case Kind::unsigned_integer:
    case Kind::signed_integer:
    case Kind::enumeration: shown = !type.plan.maps_clock || (type.plan.store >= 0 && used.count(type.plan.store) != 0); break;
    case Kind::floating_point:
    case Kind::boolean:
    case Kind::bit_array:
    case Kind::bit_map: break;
    case Kind::string:
    case Kind::array:
    case Kind::blob:
    case Kind::optional:
      if (!type.members.empty()) shown = find_hidden(*type.members[0].type, used, hidden);
      if (shown && (type.is_sequence || type.kind == Kind::optional)) used.insert(type.plan.load);
      break;
    case Kind::structure:
    case Kind::variant:
      shown = type.members.empty();
      for (auto member = type.members.rbegin(); member != type.members.rend(); ++member) {
        const Type& inner = *member->type;
        if (in_packet_context && is_integer(inner) && is_of_packets(member->name)) {
          if (inner.plan.store >= 0 && used.count(inner.plan.store) != 0) shown = true;
          else hidden.insert(&inner);
        } else if (find_hidden(inner, used, hidden)) {
          shown = true;
        }
      }
      if (type.kind == Kind::variant && shown) {
        for (const Field& option : type.members) hidden.erase(option.type.get());
        used.insert(type.plan.load);
      }
  }
  if (!shown) hidden.insert(&type);
  return shown;
}

// ---- shapes

void put_text(PrintBuffer& out, std::string_view text);

std::string quoted(std::string_view text) {
  std::string out;
  PrintBuffer buffer(out);
  put_text(buffer, text);
  buffer.flush();
  return out;
}

// Labels of the same text are one, at the place of the first.
std::vector<Shape::Mapping> mappings_of(const Type& type) {
  std::vector<Shape::Mapping> out;
  for (const read::Label& label : type.labels) {
    const std::string text = quoted(label.text);
    auto it = std::find_if(out.begin(), out.end(), [&](const auto& mapping) { return mapping.text == text; });
    if (it == out.end()) it = out.insert(it, {text, {}});
    it->ranges.emplace_back(label.low, label.high);
  }
  return out;
}

As as_of(const Type& type) {
  switch (type.kind) {
    case Kind::unsigned_integer: return type.base == 10 ? As::decimal : As::bits;
    case Kind::signed_integer: return type.base == 10 ? As::negative : As::bits;
    case Kind::enumeration: return As::enumeration;
    case Kind::floating_point: return As::real;
    case Kind::string: return As::text;
    case Kind::structure: return As::structure;
    case Kind::variant: return As::variant;
    case Kind::array: return As::array;
    case Kind::boolean: return As::boolean;
    case Kind::bit_array:
    case Kind::bit_map: return As::bits;
    case Kind::blob: return As::bytes;
    case Kind::optional: return As::optional;
  }
  return As::decimal;
}

Shape shape_of(const Type& type, const Hidden& hidden, const std::string& lead = "");

void add_members(Shape& out, const std::vector<Field>& members, const Hidden& hidden) {
  bool is_first = true;
  for (const Field& member : members) {
    out.inner.push_back(shape_of(*member.type, hidden, (is_first ? " " : ", ") + member.name + " = "));
    if (out.inner.back().is_shown) is_first = false;
  }
}

Shape shape_of(const Type& type, const Hidden& hidden, const std::string& lead) {
  Shape out;
  out.as = as_of(type);
  out.type = &type;
  out.is_shown = hidden.count(&type) == 0;
  out.lead = Lead(lead);
  if (type.kind == Kind::enumeration) out.mappings = mappings_of(type);
  if (type.kind == Kind::structure) add_members(out, type.members, hidden);
  if (type.kind == Kind::variant || type.kind == Kind::array || type.kind == Kind::optional)
    for (const Field& member : type.members) out.inner.push_back(shape_of(*member.type, hidden));
  return out;
}

// A whole scope; null if nothing of it is shown.
std::shared_ptr<const Shape> shape_of_scope(const std::vector<Field>& members, const Hidden& hidden) {
  Shape out;
  out.as = As::structure;
  add_members(out, members, hidden);
  const bool any = members.empty() || std::any_of(out.inner.begin(), out.inner.end(), [](const Shape& s) { return s.is_shown; });
  return any ? std::make_shared<Shape>(std::move(out)) : nullptr;
}

// ---- values

constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 256; ++c) plain[c] = c != 0x7f && c != '"' && c != '\\' && c != '\'' && c != '?';
  return plain;
}();

[[gnu::noinline]] void put_escaped(PrintBuffer& out, char c) {
  static constexpr std::string_view controls = "abtnvfr";  // from 7 on
  const auto byte = static_cast<unsigned char>(c);
  out.put('\\');
  if (byte >= 0x20 && byte != 0x7f) {
    out.put(c);
  } else if (byte >= 7 && byte <= 13) {
    out.put(controls[byte - 7u]);
  } else if (byte == 0x1b) {
    out.put('e');
  } else {
    static constexpr char hex[] = "0123456789abcdef";
    out.put('x');
    out.put(hex[byte >> 4]);
    out.put(hex[byte & 15]);
  }
}

void put_text(PrintBuffer& out, std::string_view text) {
  out.put('"');
  const char *plain = text.data(), *const end = plain + text.size();
  for (const char* at = plain; at != end;) {
    at = find_special(at, end, kPlain);
    if (at == end) break;
    out.put({plain, static_cast<std::size_t>(at - plain)});
    put_escaped(out, *at);
    plain = ++at;
  }
  out.put({plain, static_cast<std::size_t>(end - plain)});
  out.put('"');
}

void put_bits(PrintBuffer& out, const Type& type, std::uint64_t bits) {
  const auto low = [&](std::uint32_t n) { return n >= 64 ? bits : bits & ((std::uint64_t{1} << n) - 1); };
  if (type.base == 16 || type.kind == Kind::bit_array || type.kind == Kind::bit_map) {
    out.put("0x");
    put_hex(out, low((type.bits + 3) & ~3u));
  } else if (type.base == 8) {
    out.put('0');
    out.number(type.is_signed ? low((type.bits + 2) / 3 * 3) : bits, 8);
  } else {
    out.put("0b");
    for (std::uint32_t i = type.bits; i-- > 0;) out.put((bits >> i & 1) != 0 ? '1' : '0');
  }
}

void put_integer(PrintBuffer& out, const Type& type, std::uint64_t bits) {
  if (type.base != 10) put_bits(out, type, bits);
  else if (type.is_signed) out.number(static_cast<std::int64_t>(bits));
  else out.number(bits);
}

void put_enumeration(PrintBuffer& out, const Shape& shape, std::uint64_t bits) {
  out.put("( ");
  bool is_first = true;
  for (const Shape::Mapping& mapping : shape.mappings) {
    const bool holds = std::any_of(mapping.ranges.begin(), mapping.ranges.end(), [&](const auto& range) {
      return shape.type->is_signed ? static_cast<std::int64_t>(bits) >= static_cast<std::int64_t>(range.first) &&
                                         static_cast<std::int64_t>(bits) <= static_cast<std::int64_t>(range.second)
                                   : bits >= range.first && bits <= range.second;
    });
    if (!holds) continue;
    if (!is_first) out.put(", ");
    is_first = false;
    out.put(mapping.text);
  }
  if (is_first) out.put("<unknown>");
  out.put(" : container = ");
  put_integer(out, *shape.type, bits);
  out.put(" )");
}

void put_value(PrintBuffer& out, const Shape& shape, const Value* value);

// `value`: the first of those that are direct inside.
void put_structure(PrintBuffer& out, const Shape& shape, const Value* value) {
  out.put('{');
  for (const Shape& member : shape.inner) {
    if (member.is_shown) {
      out.put(member.lead);
      put_value(out, member, value);
    }
    value += value->nodes;
  }
  out.put(" }");
}

void put_index(PrintBuffer& out, std::uint32_t index) {
  static const Lead first(" [0] = "), next(", ["), end("] = ");
  if (index == 0) return out.put(first);
  out.put(next);
  out.number(index);
  out.put(end);
}

// Whole numbers in base 10 and this machine's byte order, as most arrays are of.
template <class T>
void put_numbers(PrintBuffer& out, const Value& array) {
  for (std::uint32_t i = 0; i < array.count; ++i) {
    T number;
    std::memcpy(&number, array.bytes + i * sizeof number, sizeof number);
    put_index(out, i);
    if constexpr (std::is_signed_v<T>) out.number(std::int64_t{number});
    else out.number(std::uint64_t{number});
  }
}

bool put_numbers(PrintBuffer& out, As as, const Value& array) {
  const Type& type = *array.type().members[0].type;
  if (type.plan.big_endian && type.bits != 8) return false;
  if (as == As::decimal) {
    if (type.bits == 8) put_numbers<std::uint8_t>(out, array);
    else if (type.bits == 16) put_numbers<std::uint16_t>(out, array);
    else if (type.bits == 32) put_numbers<std::uint32_t>(out, array);
    else if (type.bits == 64) put_numbers<std::uint64_t>(out, array);
    else return false;
    return true;
  }
  if (as != As::negative) return false;
  if (type.bits == 8) put_numbers<std::int8_t>(out, array);
  else if (type.bits == 16) put_numbers<std::int16_t>(out, array);
  else if (type.bits == 32) put_numbers<std::int32_t>(out, array);
  else if (type.bits == 64) put_numbers<std::int64_t>(out, array);
  else return false;
  return true;
}

void put_array(PrintBuffer& out, const Shape& shape, const Value* value) {
  out.put('[');
  if (!value->is_packed()) {
    const Value* element = value + 1;
    for (std::uint32_t i = 0; i < value->count; ++i, element += element->nodes) {
      put_index(out, i);
      put_value(out, shape.inner[0], element);
    }
  } else if (!put_numbers(out, shape.inner[0].as, *value)) {
    for (std::uint32_t i = 0; i < value->count; ++i) {
      const Value element = value->element(i);
      put_index(out, i);
      put_value(out, shape.inner[0], &element);
    }
  }
  out.put(" ]");
}

void put_value(PrintBuffer& out, const Shape& shape, const Value* value) {
  switch (shape.as) {
    case As::decimal: out.number(value->u); break;
    case As::negative: out.number(value->i); break;
    case As::bits: put_bits(out, *shape.type, value->u); break;
    case As::enumeration: put_enumeration(out, shape, value->u); break;
    case As::real: put_real(out, value->f); break;
    case As::text: put_text(out, value->text()); break;
    case As::structure: put_structure(out, shape, value + 1); break;
    case As::array: put_array(out, shape, value); break;
    // Of CTF 2, as far as version 2.1 of babeltrace2 would show it.
    case As::boolean: out.put(value->u != 0 ? "true" : "false"); break;
    case As::bytes:
      out.put("0x");
      for (std::uint32_t i = 0; i < value->count; ++i) {
        out.put("0123456789ABCDEF"[static_cast<unsigned char>(value->bytes[i]) >> 4]);
        out.put("0123456789ABCDEF"[static_cast<unsigned char>(value->bytes[i]) & 15]);
      }
      break;
    case As::optional:
      if (value->count == 0) return out.put("<none>");
      out.put("{ ");
      put_value(out, shape.inner[0], value + 1);
      out.put(" }");
      break;
    case As::variant: {
      const auto option = static_cast<std::size_t>(value[1].field - shape.type->members.data());
      out.put("{ ");
      put_value(out, shape.inner[option], value + 1);
      out.put(" }");
    }
  }
}

// ---- times and order

// babeltrace2 reckons with doubles where a tick is no nanosecond, and so is off by a nanosecond now and then.
std::uint64_t to_ns(const read::Clock& clock, std::uint64_t ticks) {
  if (clock.frequency == 1'000'000'000) return ticks;
  const double ns = 1e9 * static_cast<double>(ticks) / static_cast<double>(clock.frequency);
  return ns >= 18446744073709551616.0 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(ns);
}

std::int64_t offset_ns(const read::Clock& clock) {
  const auto ticks = static_cast<std::uint64_t>(clock.offset_ticks);
  const std::uint64_t seconds = static_cast<std::uint64_t>(clock.offset_s) + ticks / clock.frequency;
  return static_cast<std::int64_t>(seconds * 1'000'000'000 + to_ns(clock, ticks % clock.frequency));
}

bool is_before(const read::Stream& a, const read::Stream& b, const std::vector<read::Source>& sources) {
  if (a.source != b.source) {
    const auto &a_uuid = sources[a.source].uuid, &b_uuid = sources[b.source].uuid;
    if (a_uuid.has_value() != b_uuid.has_value()) return a_uuid.has_value();
    if (a_uuid != b_uuid) return *a_uuid < *b_uuid;
  }
  if (a.id != b.id) return a.id < b.id;
  return &a < &b;
}

// -1: there is none.
char* put_delta(char* p, std::int64_t ns) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  if (ns == -1) {
    std::memcpy(p, "?.?????????", 11);
    return p + 11;
  }
  const auto size = static_cast<std::uint64_t>(ns);
  p = detail::put_number(p, size < kSecond ? 0 : size / kSecond);
  *p++ = '.';
  return detail::put_nine(p, static_cast<std::uint32_t>(size < kSecond ? size : size % kSecond));
}

// Where it stands in a line: place and size.
std::pair<std::size_t, std::size_t> delta_in(const std::string& line) {
  const std::size_t begin = line.find("] (+") + 4;
  return {begin, line.find(')', begin) - begin};
}

// Of the lines of one time the first has the time since the event before, all others zero.
void exchange_deltas(std::string& a, std::string& b) {
  const auto [a_at, a_size] = delta_in(a);
  const auto [b_at, b_size] = delta_in(b);
  const std::string of_a = a.substr(a_at, a_size);
  a.replace(a_at, a_size, b, b_at, b_size);
  b.replace(b_at, b_size, of_a);
}

// "vm:shop:(4711) ": of the trace's environment what there is of it.
std::string text_of(const read::Source& source) {
  std::string out;
  for (const char* name : {"hostname", "procname", "vpid"})
    for (const auto& [key, value] : source.environment)
      if (key == name) {
        if (!out.empty()) out += ':';
        out += key == "vpid" ? "(" + value + ")" : value;
        break;
      }
  return out.empty() ? out : out + " ";
}

}  // namespace

// ---- the printer

BabeltracePrinter::BabeltracePrinter(const read::Trace& trace, bool utc, PrintBuffer& out) : out_(out), utc_(utc), sources_(trace.sources()) {
  std::map<const Type*, Slots> used_by;  // what the events ask of a stream's context, or a packet's
  std::vector<Hidden> hidden;
  for (const read::EventClass& type : trace.classes()) {
    Slots used;
    Hidden& own = hidden.emplace_back();
    for (auto field = type.fields.rbegin(); field != type.fields.rend(); ++field) find_hidden(*field->type, used, own);
    for (auto field = type.context.rbegin(); field != type.context.rend(); ++field) find_hidden(*field->type, used, own);
    used_by[type.stream_context.get()].insert(used.begin(), used.end());
    used_by[type.packet_context.get()].insert(used.begin(), used.end());
  }
  std::map<const Type*, std::shared_ptr<const Shape>> streams, packets;
  for (const read::EventClass& type : trace.classes()) {
    if (const Type* stream = type.stream_context.get(); stream != nullptr && streams.count(stream) == 0) {
      Slots used = used_by[stream];
      Hidden of_stream;
      find_hidden(*stream, used, of_stream);
      used_by[type.packet_context.get()].insert(used.begin(), used.end());
      streams[stream] = shape_of_scope(stream->members, of_stream);
    }
  }
  for (const read::EventClass& type : trace.classes()) {
    if (const Type* packet = type.packet_context.get(); packet != nullptr && packets.count(packet) == 0) {
      Hidden of_packet;
      find_hidden(*packet, used_by[packet], of_packet, true);
      packets[packet] = shape_of_scope(packet->members, of_packet);
    }
    auto out_class = std::make_unique<Class>();
    out_class->name = (type.name.empty() ? "<unknown>" : type.name) + ": ";
    out_class->clock = type.clock;
    if (type.clock != nullptr) out_class->offset_ns = offset_ns(*type.clock);
    if (type.packet_context != nullptr) out_class->packet = packets[type.packet_context.get()];
    if (type.stream_context != nullptr) {
      out_class->stream = streams[type.stream_context.get()];
      out_class->stream_members = type.stream_context->members.size();
    }
    if (type.has_context) out_class->own = shape_of_scope(type.context, hidden[type.index]);
    if (type.has_fields) out_class->fields = shape_of_scope(type.fields, hidden[type.index]);
    classes_.push_back(std::move(out_class));
  }
  for (const read::Source& source : trace.sources()) source_texts_.push_back(text_of(source));
  contexts_.resize(trace.streams().size());
  if (!trace.streams().empty()) first_stream_ = &trace.streams().front();
}

BabeltracePrinter::~BabeltracePrinter() = default;

void BabeltracePrinter::print(const read::Event& event) {
  const Class& type = *classes_[event.type->index];
  const std::int64_t ns = type.clock == nullptr ? 0 : type.offset_ns + static_cast<std::int64_t>(to_ns(*type.clock, event.ticks));
  if (ns != lines_ns_ && out_.is_half_full()) out_.flush();  // lines of one time can be put in order as long as they are here
  const std::uint64_t begin = out_.size();
  if (type.clock != nullptr) {
    time(ns);
  }
  if (type.head.size() == 0) type.head = Lead(source_texts_[event.stream->source] + type.name);
  out_.put(type.head);
  bool is_first = true;
  const auto scope = [&](const Shape* shape, const Value* values) {
    if (shape == nullptr) return;
    if (!is_first) out_.put(", ");
    is_first = false;
    put_structure(out_, *shape, values);
  };
  if (type.packet != nullptr) {
    packet_context(event, type);
    is_first = false;
  }
  const Value* context = event.context().data();
  scope(type.stream.get(), context);
  if (type.own != nullptr) {
    for (std::size_t i = 0; i < type.stream_members; ++i) context += context->nodes;
    scope(type.own.get(), context);
  }
  scope(type.fields.get(), event.fields().data());
  out_.put('\n');
  if (type.clock != nullptr) put_in_order(begin, ns, *event.stream);
}

// The same for all events of a packet.
void BabeltracePrinter::packet_context(const read::Event& event, const Class& type) {
  Context& last = contexts_[static_cast<std::size_t>(event.stream - first_stream_)];
  const auto is_same = [](const Value& a, const Value& b) { return a.field == b.field && a.u == b.u && a.count == b.count; };
  if (last.text.empty() || last.values.size() != event.packet_context.size() ||
      !std::equal(last.values.begin(), last.values.end(), event.packet_context.begin(), is_same)) {
    last.values.assign(event.packet_context.begin(), event.packet_context.end());
    last.text.clear();
    PrintBuffer buffer(last.text);
    put_structure(buffer, *type.packet, event.packet_context.data());
    buffer.flush();
  }
  out_.put(last.text);
}

void BabeltracePrinter::name_second(std::int64_t second, bool is_negative) {
  const auto when = static_cast<std::time_t>(is_negative ? -second : second);
  std::tm parts{};
  if ((utc_ ? ::gmtime_r(&when, &parts) : ::localtime_r(&when, &parts)) == nullptr) parts = {};
  std::strftime(clock_, sizeof clock_, "[%H:%M:%S.", &parts);
  shown_second_ = second;
}

// Times before 1970: the first of them as seconds, with a warning, the others as that long after 1970.
void BabeltracePrinter::time(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  if (last_ns_ != -1) delta_ns_ = ns - last_ns_;
  if (first_ns_ == -1) first_ns_ = ns;
  last_ns_ = ns;
  const std::int64_t second = ns / kSecond, rest = ns % kSecond;
  const bool is_negative = ns < 0;
  char* p = out_.room();
  if (is_negative && !said_negative_) {
    say("warning: print: times before 1970: babeltrace2 writes the first of them in seconds, the others as that long after 1970");
    said_negative_ = true;
    std::memcpy(p, "[-", 2);
    p = detail::put_number(p + 2, 0 - static_cast<std::uint64_t>(second));
    *p++ = '.';
  } else {
    if (second != shown_second_) name_second(second, is_negative);
    std::memcpy(p, clock_, 10);
    p += 10;
  }
  p = detail::put_nine(p, static_cast<std::uint32_t>(is_negative ? -rest : rest));
  std::memcpy(p, "] (+", 4);
  p += 4;
  p = put_delta(p, delta_ns_);
  std::memcpy(p, ") ", 2);
  out_.used(p + 2);
}

// babeltrace2's order of events of equal times: by trace, stream class and file; ours is by the ticks, and then by the file.
// The line of the last event begins at `begin` and is the last one.
void BabeltracePrinter::put_in_order(std::uint64_t begin, std::int64_t ns, const read::Stream& stream) {
  constexpr std::size_t kMostLines = 4096;
  if (ns != lines_ns_ || lines_.size() == kMostLines) lines_.clear();
  lines_ns_ = ns;
  std::size_t at = lines_.size();
  while (at > 0 && is_before(stream, *lines_[at - 1].stream, sources_)) --at;
  char* const front = at < lines_.size() ? out_.since(lines_[at].begin) : nullptr;
  if (front == nullptr) {
    lines_.push_back({&stream, begin});
    return;
  }
  std::string moved(out_.since(begin), out_.size() - begin), rest(front, begin - lines_[at].begin);
  if (at == 0) exchange_deltas(moved, rest);
  std::memcpy(front, (moved + rest).data(), moved.size() + rest.size());
  const std::uint64_t size = out_.size() - begin, first = lines_[at].begin;
  for (std::size_t i = at + 1; i < lines_.size(); ++i) lines_[i].begin += size;
  lines_[at].begin += moved.size();
  lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(at), {&stream, first});
}

void BabeltracePrinter::join(std::string& text, std::int64_t since_ns) const {
  char delta[32];
  const auto [at, size] = delta_in(text);
  text.replace(at, size, delta, static_cast<std::size_t>(put_delta(delta, since_ns) - delta));
}

std::unique_ptr<EventPrinter> make_babeltrace(const PrintStyle& style, const read::Trace& trace, PrintBuffer& out) {
  return std::make_unique<BabeltracePrinter>(trace, style.utc, out);
}

}  // namespace ouro::cli
