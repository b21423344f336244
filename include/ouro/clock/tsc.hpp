// ouro/clock/tsc.hpp -- the CPU's time stamp counter, for machines where the kernel itself keeps time by it
// (docs/clock.md). Elsewhere CLOCK_MONOTONIC.
#pragma once
#include <cstdint>
#include <ctime>

namespace ouro::clock {

using Ticks = std::uint64_t;

#if defined(__x86_64__)
// Not serialising: may be executed before earlier loads complete. Callers that order stamps do it by where they
// read the clock, see docs/ring-protocol.md.
inline Ticks read_tsc() noexcept { return __builtin_ia32_rdtsc(); }
#endif

// Async-signal-safe.
inline Ticks read_monotonic() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<Ticks>(t.tv_sec) * 1000000000u + static_cast<Ticks>(t.tv_nsec);
}

inline Ticks read([[maybe_unused]] bool tsc) noexcept {
#if defined(__x86_64__)
  if (tsc) return read_tsc();
#endif
  return read_monotonic();
}

}  // namespace ouro::clock
