// read/stream_reader.cpp -- see the header; which part of the file is read: stream_windows.cpp. Every number that a packet states is checked before it is used.
#include "read/stream_reader.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cinttypes>
#include <cstring>

#include "base/textf.hpp"
#include "read/decoder_walk.hpp"
#include "read/document.hpp"

namespace ouro::read {
namespace {

using base::textf;

constexpr std::uint32_t kMagic = 0xc1fc1fc1;
constexpr std::uint64_t kSmallIds = 4096;  // of events, that are found by an index
constexpr std::uint64_t kNs = 1'000'000'000;
constexpr std::uint64_t kNearAnchor = std::uint64_t{1} << 33;  // ticks

// Two uuids differ in 64 bits of 128, more or less: in so few only if they are one that was damaged.
constexpr int kDamagedUuidBits = 8;

// Rounded up, for any number of bits.
std::uint64_t bytes_of(std::uint64_t bits) { return bits / 8 + (bits % 8 != 0 ? 1 : 0); }

int differing_bits(const char* bytes, const std::array<std::uint8_t, 16>& uuid) {
  int out = 0;
  for (std::size_t i = 0; i < uuid.size(); ++i) out += std::popcount(static_cast<unsigned>(static_cast<std::uint8_t>(bytes[i]) ^ uuid[i]));
  return out;
}

}  // namespace

// Names of files and events end up on terminals: control characters are taken out.
void DamageLog::add(const std::string& file, std::uint64_t offset, const std::string& why) {
  if (++count_ > Trace::kMaxDamage) return;
  first_.push_back({file, offset, base::printable(textf("%s, byte %" PRIu64 ": ", file.c_str(), offset) + why)});
}

StreamReader::StreamReader(const Metadata& metadata, Stream& info, std::string_view file, DamageLog* log)
    : decoder_(metadata.slots), info_(&info), metadata_(&metadata), file_(file), log_(log), packet_header_(compile(Scope::of(metadata.packet_header))) {}

// The two below are made when they are first needed: most streams see few of the events there are.
StreamReader::StreamPrograms& StreamReader::programs_of(const StreamClass& stream) {
  if (stream_programs_.stream != &stream) stream_programs_ = {&stream, compile(Scope::of(stream.packet_context)), compile(Scope::of(stream.event_header))};
  return stream_programs_;
}

StreamReader::EventKind* StreamReader::find_kind(std::uint64_t id) {
  const StreamClass& stream = *packet_.stream;
  const auto found = stream.events.find(id);
  if (found == stream.events.end()) return nullptr;
  const std::size_t index = found->second;
  kinds_.resize(metadata_->events.size());
  if (kinds_[index] == nullptr) {
    const EventClass& type = metadata_->events[index];
    const EventAlign& align = metadata_->aligns[index];
    const Scope scopes[] = {Scope::of(stream.event_context), {type.context, align.context}, {type.fields, align.fields}};
    kinds_[index] = std::make_unique<EventKind>(EventKind{&type, id, compile(scopes)});
  }
  if (id < kSmallIds) {
    if (id >= kinds_by_id_.size()) kinds_by_id_.resize(id + 1);
    kinds_by_id_[id] = kinds_[index].get();
  }
  return kinds_[index].get();
}

std::span<const Value> Event::context() const {
  if (reader_ == nullptr) return {};
  Decoder& decoder = reader_->decoder();
  const std::span<const Value> all = decoder.values();
  return all.first(decoder.split());
}

std::span<const Value> Event::fields() const {
  if (reader_ == nullptr) return {};
  Decoder& decoder = reader_->decoder();
  const std::span<const Value> all = decoder.values();
  return all.subspan(decoder.split());
}

void StreamReader::rewind(std::string_view file) {
  file_ = file;
  in_packet_ = peeked_ = seen_packet_ = is_copied_ = false;
  plain_end_ = 0;
  window_.clear();
  forget_zeros();
  packet_end_ = content_end_ = last_ticks_ = 0;
  packet_ = {};
  decoder_ = Decoder(metadata_->slots);
  kinds_by_id_.clear();  // the file may have become another stream's
  anchor_frequency_ = 0;
  quiet_below_ = furthest_report_;
  info_->packets = info_->events = info_->events_discarded = info_->packets_missing = 0;
}

void StreamReader::report(std::uint64_t offset, const std::string& why) {
  if (log_ == nullptr || offset < quiet_below_) return;
  furthest_report_ = std::max(furthest_report_, offset + 1);
  log_->add(info_->file, offset, why);
}

// ---- packets

bool StreamReader::parse_packet_header(Packet& out, std::string& why) {
  if (const char* wrong = decoder_.run(packet_header_)) {
    why = std::string("packet header ") + wrong;
    return false;
  }
  for (const Value& value : decoder_.values()) {
    const std::uint16_t roles = value.type().plan.roles;
    if (roles == 0) continue;
    if ((roles & doc::kMagic) != 0 && value.u != kMagic) {
      why = textf("packet magic is 0x%08" PRIx64 ", want 0x%08x", value.u, kMagic);
      return false;
    }
    if ((roles & doc::kUuid) != 0 && metadata_->uuid && value.count == 16) {
      const int wrong = differing_bits(value.bytes, *metadata_->uuid);
      if (wrong > kDamagedUuidBits) {
        why = "packet has another trace's uuid";
        return false;
      }
      if (wrong != 0) out.doubt = textf("packet has the trace's uuid but for %d of its bits; it is read", wrong);
    }
    if ((roles & doc::kStreamClassId) != 0) out.stream_id = value.u;
    if ((roles & doc::kStreamId) != 0) out.instance = value.u;
  }
  return true;
}

// Where a role is there twice, the last one counts.
bool StreamReader::parse_packet_context(Packet& out, std::string& why) {
  if (const char* wrong = decoder_.run(programs_of(*out.stream).packet_context)) {
    why = std::string("packet context ") + wrong;
    return false;
  }
  std::optional<std::uint64_t> end, content, size;
  for (const Value& value : decoder_.values()) {
    const std::uint16_t roles = value.type().plan.roles;
    if (roles == 0) continue;
    if ((roles & doc::kTimestamp) != 0) out.begin = value.u;
    if ((roles & doc::kPacketEnd) != 0) end = value.u;
    if ((roles & doc::kContentSize) != 0) content = value.u;
    if ((roles & doc::kPacketSize) != 0) size = value.u;
    if ((roles & doc::kSequenceNumber) != 0) out.seq_num = value.u;
    if ((roles & doc::kDiscarded) != 0) out.discarded = value.u;
    if ((roles & doc::kCpu) != 0) out.cpu = value.u;
  }
  if (end && *end != 0) out.end = *end;
  if (size || content) out.packet_bytes = size ? *size / 8 : bytes_of(*content);
  out.content_bits = content ? *content : out.packet_bytes * 8;
  out.odd_bits = size.value_or(0) % 8;
  out.says_content = content.has_value();
  return true;
}

// A size of the packet that cannot be costs nothing if its content's can: behind that the next packet is sought.
bool StreamReader::check_sizes(std::uint64_t left, bool is_expected, Packet& out, std::string& why) const {
  const std::uint64_t header = decoder_.bit(), content = bytes_of(out.content_bits);
  if (out.odd_bits != 0)
    why = textf("packet size is %" PRIu64 " bytes and %" PRIu64 " bits, want whole bytes", out.packet_bytes, out.odd_bits);
  else if (out.packet_bytes < bytes_of(header) || out.content_bits < header || content > out.packet_bytes)
    why = textf("packet of %" PRIu64 " bytes says %" PRIu64 " bits of content behind a header of %" PRIu64, out.packet_bytes, out.content_bits, header);
  else
    return true;
  if (!is_expected || !out.says_content || out.content_bits < header || content > left) return false;
  out.doubt = why + "; its content is read";
  out.packet_bytes = content;
  return true;
}

bool StreamReader::check_packet(std::uint64_t offset, bool is_expected, Packet& out, std::string& why) const {
  const std::uint64_t left = file_.size() - offset;
  if (!check_sizes(left, is_expected, out, why)) return false;
  if (out.begin > out.end) {
    why = textf("packet begins at tick %" PRIu64 ", after its end at %" PRIu64, out.begin, out.end);
    return false;
  }
  if (out.end < last_ticks_ || (out.begin != 0 && out.begin < last_ticks_)) {
    why = textf("packet begins at tick %" PRIu64 ", before the event ahead of it at %" PRIu64, out.begin, last_ticks_);
    return false;
  }
  if (seen_packet_ && out.stream_id != packet_.stream_id) {
    why = textf("packet is of stream %" PRIu64 ", those before of %" PRIu64, out.stream_id, packet_.stream_id);
    return false;
  }
  out.truncated = out.packet_bytes > left;
  if (out.truncated) out.content_bits = std::min(out.content_bits, left * 8);
  return true;
}

// Leaves the decoder behind the packet's context. Without a context, the rest of the file is one packet.
bool StreamReader::parse_packet(std::uint64_t offset, Packet& out, std::string& why, bool is_expected) {
  const std::uint64_t left = file_.size() - offset;
  start_decoder(offset);
  out.packet_bytes = left;
  out.content_bits = left * 8;
  if (metadata_->streams.size() == 1) out.stream_id = metadata_->streams[0].id;  // unless the packet says another
  if (metadata_->packet_header.type != nullptr && !parse_packet_header(out, why)) return false;
  out.stream = metadata_->stream(out.stream_id);
  if (out.stream == nullptr) {
    why = textf("packet is of stream %" PRIu64 ", which the metadata does not declare", out.stream_id);
    return false;
  }
  if (out.stream->packet_context.type != nullptr && !parse_packet_context(out, why)) return false;
  return check_packet(offset, is_expected, out, why);
}

// The first sound packet header at or behind `from` and before `limit`, known by its magic number.
std::optional<std::uint64_t> StreamReader::find_packet(std::uint64_t from, std::uint64_t limit,
                                                       std::optional<std::uint64_t> wanted_seq_num) {
  if (metadata_->packet_header.type == nullptr) return std::nullopt;
  const Type& header = *metadata_->packet_header.type;
  if (header.members.empty() || (header.members[0].type->plan.roles & doc::kMagic) == 0 || header.members[0].type->bits != 32) return std::nullopt;
  std::uint32_t magic = kMagic;
  if (header.members[0].type->plan.big_endian) magic = __builtin_bswap32(magic);
  const std::string_view needle(reinterpret_cast<const char*>(&magic), sizeof magic);
  limit = std::min<std::uint64_t>(limit, file_.size());
  while (from < limit) {
    const void* found = ::memmem(file_.data() + from, limit - from, needle.data(), needle.size());
    if (found == nullptr) return std::nullopt;
    const auto at = static_cast<std::uint64_t>(static_cast<const char*>(found) - file_.data());
    Packet packet;
    std::string why;
    if (parse_packet(at, packet, why) && (!wanted_seq_num || packet.seq_num == wanted_seq_num)) return at;
    from = at + 1;
  }
  return std::nullopt;
}

// What the packet says of those before it.
void StreamReader::account(const Packet& packet) {
  if (!packet.doubt.empty()) report(offset_, packet.doubt);
  if (seen_packet_ && packet.begin == 0 && packet_.begin != 0)
    report(offset_, textf("packet does not say when it begins, the one ahead does, tick %" PRIu64 ": its events may be later than shown", packet_.begin));
  if (packet.truncated)
    report(offset_, textf("packet of %" PRIu64 " bytes is cut off after %" PRIu64, packet.packet_bytes,
                          static_cast<std::uint64_t>(file_.size()) - offset_));
  if (seen_packet_ && packet.seq_num && packet_.seq_num) {
    const std::uint64_t expected = *packet_.seq_num + 1;
    if (*packet.seq_num > expected) {
      info_->packets_missing += *packet.seq_num - expected;
      report(offset_, textf("packet %" PRIu64 " follows packet %" PRIu64 ": %" PRIu64 " missing", *packet.seq_num,
                            *packet_.seq_num, *packet.seq_num - expected));
    } else if (*packet.seq_num < expected) {
      report(offset_, textf("packet %" PRIu64 " follows packet %" PRIu64, *packet.seq_num, *packet_.seq_num));
    }
  }
  if (packet.discarded) {
    // LTTng-UST 2.13 leaves a 0 now and then.
    if (*packet.discarded < info_->events_discarded && *packet.discarded != 0)
      report(offset_, textf("count of discarded events goes back from %" PRIu64 " to %" PRIu64, info_->events_discarded,
                            *packet.discarded));
    info_->events_discarded = std::max(info_->events_discarded, *packet.discarded);
  }
  ++info_->packets;
  info_->id = packet.stream_id;
  info_->is_state = packet.stream->is_state;
  if (packet.cpu && *packet.cpu <= INT32_MAX) info_->cpu = static_cast<int>(*packet.cpu);
}

bool StreamReader::has_other(const Packet& packet) const {
  if (seen_ == nullptr || !packet.instance || !packet.seq_num) return false;
  return !seen_->take({packet.stream_id, *packet.instance, *packet.seq_num, packet.begin, packet.end}, this);
}

// The next sound packet, when none stands at packet_end_. If the packet before has padding, its size may be a lie: so
// the search begins where its content ends.
bool StreamReader::resynchronise(const std::string& why) {
  const auto found = find_packet(std::min(content_end_, offset_ + 1), file_.size(), std::nullopt);
  packet_end_ = found.value_or(file_.size());
  if (found && *found < offset_)
    report(offset_, why + textf("; reading goes on at byte %" PRIu64, *found));
  else if (offset_ < packet_end_)
    report(offset_, why + textf("; %" PRIu64 " bytes skipped", packet_end_ - offset_));
  offset_ = packet_end_;
  return found.has_value();
}

// Where packets are missing, the one before may have hidden them: its size says that they are its padding.
void StreamReader::look_into_padding(Packet& packet) {
  if (!seen_packet_ || content_end_ >= offset_ || !packet.seq_num || !packet_.seq_num || *packet.seq_num <= *packet_.seq_num + 1) return;
  const auto hidden = find_packet(content_end_, offset_, *packet_.seq_num + 1);
  if (hidden) {
    report(offset_, textf("packet %" PRIu64 " follows packet %" PRIu64 ", whose padding has packets; reading goes on at byte %" PRIu64, *packet.seq_num,
                          *packet_.seq_num, *hidden));
    offset_ = *hidden;
    forget_zeros();
  }
  packet = {};
  std::string ignored;
  parse_packet(offset_, packet, ignored, !hidden);
}

bool StreamReader::open_packet() {
  offset_ = packet_end_;
  const bool at_end = offset_ >= file_.size();
  if (at_end && content_end_ >= file_.size()) return false;
  if (mapped_ != nullptr && !at_end && !window_.holds(std::min(offset_ + kHeaderRoom, file_.size()) - 1)) window_.move(*mapped_, offset_);
  Packet packet;
  std::string why = "the padding ahead of the file's end has packets";  // unless another is found
  bool is_there = !at_end && parse_packet(offset_, packet, why, true);
  if (!is_there && !at_end && is_copied_) {  // perhaps for the window's end
    window_.clear();
    packet = {};
    is_there = parse_packet(offset_, packet, why, true);
  }
  if (!is_there) {
    if (!resynchronise(why)) {
      content_end_ = file_.size();
      return false;
    }
    packet = {};
    parse_packet(offset_, packet, why);
    forget_zeros();
  } else {
    look_into_padding(packet);
  }
  account(packet);
  packet_ = packet;
  packet_context_.clear();
  if (packet.stream->packet_context.type != nullptr) packet_context_.assign(decoder_.values().begin(), decoder_.values().end());
  for (Value& value : packet_context_)  // valid for longer than the window
    if ((value.kind() == Kind::string || value.kind() == Kind::blob || value.is_packed()) && window_.has(value.bytes)) value.bytes = file_.data() + offset_ + (value.bytes - decoder_.base());
  seen_packet_ = in_packet_ = true;
  packet_end_ = packet.truncated ? file_.size() : offset_ + packet.packet_bytes;
  content_end_ = offset_ + bytes_of(packet.content_bits);
  if (is_copied_) see_copy();
  sees_all_ = mapped_ == nullptr;
  decoder_.set_clock(std::max(packet.begin, last_ticks_));
  set_end();
  event_.reader_ = this;
  event_.stream = info_;
  event_.cpu = info_->cpu;
  event_.packet_context = packet_context_;
  if (has_other(packet)) in_packet_ = false;
  return true;
}

std::vector<PacketPlace> StreamReader::packets(const MappedFile& file) {
  MappedFile::Glances glances(file);
  std::vector<PacketPlace> out;
  while (open_packet()) {
    in_packet_ = false;
    if (packet_.begin != 0 || out.empty()) out.push_back({offset_, packet_end_ - offset_, packet_.begin, packet_.end});
    glances.next(offset_, packet_end_ - offset_);
  }
  return out;
}

bool StreamReader::has_packet(const PacketPlace& place) {
  Packet packet;
  std::string why;
  if (place.offset >= file_.size() || !parse_packet(place.offset, packet, why)) return false;
  packet_ = packet;
  seen_packet_ = true;
  const std::uint64_t size = packet.truncated ? file_.size() - place.offset : packet.packet_bytes;
  return place == PacketPlace{place.offset, size, packet.begin, packet.end};
}

// After damage inside a packet its stated size is not to be trusted either: if no successor stands at its end, but
// one stands inside, that one is taken.
void StreamReader::give_up_packet(const std::string& why) {
  if (stops_early()) return;  // go_on() is next
  in_packet_ = false;
  content_end_ = packet_end_;
  const std::uint64_t at = offset_ + event_bit_ / 8;
  report(at, why + textf("; the rest of its packet, %" PRIu64 " bytes, is skipped", packet_end_ - at));
  if (!packet_.seq_num) return;
  const std::uint64_t successor = *packet_.seq_num + 1;
  Packet next;
  std::string ignored;
  if (packet_end_ < file_.size() && parse_packet(packet_end_, next, ignored) && next.seq_num == successor) return;
  if (const auto found = find_packet(at, packet_end_, successor)) packet_end_ = content_end_ = *found;
}

// ---- events

// 128-bit arithmetic once per second of trace; in between the product fits in 64 bits, and its quotient by the frequency is a multiplication with the
// reciprocal, which may be too small by one.
inline std::int64_t StreamReader::ns_since_anchor(std::uint64_t ticks) const {
  __extension__ using Wide = unsigned __int128;
  if (anchor_frequency_ == kNs) return static_cast<std::int64_t>(ticks + tick_ns_);
  const std::uint64_t product = anchor_rest_ + (ticks - anchor_ticks_) * kNs;
  auto quotient = static_cast<std::uint64_t>(Wide{product} * reciprocal_ >> 64);
  if (product - quotient * anchor_frequency_ >= anchor_frequency_) ++quotient;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(anchor_ns_) + quotient);
}

