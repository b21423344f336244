// Rings of kind `shared`: any number of writers, from any CPU, by compare-exchange on W. What a thread without rseq
// writes to, and every thread of a session whose clock cannot be read inside a section.
//
//   claim an entry of pending[]      so that a reader can tell whose record is missing if we die
//   W -> W + size                    the stamp is read between load and exchange: order of stamps = order of places
//   header, body
//   commits += {1, size}             release; the sub-buffer is whole when its bytes are all committed
//   free the entry
//
// All records carry extended headers: compact stamps would need a deadline that all writers agree on.
//
// A sub-buffer's commits are running totals, never reset: a reset by one writer could fall behind another's commit.
// The totals at which a use began stand in the image, tagged with the use and exchanged, not stored, so that a
// writer that stalled in the middle of opening cannot damage a later use.
#include <sched.h>

#include <bit>

#include "ring/internal.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring {
namespace {

abi::Pending* claim_pending(abi::RingHead& ring, std::uint64_t owner) noexcept {
  for (abi::Pending& entry : ring.pending) {
    std::uint64_t free = 0;
    // Acquire; pairs with pending:free, so that the last owner's stores into the entry are over.
    if (entry.state.load(std::memory_order_relaxed) == 0 &&
        entry.state.compare_exchange_strong(free, owner, std::memory_order_acquire, std::memory_order_relaxed))
      return &entry;
  }
  return nullptr;
}

constexpr int kMaxTries = 1000;  // lost races in a row before a record is given up

enum class Switch : std::uint8_t { again, full, busy };

void raise_to(abi::Word& word, std::uint64_t value) noexcept {
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  while (seen < value &&
         !word.compare_exchange_weak(seen, value, std::memory_order_release, std::memory_order_relaxed)) {  // ord(stamp:B)
  }
}

// Is everything that was reserved in the closed use `sequence` of this sub-buffer committed?
bool is_whole(const abi::SubbufImage& image, std::uint64_t sequence, std::uint64_t subbuf_size) noexcept {
  const std::uint64_t end = image.close_word.load(std::memory_order_acquire);
  const SharedUse use = shared_use(image);
  return shared_sequence_of(end) == sequence && use.tag == static_cast<std::uint32_t>(sequence) &&
         use.bytes == (offset_of(end) & (subbuf_size - 1));
}

Switch switch_shared(const Channel& channel, abi::RingHead& ring, std::uint64_t w) noexcept {
  const std::uint64_t sequence = shared_sequence_of(w);
  const std::uint64_t next = sequence + 1;
  abi::Word& slot = ring.slot[next & (channel.subbuf_count - 1)];
  abi::Slot seen{slot.load(std::memory_order_acquire)};
  if (seen.physical() > channel.subbuf_count || offset_of(w) / channel.subbuf_size > channel.subbuf_count)
    return Switch::busy;
  if (seen.sequence() != next) {
    if (seen.sequence() + channel.subbuf_count != next) return Switch::again;
    if (!seen.taken()) {
      if (channel.mode == abi::FullMode::discard) return Switch::full;
      // Not whole, or of a later use: then somebody has claimed it since, and whichever of its words told so brings the claim.
      if (!is_whole(ring.image[seen.physical()], seen.sequence(), channel.subbuf_size))
        return slot.load(std::memory_order_relaxed) == seen.word ? Switch::busy : Switch::again;
    }
    const abi::Slot claimed = abi::Slot::make(next, false, seen.physical());
    if (!slot.compare_exchange_strong(seen.word, claimed.word, std::memory_order_acq_rel, std::memory_order_relaxed))
      return Switch::again;
    seen = claimed;
  }
  abi::SubbufImage &opening = ring.image[seen.physical()], &closing = ring.image[offset_of(w) / channel.subbuf_size];
  const std::uint64_t lapped = lapped_up_to(closing, opening, next - channel.subbuf_count), stamp = channel.now();
  // An exchange, not a load, which might give what W was: nobody has moved W on before this, so whoever does reads a later stamp than ours.
  std::uint64_t expected = w;
  if (!ring.writer.write_word.compare_exchange_strong(expected, w, std::memory_order_acq_rel, std::memory_order_relaxed)) return Switch::again;
  if (channel.mode == abi::FullMode::overwrite) {
    raise_to(opening.lapped_before, lapped);
    raise_to(ring.losses.lost[static_cast<std::size_t>(abi::Loss::lapped)], lapped);
  }
  // Later than what earlier uses left there, not later than what will be: whether a header is of this use, readers tell by it.
  raise_to(opening.first_stamp, stamp);
  open_books(opening.sequence, static_cast<std::uint32_t>(next), opening.commits, 32);
  open_books(opening.records_before, static_cast<std::uint32_t>(next), opening.commits, 0);

  // By maximum: W only grows within a use, so whatever a slower rival stores here is smaller, and ignored.
  raise_to(closing.close_word, w);
  closing.lost_before.store(counted_losses(ring), std::memory_order_relaxed);
  if (ring.writer.write_word.compare_exchange_strong(expected, make_shared_w(next, seen.physical() * channel.subbuf_size),
                                                     std::memory_order_acq_rel, std::memory_order_relaxed))
    ring_bell(channel, next);
  return Switch::again;
}

// A CPU's number is a hint here: it keeps writers apart, nothing depends on it.
std::uint32_t nearest_ring(const Channel& channel) noexcept {
  const int cpu = sched_getcpu();
  return cpu < 0 ? 0 : static_cast<std::uint32_t>(cpu) % channel.cpus;
}

// In one memory of the channel. `retired`: its writers go on in the next, nothing was done.
Reservation reserve_in(const Channel& channel, abi::RingHead& ring, std::uint32_t id, std::size_t body_size, std::uint64_t owner,
                       bool& retired) noexcept {
  const std::uint64_t total = kExtendedHeader + body_size;
  const auto lose = [&](abi::Loss cause) {
    count_loss(ring, cause);
    return Reservation{};
  };
  retired = ring.writer.write_word.load(std::memory_order_acquire) == abi::kRetiredWord;
  if (retired) return {};
  if (ring.writer.mask.load(std::memory_order_acquire) == 0) {  // ord(reserve:A)
    if (!reserve_memory(channel, ring)) return lose(abi::Loss::no_memory);
    let_writers_in(channel, ring);
  }
  if (total >= channel.subbuf_size) return lose(abi::Loss::too_large);
  abi::Pending* pending = claim_pending(ring, owner);
  if (pending == nullptr) return lose(abi::Loss::busy);
  abi::Word& write_word = ring.writer.write_word;
  std::uint64_t waiting_since = 0;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    // Acquire; pairs with shared:switch, which opened this sub-buffer.
    std::uint64_t w = write_word.load(std::memory_order_acquire);
    if (w == abi::kRetiredWord) {
      free_pending(*pending);
      retired = true;
      return {};
    }
    if (crosses(offset_of(w), total, channel.subbuf_size)) {
      const std::uint32_t released = count_released(channel);
      const Switch answer = switch_shared(channel, ring, w);
      if (answer == Switch::again) continue;
      pending->length.store(0, std::memory_order_release);  // while we wait, it names no place
      if (answer == Switch::full && wait_for_room(channel, released, waiting_since)) {
        tries = 0;
        continue;
      }
      free_pending(*pending);
      return lose(answer == Switch::full ? abi::Loss::full : abi::Loss::busy);
    }
    const std::uint64_t stamp = channel.now();
    // Release, all three; pairs with bury:A. Whichever tells a reader that this entry names another place, he sees what its last owner,
    // from whose hands we acquired it, wrote at his.
    pending->length.store(0, std::memory_order_release);
    pending->where.store(w, std::memory_order_release);
    pending->stamp.store(stamp, std::memory_order_relaxed);
    pending->length.store(total, std::memory_order_release);  // ord(pending:B) pairs with bury:A
    if (!write_word.compare_exchange_strong(w, w + total, std::memory_order_acq_rel, std::memory_order_relaxed)) continue;
    // The claim of this sub-buffer came with W. Between it and our content stands a fence of our own: that of whoever claimed
    // orders his stores, not ours.
    abi::fence(std::memory_order_release);  // ord(switch:B) pairs with snapshot:B
    std::byte* record = data_of(ring) + offset_of(w);
    put_header(record, id, stamp, true);
    const auto entry = static_cast<std::size_t>(pending - ring.pending);
    const std::uint32_t mark = channel.stamped ? stamped_mark(entry) : unstamped_mark(shared_sequence_of(w), entry);
    std::memcpy(record, &mark, sizeof mark);
    abi::stored(record, kExtendedHeader);
    return {record + kExtendedHeader, &ring, pending, static_cast<std::uint32_t>(total), w, stamp, channel.subbuf_size};
  }
  free_pending(*pending);
  return lose(abi::Loss::busy);
}

}  // namespace

