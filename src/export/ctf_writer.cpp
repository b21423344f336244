#include "export/ctf_writer.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/fd.hpp"
#include "export/clock_time.hpp"
#include "format/ctf.hpp"
#include "format/pieces.hpp"
#include "read/clocks.hpp"

namespace ouro::ctf {
namespace {

// Packets end where they did in the source; but a file may be one packet, and they are in memory until they are whole: all of them together take this much.
constexpr std::size_t kMemory = 64 << 20, kSmallestPacket = 64 << 10;
constexpr std::uint64_t kStateStream = 1;          // the recorder's own, as its readers want it
constexpr const char* kNanoseconds = "nanoseconds";

#pragma pack(push, 1)
struct PacketHead {
  std::uint32_t magic;
  std::array<std::uint8_t, 16> uuid;
  std::uint32_t stream_id;
  std::uint64_t instance;
  std::uint64_t begin, end, content_bits, packet_bits, number, lost;
};
#pragma pack(pop)

std::size_t top_level(std::span<const read::Value> values, std::size_t fields) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < fields && at < values.size(); ++i) at += values[at].nodes;
  return at;
}

std::size_t field_count(std::span<const read::Value> values) {
  std::size_t out = 0;
  for (std::size_t at = 0; at < values.size(); at += values[at].nodes) ++out;
  return out;
}

}  // namespace

Writer::Writer(std::string folder, const WriterOptions& options)
    : folder_(std::move(folder)), options_(options), printer_(options.version == Version::v2 ? make_json_printer() : make_tsdl_printer()) {
  if (::getrandom(parts_.uuid.data(), parts_.uuid.size(), 0) != static_cast<ssize_t>(parts_.uuid.size())) parts_.uuid = {};
  parts_.uuid[6] = static_cast<std::uint8_t>((parts_.uuid[6] & 0x0f) | 0x40);  // RFC 4122, version 4
  parts_.uuid[8] = static_cast<std::uint8_t>((parts_.uuid[8] & 0x3f) | 0x80);
}

Result<std::unique_ptr<Writer>> Writer::create(const std::string& folder, const WriterOptions& options) {
  if (::mkdir(folder.c_str(), 0777) != 0) {
    if (errno == EEXIST) return errorf(EEXIST, "'%s' is there already, want a folder that is not: nothing is written over", folder.c_str());
    return error_from_errno("folder '%s' cannot be made", folder.c_str());
  }
  return std::unique_ptr<Writer>(new Writer(folder, options));
}

void Writer::begin(const read::Trace& trace, const std::string& prefix, Choice chosen) {
  trace_ = &trace;
  prefix_ = prefix;
  chosen_ = std::move(chosen);
  streams_.clear();
  last_source_ = nullptr;
  take_environment(trace);
}

// Of several traces: what all say the same of stands once, else each has its own. Ours are read as ours wherever they stand.
void Writer::take_environment(const read::Trace& trace) {
  const auto has = [&](const std::string& name) {
    return std::find_if(parts_.env.begin(), parts_.env.end(), [&](const auto& entry) { return entry.first == name; });
  };
  for (const auto& [name, stated] : trace.environment()) {
    std::string free = name, value = stated;
    auto there = has(free);
    if (name == "tracer_name" && value == "ouro" && there != parts_.env.end()) std::swap(there->second, value);
    for (int n = 2; there != parts_.env.end() && there->second != value; there = has(free)) free = name + "_" + std::to_string(n++);
    if (there == parts_.env.end()) parts_.env.emplace_back(free, value);
  }
}

Writer::Stream& Writer::stream_of(const read::Event& event) {
  if (event.stream == last_source_) return *last_stream_;
  Stream*& found = streams_[event.stream];
  if (found == nullptr) {
    all_.push_back(std::make_unique<Stream>());
    found = all_.back().get();
    found->source = event.stream;
    found->packet.keep_leb128(options_.version == Version::v2);
    found->number = all_.size() - 1;
    std::string name = prefix_ + event.stream->file;
    if (name.ends_with(format::kCompressedSuffix)) name.resize(name.size() - format::kCompressedSuffix.size());
    std::replace(name.begin(), name.end(), '/', '_');
    const int taken = names_[name]++;
    found->file = taken == 0 ? name : name + "_" + std::to_string(taken + 1);
    found->ids.assign(trace_->classes().size(), -1);
  }
  last_source_ = event.stream;
  last_stream_ = found;
  return *found;
}

