// ouro/clock/tsc.hpp -- the CPU's own counter, "tsc" in this project whatever the machine calls it, for machines where the kernel
// itself keeps time by it (docs/clock.md). Elsewhere CLOCK_MONOTONIC.
//
//   x86-64    rdtsc          the clocksource is called tsc
//   aarch64   cntvct_el0     arch_sys_counter
#pragma once
#include <cstdint>
#include <ctime>

#if defined(__x86_64__) || defined(__aarch64__)
#define OURO_HAS_TSC 1
#else
#define OURO_HAS_TSC 0
#endif

namespace ouro::clock {

using Ticks = std::uint64_t;

#if OURO_HAS_TSC
// Not serialising: may be executed before earlier loads complete. Callers that order stamps do it by where they
// read the clock, see docs/ring-protocol.md. On one CPU, later readings are not less than earlier ones.
inline Ticks read_tsc() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  Ticks ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
  return ticks;
#endif
}
#endif

// Async-signal-safe.
inline Ticks read_monotonic() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<Ticks>(t.tv_sec) * 1000000000u + static_cast<Ticks>(t.tv_nsec);
}

// Not before the loads on whose values the way here depended: who has seen another's stamp, or what was written behind it, and
// has branched on that, reads no earlier one.
inline Ticks read([[maybe_unused]] bool tsc) noexcept {
#if OURO_HAS_TSC
  if (tsc) {
#if defined(__aarch64__)
    asm volatile("isb" : : : "memory");
#else
    asm volatile("lfence" : : : "memory");
#endif
    return read_tsc();
  }
#endif
  return read_monotonic();
}

// As read(), but it does not wait: it may be executed before what stands before it, a lock that was taken, say.
inline Ticks read_unordered([[maybe_unused]] bool tsc) noexcept {
#if OURO_HAS_TSC
  if (tsc) return read_tsc();
#endif
  return read_monotonic();
}

}  // namespace ouro::clock
