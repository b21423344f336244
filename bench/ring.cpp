// bench/ring.cpp -- the ring by itself, along the tables of the 2010 announcement of the generic ring buffer: records of 4 bytes,
// 1 MiB a CPU in sub-buffers of 4, 128 and 512 KiB, written and discarded, with and without a reader, a clock, company.
//
//   ring            one JSON object a line; "ratio" is to the floor named beside it, measured in the same round; medians
//
// Run it on an idle machine; `ouro bench` measures the tracer's events.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <ouro/ring/clients.hpp>
#include <ouro/ring/relay.hpp>

#include "measure.hpp"

namespace {

using namespace ouro::bench;
using namespace ouro::ring;

constexpr int kRounds = 60;
constexpr std::uint32_t kBurst = 20'000;
volatile std::uint32_t burst_size = kBurst;

// Ticks per call.
template <class Body>
[[gnu::noinline]] double burst(Body body) {
  const std::uint32_t n = burst_size;
  const auto begin = now();
  for (std::uint32_t i = 0; i < n; ++i) body(i);
  return static_cast<double>(now() - begin) / n;
}

double floor_clock() {
  return burst([](std::uint32_t) {
    const auto t = now();
    asm volatile("" : : "r"(t));
  });
}
double floor_xadd() {
  static std::atomic<std::uint64_t> counter;
  return burst([](std::uint32_t) { counter.fetch_add(1, std::memory_order_relaxed); });
}

double tick_ns;

struct Series {
  std::vector<double> ticks, ratio;
  void add(double cost, double floor) {
    ticks.push_back(cost);
    ratio.push_back(cost / floor);
  }
  void print(const char* what, std::uint64_t subbuf, const char* floor, const std::string& more = "") {
    std::printf("{\"what\": \"%s\", \"subbuf_kib\": %llu, \"ns\": %.3f, \"ratio\": %.3f, \"floor\": \"%s\"%s}\n", what,
                static_cast<unsigned long long>(subbuf >> 10), median(ticks) * tick_ns, median(ratio), floor, more.c_str());
    std::fflush(stdout);
  }
};

template <class B>
void drain(B& buffer) {
  Packet packet;
  for (std::uint32_t i = 0; i < buffer.channel().ring_count(); ++i) {
    Reader reader = buffer.channel().reader(i);
    while (reader.next(packet, true) == Reader::Answer::packet) reader.release();
  }
}

template <Policy kPolicy>
ouro::Result<Buffer<kPolicy>> make(std::uint64_t subbuf) {
  // 1 MiB a CPU, as far as 128 sub-buffers go.
  const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>((1 << 20) / subbuf, 128));
  return Buffer<kPolicy>::create({.subbuf_count = count, .subbuf_size = subbuf, .prefault = true});
}

// What a record costs its writer, in one way of writing. `drained`: between bursts, which then fit.
template <class B, class Write>
void cost_of(const char* what, ouro::Result<B> buffer, std::uint64_t subbuf, bool drained, double (*floor)(), const char* floor_name, Write write) {
  if (!buffer) return;
  Series series;
  for (int round = 0; round < kRounds; ++round) {
    if (drained) drain(*buffer);
    const double base = floor();
    series.add(burst([&](std::uint32_t i) { write(*buffer, i); }), base);
  }
  series.print(what, subbuf, floor_name);
}
template <Policy kPolicy>
void cost(const char* what, std::uint64_t subbuf, bool drained, double (*floor)() = floor_clock, const char* floor_name = "rdtsc") {
  cost_of(what, make<kPolicy>(subbuf), subbuf, drained, floor, floor_name, [](auto& buffer, std::uint32_t i) { buffer.write(7, i); });
}