std::int64_t StreamReader::to_ns(std::uint64_t ticks) {
  if (anchor_frequency_ == 0 || ticks - anchor_ticks_ > kNearAnchor) set_anchor(ticks);
  return ns_since_anchor(ticks);
}

bool StreamReader::decode_rare_header() {
  decoder_.set_slot(kIdSlot, 0);
  const char* wrong = decoder_.run(programs_of(*packet_.stream).event_header);
  if (wrong != nullptr) give_up_packet(std::string("event header ") + wrong);
  return wrong == nullptr;
}

void StreamReader::refuse_id(std::uint64_t id) { give_up_packet(textf("event has id %" PRIu64 ", which the metadata does not declare", id)); }

void StreamReader::refuse_time() {
  give_up_packet(textf("event is of tick %" PRIu64 ", outside of its packet's %" PRIu64 " to %" PRIu64 " or before the event ahead of it at %" PRIu64,
                       decoder_.clock(), packet_.begin, packet_.end, last_ticks_));
}

void StreamReader::refuse_event(const char* wrong) { give_up_packet("event '" + kind_->type->name + "' " + wrong); }

bool StreamReader::decode_header() {
  event_bit_ = decoder_.bit();
  if (sees_all_ && mapped_ != nullptr && event_bit_ != whole_for_) {
    move_window();
    if (decoder_.at_end()) return false;
  }
  if (!decoder_.take_compact(packet_.stream->compact) && !decode_rare_header()) return false;
  const std::uint64_t id = decoder_.slot(kIdSlot);
  kind_ = id < kinds_by_id_.size() ? kinds_by_id_[id] : nullptr;
  if (kind_ == nullptr) kind_ = find_kind(id);
  if (kind_ == nullptr) return refuse_id(id), false;
  const std::uint64_t now = decoder_.clock();
  if (now > packet_.end || now < earliest_) return refuse_time(), false;
  event_.ticks = now;
  event_.time_ns = to_ns(now);
  return true;
}