// The clock whose ticks give the event's time. Which one a stream has, only its metadata knows.
std::size_t Writer::clock_of(const read::Event& event) {
  read::Clock clock;
  clock.name = kNanoseconds;
  clock.description = "nanoseconds since 1970";
  if (!options_.nanoseconds)
    for (const read::Source& source : trace_->sources())
      for (const read::Clock& candidate : source.clocks)
        if (clock.name == kNanoseconds && to_ns(candidate, event.ticks) == event.time_ns) clock = candidate;
  for (std::size_t i = 0; i < parts_.clocks.size(); ++i)
    if (read::is_same(parts_.clocks[i].clock, clock) && parts_.clocks[i].clock.name == clock.name) return i;
  std::string name;
  for (const char c : clock.name) name += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!name.empty() && c >= '0' && c <= '9') ? c : '_';
  if (name.empty()) name = "clock";
  const auto taken = [&](const std::string& n) { return std::any_of(parts_.clocks.begin(), parts_.clocks.end(), [&](const MetadataClock& c) { return c.name == n; }); };
  std::string free = name;
  for (int n = 2; taken(free); ++n) free = name + "_" + std::to_string(n);
  parts_.clocks.push_back({clock, free});
  return parts_.clocks.size() - 1;
}

std::uint64_t Writer::ticks_of(const Stream& stream, const read::Event& event) const {
  return parts_.clocks[stream.clock].clock.name == kNanoseconds && event.time_ns >= 0 ? static_cast<std::uint64_t>(event.time_ns) : event.ticks;
}

// Its first event tells what the stream's context is.
Status Writer::learn(Stream& stream, const read::Event& event) {
  const std::size_t own = event.type->context.size(), all = field_count(event.context());
  std::size_t at = 0;
  for (std::size_t i = 0; i + own < all; ++i, at += event.context()[at].nodes) stream.context.push_back(*event.context()[at].field);
  stream.clock = clock_of(event);
  stream.is_known = true;
  Class made;
  Places& places = stream.places;
  made.is_state = event.type->is_state;
  made.out.clock = stream.clock;
  made.out.has_cpu = event.cpu >= 0;
  if (!stream.context.empty()) made.context = printer_->fields(places, Scope::stream_context, stream.context);
  if (!places.trouble.empty()) return errorf(ENOTSUP, "%s: the context of its events %s", stream.file.c_str(), places.trouble.c_str());
  join_class(stream, std::move(made));
  return Ok{};
}

// What is printed the same, has one clock, and is of the recorder's own or not, is one class.
void Writer::join_class(Stream& stream, Class made) {
  made.key = made.context + "|" + std::to_string(stream.clock) + (made.out.has_cpu ? "|cpu" : "|") + (made.is_state ? "|state" : "|");
  const auto same = std::find_if(classes_.begin(), classes_.end(), [&](const Class& c) { return c.key == made.key; });
  stream.class_index = static_cast<std::size_t>(same - classes_.begin());
  if (same == classes_.end()) {
    made.out.context = made.context;
    made.out.id = classes_.size() + (classes_.empty() ? 0 : 1);
    const bool is_first = std::none_of(classes_.begin(), classes_.end(), [](const Class& c) { return c.is_state; });
    if (made.is_state && is_first) made.out.id = kStateStream;
    classes_.push_back(std::move(made));
  }
}

Result<std::uint32_t> Writer::declare(Stream& stream, const read::EventClass& type) {
  Class& of = classes_[stream.class_index];
  Places places = stream.places;
  const std::string context = printer_->fields(places, Scope::event_context, type.context);
  const std::string payload = printer_->fields(places, Scope::payload, type.fields);
  if (!places.trouble.empty()) return errorf(ENOTSUP, "event '%s' %s: it cannot be written", type.name.c_str(), places.trouble.c_str());
  const std::string text = printer_->event(type, context, payload);
  const auto [it, is_new] = of.events.emplace(text, static_cast<std::uint32_t>(of.out.events.size()));
  if (is_new) of.out.events.push_back(text);
  return it->second;
}

