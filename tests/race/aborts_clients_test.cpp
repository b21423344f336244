// The same as aborts_test.cpp for the sections of ring/buffer.hpp and ring/relay.hpp, of which each policy has its own: rings by CPU and by
// concurrency id, with stamps, the client's and none, gathered records, chunks without any header, and the counter of a full ring. At every
// instruction, once and 2, 3 and 40 times in a row.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <ouro/ring/buffer.hpp>
#include <ouro/ring/records.hpp>
#include <ouro/ring/relay.hpp>

#include "ring/test_ring.hpp"

#if OURO_HAS_RSEQ
#include "ring/writer_sections.hpp"
#include "tracee.hpp"

namespace ouro::race {
namespace {

using ring::Buffer;
using ring::Full;
using ring::Index;
using ring::Policy;
using ring::Record;
using ring::Records;
using ring::Stamp;

constexpr ring::Shape kSmall{.subbuf_count = 4, .subbuf_size = 4096};
constexpr std::uint32_t kTurn = 4;  // records

// What is written at number n: n, and as many bytes that follow from it as the way wants.
struct Body {
  std::array<std::byte, 120> bytes;
  std::size_t size;
  Body(std::uint32_t number, std::size_t of_size) : size(of_size) {
    std::memcpy(bytes.data(), &number, sizeof number);
    for (std::size_t i = sizeof number; i < size; ++i) bytes[i] = static_cast<std::byte>(number * 7 + i);
  }
  std::span<const std::byte> all() const { return std::span(bytes).first(size); }
};
std::uint32_t number_in(std::span<const std::byte> bytes) {
  std::uint32_t number = 0;
  EXPECT_GE(bytes.size(), sizeof number);
  std::memcpy(&number, bytes.data(), sizeof number);
  const Body want(number, std::min<std::size_t>(bytes.size(), 120));
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), want.bytes.begin())) << "torn: " << number;
  return number;
}