bool StreamReader::decode_event() {
  decoder_.set_slot(kThreadSlot, ~std::uint64_t{0});
  if (const char* wrong = decoder_.run_here(kind_->program)) return refuse_event(wrong), false;
  if (decoder_.bit() == event_bit_) return refuse_event("takes no bytes, so there is no end of such"), false;
  event_.tid = static_cast<std::int32_t>(decoder_.slot(kThreadSlot));
  settle_event();
  return true;
}

// The decoder is behind the event.
[[gnu::always_inline]] inline void StreamReader::settle_event() {
  last_ticks_ = event_.ticks;
  decoder_.set_clock(event_.ticks);  // a stamp among the fields says nothing of the next event
  event_.type = kind_->type;
  event_.size = static_cast<std::uint32_t>((decoder_.bit() - event_bit_) / 8);
}

[[gnu::always_inline]] inline Event* StreamReader::give_before(std::int64_t limit_ns) {
  if (event_.time_ns >= limit_ns) return peeked_ = true, nullptr;
  ++info_->events;
  return &event_;
}

// Nearly every event has a compact header and is of a class that came before, and its program has a lead. All others, and what is not sound, go the long way, of
// which nothing has been done then.
Event* StreamReader::take_before(std::int64_t limit_ns) {
  const std::uint64_t begin = decoder_.bit();
  if (begin >= plain_end_) return take_any_before(limit_ns);
  const std::uint64_t header = aligned(begin, compact_.align_mask);
  const auto word = load_as<std::uint64_t>(decoder_.base() + header / 8);
  const std::uint64_t id = word & compact_.id_mask;
  if (id >= plain_ids_ || header % 8 != 0) return take_any_before(limit_ns);
  EventKind* kind = kind_;  // often the same again: the processor foresees that, and need not wait for the id to know where the event ends
  if (kind->id != id) kind = kinds_by_id_[id];
  if (kind == nullptr) return take_any_before(limit_ns);
  const Lead& lead = kind->program.lead;
  const std::uint64_t run = aligned(header + compact_.bits, lead.align_mask), end = run + lead.bits;
  const std::uint64_t before = decoder_.clock(), passed = ((word >> compact_.stamp_at) - before) & compact_.stamp_mask, now = before + passed;
  if (end > decoder_.end() || passed > latest_ - before) return take_any_before(limit_ns);
  event_bit_ = begin;
  kind_ = kind;
  event_.ticks = now;
  event_.time_ns = ns_since_anchor(now);
  event_.tid = lead.thread_at < 0 ? -1 : load_as<std::int32_t>(decoder_.base() + run / 8 + lead.thread_at);
  decoder_.take_lead(kind->program, run, end);
  if (lead.rest != Lead::Rest::nothing) return lead.rest == Lead::Rest::others ? take_rest_before(limit_ns) : take_text_before(limit_ns, end);
  settle_event();
  return give_before(limit_ns);
}

