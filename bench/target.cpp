// bench/target.cpp -- the traced program of `ouro bench`: measures what an event costs beside the machine's floors, in
// one process, in turns, and prints one JSON object.
//
// One figure is the median over rounds and over code alignments of (loop with the event) / (bare rdtsc loop of the same
// round): a single alignment may be lucky. Bursts fit the buffer; between them the program asks for the buffers to be
// drained, over the pipes it was given, so that nobody reads while it writes.
//
//   target REQUEST_FD REPLY_FD    write a byte, read a byte: drained (-1 -1: nobody drains, as in overwrite mode)
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <vector>

#include <ouro/clock/tsc.hpp>
#include <ouro/ring/local.hpp>
#include <ouro/trace.hpp>

#include "measure.hpp"

namespace {

using namespace ouro::bench;

volatile std::uint32_t burst_size = 10000;  // not a constant: a long immediate in the loop's branch has costs of its own
constexpr int kRounds = 25;
constexpr int kAlignments = 8;

// Puts the loop behind it at another place within a cache line.
template <int kAlignment>
[[gnu::always_inline]] inline void align() {
  asm volatile(".p2align 6\n\t.skip %c0, 0x90" : : "i"(kAlignment * 8 + 1));
}

template <int kAlignment, class Body>
[[gnu::noinline]] double burst(Body body) {
  align<kAlignment>();
  const std::uint32_t n = burst_size;
  const Ticks begin = now();
  for (std::uint32_t i = 0; i < n; ++i) body(i);
  return static_cast<double>(now() - begin) / n;
}

template <int kAlignment>
double floor_clock() {
  return burst<kAlignment>([](std::uint32_t) {
    const Ticks t = now();
    asm volatile("" : : "r"(t));
  });
}

int request_fd = -1, reply_fd = -1;

void drain() {
  char byte = 0;
  if (request_fd < 0) return;
  if (write(request_fd, &byte, 1) != 1 || read(reply_fd, &byte, 1) != 1) std::exit(1);
}

double ns_per_tick;

struct Figure {
  const char* name;
  std::vector<double> ticks, ratio;
  void print(bool last) {
    std::sort(ratio.begin(), ratio.end());
    const auto at = [&](double q) { return ratio[static_cast<std::size_t>(q * static_cast<double>(ratio.size() - 1))]; };
    std::printf("  \"%s\": {\"ns\": %.3f, \"ratio\": %.3f, \"ratio_p10\": %.3f, \"ratio_p90\": %.3f}%s\n", name,
                median(ticks) * ns_per_tick, at(0.5), at(0.1), at(0.9), last ? "" : ",");
  }
};

template <int kAlignment>
double floor_xadd() {
  static std::atomic<std::uint64_t> counter;
  return burst<kAlignment>([](std::uint32_t) { counter.fetch_add(1, std::memory_order_relaxed); });
}

// The buffers are drained first where the body fills them: what sleeps and wakes has cold caches.
enum class Fills : bool { no, yes };
template <int kAlignment, class Body>
void measure(Figure& figure, Fills fills, Body body, double (*floor_of)() = floor_clock<kAlignment>) {
  if (fills == Fills::yes) drain();
  const double floor = floor_of();
  const double cost = burst<kAlignment>(body);
  figure.ticks.push_back(cost);
  figure.ratio.push_back(cost / floor);
}

Figure clock_floor{"clock", {}, {}}, xadd{"lock_xadd", {}, {}}, gettime{"clock_gettime", {}, {}}, off{"event_off", {}, {}},
    u32{"event_u32", {}, {}}, b32{"event_32_bytes", {}, {}}, text{"event_string_32", {}, {}}, span{"span", {}, {}},
    unstamped{"record_without_clock", {}, {}};

// A channel of the ring library alone: 8-byte records, no clock, no header. Its ratio is to lock xadd.
const ouro::ring::Channel* plain_channel;
thread_local ouro::ring::Route plain_route;

template <int kAlignment>
void round_of() {
  static constexpr std::string_view kText = "a string of thirty-two characters";
  measure<kAlignment>(clock_floor, Fills::no, [](std::uint32_t) {
    const Ticks t = now();
    asm volatile("" : : "r"(t));
  });
  xadd.ticks.push_back(floor_xadd<kAlignment>());
  xadd.ratio.push_back(xadd.ticks.back() / floor_clock<kAlignment>());
  measure<kAlignment>(gettime, Fills::no, [](std::uint32_t) {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
  });
  measure<kAlignment>(off, Fills::no, [](std::uint32_t i) { OURO_EVENT("ouro_bench_off:u32", "value", i); });
  measure<kAlignment>(u32, Fills::yes, [](std::uint32_t i) { OURO_EVENT("ouro_bench:u32", "value", i); });
  measure<kAlignment>(b32, Fills::yes, [](std::uint32_t i) {
    const std::uint64_t x = i;
    OURO_EVENT("ouro_bench:b32", "a", x, "b", x + 1, "c", x + 2, "d", x + 3);
  });
  measure<kAlignment>(text, Fills::yes, [](std::uint32_t) { OURO_EVENT("ouro_bench:text", "text", kText.substr(0, 32)); });
  measure<kAlignment>(span, Fills::yes, [](std::uint32_t i) { OURO_SPAN("ouro_bench:span", "value", i); });
  if (plain_channel != nullptr)
    measure<kAlignment>(
        unstamped, Fills::no,
        [](std::uint32_t i) {
          const std::uint64_t body[1] = {i};
          ouro::ring::write_unstamped<8>(plain_route, *plain_channel, body);
        },
        floor_xadd<kAlignment>);
}

template <int... kAlignment>
void round_of_all(std::integer_sequence<int, kAlignment...>) {
  (round_of<kAlignment>(), ...);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) {
    request_fd = std::atoi(argv[1]);
    reply_fd = std::atoi(argv[2]);
  }
  const int cpu = sched_getcpu();
  pin(cpu < 0 ? 0 : cpu);
  ns_per_tick = measure_ns_per_tick();
  auto plain = ouro::ring::LocalChannel::create({.mode = ouro::abi::FullMode::overwrite, .stamped = false});
  if (plain && plain->channel().per_cpu) plain_channel = &plain->channel();
  for (int i = 0; i < kRounds; ++i) round_of_all(std::make_integer_sequence<int, kAlignments>());
  std::printf("{\n");
  for (Figure* f : {&clock_floor, &xadd, &gettime, &off, &u32, &b32, &text}) f->print(false);
  if (plain_channel != nullptr) unstamped.print(false);
  span.print(true);
  std::printf("}\n");
}
