// Taking packets out of a ring; the other side of writer.cpp and writer_shared.cpp. Words of the ring may have been
// written by anybody: each is loaded once into a local, checked, then used.
#include <ouro/ring/reader.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "ring/internal.hpp"
#include "ring/owner.hpp"
#include "ring/look.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;

struct Range {  // of a dead writer's record
  std::uint64_t sequence, offset, length;
  abi::Pending* entry;  // which says so, to readers after us; null: freed
};

}  // namespace

struct Reader::State {
  abi::RingHead* head;
  abi::Bell* bell;
  const Channel* channel;
  Geometry g;
  std::uint64_t next_sequence = 0;
  std::uint64_t consumed = 0;          // bytes of it that were delivered
  std::uint64_t consumed_records = 0;
  std::uint64_t records = 0;           // per_cpu: written before what comes next
  std::uint64_t lapped = 0;            // per_cpu; shared: what writers overcounted, see skip_lapped
  std::uint64_t end_stamp = 0;         // of the last packet
  std::uint64_t delivered = 0, dropped = 0;
  std::uint64_t lost_said = 0;         // highest count said with a packet
  std::uint32_t spare = 0;             // overwrite
  std::vector<std::byte> copy;
  std::vector<Range> dead;
  struct Past {  // a retired ring, read to its end, `last` included
    abi::RingHead* head;
    Geometry g;
    std::uint64_t last;
    bool returned;  // its memory
  };
  std::vector<Past> past;
  void start(abi::RingHead& ring, const Geometry& geometry);
  bool follow();
  void return_memory();
  std::uint64_t counted(abi::Loss cause) const;
  std::uint64_t counted_before() const;

  // The packet that is out: what release() does.
  enum class Out : std::uint8_t { none, closed, current } out = Out::none;
  bool out_in_place = false;
  std::uint32_t out_physical = 0;
  std::uint64_t out_end = 0, out_records = 0, out_delivered = 0, out_end_stamp = 0;

  // A packet that is done with here, if not by others: what goes back to the writers, and what the ring's books say then.
  struct Done {
    abi::RingHead* head;
    abi::Word* slot;
    std::uint64_t sequence, next_sequence, consumed, records, lapped, end_stamp;
    std::uint32_t physical;
    bool current, follows;  // follows: goes back with the one before it
  };
  std::deque<Done> kept;

  // What is known of the sub-buffer being looked at.
  struct Content {
    std::uint32_t physical;
    std::uint64_t begin, end;  // in it
    std::uint64_t records;     // from its beginning to `end`
    std::uint64_t begin_stamp, end_stamp, lost;
  };

  Look look() const { return {*head, g}; }
  bool shared() const { return g.kind == abi::RingKind::shared; }
  abi::Word& slot_of(std::uint64_t sequence) { return head->slot[sequence & (g.subbuf_count - 1)]; }
  std::uint64_t in_subbuf(std::uint64_t w) const { return look().in_subbuf(w); }
  std::uint64_t physical_of(std::uint64_t w) const { return look().physical_of(w); }

  bool closed_content(std::uint32_t physical, Content&);
  Answer take_closed(Packet&);
  Answer take_current(Packet&, std::uint64_t sequence);
  void skip_lapped();
  void advance();
  void deliver(Packet&, const Content&, bool current);
  void cut_dead(Packet&, const Content&);
  Done finish();
  void give_back(const Done&);

  // Two-phase records of dead writers.
  struct Suspect;
  struct Books {  // per_cpu: in records written in two phases; shared: in bytes
    std::uint64_t sequence, opened, committed;
    std::uint64_t end;  // in the sub-buffer: W never passed it
  };
  void count_in_hand();
  void adopt_dead();
  void forget_dead();
  void mark_and_count(const Range&);
  bool make_up(std::uint64_t where, std::uint64_t length, const abi::Pending* entry);
  std::vector<Suspect> find_dead();
  bool books_of(std::uint64_t where, Books&);
  enum class Claim : std::uint8_t { reserved, none, unknown };
  Claim claim_of(const Suspect&, const Books&);
  std::uint64_t stamps_before(std::uint64_t sequence);
  bool bury_open(const Suspect&);
  bool is_in_use(std::uint64_t physical, const abi::Pending* except) const;
  void settle(const Suspect&);
};

