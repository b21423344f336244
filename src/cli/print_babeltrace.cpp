#include "cli/print_babeltrace.hpp"

#include <algorithm>
#include <map>

#include "cli/print_babeltrace_values.hpp"
#include "cli/print_number.hpp"
#include "cli/say.hpp"

namespace ouro::cli {

using babeltrace::find_hidden;
using babeltrace::Hidden;
using babeltrace::put_structure;
using babeltrace::Shape;
using babeltrace::shape_of_scope;
using babeltrace::Slots;
using read::Type;
using read::Value;

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
  if (last.packets == event.stream->packets) return out_.put(last.text);
  last.packets = event.stream->packets;
  const auto is_same = [](const Value& a, const Value& b) { return a.field == b.field && a.u == b.u && a.count == b.count; };
  if (last.text.size() == 0 || last.values.size() != event.packet_context.size() ||
      !std::equal(last.values.begin(), last.values.end(), event.packet_context.begin(), is_same)) {
    last.values.assign(event.packet_context.begin(), event.packet_context.end());
    std::string text;
    PrintBuffer buffer(text);
    put_structure(buffer, *type.packet, event.packet_context.data());
    buffer.flush();
    last.text = Lead(text);
  }
  out_.put(last.text);
}

void BabeltracePrinter::name_second(std::int64_t second, bool is_negative) {
  const auto when = static_cast<std::time_t>(is_negative ? -second : second);
  std::tm parts{};
  if ((utc_ ? ::gmtime_r(&when, &parts) : ::localtime_r(&when, &parts)) == nullptr) parts = {};
  std::strftime(clock_, sizeof clock_, "[%H:%M:%S.", &parts);
  shown_ns_ = is_negative ? kNoSecond : second * 1'000'000'000;
}

// Times before 1970: the first of them as seconds, with a warning, the others as that long after 1970.
void BabeltracePrinter::time(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  if (last_ns_ != -1) delta_ns_ = ns - last_ns_;
  if (first_ns_ == -1) first_ns_ = ns;
  last_ns_ = ns;
  char* p = out_.room();
  std::uint64_t in_second = static_cast<std::uint64_t>(ns) - static_cast<std::uint64_t>(shown_ns_);
  if (in_second >= kSecond) {
    const bool is_negative = ns < 0;
    in_second = static_cast<std::uint64_t>(is_negative ? -(ns % kSecond) : ns % kSecond);
    if (is_negative && !said_negative_) {
      say("warning: print: times before 1970: babeltrace2 writes the first of them in seconds, the others as that long after 1970");
      said_negative_ = true;
      std::memcpy(p, "[-", 2);
      p = detail::put_number(p + 2, 0 - static_cast<std::uint64_t>(ns / kSecond));
      *p++ = '.';
      return time_in_second(p, static_cast<std::uint32_t>(in_second));
    }
    name_second(ns / kSecond, is_negative);
  }
  std::memcpy(p, clock_, 10);
  time_in_second(p + 10, static_cast<std::uint32_t>(in_second));
}

// What is behind the seconds at `p`.
void BabeltracePrinter::time_in_second(char* p, std::uint32_t ns) {
  p = detail::put_nine(p, ns);
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
