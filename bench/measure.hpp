// measure.hpp -- what the benchmarks share: the clock they count by, staying on a CPU, medians.
#pragma once
#include <sched.h>

#include <algorithm>
#include <vector>

#include <ouro/clock/tsc.hpp>

namespace ouro::bench {

using clock::Ticks;

inline Ticks now() { return clock::read_unordered(true); }

inline double measure_ns_per_tick() {
  const auto monotonic = [] { return static_cast<double>(clock::read_monotonic()); };
  const double t0 = monotonic();
  const Ticks c0 = now();
  while (monotonic() - t0 < 50e6) {
  }
  return (monotonic() - t0) / static_cast<double>(now() - c0);
}

// The calling thread.
inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

inline double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

}  // namespace ouro::bench