Reader::Reader(abi::RingHead& head, const Geometry& geometry, abi::Bell* bell, const Channel* channel)
    : state_(std::make_unique<State>()) {
  state_->bell = bell;
  state_->channel = channel;
  state_->start(head, geometry);
}

void Reader::State::start(abi::RingHead& ring, const Geometry& geometry) {
  head = &ring;
  g = geometry;
  // The spare is whatever no slot names: also right when an earlier reader died between exchange and release.
  std::vector<bool> named(geometry.subbuf_count + 1);
  std::uint64_t oldest = ~std::uint64_t{0};
  for (std::uint32_t i = 0; i < geometry.subbuf_count; ++i) {
    const abi::Slot slot{ring.slot[i].load(acquire)};
    if (slot.physical() <= geometry.subbuf_count) named[slot.physical()] = true;
    if (!slot.taken()) oldest = std::min(oldest, slot.sequence());
  }
  spare = static_cast<std::uint32_t>(std::find(named.begin(), named.end(), false) - named.begin());
  next_sequence = oldest;
  consumed = consumed_records = records = 0;
  const abi::ReaderLine& line = ring.reader;
  if (line.next_sequence.load(relaxed) != 0) {
    // Its `records` alone say what was delivered: should they be of another moment than `lost_lapped`, the next packet's place makes up for it.
    lapped = line.lost_lapped.load(relaxed);
    records = line.records.load(relaxed) + lapped;
    end_stamp = line.end_stamp.load(relaxed);
    if (line.next_sequence.load(relaxed) == oldest) {
      consumed = line.consumed.load(relaxed) & 0xffffffff;
      consumed_records = line.consumed.load(relaxed) >> 32;
    }
  }
  if (shared() && g.mode == abi::FullMode::overwrite) count_in_hand();
  adopt_dead();
}

// Writers of a shared ring count what they lap. They did not count what a reader had taken out and never gave back, and did count what
// it had delivered of a sub-buffer that they lapped before it could say so.
void Reader::State::count_in_hand() {
  abi::ReaderLine& line = head->reader;
  const std::uint64_t next = line.next_sequence.load(relaxed), of_next = line.consumed.load(relaxed) >> 32;
  if (spare > g.subbuf_count) return;
  const SharedUse use = shared_use(head->image[spare]);
  if (static_cast<std::int32_t>(use.tag - static_cast<std::uint32_t>(next)) >= 0) {
    const bool begun = use.tag == static_cast<std::uint32_t>(next);
    count_loss(*head, abi::Loss::lapped, use.records - (begun ? std::min<std::uint64_t>(use.records, of_next) : 0));
    if (!begun) lapped += of_next;
    line.consumed.store(0, relaxed);
    line.lost_lapped.store(lapped, relaxed);
    line.next_sequence.store(next_sequence, relaxed);
  } else if (next != next_sequence) {
    lapped += of_next;
  }
}

// At the end of a retired ring: on to the channel's next memory. False: this is not the end.
bool Reader::State::follow() {
  if (channel == nullptr || head->writer.retired.load(acquire) == 0) return false;  // ord(retire:B) pairs with retire:A
  const Channel* const next = channel->successor.load(acquire);
  std::uint64_t w = 0, last = 0;
  if (next == nullptr || !look().find_current(w, last) || next_sequence < last) return false;
  next_sequence = last;
  const abi::Slot slot = look().slot_of(last);
  if (!slot.taken() && consumed != in_subbuf(w)) return false;
  if (!shared() && !slot.taken()) {  // what was lapped before a sub-buffer in which nothing came
    const std::uint64_t before = head->image[slot.physical() % (g.subbuf_count + 1)].records_before.load(relaxed) + consumed_records;
    if (before > records) lapped += before - records;
    if (kept.empty()) give_back({head, nullptr, last, last, consumed_records << 32 | consumed, std::max(before, records), lapped, end_stamp, 0, true, false});
  }
  past.push_back({head, g, last, false});
  return_memory();
  channel = next;
  const std::uint32_t i = shared() ? channel->cpus + g.cpu : g.cpu;
  start(*channel->ring[i], geometry_of(*channel, i));
  return true;
}