Result<std::uint32_t> Writer::id_of(Stream& stream, const read::EventClass& type) {
  std::int64_t& id = stream.ids[type.index];
  if (id < 0) {
    Result<std::uint32_t> declared = declare(stream, type);
    if (!declared) return declared.error();
    id = *declared;
  }
  return static_cast<std::uint32_t>(id);
}

// What no event of came, in the first stream of its class that is known.
Status Writer::declare_chosen() {
  for (const read::EventClass& type : trace_->classes()) {
    if (!type.is_state && !chosen_(type)) continue;
    for (const auto& [source, stream] : streams_) {
      if (!stream->is_known || source->id != type.stream_id || classes_[stream->class_index].is_state != type.is_state) continue;
      Result<std::uint32_t> id = id_of(*stream, type);
      if (!id) return id.error();
      break;
    }
  }
  return Ok{};
}

void Writer::open_packet(Stream& stream, std::uint64_t begin) {
  const Class& of = classes_[stream.class_index];
  stream.packet.clear();
  PacketHead head{0xc1fc1fc1, parts_.uuid, static_cast<std::uint32_t>(of.out.id), stream.number, begin, 0, 0, 0, stream.packets, 0};
  stream.packet.raw(&head, sizeof head);
  if (of.out.has_cpu) stream.packet.put(static_cast<std::uint32_t>(stream.source->cpu));
  stream.begin = stream.last = begin;
  stream.source_packet = stream.source->packets;
  stream.is_open = true;
}

Status Writer::close_packet(Stream& stream) {
  if (!stream.is_open) return Ok{};
  stream.is_open = false;
  const std::uint64_t content = stream.packet.bit();
  stream.packet.align(8);
  const std::uint64_t size = stream.packet.bit(), end = std::max<std::uint64_t>(stream.last, 1);
  const auto set = [&](std::size_t at, std::uint64_t value) { stream.packet.overwrite(at, &value, sizeof value); };
  set(offsetof(PacketHead, end), end);
  set(offsetof(PacketHead, content_bits), content);
  set(offsetof(PacketHead, packet_bits), size);
  set(offsetof(PacketHead, lost), stream.lost);
  stream.lost_written = stream.lost;
  stream.last_packet_at = stream.file_bytes;
  ++stream.packets;
  if (Status ok = append(stream.file, stream.packet.bytes(), -1); !ok) return ok;
  stream.file_bytes += size / 8;
  bytes_ += size / 8;
  stream.packet.clear();
  return Ok{};
}

// Opened each time: there may be thousands of streams.
Status Writer::append(const std::string& file, std::string_view bytes, std::int64_t at) {
  const std::string path = folder_ + "/" + file;
  base::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (at < 0 ? O_APPEND : 0), 0666));
  if (!fd) return error_from_errno("'%s' cannot be written", path.c_str());
  const bool is_there = at < 0 || ::lseek(fd.get(), at, SEEK_SET) == at;
  errno = is_there ? base::write_all(fd.get(), bytes.data(), bytes.size()) : errno;
  return errno == 0 ? Status(Ok{}) : Status(error_from_errno("'%s' cannot be written", path.c_str()));
}

std::size_t Writer::largest_packet() const { return std::max(kSmallestPacket, kMemory / std::max<std::size_t>(all_.size(), 1)); }

