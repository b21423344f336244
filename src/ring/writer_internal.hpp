// ring/writer_internal.hpp -- what the two kinds of writer share.
#pragma once
#include <cstring>

#include <ouro/ring/writer.hpp>

namespace ouro::ring {

// Records of 4 or 16 bytes of header; returns which.
inline std::size_t put_header(std::byte* to, std::uint32_t id, std::uint64_t stamp, bool extended) noexcept {
  if (!extended) {
    const auto word = static_cast<std::uint32_t>(stamp << (32 - kStampBits)) | id;
    std::memcpy(to, &word, 4);
    return kCompactHeader;
  }
  const std::uint32_t words[2] = {kExtendedId, id};
  std::memcpy(to, words, 8);
  std::memcpy(to + 8, &stamp, 8);
  return kExtendedHeader;
}

std::uint64_t this_owner() noexcept;
abi::Pending* find_free_pending(abi::RingHead& ring) noexcept;
bool begin_commit(const Reservation& r) noexcept;
void free_pending(abi::Pending& entry) noexcept;
// Reserves the memory of the ring's data. False: it could not be had.
bool reserve_memory(const Channel& channel, abi::RingHead& ring) noexcept;
// From here on every writer writes.
inline void let_writers_in(const Channel& channel, abi::RingHead& ring) noexcept {
  std::uint64_t unset = 0;  // else it is retired meanwhile
  ring.writer.mask.compare_exchange_strong(unset, channel.subbuf_size - 1, std::memory_order_release, std::memory_order_relaxed);  // ord(reserve:B)
}

// The oldest of a channel's memories whose ring `i` is not retired for good: where its writers are. Memory that others map may say
// anything; what counts is whether there is a successor.
inline const Channel& present(const Channel& channel, std::uint32_t i) noexcept {
  const Channel* c = &channel;
  while (c->ring[i]->writer.retired.load(std::memory_order_acquire) != 0) {  // ord(retire:B) pairs with retire:A
    const Channel* const next = c->successor.load(std::memory_order_acquire);
    if (next == nullptr) break;
    c = next;
  }
  return *c;
}

void wake(abi::Word32& word, int how_many) noexcept;  // of those that sleep_on() it
void ring_bell(const Channel& channel, std::uint64_t closed) noexcept;
// Until `word` is no longer `seen`, for so long at most. False: it still is.
bool sleep_on(abi::Word32& word, abi::Word32& sleepers, std::uint32_t seen, std::uint64_t patience_ns) noexcept;
void wake_writers(abi::Bell& bell) noexcept;
std::uint32_t count_released(const Channel& channel) noexcept;
// Discard, no room: waits for a reader as the channel's patience has it. `seen`: count_released() before room was looked for;
// `begun`: 0 at first. False: patience is over.
bool wait_for_room(const Channel& channel, std::uint32_t seen, std::uint64_t& begun) noexcept;

#if OURO_HAS_RSEQ
inline std::uint32_t current_index(const Channel& channel) noexcept {
  return ouro::detail::rseq_index(*ouro::detail::rseq_area(), channel.index_at);
}
#else
inline std::uint32_t current_index(const Channel&) noexcept { return ~std::uint32_t{0}; }
#endif

// True: the record was dropped and counted, as there is no room for it.
bool drop_if_full(const Channel& channel, std::size_t body_size) noexcept;
#if OURO_HAS_RSEQ
bool drop_if_full(const Channel& channel, ouro::detail::RseqArea* area, std::size_t body_size) noexcept;  // the thread's, or no_rseq
#endif
inline bool drop_if_full(const Channel& channel, [[maybe_unused]] const Route& route, std::size_t body_size) noexcept {
#if OURO_HAS_RSEQ
  return drop_if_full(channel, route.rseq, body_size);
#else
  return drop_if_full(channel, body_size);
#endif
}

Written write_shared(const Channel& channel, std::uint32_t id, const void* body, std::size_t size, std::uint64_t owner) noexcept;
Reservation reserve_shared(const Channel& channel, std::uint32_t id, std::size_t body_size, std::uint64_t owner) noexcept;
void commit_shared(const Reservation& reservation, std::uint64_t subbuf_size) noexcept;

}  // namespace ouro::ring