// Of rings we left behind, as soon as no packet of theirs is kept any more. Only what holds records goes: writers that looked their
// ring up long ago look at its head before they find out.
void Reader::State::return_memory() {
  for (Past& p : past) {
    if (p.returned || std::any_of(kept.begin(), kept.end(), [&](const Done& done) { return done.head == p.head; })) continue;
    p.returned = true;
    // Nobody else looks for anything in it from here on: readers after us, snapshots.
    abi::Word& word = p.head->slot[p.last & (p.g.subbuf_count - 1)];
    abi::Slot slot{word.load(acquire)};
    word.compare_exchange_strong(slot.word, abi::Slot::make(p.last, true, slot.physical()).word, std::memory_order_acq_rel, relaxed);
    std::byte* const data = data_of(*p.head);
    munlock(data, p.g.data_size());
    if (madvise(data, p.g.data_size(), MADV_REMOVE) != 0) madvise(data, p.g.data_size(), MADV_DONTNEED);  // shared; private
  }
}

Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;

bool Reader::State::closed_content(std::uint32_t physical, Content& c) {
  const abi::SubbufImage& image = head->image[physical];
  const std::uint64_t end_word = image.close_word.load(acquire);
  if (physical_of(end_word) != physical) return false;
  c.physical = physical;
  c.begin = consumed;
  c.end = in_subbuf(end_word);
  c.records = shared() ? shared_use(image).records : records_of(end_word);
  const std::uint64_t first = image.first_stamp.load(relaxed);
  c.end_stamp = image.close_stamp.load(relaxed);
  c.begin_stamp = consumed != 0 || first > c.end_stamp ? end_stamp : first;
  c.lost = image.lost_before.load(relaxed);
  if (!shared()) {
    if (image.sequence.load(relaxed) != next_sequence) return false;
    const std::uint64_t before = image.records_before.load(relaxed) + consumed_records;
    if (before < records) return false;
    if (g.mode == abi::FullMode::overwrite) lapped += before - records;  // discard: a reader died before it could say what it had given back
    records = before;
  }
  return c.end >= c.begin && c.records >= consumed_records;
}

void Reader::State::deliver(Packet& out_packet, const Content& c, bool current) {
  out_packet = {};
  out_packet.sequence = next_sequence;
  out_packet.begin_stamp = std::max(c.begin_stamp, end_stamp);
  out_packet.end_stamp = std::max(c.end_stamp, out_packet.begin_stamp);
  out_packet.records = c.records - consumed_records;
  out_packet.lost_lapped = shared() ? 0 : lapped;  // shared: among the counted
  const std::uint64_t lost = c.lost + counted_before();
  out_packet.lost_counted = lost_said = std::max(lost_said, lost - (shared() ? std::min(lapped, lost) : 0));
  out_packet.current = current;
  out_packet.in_place = !current || g.mode == abi::FullMode::discard;
  if (out_packet.in_place)
    out_packet.bytes = {data_of(*head) + std::uint64_t{c.physical} * g.subbuf_size + c.begin, c.end - c.begin};
  else
    out_packet.bytes = {copy.data(), c.end - c.begin};
  cut_dead(out_packet, c);
  out_in_place = out_packet.in_place;
  out = current ? Out::current : Out::closed;
  out_physical = c.physical;
  out_end = c.end;
  out_records = c.records;
  out_delivered = out_packet.records;
  out_end_stamp = out_packet.end_stamp;
}

// Leaves out the records whose owners died. No compact stamp depends on them: their writers had not moved the
// deadline yet.
void Reader::State::cut_dead(Packet& packet, const Content& c) {
  std::vector<Range> here;
  const std::uint64_t base = std::uint64_t{c.physical} * g.subbuf_size;
  for (const Range& r : dead)
    if (r.sequence == next_sequence && r.offset >= base + c.begin && r.offset + r.length <= base + c.end) here.push_back(r);
  if (here.empty()) return;
  abi::loaded(packet.bytes.data(), packet.bytes.size());
  std::sort(here.begin(), here.end(), [](const Range& a, const Range& b) { return a.offset < b.offset; });
  std::vector<std::byte> rest;
  std::uint64_t from = base + c.begin;
  for (const Range& r : here) {
    if (r.offset < from) continue;
    const auto piece = packet.bytes.subspan(from - base - c.begin, r.offset - from);
    rest.insert(rest.end(), piece.begin(), piece.end());
    from = r.offset + r.length;
    packet.records -= std::min<std::uint64_t>(packet.records, 1);
  }
  const auto piece = packet.bytes.subspan(from - base - c.begin);
  rest.insert(rest.end(), piece.begin(), piece.end());
  copy = std::move(rest);
  packet.bytes = copy;
  packet.in_place = false;
}

