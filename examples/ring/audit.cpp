// An audit trail: no transfer without its record. Writers wait, up to a bound, for the reader, who replays the trail.
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <ouro/ring/buffer.hpp>

namespace ring = ouro::ring;

namespace {

constexpr std::uint32_t kTransfer = 1 /* the records' id */, kThreads = 4, kAccounts = 16, kEach = 50'000;

struct Transfer {  // of each record; the memo follows
  std::uint32_t thread, sequence, from, to;
  std::int64_t amount;
};

// A record is worth waiting for, but not for ever: a transfer that cannot be recorded within 2 s is not made.
using Trail = ring::Buffer<ring::Policy{.full = ring::Full::block, .patience_ns = 2'000'000'000}>;

std::array<std::atomic<std::int64_t>, kAccounts> books;  // what the accounts really hold
std::atomic<bool> done = false;

void make_transfers(Trail& trail, std::uint32_t thread) {
  for (std::uint32_t i = 1; i <= kEach; ++i) {
    const std::uint32_t from = (i * 7 + thread) % kAccounts, to = (from + 1 + i % (kAccounts - 1)) % kAccounts;
    const Transfer transfer{thread, i, from, to, i % 1000};
    const std::string memo = "invoice " + std::to_string(i) + std::string(i % 40, '.');
    const std::array pieces{std::as_bytes(std::span(&transfer, 1)), std::as_bytes(std::span(memo))};
    if (trail.gather(kTransfer, pieces) != ring::Written::yes) continue;
    books[from] -= transfer.amount;
    books[to] += transfer.amount;
  }
}

struct Audit {
  std::array<std::int64_t, kAccounts> balances{};  // by the trail alone
  std::array<std::uint32_t, kThreads> last{};      // each thread's sequence number
  bool sound = true;

  void take(const ring::Record& record) {
    Transfer t;
    if (record.id != kTransfer || record.bytes.size() < sizeof t) return void(sound = false);
    std::memcpy(&t, record.bytes.data(), sizeof t);
    const auto memo = record.bytes.subspan(sizeof t);
    if (t.thread >= kThreads || t.from >= kAccounts || t.to >= kAccounts) return void(sound = false);
    const std::string wanted = "invoice " + std::to_string(t.sequence) + std::string(t.sequence % 40, '.');
    if (memo.size() != wanted.size() || std::memcmp(memo.data(), wanted.data(), memo.size()) != 0) sound = false;
    if (t.sequence <= last[t.thread]) sound = false;  // by time: no thread's later transfer comes first
    last[t.thread] = t.sequence;
    balances[t.from] -= t.amount;
    balances[t.to] += t.amount;
  }
};

void read_trail(ring::Records& records, Audit& audit) {
  for (ring::Record record;;) {
    const bool last_round = done;  // asked first: all that was written before it is read below
    if (last_round) records.writers_are_done();
    while (records.next(record)) audit.take(record);
    if (last_round) return;
    records.wait(20'000'000);  // not for ever: nobody rings for `done`
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "audit.trail";
  auto trail = Trail::create({.subbuf_count = 4, .subbuf_size = 16 * 1024, .memory = ring::Memory::file, .path = path});
  if (!trail) return std::fprintf(stderr, "audit: no trail: %s\n", trail.error().text.c_str()), 1;
  ring::Records records(trail->channel());
  Audit audit;
  std::thread reader([&] { read_trail(records, audit); });
  std::vector<std::thread> writers;
  for (std::uint32_t i = 0; i < kThreads; ++i) writers.emplace_back([&, i] { make_transfers(*trail, i); });
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();

  std::int64_t balance = 0;  // how far the trail is from the books
  for (std::uint32_t i = 0; i < kAccounts; ++i) balance += std::abs(audit.balances[i] - books[i]);
  std::printf("audit: %llu transfers, %llu lost, balance %lld\n", static_cast<unsigned long long>(records.delivered()),
              static_cast<unsigned long long>(records.lost()), static_cast<long long>(balance));
  return audit.sound && !records.corrupt() && balance == 0 ? 0 : 1;
}
