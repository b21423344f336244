// ring/writer_sections.hpp -- the restartable sequences of the writer's slow paths; one file per architecture, as with
// ouro/ring/single_shot.hpp. Where there is none, each of them fails.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/ring/writer.hpp>

namespace ouro::ring {

// Compare W; copy small images; store W: one section, by the only thread that the ring's index says may write now.
struct Exchange {
  struct Copy {
    void* to;
    const void* from;
    std::uint64_t words;             // of 8 bytes
  };
  static constexpr std::size_t kCopies = 4;
  std::uint64_t index;               // Route::index for which the ring is
  abi::RingHead* ring;
  std::uint64_t expected, next;      // W
  const abi::Word* slot;             // must hold `slot_value`: W alone could be the same again after many laps
  std::uint64_t slot_value;
  std::uint64_t stamp;               // must not be before the ring's newest
  std::uint64_t index_at;            // Channel::index_at
  Copy copies[kCopies];
};
static_assert(offsetof(Exchange, ring) == 8 && offsetof(Exchange, expected) == 16 && offsetof(Exchange, next) == 24 &&
              offsetof(Exchange, slot) == 32 && offsetof(Exchange, slot_value) == 40 && offsetof(Exchange, stamp) == 48 &&
              offsetof(Exchange, index_at) == 56 && offsetof(Exchange, copies) == 64 && sizeof(Exchange) == 64 + 24 * Exchange::kCopies);

// True: all of it happened. False: nothing visible did (last_stamp may have moved forward, which is harmless).
bool exchange_in_section(const Exchange& x) noexcept;

// Adds 1 to a word that nobody else writes but in this way, with the same index. False: it did not. `area`: the thread's.
#if OURO_HAS_RSEQ
bool count_in_section(ouro::detail::RseqArea* area, std::uint64_t index_at, std::uint64_t index, abi::Word& counter) noexcept;
#endif

// Route's members as a whole, if its tag is still 0.
void bind_in_section(Route& route, std::uint32_t index, abi::RingHead* ring, std::uint32_t tag) noexcept;

}  // namespace ouro::ring
