// clock/calibrate.hpp -- which clock a session stamps with, and how its ticks become time. docs/clock.md states the
// method and its error bound.
//
//   ticks      begin ----------------------------- end          two brackets around CLOCK_MONOTONIC: frequency
//   MONOTONIC  begin ----------------------------- end
//   REALTIME     |                                              one bracket at the beginning: offset
//
// The recorder calibrates, once per session; traced programs only read the counter.
#pragma once
#include <cstdint>
#include <string>

#include <ouro/abi/session_layout.hpp>
#include <ouro/clock/tsc.hpp>

namespace ouro::clock {

// May stamps be those of the CPU's counter? Only where the kernel itself keeps time by it.
#if defined(__aarch64__)
inline constexpr const char* kTrustedSource = "arch_sys_counter";
#else
inline constexpr const char* kTrustedSource = "tsc";
#endif
struct TscTrust {
  bool trusted = false;
  std::string clocksource;  // what the kernel keeps time by; empty: it does not say
  bool constant = false;    // its rate does not follow the CPU's: x86-64, /proc/cpuinfo has constant_tsc; aarch64, always
  bool nonstop = false;     // it counts on while the CPU sleeps: nonstop_tsc; always
};
TscTrust tsc_trust();
// The same from given texts: current_clocksource, and /proc/cpuinfo.
TscTrust judge_tsc(const std::string& clocksource, const std::string& cpuinfo);

// What the clock says now, as traced programs read it.
Ticks now(abi::ClockKind kind) noexcept;

// One instant on two clocks. The reading of the second lies within `error_ns` of it.
struct Pair {
  Ticks ticks = 0;
  std::int64_t ns = 0;
  std::int64_t error_ns = 0;
};
// The tightest bracket of many tries: session's ticks and CLOCK_MONOTONIC.
Pair read_pair(abi::ClockKind kind);
// CLOCK_REALTIME minus CLOCK_MONOTONIC, in ns (`ticks` is unused).
Pair read_realtime_offset();

// Seconds since the epoch = offset_s + (offset_ticks + ticks) / frequency.
struct Calibration {
  std::uint64_t frequency = 0;  // Hz
  std::int64_t offset_s = 0;
  std::uint64_t offset_ticks = 0;  // < frequency
  std::uint64_t error_ns = 0;      // of CLOCK_REALTIME as it was at `begin` plus time passed, between the two pairs
};
Calibration calibrate(abi::ClockKind kind, const Pair& begin, const Pair& end, const Pair& realtime_offset);

}  // namespace ouro::clock
