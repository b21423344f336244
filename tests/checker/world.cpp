#include "world.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "ring/internal.hpp"
#include "ring/owner.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::checker {
namespace {

constexpr std::uint32_t kFirstId = 1100;
constexpr std::uint64_t kNobody = 100;  // owner of what is written before the threads begin
constexpr std::uint64_t kGone = 90;     // owner of what is left

std::uint64_t owner() { return this_thread() >= 0 ? static_cast<std::uint64_t>(this_thread()) + 1 : kNobody; }

unsigned long long ull(std::uint64_t n) { return n; }

}  // namespace

Geometry World::geometry(std::uint32_t ring) const {
  const abi::RingKind kind = shape_.sync == Writers::exclusive ? abi::RingKind::exclusive : is_shared(ring) ? abi::RingKind::shared : abi::RingKind::per_cpu;
  return {kind, shape_.mode, 2, shape_.subbuf_size, ring % shape_.cpus};
}

void World::begin(const Shape& shape) {
  shape_ = shape;
  std::memset(memory_, 0, sizeof memory_);
  std::memset(channel_memory_, 0, sizeof channel_memory_);
  channel_ = new (channel_memory_) Channel;
  Channel& c = *channel_;
  c.cpus = shape.cpus;
  c.per_cpu = shape.sync == Writers::per_cpu;
  c.exclusive = shape.sync == Writers::exclusive;
  c.mode = shape.mode;
  c.subbuf_count = 2;
  c.subbuf_size = shape.subbuf_size;
  for (std::uint32_t i = 0; i < rings(); ++i) {
    initialise(head(i), geometry(i));
    c.ring[i] = &head(i);
    reader_[i] = new Reader(head(i), geometry(i));
    reading_[i] = successor_[i] = {};
    reading_[i].ring = successor_[i].ring = i;
  }
  c.shared = c.ring + c.cpus;
  local_channel = channel_;
  owner_is_dead = [](std::uint64_t who) { return who == kGone || (who != kBurier && is_dead(static_cast<int>(who) - 1)); };
  c.reserve = [](const Channel&, abi::RingHead&) { return pause(), 0; };
  std::memset(attempt_, 0, sizeof attempt_);
  std::memset(next_, 0, sizeof next_);
  reading_began_ = succeeded_ = false;
  std::fill(delivered_, delivered_ + kRings, 0);
  in_hand_ = died_with_ = 0;
  told_ = 0;
  for (int i = 0; i < shape.warm; ++i) write_slowly(kWarmWriter);
  leave();
  for (int i = 0; i < shape.warm_behind; ++i) write_slowly(kWarmWriter);
  take(*reader_[read_ring()], reading_[read_ring()], shape.read_warm, false, false);
}

// The ring's own functions as far as they go; then what the writer had not done yet is undone.
void World::leave() {
  if (shape_.left == Left::nothing) return;
  abi::RingHead& ring = head(read_ring());
  Attempt& a = attempt_[kLeftWriter][0];
  a.begun = true;
  const Body body = body_of(kLeftWriter, 0);
  const auto size = static_cast<std::size_t>(shape_.left_size);
  if (shape_.left == Left::named) {
    abi::Pending& entry = *find_free_pending(ring);
    entry.where.store(ring.writer.write_word.load(std::memory_order_relaxed), std::memory_order_relaxed);
    entry.stamp.store(tick(), std::memory_order_relaxed);
    entry.length.store(kExtendedHeader + size, std::memory_order_relaxed);
    return entry.state.store(kGone, std::memory_order_relaxed);
  }
  std::byte before[kExtendedHeader];
  std::memcpy(before, data_of(ring) + offset_of(ring.writer.write_word.load(std::memory_order_relaxed)), sizeof before);
  open_ = reserve(*channel_, body.id, size, shape_.left == Left::open ? 1 : kGone);
  if (shape_.left == Left::exchanged) std::memcpy(open_.body - kExtendedHeader, before, sizeof before);
  if (shape_.left != Left::marked && shape_.left != Left::counted) return;
  std::memcpy(open_.body, body.words, size);
  abi::Word& commits = ring.image[offset_of(open_.where) / shape_.subbuf_size].commits;
  const std::uint64_t counted = commits.load(std::memory_order_relaxed);
  commit(open_);
  if (shape_.left == Left::marked) commits.store(counted, std::memory_order_relaxed);
  open_.pending->length.store(open_.size | abi::kCommitting, std::memory_order_relaxed);
  open_.pending->state.store(kGone, std::memory_order_relaxed);
}

World::Body World::body_of(int writer, int number) const {
  const auto tag = static_cast<std::uint32_t>(16 * writer + number);
  return {{tag, ~tag, tag, ~tag}, tag + (shape_.compact ? 0 : kFirstId), writer == kLongWriter ? std::size_t{16} : 8};
}

