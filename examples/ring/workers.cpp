// Several readers of one channel: three workers share the packets of two producers, each packet to one of them; in the end
// every job was done once or is counted as lost.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include <ouro/ring/buffer.hpp>
#include <ouro/ring/reader_group.hpp>

namespace ring = ouro::ring;

namespace {

constexpr std::uint32_t kProducers = 2, kWorkers = 3;
constexpr std::uint64_t kEach = 300'000;

// A producer that is too fast waits for the workers, for up to a second.
using Jobs = ring::Buffer<ring::Policy{.full = ring::Full::block}>;

std::vector<std::atomic<std::uint8_t>> times_done(kProducers * kEach);
std::atomic<bool> done = false;

void produce(Jobs& jobs, std::uint32_t producer) {
  for (std::uint64_t job = producer * kEach; job < (producer + 1) * kEach; ++job) jobs.write(producer, job);
}

void work(ring::ReaderGroup& group) {
  ring::ReaderGroup::Share share;
  for (;;) {
    const bool last_round = done;  // asked first: all that was written before it is taken below
    while (group.take(share))
      for (ring::Record record; share.next(record);) {
        std::uint64_t job = 0;
        std::memcpy(&job, record.bytes.data(), sizeof job);
        if (job < times_done.size()) ++times_done[job];
      }
    if (last_round) return;
    group.wait(share, 20'000'000);  // one of us wakes for each sub-buffer; nobody rings for `done`
  }
}

}  // namespace

int main() {
  auto jobs = Jobs::create({.subbuf_size = 32 * 1024});
  if (!jobs) return std::fprintf(stderr, "workers: %s\n", jobs.error().text.c_str()), 1;
  ring::ReaderGroup group(jobs->channel());
  std::vector<std::thread> workers, producers;
  for (std::uint32_t i = 0; i < kWorkers; ++i) workers.emplace_back([&] { work(group); });
  for (std::uint32_t i = 0; i < kProducers; ++i) producers.emplace_back([&, i] { produce(*jobs, i); });
  for (std::thread& producer : producers) producer.join();
  group.writers_are_done();
  done = true;
  for (std::thread& worker : workers) worker.join();

  std::uint64_t once = 0, more = 0;
  for (const auto& times : times_done) {
    once += times == 1;
    more += times > 1;
  }
  const std::uint64_t lost = group.lost();
  std::printf("workers: %llu jobs done once, %llu more than once, %llu lost\n", static_cast<unsigned long long>(once),
              static_cast<unsigned long long>(more), static_cast<unsigned long long>(lost));
  return more == 0 && !group.corrupt() && once == group.delivered() && once + lost == kProducers * kEach ? 0 : 1;
}
