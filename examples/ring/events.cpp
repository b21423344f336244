// Four threads report, one reads along in the order of time: event_stream.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include <ouro/ring/clients.hpp>

int main() {
  auto events = ouro::ring::event_stream::create({.bell = true});
  if (!events) return std::fprintf(stderr, "events: error: %s\n", events.error().text.c_str()), 1;

  std::vector<std::jthread> threads;
  for (std::uint32_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 100'000; ++i) events->write(t, i);  // id, value
    });
  std::jthread end([&] { threads.clear(); });  // joins them

  ouro::ring::Records records(events->channel());
  std::uint64_t seen = 0, sum = 0;
  const auto read_all = [&] {
    for (ouro::ring::Record r; records.next(r); ++seen) {
      std::uint64_t value = 0;
      std::memcpy(&value, r.bytes.data(), sizeof value);
      sum += value;
    }
  };
  while (seen + records.lost() < 400'000) {
    read_all();
    records.wait(1'000'000);  // until a sub-buffer is closed, a millisecond at most
  }
  std::printf("events: %llu read, %llu lost, sum %llu\n", static_cast<unsigned long long>(seen),
              static_cast<unsigned long long>(records.lost()), static_cast<unsigned long long>(sum));
}