// Does an entry that is not the asking thread's name a place? As it is, not as a thread may see it.
bool World::others_under_way() {
  const auto newest = [](const abi::Word& word) {
    std::uint64_t value = 0;
    std::memcpy(&value, static_cast<const void*>(&word), sizeof value);
    return value;
  };
  for (std::uint32_t i = 0; i < rings(); ++i)
    for (const abi::Pending& entry : head(i).pending)
      if (newest(entry.state) != 0 && newest(entry.state) != owner() && newest(entry.length) != 0) return true;
  return false;
}

void World::answer(int writer, int number, bool lost) {
  Attempt& a = attempt_[writer][number];
  a.answered = true;
  // Where the oldest is overwritten, a record is lost if somebody fills or commits one in what it would overwrite, as far as its writer can
  // see, and for nothing else.
  if (lost && a.alone && a.old_loads == old_loads() && !in_handler() && shape_.mode == abi::FullMode::overwrite && !others_under_way()) fail("lost, and nobody is in the way");
  a.lost = lost;
  if (lost) reached_ |= lost_answers;
  say("record %d of writer %d is %s", number, writer, lost ? "lost" : "written");
}

void World::write(int writer) {
  if (shape_.sync == Writers::shared || !shape_.compact) return write_slowly(writer);
  const int number = next_[writer]++;
  attempt_[writer][number] = {.begun = true, .answered = false, .lost = false, .alone = !others_under_way(), .old_loads = old_loads(), .delivered = 0};
  const Body body = body_of(writer, number);
  bool done = false;
  if (channel_->exclusive)
    done = ring::detail::put_exclusive<true>(*channel_->ring[0], false, body.id, 8, [&](std::byte* to) { std::memcpy(to, body.words, 8); });
  else if (const int cpu = this_cpu(); cpu < static_cast<int>(shape_.cpus))
    done = shoot(*channel_, static_cast<std::uint32_t>(cpu), body.id, body.words);
  answer(writer, number, !done && write_slow(*channel_, body.id, body.words, body.size, owner()) == Written::lost);
}

void World::write_slowly(int writer) {
  const int number = next_[writer]++;
  attempt_[writer][number] = {.begun = true, .answered = false, .lost = false, .alone = !others_under_way(), .old_loads = old_loads(), .delivered = 0};
  const Body body = body_of(writer, number);
  answer(writer, number, write_slow(*channel_, body.id, body.words, body.size, owner()) == Written::lost);
}

void World::write_in_two(int writer) {
  const int number = next_[writer]++;
  attempt_[writer][number] = {.begun = true, .answered = false, .lost = false, .alone = !others_under_way(), .old_loads = old_loads(), .delivered = 0};
  const Body body = body_of(writer, number);
  const Reservation r = reserve(*channel_, body.id, body.size, owner());
  if (r.body == nullptr) return answer(writer, number, true);
  pause();
  std::memcpy(r.body, body.words, body.size);
  abi::stored(r.body, body.size);
  commit(r);
  answer(writer, number, false);
}

void World::commit_open() {
  const Body body = body_of(kLeftWriter, 0);
  std::memcpy(open_.body, body.words, 8);
  abi::stored(open_.body, 8);
  commit(open_);
  answer(kLeftWriter, 0, false);
}

