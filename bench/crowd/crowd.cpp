// bench/crowd/crowd.cpp -- a program with many threads and many events, for bench/attach. Its events are in files that the
// script makes; state_one(n) states the n-th of them.
//
//   crowd THREADS      each thread states one of the events every 10 ms. A line "MS" on stdin: for so long the main thread writes
//                      10 million events crowd:write a second, and measures each; then it prints a line of JSON. End of input: ends
//
// What is measured is from one rdtsc to the next with an event between them, in ticks, into buckets of 1/16 of a power of two.
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <ouro/trace.hpp>

#include "../measure.hpp"

void state_one(unsigned n);

namespace {

using namespace ouro::bench;

constexpr double kPerSecond = 10e6;
std::uint64_t buckets[64 * 16];

std::size_t bucket_of(Ticks t) {
  if (t < 16) return t;
  const auto log = static_cast<std::size_t>(63 - __builtin_clzll(t));
  return (log - 3) * 16 + ((t >> (log - 4)) & 15);
}
double low_end(std::size_t bucket) {
  if (bucket < 16) return static_cast<double>(bucket);
  return static_cast<double>((std::uint64_t{16} | (bucket & 15)) << (bucket / 16 - 1));
}

void write_for(double seconds, double ns_per_tick) {
  for (std::uint64_t& bucket : buckets) bucket = 0;
  const double period = 1e9 / kPerSecond / ns_per_tick;
  const auto wanted = static_cast<std::uint32_t>(seconds * kPerSecond);
  const Ticks begin = now();
  Ticks end = begin, due = begin;
  double at = 0;
  std::uint32_t n = 0;
  // Late ones are not made up for: a thread that was not running has not written.
  for (; n < wanted; ++n) {
    at += period;
    due = begin + static_cast<Ticks>(at);
    Ticks t = now();
    while (t < due) t = now();
    if (t > due + 1000 * static_cast<Ticks>(period)) at += static_cast<double>(t - due);
    if (static_cast<double>(t - begin) * ns_per_tick > seconds * 1e9) break;
    t = now();
    OURO_EVENT("crowd:write", "number", n);
    end = now();
    ++buckets[bucket_of(end - t)];
  }
  std::printf("{\"events\": %u, \"seconds\": %.3f, \"ns_per_tick\": %.6f, \"buckets\": [", n, static_cast<double>(end - begin) * ns_per_tick * 1e-9, ns_per_tick);
  bool first = true;
  for (std::size_t i = 0; i < std::size(buckets); ++i) {
    if (buckets[i] == 0) continue;
    std::printf("%s[%.0f, %llu]", first ? "" : ", ", low_end(i), static_cast<unsigned long long>(buckets[i]));
    first = false;
  }
  std::printf("]}\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned count = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
  static std::atomic<bool> ends{false};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i)
    threads.emplace_back([i] {
      for (unsigned n = i; !ends.load(std::memory_order_relaxed); n += 1999) {
        state_one(n);
        usleep(10'000);
      }
    });
  const double ns_per_tick = measure_ns_per_tick();
  std::printf("ready\n");
  std::fflush(stdout);
  for (char line[32]; std::fgets(line, sizeof line, stdin) != nullptr;) write_for(std::atof(line) * 1e-3, ns_per_tick);
  ends.store(true);
  for (std::thread& thread : threads) thread.join();
}