void Reader::State::skip_lapped() {
  // Of a shared ring, the writer that lapped counted all its records, those that we had delivered included.
  if (shared()) lapped += consumed_records;
  advance();
}

void Reader::State::advance() {
  ++next_sequence;
  consumed = consumed_records = 0;
}

Reader::Answer Reader::State::take_closed(Packet& packet) {
  const abi::Slot slot = look().slot_of(next_sequence);
  if (slot.physical() > g.subbuf_count) return Answer::corrupt;
  if (slot.sequence() != next_sequence) {
    if (g.mode == abi::FullMode::discard || slot.sequence() < next_sequence) return Answer::corrupt;
    skip_lapped();
    return Answer::waiting;  // look again
  }
  if (slot.taken()) {
    advance();
    return Answer::waiting;
  }
  std::uint32_t physical = slot.physical();
  if (!look().is_whole(physical, next_sequence, head->image[physical].close_word.load(acquire))) {
    // In overwrite mode the image may belong to a later use by now.
    if (slot_of(next_sequence).load(acquire) != slot.word) return Answer::waiting;
    return Answer::nothing;
  }
  if (g.mode == abi::FullMode::overwrite) {
    if (spare > g.subbuf_count) return Answer::corrupt;
    std::uint64_t expected = slot.word;
    // Release: the spare's old content was read before a writer can get it. Fails exactly if we were lapped.
    if (!slot_of(next_sequence).compare_exchange_strong(expected, abi::Slot::make(next_sequence, true, spare).word,
                                                        std::memory_order_acq_rel, acquire)) {  // ord(exchange:B)
      skip_lapped();
      return Answer::waiting;
    }
    spare = g.subbuf_count + 1;  // ours is in the ring, theirs is in our hands until release()
  }
  Content c{};
  if (!closed_content(physical, c)) return Answer::corrupt;
  deliver(packet, c, false);
  return Answer::packet;
}

Reader::Answer Reader::State::take_current(Packet& packet, std::uint64_t sequence) {
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t w = write_word(*head);
    const auto physical = static_cast<std::uint32_t>(physical_of(w));
    if (physical > g.subbuf_count) return Answer::corrupt;
    if (!look().is_in(w, sequence)) return Answer::waiting;
    Content c{physical, consumed, in_subbuf(w), 0, 0, 0, 0};
    if (c.end == c.begin) return Answer::nothing;
    // 256 sub-buffers on, W looks like this one's; then there may be less in it than we had read.
    if (c.end < c.begin) return g.mode == abi::FullMode::overwrite ? Answer::waiting : Answer::corrupt;
    const abi::SubbufImage& image = head->image[physical];
    if (!look().is_whole(physical, sequence, w)) return Answer::nothing;
    c.records = shared() ? shared_use(image).records : records_of(w);
    const std::uint64_t first = image.first_stamp.load(relaxed);
    const std::uint64_t before = image.records_before.load(relaxed);
    // If W has not moved when we look again, all records below it are at or before this stamp, all above at or
    // after it.
    c.end_stamp = (shared() ? image.close_stamp : head->writer.last_stamp).load(acquire);  // ord(stamp:A)
    c.begin_stamp = consumed != 0 || first > c.end_stamp ? end_stamp : first;
    c.lost = counted_losses(*head);
    if (write_word(*head) != w) continue;
    if (g.mode == abi::FullMode::overwrite) {
      const std::byte* from = data_of(*head) + std::uint64_t{physical} * g.subbuf_size;
      copy.assign(from + c.begin, from + c.end);
      abi::copied(copy.data(), from + c.begin, copy.size());
      // Content, fence, claim: if a writer had claimed this sub-buffer for a later lap, we see its claim.
      abi::fence(acquire);  // ord(snapshot:B) pairs with switch:B
      const abi::Slot slot{slot_of(sequence).load(relaxed)};
      if (slot.sequence() != sequence || slot.physical() != physical) return Answer::waiting;
    }
    if (c.records < consumed_records) return Answer::corrupt;
    if (!shared()) {
      if (before + consumed_records < records) return Answer::corrupt;
      if (g.mode == abi::FullMode::overwrite) lapped += before + consumed_records - records;
      records = before + consumed_records;
    }
    deliver(packet, c, true);
    return Answer::packet;
  }
  return Answer::nothing;  // too busy: it will be closed soon
}