void World::check(const Packet& packet, Reading& reading, bool counts) {
  if (packet.in_place) abi::loaded(packet.bytes.data(), packet.bytes.size());
  say("a packet of %zu bytes, %llu records, sub-buffer %llu", packet.bytes.size(), ull(packet.records), ull(packet.sequence));
  reached_ |= packet.current ? current_packet : closed_packet;
  if (packet.begin_stamp < reading.end_stamp) fail("packets overlap in time: begins at %llu, the last one ended at %llu", ull(packet.begin_stamp), ull(reading.end_stamp));
  if (packet.end_stamp < packet.begin_stamp) fail("a packet ends before it begins");
  if (packet.lost_counted + packet.lost_lapped < reading.lost) fail("the loss count went back");
  reading.lost = packet.lost_counted + packet.lost_lapped;
  reading.end_stamp = packet.end_stamp;
  std::uint64_t now = packet.begin_stamp, records = 0;
  std::size_t at = 0;
  const auto take_bytes = [&](void* to, std::size_t n) {
    if (at + n > packet.bytes.size()) fail("a packet ends within a record");
    std::memcpy(to, packet.bytes.data() + at, n);
    at += n;
  };
  while (at < packet.bytes.size()) {
    ++records;
    skip_dead(packet.bytes, at);
    if (at == packet.bytes.size()) break;
    std::uint32_t header = 0, body[2];
    take_bytes(&header, 4);
    std::uint32_t id = header & kExtendedId;
    std::uint64_t stamp = (now & ~std::uint64_t{0x3fffff}) | header >> (32 - kStampBits);
    if (id == kExtendedId) {
      take_bytes(&id, 4);
      take_bytes(&stamp, 8);
    }
    if (stamp < now || stamp <= reading.last_stamp || stamp > packet.end_stamp)
      fail("out of order: stamp %llu after %llu and %llu, packet from %llu to %llu", ull(stamp), ull(now), ull(reading.last_stamp), ull(packet.begin_stamp), ull(packet.end_stamp));
    now = reading.last_stamp = stamp;
    take_bytes(body, 8);
    const std::uint32_t which = id - (shape_.compact ? 0 : kFirstId);
    if (which >= 16 * kWriters || body[0] != which || body[1] != ~which) fail("torn: record with id %u, body %#x %#x", id, body[0], body[1]);
    if (which / 16 == kLongWriter) {
      take_bytes(body, 8);
      if (body[0] != which || body[1] != ~which) fail("torn: record with id %u ends with %#x %#x", id, body[0], body[1]);
    }
    Attempt& a = attempt_[which / 16][which % 16];
    if (!a.begun || (a.answered && a.lost)) fail("invented: record %u of writer %u", which % 16, which / 16);
    if ((reading.seen[which / 16] >> which % 16 & 1) != 0) fail("doubled: record %u of writer %u", which % 16, which / 16);
    reading.seen[which / 16] |= std::uint64_t{1} << which % 16;
    if (counts) ++a.delivered;
  }
  // A dead writer's record that was not cut out counts as one of the packet's.
  if (records != packet.records) fail("a packet of %llu records says it has %llu", ull(records), ull(packet.records));
  if (counts) in_hand_ = records;
}

// `to_the_end`: until there is nothing more, in as many rounds as it may take.
void World::take(Reader& reader, Reading& reading, int rounds, bool include_current, bool to_the_end) {
  Packet packet;
  for (int i = 0; i < rounds; ++i) {
    switch (reader.next(packet, include_current)) {
      case Reader::Answer::corrupt: fail("the reader calls the ring corrupt"); return;
      case Reader::Answer::waiting:
        reached_ |= waited;
        say("the reader waits");
        reader.bury_dead();
        break;
      case Reader::Answer::nothing:
        say("nothing to read");
        if (to_the_end) return;
        break;
      case Reader::Answer::packet:
        if (packet.sequence > 2) reached_ |= switched;
        check(packet, reading, true);
        reader.release();
        delivered_[reading.ring] += std::exchange(in_hand_, 0);
    }
  }
  if (to_the_end) fail("the reader does not end");
}

void World::read(int rounds, bool include_current) {
  take(*reader_[read_ring()], reading_[read_ring()], rounds, include_current, false);
}

void World::ask() { told_ = std::max(told_, reader_[read_ring()]->lost(abi::Loss::lapped)); }
void World::bury() { reader_[read_ring()]->bury_dead(); }

void World::succeed(int rounds) {
  const std::uint32_t ring = read_ring();
  succeeded_ = true;
  died_with_ = std::exchange(in_hand_, 0);
  reader_[ring] = new Reader(head(ring), geometry(ring));
  take(*reader_[ring], successor_[ring], rounds, false, false);
}

void World::snapshot() {
  const Result<LocalChannel> channel = LocalChannel::create({});
  const Snapshot copy(*channel);
  for (std::uint32_t i = 0; i < rings(); ++i) {
    Reading reading;
    const Snapshot::Ring& ring = copy.rings()[i];
    if (ring.corrupt) fail("the snapshot calls the ring corrupt");
    std::uint64_t sequence = 0;
    for (const Packet& packet : ring.packets) {
      if (packet.sequence <= sequence) fail("a snapshot's packets are not in order");
      sequence = packet.sequence;
      check(packet, reading, false);
    }
    if (ring.packets.size() > 1) reached_ |= whole_snapshot;
    if (!ring.missing.empty()) reached_ |= partial_snapshot;
  }
}

void World::examine() {
  for (std::uint32_t i = 0; i < rings(); ++i) {
    if (shape_.reader_dies && i == read_ring() && !succeeded_) {
      died_with_ = std::exchange(in_hand_, 0);
      reader_[i] = new Reader(head(i), geometry(i));
      succeeded_ = true;
    }
    Reading& reading = succeeded_ && i == read_ring() ? successor_[i] : reading_[i];
    for (const abi::Pending& entry : head(i).pending)
      if (const std::uint64_t who = entry.state.load(std::memory_order_relaxed); who != 0 && who <= kWriters && !has_died(static_cast<int>(who) - 1)) fail("an entry is left by one who lives");
    reader_[i]->bury_dead();
    take(*reader_[i], reading, 40, true, true);
    for (const abi::Pending& entry : head(i).pending)
      if (const std::uint64_t state = entry.state.load(std::memory_order_relaxed); state != 0 && state != kBurier) fail("an entry is left");
    compare_with_books(i);
  }
  balance();
}

