// The slow path of per-CPU rings: ends of sub-buffers, extended headers, two-phase records. Labels such as
// ord(switch:B) name memory orderings; docs/ring-protocol.md lists who pairs with whom.
#include <ouro/ring/writer.hpp>

#include <linux/futex.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <ouro/clock/tsc.hpp>

#include "ring/internal.hpp"
#include "ring/writer_internal.hpp"
#include "ring/writer_sections.hpp"

namespace ouro::ring {

std::uint64_t this_owner() noexcept {
  return static_cast<std::uint64_t>(syscall(SYS_gettid)) << 32 | static_cast<std::uint32_t>(getpid());
}

abi::Pending* find_free_pending(abi::RingHead& ring) noexcept {
  for (abi::Pending& entry : ring.pending)
    // Acquire; pairs with pending:free, so that the last owner's stores into the entry are over.
    if (entry.state.load(std::memory_order_acquire) == 0) return &entry;
  return nullptr;
}

// The body is whole. If the owner dies from here on, its record is not lost: what may be missing is its count.
// False: somebody has committed it already (this process's parent or child, after fork()), or buried it.
bool begin_commit(const Reservation& r) noexcept {
  abi::Pending& entry = *r.pending;
  if (entry.where.load(std::memory_order_relaxed) != r.where || entry.stamp.load(std::memory_order_relaxed) != r.stamp) return false;
  std::uint64_t length = r.size;
  return entry.length.compare_exchange_strong(length, length | abi::kCommitting, std::memory_order_release,
                                              std::memory_order_relaxed);  // ord(commit:A) pairs with bury:A
}

void free_pending(abi::Pending& entry) noexcept {
  // A reader that buries somebody else, and finds here that we are under way nowhere near, whichever of the entry's words, now or of
  // our next record, told it so, sees what we wrote and counted.
  abi::fence(std::memory_order_release);  // ord(pending:free) pairs with bury:A
  entry.length.store(0, std::memory_order_relaxed);
  entry.state.store(0, std::memory_order_release);  // ord(pending:free)
}

// A ring's data is a hole in the session's file until a CPU first writes to it. Any number of threads may do this
// at once. After a refusal, the next attempt is made about a second later: asking is expensive.
bool reserve_memory(const Channel& channel, abi::RingHead& ring) noexcept {
  constexpr std::uint64_t kPause_ns = 1'000'000'000;
  abi::Word& refused_until = ring.writer.reserved[0];
  const std::uint64_t now = clock::read_monotonic();
  if (now < refused_until.load(std::memory_order_relaxed)) return false;
  if (channel.reserve != nullptr && channel.reserve(channel, ring) != 0) {
    refused_until.store(now + kPause_ns, std::memory_order_relaxed);
    return false;
  }
  // The first sub-buffer begins now: no record can be older.
  std::uint64_t unset = 0;
  ring.image[0].first_stamp.compare_exchange_strong(unset, channel.now(), std::memory_order_relaxed, std::memory_order_relaxed);
  return true;
}

void wake(abi::Word32& word, int how_many) noexcept {
  const int saved = errno;
  syscall(SYS_futex, &word, FUTEX_WAKE, how_many, nullptr, nullptr, 0);  // of other processes too: not FUTEX_PRIVATE
  errno = saved;
}

// One of many readers that sleep is woken: they share the work, so a second would find nothing.
void ring_bell(const Channel& channel, std::uint64_t closed) noexcept {
  if (channel.bell == nullptr || closed % channel.wake_every != 0) return;
  // Sequentially consistent, as in sleep_on(): either the sleepers see the count, or we see them.
  channel.bell->closed.fetch_add(1, std::memory_order_seq_cst);  // ord(bell:A) pairs with bell:B
  if (channel.bell->readers.load(std::memory_order_seq_cst) != 0) wake(channel.bell->closed, 1);
  if (channel.event_fd >= 0) {
    const int saved = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(channel.event_fd, &one, sizeof one);  // full: readers have enough to do
    errno = saved;
  }
}

bool sleep_on(abi::Word32& word, abi::Word32& sleepers, std::uint32_t seen, std::uint64_t patience_ns) noexcept {
  const int saved = errno;
  const timespec patience{static_cast<time_t>(patience_ns / 1'000'000'000), static_cast<long>(patience_ns % 1'000'000'000)};
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  if (word.load(std::memory_order_seq_cst) == seen)  // ord(bell:B) pairs with bell:A
    syscall(SYS_futex, &word, FUTEX_WAIT, seen, &patience, nullptr, 0);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
  errno = saved;
  return word.load(std::memory_order_acquire) != seen;
}

void wake_writers(abi::Bell& bell) noexcept {
  bell.released.fetch_add(1, std::memory_order_seq_cst);
  if (bell.writers.load(std::memory_order_seq_cst) != 0) wake(bell.released, 1 << 30);
}

// Remembers when the wait began.
bool wait_for_room(const Channel& channel, std::uint32_t seen, std::uint64_t& begun) noexcept {
  if (channel.bell == nullptr || channel.patience_ns == 0) return false;
  const std::uint64_t now = clock::read_monotonic();
  if (begun == 0) begun = now;
  if (now - begun >= channel.patience_ns) return false;
  sleep_on(channel.bell->released, channel.bell->writers, seen, channel.patience_ns - (now - begun));
  return true;
}

std::uint32_t count_released(const Channel& channel) noexcept {
  return channel.bell != nullptr ? channel.bell->released.load(std::memory_order_acquire) : 0;
}

namespace {

// After so many interruptions in a row something other than the scheduler is at work (a debugger that steps, an
// emulator): the shared ring needs no section.
constexpr int kMaxTries = 32;

// The same where nobody else writes: nothing can come in between.
bool exchange_alone(const Exchange& x) noexcept {
  abi::WriterLine& writer = x.ring->writer;
  if (writer.write_word.load(std::memory_order_relaxed) != x.expected || x.slot->load(std::memory_order_relaxed) != x.slot_value)
    return false;
  for (const Exchange::Copy& copy : x.copies)
    if (copy.words != 0) {
      std::memcpy(copy.to, copy.from, 8 * copy.words);
      abi::stored(copy.to, 8 * copy.words);
    }
  writer.last_stamp.store(x.stamp, std::memory_order_release);  // ord(stamp:B) pairs with stamp:A
  writer.write_word.store(x.next, std::memory_order_release);  // ord(commit:B)
  return true;
}

// What one thread of a CPU does in a section, the next one there finds: its CPU's order, which ThreadSanitizer cannot see.
#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
bool exchange_on_this_cpu(const Exchange& x) noexcept {
  // Both before it: who comes behind it may come before we are back in this function.
  __tsan_acquire(&x.ring->writer.write_word);
  __tsan_release(&x.ring->writer.write_word);
  return exchange_in_section(x);
}
#else
bool exchange_on_this_cpu(const Exchange& x) noexcept { return exchange_in_section(x); }
#endif

bool exchange(const Channel& channel, const Exchange& x) noexcept {
  return channel.exclusive ? exchange_alone(x) : exchange_on_this_cpu(x);
}

constexpr abi::Word kNoSlot{0};  // for exchanges that depend on W alone

// A channel's SubbufEnds, or none.
struct Ends {
  const SubbufEnds* client;
  std::size_t begin_size, end_size;
  explicit Ends(const Channel& channel)
      : client(channel.ends), begin_size(client != nullptr ? client->begin_size : 0), end_size(client != nullptr ? client->end_size : 0) {}
  void write_begin(const SubbufEnds::Info& info, std::byte* to) const noexcept {
    if (begin_size != 0) client->begin(info, to);
  }
  void write_end(const SubbufEnds::Info& info, std::byte* to) const noexcept {
    if (end_size != 0) client->end(info, to);
  }
};

enum class Switch : std::uint8_t { again, full, busy };

// Claims the slot of the sub-buffer after `image`'s. Null: `answer` says why.
bool claim_next(const Channel& channel, abi::RingHead& ring, std::uint64_t next, abi::Slot& claimed, Switch& answer) noexcept {
  abi::Word& slot = ring.slot[next & (channel.subbuf_count - 1)];
  abi::Slot seen{slot.load(std::memory_order_acquire)};  // ord(switch:A) pairs with release:B, exchange:B
  answer = Switch::again;
  if (seen.physical() > channel.subbuf_count) {
    answer = Switch::busy;
    return false;
  }
  if (seen.sequence() == next) {  // somebody whom we interrupted, or who interrupted us, has claimed it
    claimed = seen;
    abi::fence(std::memory_order_release);  // ord(switch:B): he may not have come to his
    return true;
  }
  if (seen.sequence() + channel.subbuf_count != next) return false;  // W has moved on since we read it
  if (!seen.taken()) {
    if (channel.mode == abi::FullMode::discard) {
      answer = Switch::full;
      return false;
    }
    // Its content is lost, and counted by whoever next reads (records_before tells). But a two-phase writer that
    // still fills a record in it would write into the new content: then the new record is the one to be lost.
    const abi::SubbufImage& lapped = ring.image[seen.physical()];
    if (open_of(lapped.close_word.load(std::memory_order_relaxed)) != lapped.commits.load(std::memory_order_acquire)) {
      // Or somebody has claimed it since, and this is its next use.
      if (slot.load(std::memory_order_relaxed) == seen.word) answer = Switch::busy;
      return false;
    }
  }
  claimed = abi::Slot::make(next, false, seen.physical());
  if (!slot.compare_exchange_strong(seen.word, claimed.word, std::memory_order_acq_rel, std::memory_order_relaxed))
    return false;
  // A reader that copied out of this sub-buffer while we claimed it must find the claim if it saw any byte of the
  // new content: claim, fence, content; the reader: content, fence, claim.
  abi::fence(std::memory_order_release);  // ord(switch:B) pairs with snapshot:B
  return true;
}

// Closes the sub-buffer W is in and opens the next one. Whoever loses the race starts over: either way W has moved.
Switch switch_subbuf(const Channel& channel, std::uint32_t index, abi::RingHead& ring, std::uint64_t w) noexcept {
  const std::uint64_t physical = offset_of(w) / channel.subbuf_size;
  if (physical > channel.subbuf_count) return Switch::busy;
  abi::SubbufImage& closing = ring.image[physical];
  const std::uint64_t sequence = closing.sequence.load(std::memory_order_relaxed);
  if ((sequence & 0xff) != low_sequence_of(w)) return Switch::again;

  abi::Slot claimed{};
  Switch answer{};
  if (!claim_next(channel, ring, sequence + 1, claimed, answer)) return answer;

  const Ends ends(channel);
  const std::uint64_t lost = counted_losses(ring);
  const std::uint64_t start = claimed.physical() * channel.subbuf_size;
  alignas(8) std::byte begin[SubbufEnds::kMaxSize], end[SubbufEnds::kMaxSize];
  ends.write_end({index, sequence, (offset_of(w) & (channel.subbuf_size - 1)) - ends.begin_size, lost}, end);
  ends.write_begin({index, sequence + 1, 0, lost}, begin);
  // Read after W: if W is unchanged when we exchange it, every record in `closing` is older than this stamp.
  const std::uint64_t stamp = channel.now();
  const std::uint64_t close_image[3] = {w + ends.end_size, stamp, lost};
  const std::uint64_t open_image[7] = {sequence + 1,
                                       closing.records_before.load(std::memory_order_relaxed) + records_of(w),
                                       stamp, 0, 0, 0, 0};
  static_assert(offsetof(abi::SubbufImage, close_word) == 24 && offsetof(abi::SubbufImage, commits) == 48);
  if (exchange(channel, {.index = index,
                         .ring = &ring,
                         .expected = w,
                         .next = make_w(sequence + 1, start + ends.begin_size),
                         .slot = &ring.slot[(sequence + 1) & (channel.subbuf_count - 1)],
                         .slot_value = claimed.word,
                         .stamp = stamp,
                         .index_at = channel.index_at,
                         .copies = {{&closing.close_word, close_image, 3},
                                    {&ring.image[claimed.physical()].sequence, open_image, 7},
                                    {data_of(ring) + offset_of(w), end, ends.end_size / 8},
                                    {data_of(ring) + start, begin, ends.begin_size / 8}}}))
    ring_bell(channel, sequence + 1);
  return Switch::again;
}

// The memory, and what the client wants at the beginning of the first sub-buffer. W then stands behind that, so it happens once.
enum class Opened : std::uint8_t { yes, again, no_memory };
Opened open_ring(const Channel& channel, std::uint32_t index, abi::RingHead& ring) noexcept {
  if (!reserve_memory(channel, ring)) return Opened::no_memory;
  const std::uint64_t w = ring.writer.write_word.load(std::memory_order_acquire);
  const Ends ends(channel);
  if (ends.begin_size != 0 && (offset_of(w) & (channel.subbuf_size - 1)) == 0) {
    alignas(8) std::byte begin[SubbufEnds::kMaxSize];
    ends.write_begin({index, ring.image[0].sequence.load(std::memory_order_relaxed), 0, 0}, begin);
    if (!exchange(channel, {.index = index,
                            .ring = &ring,
                            .expected = w,
                            .next = w + ends.begin_size,
                            .slot = &kNoSlot,
                            .slot_value = 0,
                            .stamp = channel.now(),
                            .index_at = channel.index_at,
                            .copies = {{data_of(ring) + offset_of(w), begin, ends.begin_size / 8}}}))
      return Opened::again;
  }
  let_writers_in(channel, ring);
  return Opened::yes;
}

// One attempt's view of where a record of up to `bytes` would go; switches where needed.
enum class Place : std::uint8_t { found, again, waited, lost, elsewhere };
struct Target {
  const Channel* channel;  // the memory that is written to
  std::uint32_t index;
  abi::RingHead* ring;
  std::uint64_t w;
  std::uint64_t stamp;
  std::uint64_t waiting_since;  // 0: not yet
};

Place find_place(const Channel& root, std::uint64_t bytes, std::uint64_t open_limit, Target& target) noexcept {
  target.index = root.exclusive ? 0 : current_index(root);
  if (target.index >= root.cpus) return Place::elsewhere;
  const Channel& channel = *(target.channel = &present(root, target.index));
  abi::RingHead& ring = *(target.ring = channel.ring[target.index]);
  const std::uint64_t mask = ring.writer.mask.load(std::memory_order_acquire);  // ord(reserve:A) pairs with reserve:B
  if (mask == 0) {
    const Opened opened = open_ring(channel, target.index, ring);
    if (opened == Opened::no_memory) count_loss(ring, abi::Loss::no_memory);
    if (opened != Opened::yes) return opened == Opened::again ? Place::again : Place::lost;
  }
  target.w = ring.writer.write_word.load(std::memory_order_acquire);
  // Being retired. Whether that is for good is not known yet: the new ring has to wait, the shared one need not.
  // Nor was its memory ever reserved, if W is still where it began.
  if (mask == abi::kRetiredMask && offset_of(target.w) < channel.subbuf_size && records_of(target.w) == 0 && low_sequence_of(target.w) == (channel.subbuf_count & 0xff))
    return Place::elsewhere;
  if (target.w == abi::kRetiredWord) return ring.writer.retired.load(std::memory_order_acquire) != 0 ? Place::again : Place::elsewhere;
  const Ends ends(channel);
  bytes += ends.end_size;
  if (ends.begin_size + bytes >= channel.subbuf_size) {
    count_loss(ring, abi::Loss::too_large);
    return Place::lost;
  }
  if (crosses(offset_of(target.w), bytes, channel.subbuf_size) || open_of(target.w) >= open_limit) {
    const std::uint32_t released = count_released(channel);
    switch (switch_subbuf(channel, target.index, ring, target.w)) {
      case Switch::again: return Place::again;
      case Switch::full:
        if (wait_for_room(channel, released, target.waiting_since)) return Place::waited;
        count_loss(ring, abi::Loss::full);
        return Place::lost;
      case Switch::busy: count_loss(ring, abi::Loss::busy); return Place::lost;
    }
  }
  // After W, see switch_subbuf.
  target.stamp = channel.now();
  return Place::found;
}

}  // namespace

// What the slow path wants to be free: it copies whole words, but for what it writes in two phases, and may need the longer header.
constexpr std::uint64_t room_for(std::size_t body_size) {
  return kExtendedHeader + (body_size > kMaxSingleShotBody ? body_size : (body_size + 7) & ~std::size_t{7});
}

// The short way to drop a record: a program that writes faster than its reader reads drops most of them. True: it was dropped
// and counted. It is the ring's state at one moment that decides, as in the long way.
#if OURO_HAS_RSEQ
bool drop_if_full(const Channel& root, ouro::detail::RseqArea* area, std::size_t body_size) noexcept {
  if (root.mode != abi::FullMode::discard || root.patience_ns != 0 || !root.per_cpu) return false;
  const std::uint32_t index = ouro::detail::rseq_index(*area, root.index_at);
  if (index >= root.cpus) return false;
  const Channel* channel = &root;
  abi::RingHead* ring = root.ring[index];
  std::uint64_t w = ring->writer.write_word.load(std::memory_order_acquire);
  if (w == abi::kRetiredWord) [[unlikely]] {
    channel = &present(root, index);
    ring = channel->ring[index];
    w = ring->writer.write_word.load(std::memory_order_acquire);
  }
  const std::uint64_t size = channel->subbuf_size, bytes = room_for(body_size) + Ends(*channel).end_size, offset = offset_of(w);
  const std::uint64_t physical = offset >> std::countr_zero(size);
  if (!crosses(offset, bytes, size) || bytes >= size || physical > channel->subbuf_count) return false;
  const std::uint64_t next = ring->image[physical].sequence.load(std::memory_order_relaxed) + 1;
  const abi::Slot slot{ring->slot[next & (channel->subbuf_count - 1)].load(std::memory_order_relaxed)};
  if (slot.taken() || slot.sequence() + channel->subbuf_count != next) return false;
  return count_in_section(area, root.index_at, index, ring->losses.full_in_section);
}
bool drop_if_full(const Channel& channel, std::size_t body_size) noexcept {
  return drop_if_full(channel, ouro::detail::rseq_area(), body_size);
}
#else
bool drop_if_full(const Channel&, std::size_t) noexcept { return false; }
#endif

namespace {

Written write_per_cpu(const Channel& channel, std::uint32_t id, const void* body, std::size_t size, std::uint64_t owner) noexcept {
  if (drop_if_full(channel, size)) return Written::lost;
  alignas(8) std::byte image[kExtendedHeader + kMaxSingleShotBody + 8];  // header and body; without a header the body's last word
  Target target{};
  for (int tries = 0; tries < kMaxTries; ++tries) {
    const Place place = find_place(channel, room_for(size), abi::kOpenMask + 1, target);
    if (place == Place::again) continue;
    if (place == Place::waited) {
      tries = 0;
      continue;
    }
    if (place == Place::lost) return Written::lost;
    if (place == Place::elsewhere) break;
    abi::RingHead& ring = *target.ring;
    const bool extended =
        channel.stamped && (channel.seal != nullptr || id >= kExtendedId || target.stamp >= ring.writer.stamp_deadline.load(std::memory_order_relaxed));
    const std::size_t header = channel.stamped ? put_header(image, id, target.stamp, extended) : 0;
    const std::size_t as_it_stands = channel.stamped ? 0 : size & ~std::size_t{7};  // of the body
    std::memcpy(image + header, static_cast<const std::byte*>(body) + as_it_stands, size - as_it_stands);
    if (channel.seal != nullptr && extended) channel.seal(channel, image, header + size);
    std::byte* const to = data_of(ring) + offset_of(target.w);
    if (exchange(channel, {.index = target.index,
                           .ring = &ring,
                           .expected = target.w,
                           .next = target.w + abi::kOneRecord + header + size,
                           .slot = &kNoSlot,
                           .slot_value = 0,
                           .stamp = target.stamp,
                           .index_at = channel.index_at,
                           .copies = {{to, body, as_it_stands / 8}, {to + as_it_stands, image, (header + size - as_it_stands + 7) / 8}}})) {
      // Only now: had we died before the record was there, a later deadline would make compact stamps ambiguous.
      // An older stamp stored late does no harm, only one more extended header.
      if (extended) ring.writer.stamp_deadline.store(target.stamp + (std::uint64_t{1} << kStampBits), std::memory_order_relaxed);
      return Written::yes;
    }
  }
  return write_shared(channel, id, body, size, owner);
}

}  // namespace

Reservation reserve_per_cpu(const Channel& channel, std::uint32_t id, std::size_t body_size, std::uint64_t owner) noexcept {
  const std::uint64_t total = kExtendedHeader + body_size;
  Target target{};
  for (int tries = 0; tries < kMaxTries; ++tries) {
    const Place place = find_place(channel, total, abi::kOpenMask, target);
    if (place == Place::again) continue;
    if (place == Place::waited) {
      tries = 0;
      continue;
    }
    if (place == Place::lost) return {};
    if (place == Place::elsewhere) break;
    abi::RingHead& ring = *target.ring;
    abi::Pending* pending = find_free_pending(ring);
    if (pending == nullptr) {
      count_loss(ring, abi::Loss::busy);
      return {};
    }
    // Entry, header and W in one section. If we are killed in its midst, W never passed the place that the entry names.
    const std::uint64_t entry[4] = {owner, target.w, total, target.stamp};
    static_assert(offsetof(abi::Pending, where) == 8 && offsetof(abi::Pending, length) == 16 && offsetof(abi::Pending, stamp) == 24);
    alignas(8) std::byte header[kExtendedHeader];
    put_header(header, id, target.stamp, true);
    std::byte* const to = data_of(ring) + offset_of(target.w);
    if (exchange(channel, {.index = target.index,
                           .ring = &ring,
                           .expected = target.w,
                           .next = target.w + abi::kOneRecord + abi::kOneOpen + total,
                           .slot = &pending->state,
                           .slot_value = 0,
                           .stamp = target.stamp,
                           .index_at = channel.index_at,
                           .copies = {{&pending->state, entry, 4}, {to, header, kExtendedHeader / 8}}}))  // ord(pending:B) pairs with bury:A
      return {to + kExtendedHeader, &ring, pending, static_cast<std::uint32_t>(total), target.w, target.stamp, target.channel->subbuf_size};
    // Interrupted behind the store of `state`, the entry is ours all the same: nobody else takes it, or has this owner.
    if (pending->state.load(std::memory_order_relaxed) == owner) free_pending(*pending);
  }
  return reserve_shared(channel, id, body_size, owner);
}

void commit_per_cpu(const Reservation& r, std::uint64_t subbuf_size) noexcept {
  abi::RingHead& ring = *r.ring;
  if (!begin_commit(r)) return;
  // The deadline does not move: other compact stamps must not depend on a record that might have been dropped.
  // Release; pairs with deliver:B. A reader that sees this count sees the body.
  ring.image[offset_of(r.where) >> std::countr_zero(subbuf_size)].commits.fetch_add(1, std::memory_order_release);  // ord(commit:C)
  free_pending(*r.pending);
}

void refresh(Route& route, const Channel& channel, std::uint32_t tag) noexcept {
#if OURO_HAS_RSEQ
  if (!channel.per_cpu) return;
  ouro::detail::RseqArea* const area = ouro::detail::rseq_area();
  const std::uint32_t index = current_index(channel);
  if (index >= channel.cpus) return;
  abi::RingHead* const ring = present(channel, index).ring[index];
  if (route.tag == tag && route.index == index && route.rseq == area && route.ring == ring) return;
  // Without its tag nobody uses the route; with it, it must be whole. A handler that comes in between refreshes it as a
  // whole too, so its tag means that there is nothing left to do.
  *const_cast<volatile std::uint32_t*>(&route.tag) = 0;
  route.rseq = area;
  bind_in_section(route, index, ring, tag);
#else
  static_cast<void>(route), static_cast<void>(channel), static_cast<void>(tag);
#endif
}

Written write_slow(const Channel& channel, std::uint32_t id, const void* body, std::size_t size, std::uint64_t owner) noexcept {
  if (channel.per_cpu || channel.exclusive) return write_per_cpu(channel, id, body, size, owner);
  return write_shared(channel, id, body, size, owner);
}

Reservation reserve(const Channel& channel, std::uint32_t id, std::size_t body_size, std::uint64_t owner) noexcept {
  if (owner == 0) owner = this_owner();
  if (channel.per_cpu || channel.exclusive) return reserve_per_cpu(channel, id, body_size, owner);
  return reserve_shared(channel, id, body_size, owner);
}

void commit(const Reservation& r) noexcept {
  if (r.ring->shape.kind != static_cast<std::uint32_t>(abi::RingKind::shared)) return commit_per_cpu(r, r.subbuf_size);
  commit_shared(r, r.subbuf_size);
}

int populate(const Channel& channel, abi::RingHead& ring) noexcept {
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
  const int saved = errno;
  int error = 0;
  // Whole pages, which are larger than a ring's head on some machines: what lies around the data is the ring's own, or the next one's.
  const std::uintptr_t page = getauxval(AT_PAGESZ), data = reinterpret_cast<std::uintptr_t>(data_of(ring)), begin = data & ~(page - 1);
  const std::size_t size = data - begin + (std::size_t{channel.subbuf_count} + 1) * channel.subbuf_size;
  // Allocates the file's pages and this process's page table entries; fails instead of raising SIGBUS (madvise(2)).
  while (madvise(reinterpret_cast<void*>(begin), size, MADV_POPULATE_WRITE) != 0) {
    error = errno;
    if (error != EINTR && error != EAGAIN) break;
    error = 0;
  }
  errno = saved;
  return error;
}

}  // namespace ouro::ring
