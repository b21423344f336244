// ring/look.hpp -- what a ring's words say at a moment, for all who read: none of it is trusted.
#pragma once
#include <cstdint>

#include <ouro/ring/reader.hpp>

#include "ring/internal.hpp"

namespace ouro::ring {

struct Look {
  const abi::RingHead& head;
  const Geometry& g;

  bool shared() const { return g.kind == abi::RingKind::shared; }
  abi::Slot slot_of(std::uint64_t sequence) const {
    return {head.slot[sequence & (g.subbuf_count - 1)].load(std::memory_order_acquire)};  // ord(release:A), ord(exchange:A)
  }
  std::uint64_t in_subbuf(std::uint64_t w) const { return offset_of(w) & (g.subbuf_size - 1); }
  std::uint64_t physical_of(std::uint64_t w) const { return offset_of(w) / g.subbuf_size; }
  // Are W and its sub-buffer those of `sequence`?
  bool is_in(std::uint64_t w, std::uint64_t sequence) const {
    return shared() ? shared_sequence_of(w) == sequence : low_sequence_of(w) == (sequence & 0xff);
  }

  // W and the whole sequence number of the sub-buffer it is in. False: the ring contradicts itself.
  bool find_current(std::uint64_t& w, std::uint64_t& sequence) const;
  // Is every two-phase record (shared: every record) that was opened before `end_word` committed?
  bool is_whole(std::uint32_t physical, std::uint64_t sequence, std::uint64_t end_word) const;
  // Losses as the ring tells them; of a shared ring also those whose writer died before it could count them.
  std::uint64_t counted(abi::Loss cause) const;
};

// Tests put what others do meanwhile in its place: `sequence` was copied and is about to be checked.
inline void (*snapshot_copied)(std::uint64_t sequence) = [](std::uint64_t) {};

}  // namespace ouro::ring