Reader::Answer Reader::next(Packet& packet, bool include_current) {
  State& s = *state_;
  assert(s.out == State::Out::none && "release() the last packet first");
  if (!s.past.empty()) s.return_memory();
  // Ends: each round either returns or advances past a sub-buffer that is gone; writers can lap us a few times only
  // while we look.
  for (std::uint32_t i = 0; i < 4 * s.g.subbuf_count; ++i) {
    while (s.follow()) {  // ends: each time one memory further
    }
    std::uint64_t w = 0, current = 0;
    if (!s.look().find_current(w, current)) return Answer::corrupt;
    if (s.next_sequence > current) s.next_sequence = current;
    if (s.next_sequence + s.g.subbuf_count <= current) {
      if (s.g.mode == abi::FullMode::discard) return Answer::corrupt;
      s.skip_lapped();
      s.next_sequence = current - s.g.subbuf_count + 1;
    }
    const bool closed = s.next_sequence < current;
    const bool retired = s.channel != nullptr && s.head->writer.retired.load(acquire) != 0;  // then the last sub-buffer will not be closed
    if (!closed && !include_current && !retired) return Answer::nothing;
    const Answer answer = closed ? s.take_closed(packet) : s.take_current(packet, current);
    if (answer == Answer::packet && packet.bytes.empty()) {  // nothing in it, or all of it delivered before
      release();
      continue;
    }
    if (answer == Answer::nothing) {
      const bool unfinished = closed || offset_of(w) % s.g.subbuf_size != s.consumed;
      return unfinished ? Answer::waiting : Answer::nothing;
    }
    if (answer != Answer::waiting) return answer;
  }
  return Answer::nothing;
}

// The packet that is out is no longer; the next one begins behind it.
Reader::State::Done Reader::State::finish() {
  Done done{head, &slot_of(next_sequence), next_sequence, 0, 0, 0, 0, 0, out_physical, out == Out::current, false};
  records += out_records - consumed_records;
  delivered += out_delivered;
  end_stamp = std::max(end_stamp, out_end_stamp);
  consumed = out_end;
  consumed_records = out_records;
  if (out == Out::closed) advance();
  out = Out::none;
  done.next_sequence = next_sequence;
  done.consumed = consumed_records << 32 | consumed;
  done.records = records;
  done.lapped = lapped;
  done.end_stamp = end_stamp;
  return done;
}

void Reader::State::give_back(const Done& done) {
  if (!done.current && g.mode == abi::FullMode::overwrite) {
    spare = done.physical;
  } else if (!done.current) {
    std::uint64_t expected = abi::Slot::make(done.sequence, false, done.physical).word;
    // Release; pairs with switch:A. The content was read before a writer can claim the sub-buffer.
    done.slot->compare_exchange_strong(expected, abi::Slot::make(done.sequence, true, done.physical).word, std::memory_order_release,
                                 relaxed);  // ord(release:B)
    if (bell != nullptr) wake_writers(*bell);
  }
  abi::ReaderLine& line = done.head->reader;
  line.consumed.store(done.consumed, relaxed);
  line.records.store(done.records - done.lapped, relaxed);
  line.lost_lapped.store(done.lapped, relaxed);
  line.end_stamp.store(done.end_stamp, relaxed);
  line.next_sequence.store(done.next_sequence, relaxed);
  if (done.head == head) forget_dead();
}

void Reader::release() {
  State& s = *state_;
  if (s.out == State::Out::none) return;
  State::Done done = s.finish();
  if (s.kept.empty()) return s.give_back(done);
  done.follows = true;
  s.kept.push_back(done);
}

bool Reader::keep() {
  State& s = *state_;
  if (s.out == State::Out::none || !s.out_in_place || s.g.mode == abi::FullMode::overwrite) return false;
  s.kept.push_back(s.finish());
  return true;
}

void Reader::give_back() {
  State& s = *state_;
  assert(!s.kept.empty() && "keep() something first");
  do {
    s.give_back(s.kept.front());
    s.kept.pop_front();
  } while (!s.kept.empty() && s.kept.front().follows);
}

