// trace/context_bytes.hpp -- a thread's contexts, put together once and copied into its records for as long as they are fresh
// (ThreadState::known), without asking what time it is.
//
//   asked: coarse time, ticks          until                     + 100 ms
//   |----------------------------------|-------------------------|
//     records whose ring's deadline      asked again
//     for stamps is no later
//
// A ring's section writes no record with a stamp from the ring's deadline on, which is 2^22 ticks ahead at most. So where that is
// no later than `until`, the record is not either. How many ticks a millisecond has is learned from two askings.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/context_layout.hpp>
#include <ouro/clock/tsc.hpp>
#include <ouro/detail/site.hpp>

#include "trace/context_cache.hpp"

namespace ouro::trace {

// What stays as it is until it is asked again, and takes few enough bytes.
inline constexpr std::uint64_t kStandingContexts = kKeptContexts | abi::bit(abi::Context::pid) | abi::bit(abi::Context::tid);
constexpr bool can_stand(std::uint64_t contexts) {
  return (contexts & ~kStandingContexts) == 0 && abi::max_context_size(contexts) <= sizeof detail::ContextBytes::bytes;
}

// CLOCK_MONOTONIC_COARSE is kCoarseNs behind at most. Both err towards less: fewer ticks in a millisecond, fewer milliseconds.
inline constexpr std::uint64_t kCoarseNs = 10'000'000, kStandNs = 80'000'000;
static_assert(kStandNs + kCoarseNs < kFreshNs);
constexpr std::uint64_t ticks_per_ms(std::uint64_t ticks, std::uint64_t coarse_ns) { return ticks / ((coarse_ns + kCoarseNs) / 1'000'000 + 1); }
constexpr std::uint64_t ticks_to_stand(std::uint64_t ticks_in_ms) {
  const std::uint64_t ticks = ticks_in_ms * (kStandNs / 1'000'000);
  return ticks >= std::uint64_t{4} << ring::kStampBits ? ticks : 0;  // of a slow counter, deadlines would mostly be later
}

// How long values stand, in ticks; 0: not at all, or it is not known yet. The least that any two askings said: learned() is told the ticks
// and the coarse time between them.
std::uint64_t ticks_that_stand() noexcept;
void learned(std::uint64_t ticks, std::uint64_t coarse_ns) noexcept;

// The contexts of a record, put together at `from`, become the thread's. Its word `contexts` says that they are in use. `pid`: the thread's
// before they were put together; `until`: 0: they do not stand.
void let_stand(detail::ThreadState& thread, std::uint64_t contexts, const std::byte* from, std::size_t size, std::uint32_t pid,
               std::uint64_t until) noexcept;

}  // namespace ouro::trace