void other_ways(std::uint64_t subbuf) {
  constexpr Policy kNewest{.full = Full::overwrite};
  cost<Policy{.index = Index::concurrency, .full = Full::overwrite}>("overwrite_by_concurrency_id", subbuf, false);
  cost_of("overwrite_client_stamps", make<Policy{.full = Full::overwrite, .stamp = Stamp::client}>(subbuf), subbuf, false, floor_xadd, "lock xadd",
          [](auto& buffer, std::uint32_t i) { buffer.write_at(i, 7, &i, sizeof i); });
  cost_of("overwrite_reserve_and_commit", make<kNewest>(subbuf), subbuf, false, floor_clock, "rdtsc", [](auto& buffer, std::uint32_t i) {
    Reserved place = buffer.reserve(7, sizeof i);
    if (place) std::memcpy(place.bytes().data(), &i, sizeof i);
    place.commit();
  });
  cost_of("overwrite_gather", make<kNewest>(subbuf), subbuf, false, floor_clock, "rdtsc", [](auto& buffer, std::uint32_t i) {
    const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(&i, 1))};
    buffer.gather(7, pieces);
  });
  cost_of("relay", relay<NoEnds, Full::overwrite>::create({.subbuf_count = 8, .subbuf_size = 128 * 1024, .prefault = true}), subbuf, false, floor_xadd,
          "lock xadd", [](auto& bytes, std::uint32_t i) { bytes.write(&i, sizeof i); });
}

// A record that finds its ring full.
void discarded(std::uint64_t subbuf) {
  auto buffer = make<Policy{}>(subbuf);
  if (!buffer) return;
  Series lost;
  for (int round = 0; round < kRounds; ++round) {
    drain(*buffer);
    const double cost = burst([&](std::uint32_t i) { buffer->write(7, i); });
    while (buffer->write(7, 0u) == Written::yes) {
    }
    lost.add(burst([&](std::uint32_t i) { buffer->write(7, i); }), cost);
  }
  lost.print("discarded", subbuf, "written");
}