std::uint64_t Reader::reset() {
  State& s = *state_;
  const Channel* newest = s.channel;
  while (newest != nullptr && newest->successor.load(acquire) != nullptr) newest = newest->successor.load(acquire);
  std::uint64_t w = 0, last = 0, count = 0;
  Packet packet{};
  // Ends: what comes after the sub-buffer that is current when the newest memory is reached is not dropped, however fast it is written.
  for (bool is_last = false; !is_last && next_past_dead(packet, true) == Answer::packet;) {
    if (s.channel == newest && last == 0 && !s.look().find_current(w, last)) break;
    is_last = s.channel == newest && (packet.current || packet.sequence >= last);
    count += std::exchange(s.out_delivered, 0);
    release();
  }
  s.dropped += count;
  return count;
}

// Of retired rings too: a writer may have found out late that there was no room.
std::uint64_t Reader::State::counted(abi::Loss cause) const {
  std::uint64_t sum = counted_losses(*head, cause);
  for (const Past& p : past) sum += counted_losses(*p.head, cause);
  return sum;
}
std::uint64_t Reader::State::counted_before() const {
  std::uint64_t sum = 0;
  for (const Past& p : past) sum += counted_losses(*p.head);
  return sum;
}

std::uint64_t Reader::lost(abi::Loss cause) const {
  const std::uint64_t counted = state_->counted(cause);
  if (cause != abi::Loss::lapped) return counted;
  return state_->shared() ? counted - std::min(counted, state_->lapped) : state_->lapped;
}

std::uint64_t Reader::lost_total() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < abi::kLossCauses; ++i) sum += lost(static_cast<abi::Loss>(i));
  return sum;
}

std::uint64_t Reader::delivered() const { return state_->delivered; }
std::uint64_t Reader::dropped() const { return state_->dropped; }

// ---- dead writers
//
//   an entry's owner died   what it shows                          then
//   before the reservation  length 0, or no record at its place    the entry is free again
//   while filling           a record at its place                  the record is cut out and counted: bury_open
//   while committing        kCommitting                            the record is whole; its count is made up: settle
//
// A reader may die too, at any store. What it decided about a record stands in the entry, which is kBurier's until no reader can meet
// the record any more: its sub-buffer was given back, or lapped. reserved: {count of dead writers with this one, sequence, 1: its
// commit is made up}. A reader that comes after it does what may be missing.

struct Reader::State::Suspect {
  abi::Pending* entry;
  std::uint64_t owner, where, length, stamp;
  bool committing;
};

std::vector<Reader::State::Suspect> Reader::State::find_dead() {
  std::vector<Suspect> found;
  for (abi::Pending& entry : head->pending) {
    const std::uint64_t owner = entry.state.load(acquire);
    if (owner == 0 || owner == kBurier || !owner_is_dead(owner)) continue;
    const std::uint64_t length = entry.length.load(acquire);  // ord(bury:A) pairs with pending:B, commit:A
    Suspect x{&entry, owner, entry.where.load(relaxed), length & ~abi::kCommitting, entry.stamp.load(relaxed),
              (length & abi::kCommitting) != 0};
    if (x.length < 16 || physical_of(x.where) > g.subbuf_count || crosses(offset_of(x.where), x.length, g.subbuf_size))
      x.length = 0;  // not yet set, or nonsense
    // An owner may end as it should while the kernel is asked, and its entry go to somebody who lives, whose fields these would
    // be. A dead one keeps its entry.
    if (entry.state.load(acquire) == owner) found.push_back(x);
  }
  return found;
}

// Of the sub-buffer's present use, which must be the one that `where` speaks of. False: it is not.
bool Reader::State::books_of(std::uint64_t where, Books& books) {
  const std::uint64_t physical = physical_of(where);
  const abi::SubbufImage& image = head->image[physical];
  const std::uint64_t w = write_word(*head);
  const std::uint64_t close = image.close_word.load(acquire);
  if (shared()) {
    books.sequence = shared_sequence_of(where);
    const std::uint64_t end = shared_sequence_of(w) == books.sequence ? w : close;
    const SharedUse use = shared_use(image);
    books.opened = books.end = in_subbuf(end);
    books.committed = use.bytes;
    return use.tag == static_cast<std::uint32_t>(books.sequence) && shared_sequence_of(end) == books.sequence;
  }
  books.sequence = image.sequence.load(acquire);
  const bool is_current = low_sequence_of(w) == low_sequence_of(where) && physical_of(w) == physical;
  books.opened = open_of(is_current ? w : close);
  books.end = in_subbuf(is_current ? w : close);
  books.committed = image.commits.load(acquire);
  return low_sequence_of(where) == (books.sequence & 0xff) && books.sequence >= next_sequence;
}