Event* StreamReader::take_text_before(std::int64_t limit_ns, std::uint64_t lead_end) {
  if (!decoder_.take_text(kind_->program, lead_end)) return take_rest_before(limit_ns);
  settle_event();
  return give_before(limit_ns);
}

Event* StreamReader::take_rest_before(std::int64_t limit_ns) {
  decoder_.set_slot(kIdSlot, kind_->id);
  if (decoder_.walk_rest(kind_->program) != nullptr) {
    decoder_.go_to(event_bit_);
    return take_any_before(limit_ns);
  }
  settle_event();
  return give_before(limit_ns);
}

Event* StreamReader::take_any_before(std::int64_t limit_ns) { return find_any_event() ? give_before(limit_ns) : nullptr; }

bool StreamReader::find_any_event() {
  plain_end_ = 0;
  for (;;) {
    if (!in_packet_ || (decoder_.at_end() && !stops_early())) {
      in_packet_ = false;
      if (!open_packet()) return false;
      continue;
    }
    const std::uint64_t bit = decoder_.bit();
    earliest_ = decoder_.clock();
    if (!decoder_.at_end() && decode_header() && decode_event()) break;
    if (in_packet_ && stops_early() && go_on(bit)) break;
  }
  see_ahead();
  return true;
}

// A header's 64 bits lie before the packet's end, and the event before the place where the window is moved.
void StreamReader::see_ahead() {
  compact_ = packet_.stream->compact;
  latest_ = std::min(packet_.end, anchor_ticks_ + std::min(kNearAnchor, ~anchor_ticks_));
  plain_ids_ = std::min<std::uint64_t>(compact_.id_limit, kinds_by_id_.size());
  const std::uint64_t least = compact_.align_mask + 64;
  if (decoder_.end() >= least) plain_end_ = sees_all_ && mapped_ != nullptr ? 0 : decoder_.end() - least + 1;
}

