// bench/filter.cpp -- what a filter costs on an event's body.
//
//   filter          one JSON object a line; "ratio" is to reading the clock (rdtsc), measured in the same round; medians
//
// Bodies change from event to event, so nothing is known beforehand; the verdict, given beside it, is always the same.
// What is counted is the call of run(): whoever writes events adds its own cost. Run it on an idle machine.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <ouro/abi/schema.hpp>

#include "filter/bind.hpp"
#include "filter/filter.hpp"
#include "filter/run.hpp"
#include "measure.hpp"

namespace {

using namespace ouro::bench;
using namespace ouro;

constexpr int kRounds = 200;
constexpr std::uint32_t kBurst = 4096;
constexpr std::uint32_t kBodies = 64;

// u64 a, u64 b, f64 ratio, string user, u32 port
const std::vector<std::byte>& schema() {
  static const std::vector<std::byte> bytes = [] {
    std::vector<std::byte> to;
    const auto add = [&](const auto* p, std::size_t n) {
      const auto* begin = reinterpret_cast<const std::byte*>(p);
      to.insert(to.end(), begin, begin + n);
    };
    abi::SchemaHeader h{0, abi::kSchemaVersion, abi::EventKind::point, abi::Level::info, 5, 1};
    add(&h, sizeof h);
    add("bench:event\0bench.cpp", 22);
    const std::pair<const char*, abi::FieldType> fields[] = {{"a", abi::FieldType::u64},
                                                             {"b", abi::FieldType::u64},
                                                             {"ratio", abi::FieldType::f64},
                                                             {"user", abi::FieldType::string},
                                                             {"port", abi::FieldType::u32}};
    for (const auto& [name, type] : fields) {
      const abi::FieldHeader f{type, abi::FieldShape::scalar, 0, 0, 0, 0};
      add(&f, sizeof f);
      add(name, std::strlen(name) + 1);
    }
    h.size = static_cast<std::uint32_t>(to.size());
    std::memcpy(to.data(), &h, sizeof h);
    return to;
  }();
  return bytes;
}

struct Body {
  std::byte bytes[64];
  std::size_t size;
};

std::vector<Body> bodies() {
  std::vector<Body> all(kBodies);
  for (std::uint32_t i = 0; i < kBodies; ++i) {
    const std::uint64_t a = 1000 + 37 * i, b = 7 + i % 13;
    const double ratio = 0.25 + i;
    const std::string user = "evelyn-" + std::to_string(i * i);
    const std::uint32_t port = 8000 + i;
    std::byte* to = all[i].bytes;
    const auto add = [&](const void* p, std::size_t n) { std::memcpy(to, p, n), to += n; };
    add(&a, 8), add(&b, 8), add(&ratio, 8), add(user.c_str(), user.size() + 1), add(&port, 4);
    all[i].size = static_cast<std::size_t>(to - all[i].bytes);
  }
  return all;
}

// Ticks per call.
template <class F>
[[gnu::noinline]] double burst(F body) {
  const auto begin = now();
  for (std::uint32_t i = 0; i < kBurst; ++i) body(i);
  return static_cast<double>(now() - begin) / kBurst;
}

double floor_clock() {
  return burst([](std::uint32_t) {
    const auto t = now();
    asm volatile("" : : "r"(t));
  });
}

void measure(const char* expression, double tick_ns) {
  const Result<filter::Filter> filter = filter::compile(expression);
  if (!filter) std::fprintf(stderr, "%s\n", filter.error().text.c_str()), std::exit(1);
  std::vector<std::byte> memory(filter::bound_size(filter->code));
  const filter::BindResult result = filter::bind(filter->code, schema(), memory);
  if (!result) std::fprintf(stderr, "filter: '%s' does not fit the event\n", expression), std::exit(1);
  const std::vector<Body> all = bodies();
  filter::KnownContexts contexts;
  contexts.number[0] = 4711;
  const bool verdict = filter::run(*result.bound, all[0].bytes, all[0].size, contexts);

  std::vector<double> ticks, ratio;
  for (int round = 0; round < kRounds; ++round) {
    const double floor = floor_clock();
    const double cost = burst([&](std::uint32_t i) {
      const Body& body = all[i % kBodies];
      if (filter::run(*result.bound, body.bytes, body.size, contexts) != verdict) std::abort();
    });
    ticks.push_back(cost);
    ratio.push_back(cost / floor);
  }
  std::string shown = expression;
  for (std::size_t at = 0; (at = shown.find('"', at)) != std::string::npos; at += 2) shown.insert(at, "\\");
  std::printf("{\"what\": \"filter\", \"expression\": \"%s\", \"accepts\": %s, \"ns\": %.3f, \"ratio\": %.3f, \"floor\": \"clock\"}\n", shown.c_str(),
              verdict ? "true" : "false", median(ticks) * tick_ns, median(ratio));
  std::fflush(stdout);
}

}  // namespace

int main() {
  pin(0);
  const double tick_ns = measure_ns_per_tick();
  for (const char* expression : {
           "a > 100", "a < 100", "a > 100 && b < 50", "a < 100 && b < 50", "a > 100 && b < 5", "a > 100 && b < 50 && ratio >= 0.25 && tid == 4711",
           "a > b", "ratio < 100", "user == \"evelyn-*\"", "user == \"root\"", "user == \"*-*\"", "port >= 8000", "user == \"eve*\" && port >= 8000",
           "tid == 4711", "a & 0xffff"})
    measure(expression, tick_ns);
}