template <class B>
void write_turn(B& buffer, std::uint32_t& number) {
  for (const std::size_t size : {4u, 60u, 100u}) {
    const Body body(number++, size);
    if constexpr (requires { buffer.write_at(1, 1, body.bytes.data(), size); }) buffer.write_at(1'000 + number, 1, body.bytes.data(), size);
    else buffer.write(1, static_cast<const void*>(body.bytes.data()), size);
  }
  const Body body(number++, 8);
  if constexpr (requires { buffer.gather(1, {}); }) {
    const std::span<const std::byte> pieces[] = {body.all().first(3), body.all().subspan(3)};
    buffer.gather(1, pieces);
  } else {
    buffer.write_at(1'000 + number, 1, body.bytes.data(), 8);
  }
  if constexpr (requires { buffer.write(1, std::uint64_t{}); }) {
    std::uint64_t value = 0;
    std::memcpy(&value, Body(number++, 8).bytes.data(), 8);
    buffer.write(1, value);
    --number;  // the next turn's first has it again
  }
}

struct Interrupted {
  std::uint64_t reached = 0;
  std::set<const Descriptor*> met;
};
// Of a buffer, each record once. `numbers` reads all there is.
template <class Turn, class Numbers>
Interrupted interrupt_everywhere(Turn&& turn, Numbers&& numbers) {
  Interrupted out;
  ring::pin_to(0);
  Tracee tracee(turn);
  numbers();
  for (const Descriptor* d : descriptors())
    for (const std::uint64_t address : addresses_of(*d))
      for (const int times : {1, 1, 2, 3, 40}) {
        if (tracee.turn_with_breakpoint(*d, address, times)) ++out.reached, out.met.insert(d);
        EXPECT_TRUE(tracee.is_well());
        numbers();
        if (testing::Test::HasFailure()) {
          ADD_FAILURE() << "at " << std::hex << address - image().base << ", " << std::dec << times << " times";
          return out;
        }
      }
  return out;
}

template <Policy kPolicy>
void each_record_comes_once() {
  auto buffer = Buffer<kPolicy>::create(kSmall);
  ASSERT_TRUE(buffer);
  if (!buffer->channel().channel().per_cpu) GTEST_SKIP() << "no restartable sequences here";
  Records records(buffer->channel(), Records::Order::by_ring);
  std::uint32_t first = 0;
  constexpr std::uint32_t kCount = kPolicy.stamp == Stamp::client ? kTurn : kTurn + 1;
  const auto done = interrupt_everywhere([&](std::uint32_t& number) { write_turn(*buffer, number); },
                                         [&] {
                                           std::multiset<std::uint32_t> seen;
                                           for (Record r; records.next(r);) seen.insert(number_in(r.bytes));
                                           EXPECT_EQ(seen.size(), kCount);
                                           for (std::uint32_t i = 0; i < kCount; ++i) EXPECT_EQ(seen.count(first + i), 1u) << first + i;
                                           first += kTurn;
                                         });
  EXPECT_EQ(records.lost(), 0u);
  EXPECT_FALSE(records.corrupt());
  EXPECT_GT(done.reached, 100u);
  EXPECT_GE(done.met.size(), 2u);
}

TEST(AbortsOfClients, LeaveEachRecordThereOnce) { each_record_comes_once<Policy{}>(); }
TEST(AbortsOfClients, LeaveEachRecordThereOnceInOverwrite) { each_record_comes_once<Policy{.full = Full::overwrite}>(); }
TEST(AbortsOfClients, LeaveEachRecordThereOnceWithStampsOfTheClient) { each_record_comes_once<Policy{.stamp = Stamp::client}>(); }
TEST(AbortsOfClients, LeaveEachRecordThereOnceWithoutStamps) { each_record_comes_once<Policy{.stamp = Stamp::none}>(); }

// Such rings are a process's own, so the child reads them, too.
TEST(AbortsOfClients, LeaveEachRecordThereOnceByConcurrencyId) {
  struct Said {
    std::uint64_t turns, records, wrong, lost;
  };
  auto* const said = static_cast<Said*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  auto buffer = Buffer<Policy{.index = Index::concurrency}>::create(kSmall);
  ASSERT_TRUE(buffer);
  if (!buffer->channel().channel().per_cpu) GTEST_SKIP() << "no concurrency ids here";
  Records records(buffer->channel(), Records::Order::by_ring);
  const auto turn = [&](std::uint32_t& number) {
    const std::uint32_t first = number;
    write_turn(*buffer, number);
    std::multiset<std::uint32_t> seen;
    for (Record r; records.next(r); ++said->records) seen.insert(number_in(r.bytes));
    for (std::uint32_t i = 0; i <= kTurn; ++i) said->wrong += seen.count(first + i) != 1;
    said->lost = records.lost();
    ++said->turns;
  };
  std::uint64_t turns = 0;
  const auto done = interrupt_everywhere(turn, [&] {
    EXPECT_EQ(said->turns, ++turns);
    EXPECT_EQ(said->records, turns * (kTurn + 1));
    EXPECT_EQ(said->wrong + said->lost, 0u);
  });
  EXPECT_GT(done.reached, 100u);
  munmap(said, 4096);
}

TEST(AbortsOfClients, LeaveEachChunkOfARelayThereOnce) {
  auto relay = ring::relay<>::create(kSmall);
  ASSERT_TRUE(relay);
  if (!relay->channel().channel().per_cpu) GTEST_SKIP() << "no restartable sequences here";
  ring::RelayReader reader(relay->channel());
  std::uint32_t first = 0;
  const auto turn = [&](std::uint32_t& number) {
    for (std::uint32_t i = 0; i < kTurn; ++i, ++number) relay->write(Body(number, 40).bytes.data(), 40);
  };
  const auto done = interrupt_everywhere(turn, [&] {
    std::multiset<std::uint32_t> seen;
    for (ring::Chunk chunk; reader.next(chunk);) {
      EXPECT_EQ(chunk.bytes.size() % 40, 0u);
      for (auto bytes = chunk.bytes; bytes.size() >= 40; bytes = bytes.subspan(40)) seen.insert(number_in(bytes.first(40)));
    }
    EXPECT_EQ(seen.size(), kTurn);
    for (std::uint32_t i = 0; i < kTurn; ++i) EXPECT_EQ(seen.count(first + i), 1u) << first + i;
    first += kTurn;
  });
  EXPECT_EQ(reader.lost(), 0u);
  EXPECT_GT(done.reached, 50u);
}

TEST(AbortsOfClients, CountWhatAFullRingDropsOnce) {
  auto buffer = Buffer<Policy{}>::create(kSmall);
  ASSERT_TRUE(buffer);
  if (!buffer->channel().channel().per_cpu) GTEST_SKIP() << "no restartable sequences here";
  ring::pin_to(0);
  while (buffer->write(1, std::uint64_t{5}) == ring::Written::yes) {
  }
  Records records(buffer->channel(), Records::Order::by_ring);
  const auto turn = [&](std::uint32_t&) {
    for (std::uint32_t i = 0; i < kTurn; ++i) buffer->write(1, std::uint64_t{i});
  };
  // Interrupted so often in a row, it goes by way of the shared ring.
  const std::uint64_t before = records.lost();
  std::uint64_t turns = 0;
  const auto done = interrupt_everywhere(turn, [&] {
    ++turns;
    const abi::RingHead& head = buffer->channel().head(buffer->channel().channel().cpus);
    const std::uint64_t elsewhere = (head.writer.write_word.load() & abi::kOffsetMask) / (20 + 8);
    EXPECT_EQ(records.lost() - before + elsewhere, turns * kTurn);
  });
  const auto met_counter = [](const Descriptor* d) { return d->start - reinterpret_cast<std::uint64_t>(&ring::count_in_section) < 300u; };
  EXPECT_TRUE(std::any_of(done.met.begin(), done.met.end(), met_counter)) << "the counter's section was never reached";
}

}  // namespace
}  // namespace ouro::race
#endif