// The event at `bit` does not end before the page of zeros. It may hold all of it that is the packet's; if not, what was written there is gone.
bool StreamReader::find_past_zeros(std::uint64_t bit) {
  const std::uint64_t zeros = (zeros_ - offset_) * 8, before = last_ticks_;
  decoder_.go_to(bit);
  decoder_.set_clock(earliest_);
  see_all();
  decoder_.set_end(packet_.content_bits);
  event_bit_ = bit;
  if (bit < zeros) {
    if (!decode_header() || !decode_event()) return false;
    if (decoder_.bit() >= std::min(zeros + kPage * 8, packet_.content_bits)) {
      set_end();
      return true;
    }
    last_ticks_ = before;
  }
  give_up_packet(textf("events end where the file has zeros, from byte %" PRIu64 " to %" PRIu64, zeros_, zeros_ + kPage));
  return false;
}

void StreamReader::set_anchor(std::uint64_t ticks) {
  static const Clock nanoseconds;
  const Clock& clock = packet_.stream->clock ? metadata_->clocks[*packet_.stream->clock] : nanoseconds;
  __extension__ using Wide = __int128;
  const Wide product = (Wide{clock.offset_ticks} + Wide{ticks}) * Wide{kNs};
  const Wide frequency = Wide{clock.frequency};
  const Wide whole = product / frequency - (product % frequency < 0 ? 1 : 0);
  anchor_ticks_ = ticks;
  anchor_rest_ = static_cast<std::uint64_t>(product - whole * frequency);
  // Out of range only if the metadata is nonsense; unsigned arithmetic wraps instead of being undefined.
  anchor_ns_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(whole) + static_cast<std::uint64_t>(clock.offset_s) * kNs);
  anchor_frequency_ = clock.frequency;
  tick_ns_ = static_cast<std::uint64_t>(anchor_ns_) - anchor_ticks_;
  reciprocal_ = ~std::uint64_t{0} / anchor_frequency_;
}

}  // namespace ouro::read