// What a ring's writers reserved, dead ones included, its own words say.
void World::compare_with_books(std::uint32_t ring) {
  const abi::RingHead& h = head(ring);
  std::uint64_t reserved = 0;
  if (is_shared(ring)) {
    for (int i = 0; i < 3; ++i) reserved += records_in(h.image[i].commits.load(std::memory_order_relaxed));
  } else {
    const std::uint64_t w = h.writer.write_word.load(std::memory_order_relaxed);
    reserved = h.image[offset_of(w) / shape_.subbuf_size].records_before.load(std::memory_order_relaxed) + records_of(w);
  }
  if (ring != read_ring() && reserved != 0 && ring >= shape_.cpus) fail("%llu records in a shared ring: somebody gave up a section that could be done", ull(reserved));
  const std::uint64_t lapped = reader_[ring]->lost(abi::Loss::lapped), dead = reader_[ring]->lost(abi::Loss::dead_writer), found = delivered_[ring] + lapped + dead;
  // The packet that a reader died with it may have given back, or not.
  if (found != reserved && !(ring == read_ring() && found + died_with_ == reserved))
    fail("ring %u: %llu delivered + %llu lapped + %llu dead, %llu were reserved", ring, ull(delivered_[ring]), ull(lapped), ull(dead), ull(reserved));
}

void World::balance() {
  std::uint64_t written = 0, lost = 0, unanswered = 0, missing = 0, twice = 0, delivered = 0;
  for (const std::uint64_t n : delivered_) delivered += n;
  for (auto& writer : attempt_)
    for (const Attempt& a : writer) {
      if (!a.begun) continue;
      if (a.answered) ++(a.lost ? lost : written);
      else ++unanswered;
      if (a.answered && !a.lost && a.delivered == 0) ++missing;
      twice += a.delivered > 1 ? 1 : 0;
    }
  std::uint64_t by_cause[abi::kLossCauses] = {}, counted = 0;
  for (std::uint32_t i = 0; i < rings(); ++i)
    for (std::size_t cause = 0; cause < abi::kLossCauses; ++cause) by_cause[cause] += reader_[i]->lost(static_cast<abi::Loss>(cause));
  const std::uint64_t lapped = by_cause[static_cast<int>(abi::Loss::lapped)], dead = by_cause[static_cast<int>(abi::Loss::dead_writer)];
  for (const std::uint64_t n : by_cause) counted += n;
  counted -= lapped + dead;
  const std::uint64_t full = by_cause[static_cast<int>(abi::Loss::full)], busy = by_cause[static_cast<int>(abi::Loss::busy)];
  reached_ |= (full != 0 ? lost_full : 0) | (busy != 0 ? lost_busy : 0) | (lapped != 0 ? lost_lapped : 0) | (dead != 0 ? lost_dead : 0);
  say("%llu written, %llu answered as lost; %llu delivered, lost: %llu full, %llu busy, %llu lapped, %llu dead", ull(written), ull(lost), ull(delivered), ull(full),
      ull(busy), ull(lapped), ull(dead));
  if (told_ > lapped) fail("%llu records were told to be lapped, %llu are", ull(told_), ull(lapped));
  if (twice != 0 && !shape_.reader_dies) fail("doubled over the whole run");
  if (full != 0 && (shape_.may_lose & lost_full) == 0) fail("lost as full where there was room");
  if (busy != 0 && (shape_.may_lose & lost_busy) == 0) fail("lost as busy where nobody is");
  if (full + busy != counted) fail("lost for a cause that there is not");
  if (counted < lost || counted > lost + unanswered) fail("%llu records were answered as lost, %llu are counted", ull(lost), ull(counted));
  if (dead > unanswered) fail("%llu records count as dead writers', %llu were not answered", ull(dead), ull(unanswered));
  if (missing > lapped) fail("%llu records are missing, %llu are lapped", ull(missing), ull(lapped));
  // The packet that a reader died with it may have given back, or not.
  const auto balances = [&](std::uint64_t all) {
    return all + lapped >= written && all + lapped + dead + (counted - lost) <= written + unanswered;
  };
  if (!balances(delivered) && !balances(delivered + died_with_))
    fail("%llu delivered (%llu in a dead reader's hands) + %llu lapped + %llu dead, %llu written + %llu not answered", ull(delivered), ull(died_with_), ull(lapped),
         ull(dead), ull(written), ull(unanswered));
}

}  // namespace ouro::checker