// Was the record of this entry reserved, or did its owner die before? If its header is where it should be, it was:
// nobody else has this stamp there. In a shared ring the owner may also have died between the exchange of W and the
// header, or after an exchange that failed because somebody else reserved this very place.
Reader::State::Claim Reader::State::claim_of(const Suspect& x, const Books& books) {
  if (in_subbuf(x.where) + x.length > books.end) return Claim::none;
  const std::byte* record = data_of(*head) + offset_of(x.where);
  std::uint32_t header = 0;
  std::uint64_t stamp = 0;
  std::memcpy(&header, record, 4);
  std::memcpy(&stamp, record + 8, 8);
  abi::copied(&header, record, 4);
  abi::copied(&stamp, record + 8, 8);
  if (header == 1023 && stamp == x.stamp) return Claim::reserved;
  if (!shared()) return Claim::none;
  // A header of this use is somebody else's. What an earlier use left there is older than the sub-buffer before this one.
  if (header == 1023 && stamp > stamps_before(books.sequence)) return Claim::none;
  for (const Range& r : dead)
    if (r.sequence == books.sequence && r.offset == offset_of(x.where)) return Claim::none;
  // Whoever reserved this place has not written its header yet: x, if no other entry names the place.
  for (const abi::Pending& entry : head->pending) {
    const std::uint64_t owner = entry.state.load(acquire);
    if (&entry == x.entry || owner == 0 || owner == kBurier || entry.length.load(acquire) == 0) continue;
    if (entry.where.load(relaxed) == x.where && !owner_is_dead(owner)) return Claim::unknown;
  }
  // What was opened and what was committed were not read at one moment: others may have committed in between what they opened later.
  Books again{};
  if (!books_of(x.where, again) || again.opened != books.opened || again.committed != books.committed) return Claim::unknown;
  return books.opened - std::min(books.opened, books.committed) >= x.length ? Claim::reserved : Claim::none;
}

// A stamp that no record of this use is older than, and none that an earlier use left behind is younger than.
std::uint64_t Reader::State::stamps_before(std::uint64_t sequence) {
  const abi::Slot before{slot_of(sequence - 1).load(acquire)};
  if (before.sequence() != sequence - 1 || before.taken() || before.physical() > g.subbuf_count) return end_stamp;
  return std::max(end_stamp, head->image[before.physical()].close_stamp.load(relaxed));
}

bool Reader::State::bury_open(const Suspect& x) {
  Books books{};
  const Claim claim = x.length != 0 && books_of(x.where, books) ? claim_of(x, books) : Claim::none;
  if (claim == Claim::unknown) return false;  // the next time
  if (claim == Claim::none) {
    if (x.entry->state.load(acquire) == x.owner) free_pending(*x.entry);
    return false;
  }
  x.entry->reserved[0].store(counted_losses(*head, abi::Loss::dead_writer) + 1, relaxed);
  x.entry->reserved[1].store(books.sequence, relaxed);
  x.entry->reserved[2].store(0, relaxed);
  std::uint64_t owner = x.owner;
  if (!x.entry->state.compare_exchange_strong(owner, kBurier, std::memory_order_acq_rel, relaxed)) return false;
  dead.push_back({books.sequence, offset_of(x.where), x.length, x.entry});
  mark_and_count(dead.back());
  head->image[physical_of(x.where)].commits.fetch_add(shared() ? std::uint64_t{1} << 32 | x.length : 1, std::memory_order_release);
  x.entry->reserved[2].store(1, std::memory_order_release);
  return true;
}

// Once or several times: the outcome is the same. Nobody but a ring's reader counts dead writers.
void Reader::State::mark_and_count(const Range& r) {
  mark_dead(data_of(*head) + r.offset, static_cast<std::uint32_t>(r.length));
  abi::Word& count = head->losses.lost[static_cast<std::size_t>(abi::Loss::dead_writer)];
  count.store(std::max(count.load(relaxed), r.entry->reserved[0].load(relaxed)), relaxed);
}

