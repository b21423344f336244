// bench/read.cpp -- how fast the library reads a trace, and nothing else: events one by one in the order of time.
//
//   read [--values] TRACE...     --values: asks for every value of each. One JSON object, processor time
#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <ouro/read.hpp>

namespace {

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

std::uint64_t sum_of(std::span<const ouro::read::Value> values) {
  std::uint64_t out = 0;
  for (const ouro::read::Value& value : values) out += value.u;
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const bool wants_values = argc > 1 && std::strcmp(argv[1], "--values") == 0;
  const std::vector<std::string> folders(argv + 1 + wants_values, argv + argc);
  const double begin = cpu_seconds();
  auto trace = ouro::read::Trace::open(folders);
  if (!trace) return std::fprintf(stderr, "read: error: %s\n", trace.error().text.c_str()), 1;
  std::uint64_t events = 0, sum = 0;
  while (const ouro::read::Event* event = trace->next()) {
    ++events;
    if (wants_values) sum += sum_of(event->context()) + sum_of(event->fields());
  }
  const double seconds = cpu_seconds() - begin;
  std::uint64_t bytes = 0;
  for (const ouro::read::Stream& stream : trace->streams()) bytes += stream.bytes;
  std::printf("{\"events\": %llu, \"streams\": %zu, \"megabytes\": %.1f, \"seconds\": %.3f, \"ns_per_event\": %.1f, \"sum\": %llu}\n", static_cast<unsigned long long>(events),
              trace->streams().size(), static_cast<double>(bytes) / 1e6, seconds, seconds * 1e9 / static_cast<double>(events), static_cast<unsigned long long>(sum));
  return trace->complete() ? 0 : 1;
}
