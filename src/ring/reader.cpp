// Taking packets out of a ring; the other side of writer.cpp and writer_shared.cpp. Words of the ring may have been
// written by anybody: each is loaded once into a local, checked, then used.
#include <ouro/ring/reader.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "ring/owner.hpp"
#include "ring/reader_state.hpp"

namespace ouro::ring {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;

}  // namespace

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
  // From here on W is there or further, and what it has passed each slot says.
  std::uint64_t w = 0, oldest = ~std::uint64_t{0};
  if (!look().find_current(w, oldest)) oldest = ~std::uint64_t{0};
  for (std::uint32_t i = 0; i < geometry.subbuf_count; ++i) {
    const abi::Slot slot{ring.slot[i].load(acquire)};
    if (slot.physical() <= geometry.subbuf_count) named[slot.physical()] = true;
    // Writers go on meanwhile: what was taken when we looked may be in use again, for what is not lapped when the next slot is.
    oldest = std::min(oldest, slot.sequence() + (slot.taken() ? geometry.subbuf_count : 0));
  }
  spare = static_cast<std::uint32_t>(std::find(named.begin(), named.end(), false) - named.begin());
  next_sequence = oldest;
  consumed = consumed_records = records = 0;
  const ReadSoFar books = read_so_far(ring);
  booked = books.next_sequence;
  if (booked != 0) {
    lapped = books.lost_lapped;
    records = books.records + lapped;
    end_stamp = books.end_stamp;
  }
  if (booked == next_sequence) {
    consumed = books.consumed;
    consumed_records = books.consumed_records;
  }
  if (g.mode == abi::FullMode::overwrite) end_books(books);
  adopt_dead();
}

// A reader before us died, and its books end before the sub-buffer that we begin with. What came between was lapped by writers, but for the
// sub-buffer that it had taken out, which is our spare now: whose records are counted by nobody else. Once or several times: until
// our own books are there, everything is as we found it.
void Reader::State::end_books(ReadSoFar books) {
  if (books.next_sequence < next_sequence && spare <= g.subbuf_count) {
    std::uint64_t in_hand = 0;  // use
    if (shared()) {
      const SharedUse held = shared_use(head->image[spare]);
      const auto ahead = static_cast<std::int32_t>(held.tag - static_cast<std::uint32_t>(books.next_sequence));
      if (ahead >= 0) {
        in_hand = books.next_sequence + static_cast<std::uint32_t>(ahead);
        books.in_hand += held.records;
      }
      if (ahead == 0) books.in_hand -= books.consumed_records;
      else lapped += books.consumed_records;
    }
    for (const abi::Pending& entry : head->pending) {
      if (entry.state.load(acquire) != kBurier) continue;
      const std::uint64_t sequence = entry.reserved[1].load(relaxed), place = in_subbuf(entry.where.load(relaxed));
      if (sequence >= next_sequence || sequence < books.next_sequence || (sequence == books.next_sequence && place < books.consumed)) continue;
      if (!shared()) ++records;
      else if (sequence == in_hand) --books.in_hand;
      else ++lapped;
    }
    books.next_sequence = next_sequence;
    books.consumed = books.consumed_records = 0;
    books.records = records - lapped;
    books.lost_lapped = lapped;
    book(*head, books);
  }
  head->reader.lapped_in_hand.store(books.in_hand, relaxed);
}

// All of it at once: the books that do not count are written, then they do.
void Reader::State::book(abi::RingHead& ring, const ReadSoFar& books) {
  const std::uint64_t booked_before = ring.reader.booked.load(relaxed);
  abi::ReaderBooks& to = ring.books[(booked_before + 1) & 1];
  to.next_sequence.store(books.next_sequence, relaxed);
  to.consumed.store(books.consumed_records << 32 | books.consumed, relaxed);
  to.records.store(books.records, relaxed);
  to.lost_lapped.store(books.lost_lapped, relaxed);
  to.end_stamp.store(books.end_stamp, relaxed);
  to.lapped_in_hand.store(books.in_hand, relaxed);
  ring.reader.booked.store(booked_before + 1, std::memory_order_release);  // ord(books:B)
  if (&ring == head) booked = books.next_sequence;
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
  if (!slot.taken()) {  // what was lapped before a sub-buffer in which nothing came
    const std::uint64_t before = shared() ? records : head->image[slot.physical() % (g.subbuf_count + 1)].records_before.load(relaxed) + consumed_records;
    if (before > records) lapped += before - records;
    if (kept.empty()) give_back({head, nullptr, last, last, consumed, consumed_records, std::max(before, records), lapped, end_stamp, 0, true, false});
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

// As far as `to`.
void Reader::State::skip_lapped(std::uint64_t to) {
  // Of a shared ring, the writer that lapped counted all its records, those that we had delivered included.
  if (shared()) lapped += consumed_records;
  // What we buried there is counted as dead writers'.
  for (const Range& r : dead)
    if (r.sequence < to && (r.sequence > next_sequence || (r.sequence == next_sequence && in_subbuf(r.offset) >= consumed))) ++(shared() ? lapped : records);
  next_sequence = to;
  consumed = consumed_records = 0;
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
    skip_lapped(next_sequence + 1);
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
      skip_lapped(next_sequence + 1);
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
      copy_out(copy, from + c.begin, c.end - c.begin);
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
      s.skip_lapped(current - s.g.subbuf_count + 1);
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
  Done done{head, &slot_of(next_sequence), next_sequence, 0, 0, 0, 0, 0, 0, out_physical, out == Out::current, false};
  records += out_records - consumed_records;
  delivered += out_delivered;
  end_stamp = std::max(end_stamp, out_end_stamp);
  consumed = out_end;
  consumed_records = out_records;
  if (out == Out::closed) advance();
  out = Out::none;
  done.next_sequence = next_sequence;
  done.consumed = consumed;
  done.consumed_records = consumed_records;
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
  book(*done.head, {done.next_sequence, done.consumed, done.consumed_records, done.records - done.lapped, done.lapped, done.end_stamp,
                    read_so_far(*done.head).in_hand});
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
  std::uint64_t sum = look().counted(cause);
  for (const Past& p : past) sum += Look{*p.head, p.g}.counted(cause);
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

}  // namespace ouro::ring