// What a reader before us had buried.
void Reader::State::adopt_dead() {
  for (const Range& r : dead)  // of the ring before this one
    if (r.entry != nullptr) free_pending(*r.entry);
  dead.clear();
  for (abi::Pending& entry : head->pending) {
    if (entry.state.load(acquire) != kBurier) continue;
    const std::uint64_t where = entry.where.load(relaxed), length = entry.length.load(relaxed) & ~abi::kCommitting;
    const Range r{entry.reserved[1].load(relaxed), offset_of(where), length, &entry};
    const bool makes_sense = length >= kExtendedHeader && physical_of(where) <= g.subbuf_count && !crosses(r.offset, length, g.subbuf_size);
    if (!makes_sense || r.sequence < next_sequence) {
      free_pending(entry);
      continue;
    }
    dead.push_back(r);
    if (entry.reserved[2].load(relaxed) == 0) mark_and_count(r);
  }
  std::sort(dead.begin(), dead.end(), [](const Range& a, const Range& b) { return a.sequence < b.sequence; });
}

// Frees the entries of records that no reader will meet; and of the oldest ones, should they become so many that writers find none.
void Reader::State::forget_dead() {
  const std::uint64_t oldest = kept.empty() ? next_sequence : std::min(next_sequence, kept.front().sequence);
  std::size_t entries = 0;
  for (Range& r : dead) {
    entries += r.entry != nullptr;
    if (r.entry != nullptr && r.sequence < oldest) free_pending(*std::exchange(r.entry, nullptr)), --entries;
  }
  std::erase_if(dead, [&](const Range& r) { return r.sequence < oldest; });
  for (Range& r : dead)
    if (entries > abi::kMaxPending / 2 && r.entry != nullptr && r.entry->reserved[2].load(relaxed) != 0)
      free_pending(*std::exchange(r.entry, nullptr)), --entries;
}

// Does somebody else who lives fill or commit a record in this sub-buffer?
bool Reader::State::is_in_use(std::uint64_t physical, const abi::Pending* except) const {
  for (const abi::Pending& entry : head->pending) {
    const std::uint64_t owner = entry.state.load(acquire);
    if (&entry == except || owner == 0 || owner == kBurier || entry.length.load(acquire) == 0) continue;
    if (physical_of(entry.where.load(relaxed)) == physical && !owner_is_dead(owner)) return true;
  }
  return false;
}

// Was it counted before its owner died? Its own entry cannot tell; the sub-buffer's books can, once nobody else is
// about to change them. Until then it is left for the next time.
bool Reader::State::make_up(std::uint64_t where, std::uint64_t length, const abi::Pending* entry) {
  Books books{}, again{};
  if (!books_of(where, books)) return true;
  if (is_in_use(physical_of(where), entry)) return false;
  // Whoever committed or reserved meanwhile and is gone from the table already has changed these.
  if (!books_of(where, again) || again.opened != books.opened || again.committed != books.committed) return false;
  const std::uint64_t missing = books.opened - std::min(books.opened, books.committed);
  if (missing >= (shared() ? length : 1))
    head->image[physical_of(where)].commits.fetch_add(shared() ? std::uint64_t{1} << 32 | length : 1, std::memory_order_release);
  return true;
}

void Reader::State::settle(const Suspect& x) {
  if (x.length == 0 || make_up(x.where, x.length, x.entry)) free_pending(*x.entry);
}

std::uint64_t Reader::bury_dead() {
  const std::vector<State::Suspect> suspects = state_->find_dead();
  std::uint64_t buried = 0;
  for (const State::Suspect& x : suspects)
    if (!x.committing) buried += state_->bury_open(x) ? 1 : 0;
  // Only now are commits the only ones that can be missing.
  for (const State::Suspect& x : suspects)
    if (x.committing) state_->settle(x);
  for (const Range& r : state_->dead)
    if (r.entry != nullptr && r.entry->reserved[2].load(relaxed) == 0 && state_->make_up(r.entry->where.load(relaxed), r.length, r.entry))
      r.entry->reserved[2].store(1, std::memory_order_release);
  state_->forget_dead();
  return buried;
}

Reader::Answer Reader::next_past_dead(Packet& packet, bool include_current) {
  const Answer answer = next(packet, include_current);
  const auto begun = [](const Range& r) { return r.entry != nullptr && r.entry->reserved[2].load(relaxed) == 0; };
  if (answer != Answer::waiting ||
      (state_->find_dead().empty() && std::none_of(state_->dead.begin(), state_->dead.end(), begun)))
    return answer;
  bury_dead();
  return next(packet, include_current);
}

}  // namespace ouro::ring