Reservation reserve_shared(const Channel& root, std::uint32_t id, std::size_t body_size, std::uint64_t owner) noexcept {
  const std::uint32_t index = nearest_ring(root);
  const Channel* channel = &root;
  for (;;) {  // ends: each round is one memory further
    bool retired = false;
    const Reservation r = reserve_in(*channel, *channel->shared[index], id, body_size, owner, retired);
    if (!retired) return r;
    const Channel* const next = channel->successor.load(std::memory_order_acquire);
    if (next == nullptr) {  // nonsense that somebody else wrote there
      count_loss(*channel->shared[index], abi::Loss::busy);
      return {};
    }
    channel = next;
  }
}

void commit_shared(const Reservation& r, std::uint64_t subbuf_size) noexcept {
  abi::SubbufImage& image = r.ring->image[offset_of(r.where) >> std::countr_zero(subbuf_size)];
  raise_to(image.close_stamp, r.stamp);
  raise_to(r.ring->writer.last_stamp, r.stamp);
  if (!begin_commit(r)) return;
  // Release; pairs with deliver:B. Every commit is a read-modify-write, so a later one continues the release sequence.
  image.commits.fetch_add(std::uint64_t{1} << 32 | r.size, std::memory_order_release);  // ord(shared:commit)
  free_pending(*r.pending);
}

Written write_shared(const Channel& channel, std::uint32_t id, const void* body, std::size_t size, std::uint64_t owner) noexcept {
  const Reservation r = reserve_shared(channel, id, size, owner != 0 ? owner : this_owner());
  if (r.body == nullptr) return Written::lost;
  std::memcpy(r.body, body, size);
  if (channel.seal != nullptr) channel.seal(channel, r.body - kExtendedHeader, r.size);
  abi::stored(r.body, size);
  commit(r);
  return Written::yes;
}

}  // namespace ouro::ring
