// Two clocks at one instant. Part of what traced programs link: no allocation, neither libstdc++ nor libgcc_s.
#include <algorithm>
#include <limits>

#include "clock/calibrate.hpp"

namespace ouro::clock {
namespace {

constexpr int kTries = 200;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::int64_t read_ns(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return static_cast<std::int64_t>(t.tv_sec) * kNsPerSecond + t.tv_nsec;
}

// Nothing behind it is executed before what stands before it.
void wait_for_all() {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
#elif defined(__aarch64__)
  asm volatile("isb" : : : "memory");
#endif
}

// Not before what stands before it, not after what stands behind it: else the bracket would lie.
Ticks read_ordered(abi::ClockKind kind) {
  wait_for_all();
  const Ticks ticks = now(kind);
  wait_for_all();
  return ticks;
}

}  // namespace

Ticks now(abi::ClockKind kind) noexcept { return read_unordered(kind == abi::ClockKind::tsc); }

Pair read_pair(abi::ClockKind kind) {
  if (kind == abi::ClockKind::monotonic) {
    const Ticks ticks = read_monotonic();
    return {ticks, static_cast<std::int64_t>(ticks), 0};
  }
  Pair best;
  Ticks narrowest = std::numeric_limits<Ticks>::max();
  const Ticks first_ticks = read_ordered(kind);
  const std::int64_t first_ns = read_ns(CLOCK_MONOTONIC);
  for (int i = 0; i < kTries; ++i) {
    const Ticks before = read_ordered(kind);
    const std::int64_t ns = read_ns(CLOCK_MONOTONIC);
    const Ticks after = read_ordered(kind);
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    best = {before + narrowest / 2, ns, 0};
  }
  // How long a tick is, about: the tries themselves took long enough to tell.
  const Ticks ticks = std::max<Ticks>(read_ordered(kind) - first_ticks, 1);
  const std::int64_t ns = std::max<std::int64_t>(read_ns(CLOCK_MONOTONIC) - first_ns, 1);
  // A reading is at most one tick behind the time: much, where a tick is 40 ns.
  // In floating point: integers of 128 bits want libgcc_s to be loaded.
  best.error_ns = static_cast<std::int64_t>((static_cast<double>(narrowest) + 2) * static_cast<double>(ns) / (2 * static_cast<double>(ticks)) + 0.5) + 1;
  return best;
}

Pair read_realtime_offset() {
  Pair best;
  std::int64_t narrowest = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < kTries; ++i) {
    const std::int64_t before = read_ns(CLOCK_MONOTONIC);
    const std::int64_t realtime = read_ns(CLOCK_REALTIME);
    const std::int64_t after = read_ns(CLOCK_MONOTONIC);
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    best = {0, realtime - (before + narrowest / 2), (narrowest + 1) / 2};
  }
  return best;
}

}  // namespace ouro::clock