Status Writer::write(const read::Event& event) {
  Stream& stream = stream_of(event);
  if (!stream.is_known)
    if (Status ok = learn(stream, event); !ok) return ok;
  const Result<std::uint32_t> id = id_of(stream, *event.type);
  if (!id) return id.error();
  const std::uint64_t now = ticks_of(stream, event);
  if (stream.is_open && (stream.source->packets != stream.source_packet || stream.packet.bytes().size() >= largest_packet()))
    if (Status ok = close_packet(stream); !ok) return ok;
  stream.lost = std::max(stream.lost, event.stream->events_discarded - std::min(event.stream->events_discarded, stream.lost_before));
  if (!stream.is_open) open_packet(stream, now);
  if (now < stream.last) return errorf(EINVAL, "%s: event '%s' goes back in time, from tick %llu to %llu", stream.file.c_str(), event.type->name.c_str(),
                                       static_cast<unsigned long long>(stream.last), static_cast<unsigned long long>(now));
  const std::uint64_t begin_bit = stream.packet.bit();
  stream.packet.align(8);
  if (*id < kCompactIds && now - stream.last < (1u << kStampBits)) {
    stream.packet.put(static_cast<std::uint32_t>(*id | (now & ((1u << kStampBits) - 1)) << kIdBits));
  } else {
    stream.packet.put(kCompactIds);
    stream.packet.put(*id);
    stream.packet.put(now);
  }
  const std::size_t common = top_level(event.context(), stream.context.size());
  const char* wrong = stream.packet.structure(stream.context, event.context().first(common));
  if (wrong == nullptr) wrong = stream.packet.structure(event.type->context, event.context().subspan(common));
  if (wrong == nullptr) wrong = stream.packet.structure(event.type->fields, event.fields());
  if (wrong != nullptr) {
    stream.packet.cut(begin_bit);
    return errorf(ENOTSUP, "%s: event '%s' %s", stream.file.c_str(), event.type->name.c_str(), wrong);
  }
  stream.last = now;
  ++stream.events;
  events_ += !event.type->is_state;
  return Ok{};
}

void Writer::skip(const read::Event& event) {
  Stream& stream = stream_of(event);
  stream.lost = std::max(stream.lost, event.stream->events_discarded - std::min(event.stream->events_discarded, stream.lost_before));
  if (stream.lost != 0 && !stream.is_known) (void)learn(stream, event);
  if (stream.is_known && !stream.is_open) stream.last = ticks_of(stream, event);
}

// Losses behind the last packet are written over what it said; where nothing was wanted but something was lost, a packet without events says it.
Status Writer::state_losses(Stream& stream) {
  if (stream.lost == stream.lost_written || !stream.is_known) return Ok{};
  if (stream.packets == 0) {
    open_packet(stream, stream.last);
    return close_packet(stream);
  }
  std::string bytes(sizeof stream.lost, '\0');
  std::memcpy(bytes.data(), &stream.lost, bytes.size());
  stream.lost_written = stream.lost;
  return append(stream.file, bytes, static_cast<std::int64_t>(stream.last_packet_at + offsetof(PacketHead, lost)));
}

// A file that holds losses and no event: its context is not known, and there is nobody to have one.
void Writer::take_losses() {
  const auto known = std::find_if(streams_.begin(), streams_.end(), [](const auto& entry) { return entry.second->is_known; });
  if (known == streams_.end()) return;
  for (const read::Stream& source : trace_->streams()) {
    if (source.events_discarded == 0 || streams_.count(&source) != 0) continue;
    read::Event event;
    event.stream = &source;
    Stream& stream = stream_of(event);
    Class made;
    stream.clock = made.out.clock = known->second->clock;
    made.out.has_cpu = source.cpu >= 0;
    stream.last = known->second->last;
    stream.is_known = true;
    join_class(stream, std::move(made));
  }
}

Status Writer::end(bool whole) {
  if (whole) take_losses();
  for (const auto& [source, stream] : streams_) {
    if (whole) stream->lost = std::max(stream->lost, source->events_discarded - std::min(source->events_discarded, stream->lost_before));
    if (Status ok = close_packet(*stream); !ok) return ok;
    if (Status ok = state_losses(*stream); !ok) return ok;
  }
  Status declared = declare_chosen();
  streams_.clear();
  last_source_ = nullptr;
  return declared;
}

Status Writer::finish() {
  for (Class& of : classes_) parts_.streams.push_back(std::move(of.out));
  return append("metadata", printer_->whole(parts_), -1);
}

std::uint64_t Writer::lost() const {
  std::uint64_t out = 0;
  for (const auto& stream : all_) out += stream->lost_written;
  return out;
}

std::size_t Writer::streams() const {
  return static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), [&](const auto& stream) { return stream->packets != 0 && !classes_[stream->class_index].is_state; }));
}

}  // namespace ouro::ctf