// A reader on another CPU that takes all there is, all the time.
void with_reader(std::uint64_t subbuf) {
  if (std::thread::hardware_concurrency() < 2) return;
  auto buffer = make<Policy{}>(subbuf);
  if (!buffer) return;
  Series alone, read;
  std::atomic<bool> reads{false}, ends{false};
  std::thread reader([&] {
    pin(1);
    std::vector<Reader> readers;
    for (std::uint32_t i = 0; i < buffer->channel().ring_count(); ++i) readers.push_back(buffer->channel().reader(i));
    std::vector<std::byte> copy(subbuf);
    Packet packet;
    while (!ends.load(std::memory_order_relaxed)) {
      if (!reads.load(std::memory_order_relaxed)) continue;
      for (Reader& r : readers)
        while (r.next(packet, false) == Reader::Answer::packet) {
          std::memcpy(copy.data(), packet.bytes.data(), packet.bytes.size());
          r.release();
        }
      usleep(50);  // looking all the time would cost the writer its cache line
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    reads = true;
    usleep(2000);
    const double base = floor_clock();
    read.add(burst([&](std::uint32_t i) { buffer->write(7, i); }), base);
    usleep(2000);
    reads = false;
    const double base2 = floor_clock();
    alone.add(burst([&](std::uint32_t i) { buffer->write(7, i); }), base2);
  }
  ends = true;
  reader.join();
  char more[64];
  std::snprintf(more, sizeof more, ", \"over_no_reader\": %.3f", median(read.ratio) / median(alone.ratio));
  read.print("reader_drains", subbuf, "rdtsc", more);
}

// CPU time of a record with so many threads writing at once, one per CPU.
void together(std::uint64_t subbuf, unsigned threads) {
  auto buffer = make<Policy{.full = Full::overwrite}>(subbuf);
  if (!buffer) return;
  std::vector<Series> series(threads);
  std::atomic<unsigned> ready{0};
  std::vector<std::thread> writers;
  for (unsigned t = 0; t < threads; ++t)
    writers.emplace_back([&, t] {
      pin(static_cast<int>(t));
      for (int round = 0; round < kRounds; ++round) {
        ready.fetch_add(1);
        while (ready.load() < threads * (static_cast<unsigned>(round) + 1)) {
        }
        const double base = floor_clock();
        series[t].add(burst([&](std::uint32_t i) { buffer->write(7, i); }), base);
      }
    });
  for (std::thread& writer : writers) writer.join();
  for (unsigned t = 1; t < threads; ++t) {
    series[0].ticks.insert(series[0].ticks.end(), series[t].ticks.begin(), series[t].ticks.end());
    series[0].ratio.insert(series[0].ratio.end(), series[t].ratio.begin(), series[t].ratio.end());
  }
  series[0].print("writers", subbuf, "rdtsc", ", \"threads\": " + std::to_string(threads));
}

// Records of many bytes, into a ring that the caches hold and one that they do not: by memcpy and past the caches. `after`: what reading
// 256 KiB of the program's own costs afterwards, over what it costs when only they are read.
template <std::uint64_t kStreamFrom>
void large(const char* what, std::size_t size, std::uint32_t subbuf_count) {
  constexpr std::uint64_t kSubbuf = 512 * 1024;
  auto buffer = Buffer<Policy{.full = Full::overwrite, .stream_from = kStreamFrom}>::create(
      {.subbuf_count = subbuf_count, .subbuf_size = kSubbuf, .prefault = true});
  if (!buffer) return;
  std::vector<std::byte> payload(size), plain(subbuf_count * kSubbuf), own(256 * 1024);
  const std::uint32_t n = static_cast<std::uint32_t>((1 << 20) / size);
  const auto read_own = [&] {
    const auto begin = now();
    unsigned sum = 0;
    for (std::size_t i = 0; i < own.size(); i += 64) sum += static_cast<unsigned>(own[i]);
    asm volatile("" : : "r"(sum));
    return static_cast<double>(now() - begin);
  };
  Series series;
  std::vector<double> after;
  std::size_t at = 0;
  for (int round = 0; round < kRounds; ++round) {
    read_own();
    const double warm = read_own();
    auto begin = now();
    for (std::uint32_t i = 0; i < n; ++i, at = at + 2 * size <= plain.size() ? at + size : 0) std::memcpy(plain.data() + at, payload.data(), size);
    const double floor = static_cast<double>(now() - begin) / n;
    read_own();
    begin = now();
    for (std::uint32_t i = 0; i < n; ++i) buffer->write(7, payload);
    series.add(static_cast<double>(now() - begin) / n, floor);
    after.push_back(read_own() / warm);
  }
  char more[120];
  std::snprintf(more, sizeof more, ", \"bytes\": %zu, \"ring_kib\": %llu, \"after\": %.2f", size,
                static_cast<unsigned long long>(subbuf_count * kSubbuf >> 10), median(after));
  series.print(what, kSubbuf, "memcpy", more);
}

void fifo_turn() {
  auto pipe = fifo<std::uint64_t>::create(2 * kBurst);
  if (!pipe) return;
  Series series;
  for (int round = 0; round < kRounds; ++round) {
    std::uint64_t value = 0, sum = 0;
    const double base = floor_xadd();
    const double in = burst([&](std::uint32_t i) { pipe->push(i); });
    series.add(in + burst([&](std::uint32_t) {
                 pipe->pop(value);
                 sum += value;
               }),
               base);
    asm volatile("" : : "r"(sum));
  }
  series.print("fifo_push_and_pop", 0, "lock xadd");
}

}  // namespace

int main() {
  pin(0);
  tick_ns = measure_ns_per_tick();
  for (const std::uint64_t subbuf : {std::uint64_t{4} << 10, std::uint64_t{128} << 10, std::uint64_t{512} << 10}) {
    cost<Policy{.full = Full::overwrite}>("overwrite", subbuf, false);
    cost<Policy{}>("discard", subbuf, true);
    cost<Policy{.full = Full::overwrite, .stamp = Stamp::none}>("overwrite_without_clock", subbuf, false, floor_xadd, "lock xadd");
    cost<Policy{.sync = Sync::exclusive, .full = Full::overwrite}>("exclusive_overwrite", subbuf, false);
    cost<Policy{.sync = Sync::shared, .full = Full::overwrite}>("shared_overwrite", subbuf, false);
    discarded(subbuf);
    with_reader(subbuf);
    for (unsigned threads = 1; threads <= std::thread::hardware_concurrency(); threads *= 2) together(subbuf, threads);
  }
  other_ways(128 * 1024);
  fifo_turn();
  for (const std::uint32_t subbuf_count : {2u, 128u})
    for (const std::size_t size : {std::size_t{2} << 10, std::size_t{8} << 10, std::size_t{64} << 10}) {
      large<~std::uint64_t{0}>("large", size, subbuf_count);
      large<2048>("large_non_temporal", size, subbuf_count);
    }
}
