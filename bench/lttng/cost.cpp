// bench/lttng/cost.cpp -- what an event costs with Ouro and with LTTng-UST, in one process, burst by burst in turns. Run by
// bench/beside-lttng, which makes the sessions.
//
//   cost ROUNDS     prints a JSON object: for each case and tracer {"ns", "ratio", "p10", "p90", "stated"}
//
// A figure is the median over rounds and code alignments of (burst of events) / (burst of bare rdtsc just before it). Bursts
// fit the buffers of both; between them the program sleeps, so that readers catch up, and writes some events to be warm
// again. "stated" is how many events the traces must have.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "beside_tp.h"

#include <ouro/trace.hpp>

#include "../measure.hpp"

namespace {

using namespace ouro::bench;

volatile std::uint32_t burst_size;  // not a constant: a long immediate in the loop's branch has costs of its own
constexpr std::uint32_t kWarm = 100, kBurst = 1000;
constexpr int kAlignments = 4;

// One loop for all: what is called from two places may not be inlined.
template <int kAlignment, class Body>
[[gnu::noinline]] double burst(Body body) {
  asm volatile(".p2align 6\n\t.skip %c0, 0x90" : : "i"(kAlignment * 16 + 1));
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

struct Figure {
  std::string name;
  std::vector<double> ticks{}, ratio{};
  std::uint64_t stated = 0;

  template <int kAlignment, class Body>
  void measure(Body body) {
    burst_size = kWarm;
    burst<kAlignment>(body);
    burst_size = kBurst;
    const double floor = floor_clock<kAlignment>();
    ticks.push_back(burst<kAlignment>(body));
    ratio.push_back(ticks.back() / floor);
    stated += kWarm + kBurst;
  }
  void print(double ns_per_tick, bool last) const {
    std::vector<double> sorted = ratio;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&](double q) { return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))]; };
    std::printf("  \"%s\": {\"ns\": %.3f, \"ratio\": %.3f, \"p10\": %.3f, \"p90\": %.3f, \"stated\": %llu}%s\n", name.c_str(), median(ticks) * ns_per_tick,
                at(0.5), at(0.1), at(0.9), static_cast<unsigned long long>(stated), last ? "" : ",");
  }
};

struct Case {
  Figure ouro, lttng;
  explicit Case(const std::string& name) : ouro{name + ".ouro"}, lttng{name + ".lttng"} {}
  template <int kAlignment, class A, class B>
  void measure(A a, B b) {
    ouro.measure<kAlignment>(a);
    lttng.measure<kAlignment>(b);
  }
};

Case off("off"), u32("u32"), text("text"), span("span"), rejected("rejected"), accepted("accepted"), context("context");
volatile const char* kText = "a string of thirty-two character";

template <int kAlignment>
void round_of() {
  const char* const string = const_cast<const char*>(kText);
  usleep(5000);
  off.measure<kAlignment>([](std::uint32_t i) { OURO_EVENT("beside:off", "value", i); },
                          [](std::uint32_t i) { lttng_ust_tracepoint(beside, off, i); });
  u32.measure<kAlignment>([](std::uint32_t i) { OURO_EVENT("beside:u32", "value", i); },
                          [](std::uint32_t i) { lttng_ust_tracepoint(beside, u32, i); });
  text.measure<kAlignment>([=](std::uint32_t) { OURO_EVENT("beside:text", "text", string); },
                           [=](std::uint32_t) { lttng_ust_tracepoint(beside, text, string); });
  span.measure<kAlignment>([](std::uint32_t i) { OURO_SPAN("beside:span", "value", i); },
                           [](std::uint32_t i) {
                             lttng_ust_tracepoint(beside, span_begin, i);
                             lttng_ust_tracepoint(beside, span_end);
                           });
  rejected.measure<kAlignment>([](std::uint32_t i) { OURO_EVENT("beside:rejected", "value", i); },
                               [](std::uint32_t i) { lttng_ust_tracepoint(beside, rejected, i); });
  accepted.measure<kAlignment>([](std::uint32_t i) { OURO_EVENT("beside:accepted", "value", i); },
                               [](std::uint32_t i) { lttng_ust_tracepoint(beside, accepted, i); });
  context.measure<kAlignment>([](std::uint32_t i) { OURO_EVENT("beside:context", "value", i); },
                              [](std::uint32_t i) { lttng_ust_tracepoint(beside, context, i); });
}

template <int... kAlignment>
void round_of_all(std::integer_sequence<int, kAlignment...>) {
  (round_of<kAlignment>(), ...);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 25;
  const int cpu = sched_getcpu();
  pin(cpu < 0 ? 0 : cpu);
  const double ns_per_tick = measure_ns_per_tick();
  for (int i = 0; i < rounds; ++i) round_of_all(std::make_integer_sequence<int, kAlignments>());
  std::vector<double> clock;
  for (int i = 0; i < 50; ++i) clock.push_back(floor_clock<0>());
  std::printf("{\n  \"clock\": {\"ns\": %.3f, \"ratio\": 1},\n", median(clock) * ns_per_tick);
  for (const Case* c : {&off, &u32, &text, &span, &rejected, &accepted, &context}) {
    c->ouro.print(ns_per_tick, false);
    c->lttng.print(ns_per_tick, c == &context);
  }
  std::printf("}\n");
}
