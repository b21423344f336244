// bench/lttng/every.cpp -- a program for LTTng-UST whose trace has events of every field type, most of them small: something to read.
//
//   g++ -std=c++20 -O2 -w -Ibench/lttng bench/lttng/every.cpp -llttng-ust -ldl -o every
//   every EVENTS [THREADS]     EVENTS in all: of 10, 6 are every:number, 3 every:request and 1 every:types
//
// LTTng's side: lttng create S -o DIR; lttng enable-channel -u c -s S --subbuf-size 4M --num-subbuf 8 --blocking-timeout inf; lttng enable-event -u -a -c c -s S;
// lttng add-context -u -t vtid -t procname -c c -s S; lttng start S; LTTNG_UST_ALLOW_BLOCKING=1 every 2000000 2; lttng destroy S
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "every_tp.h"

namespace {

void write_events(std::uint64_t begin, std::uint64_t end) {
  static const char* const paths[] = {"/", "/cart/items", "/orders/2026/11/summary"};
  static const std::uint16_t numbers[] = {1, 20, 300, 4000, 50000};
  for (std::uint64_t i = begin; i < end; ++i) {
    const auto turn = i % 10;
    if (turn < 6) {
      lttng_ust_tracepoint(every, number, static_cast<std::uint32_t>(i));
    } else if (turn < 9) {
      lttng_ust_tracepoint(every, request, i, paths[turn - 6], turn == 7 ? 404 : 200);
    } else {
      lttng_ust_tracepoint(every, types, static_cast<std::int64_t>(i) - 1000, "a text of 24 characters", numbers, static_cast<unsigned>(i / 10 % 6),
                           static_cast<double>(i) / 3);
    }
    if (i % 20000 == 19999) usleep(5000);  // so that the consumer keeps up
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "every: no number of events given\n"), 2;
  const std::uint64_t events = std::strtoull(argv[1], nullptr, 10), threads = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::vector<std::thread> all;
  for (std::uint64_t t = 0; t < threads; ++t) all.emplace_back(write_events, events * t / threads, events * (t + 1) / threads);
  for (std::thread& thread : all) thread.join();
}
