// Each record goes to exactly one of a group's readers, whoever holds what for how long.
#include <ouro/ring/reader_group.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <mutex>
#include <thread>
#include <vector>

#include <ouro/ring/buffer.hpp>

#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

template <class B>
class Groups : public testing::Test {
 protected:
  void SetUp() override {
    pin_to(0);
    auto made = B::create({.subbuf_count = 4, .subbuf_size = 4096, .bell = true});
    ASSERT_TRUE(made);
    buffer.emplace(std::move(*made));
  }
  void write(std::uint64_t count) {
    for (; count != 0; --count) buffer->write(1, std::array<std::uint64_t, 12>{tried++});
  }
  void close_a_subbuf() {
    for (const std::uint32_t rung = buffer->channel().bell_count(); buffer->channel().bell_count() == rung;) write(1);
  }
  static std::vector<std::uint64_t> numbers(ReaderGroup::Share& share) {
    std::vector<std::uint64_t> out;
    for (Record r; share.next(r);) std::memcpy(&out.emplace_back(), r.bytes.data(), 8);
    EXPECT_FALSE(share.corrupt());
    return out;
  }
  std::optional<B> buffer;
  std::uint64_t tried = 0;
};
template <Sync kSync, Full kFull>
using Of = Buffer<Policy{.sync = kSync, .full = kFull}>;
using Policies = testing::Types<Of<Sync::per_cpu, Full::discard>, Of<Sync::per_cpu, Full::overwrite>, Of<Sync::shared, Full::discard>,
                                Of<Sync::shared, Full::overwrite>, Of<Sync::exclusive, Full::discard>, Of<Sync::exclusive, Full::overwrite>>;
TYPED_TEST_SUITE(Groups, Policies);

TYPED_TEST(Groups, GiveTheNextPacketToWhoeverAsksWhileOthersHoldTheirs) {
  for (int i = 0; i < 3; ++i) this->close_a_subbuf();
  ReaderGroup group(this->buffer->channel());
  ReaderGroup::Share a, b, c, none;
  ASSERT_TRUE(group.take(a) && group.take(b) && group.take(c));
  EXPECT_FALSE(group.take(none));
  std::uint64_t next = 0;
  for (ReaderGroup::Share* share : {&a, &b, &c})
    for (const std::uint64_t number : this->numbers(*share)) EXPECT_EQ(number, next++);
  EXPECT_EQ(group.delivered(), next);
  group.writers_are_done();
  ASSERT_TRUE(group.take(none)) << "the part of the current sub-buffer";
  for (const std::uint64_t number : this->numbers(none)) EXPECT_EQ(number, next++);
  EXPECT_EQ(next, this->tried);
  EXPECT_EQ(group.lost(), 0u);
}

TYPED_TEST(Groups, KeepThePacketsOfAllWholeWhateverOrderTheyAreGivenBackIn) {
  ReaderGroup group(this->buffer->channel());
  std::uint64_t read = 0;
  ReaderGroup::Share held[3];
  for (std::size_t round = 0; round < 40; ++round) {
    this->write(25);
    ReaderGroup::Share& share = held[round * 7 % 3];  // 0 1 2 0 2 1 ... with other steps between
    const std::vector<std::uint64_t> before = this->numbers(share);
    for (std::size_t i = 1; i < before.size(); ++i) EXPECT_EQ(before[i], before[i - 1] + 1);
    read += before.size();
    if (!group.take(held[round * round % 3])) continue;
  }
  EXPECT_LE(read, group.delivered());
  group.writers_are_done();
  ReaderGroup::Share rest;
  while (group.take(rest)) this->numbers(rest);
  EXPECT_EQ(group.delivered() + group.lost(), this->tried);
}

TYPED_TEST(Groups, DropOnReset) {
  this->close_a_subbuf();
  this->close_a_subbuf();
  ReaderGroup group(this->buffer->channel());
  ReaderGroup::Share share;
  ASSERT_TRUE(group.take(share));
  const std::uint64_t taken = this->numbers(share).size();
  EXPECT_EQ(group.reset(), this->tried - taken);
  EXPECT_FALSE(group.take(share));
  EXPECT_EQ(group.delivered(), taken);
  EXPECT_EQ(group.delivered() + group.dropped(), this->tried);
  this->close_a_subbuf();
  EXPECT_TRUE(group.take(share));
}

// Three sleep. Each that wakes takes its packet and keeps it until all three have one: only if every sub-buffer wakes one
// more, and nobody takes two, does this end.
TYPED_TEST(Groups, WakeOneMoreSleeperForEachSubBuffer) {
  run_anywhere();
  ReaderGroup group(this->buffer->channel());
  std::barrier all_have_one(3);
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      ReaderGroup::Share share;
      while (!group.take(share)) group.wait(share, 600'000'000'000);  // the test's time limit is shorter
      all_have_one.arrive_and_wait();
      EXPECT_FALSE(this->numbers(share).empty());
    });
  const abi::Bell& bell = *this->buffer->channel().channel().bell;
  while (bell.readers.load() != 3) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) this->close_a_subbuf();
  for (std::thread& reader : readers) reader.join();
}

TEST(DiscardGroup, AHeldSubBufferIsNotWrittenToAndOneGivenBackOutOfTurnWaitsForIt) {
  pin_to(0);
  auto buffer = Of<Sync::per_cpu, Full::discard>::create({.subbuf_count = 2, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  const auto fill = [&] {
    std::uint64_t n = 0;
    while (buffer->write(1, std::array<std::uint64_t, 12>{n}) == Written::yes) ++n;
    return n;
  };
  fill();
  ReaderGroup group(buffer->channel(), true);
  ReaderGroup::Share first, second;
  ASSERT_TRUE(group.take(first) && group.take(second));
  second.give_back();
  EXPECT_EQ(fill(), 0u) << "the first is still held";
  std::uint64_t n = 0;
  for (Record r; first.next(r); ++n) {
    std::uint64_t value = 0;
    std::memcpy(&value, r.bytes.data(), 8);
    EXPECT_EQ(value, n);
  }
  first.give_back();
  EXPECT_GT(fill(), 0u);
}

TYPED_TEST(Groups, OfManyThreadsGetEveryRecordOnce) {
  run_anywhere();
  constexpr std::uint64_t kEach = 100'000;
  const std::uint32_t writers = this->buffer->channel().ring_count() == 1 ? 1 : 2;
  std::vector<std::vector<std::uint8_t>> seen(writers, std::vector<std::uint8_t>(kEach));  // an element is written by who has its record
  ReaderGroup group(this->buffer->channel());
  std::atomic<bool> done{false};
  std::vector<std::thread> readers, threads;
  for (int i = 0; i < 4; ++i)
    readers.emplace_back([&] {
      ReaderGroup::Share share;
      for (;;) {
        const bool last = done.load();
        while (group.take(share))
          for (Record r; share.next(r);) {
            std::uint64_t number = 0;
            std::memcpy(&number, r.bytes.data(), 8);
            ASSERT_LT(number, kEach);
            ASSERT_LT(r.id, writers);
            ++seen[r.id][number];
          }
        if (last) return;
        group.wait(share, 1'000'000);
      }
    });
  for (std::uint32_t w = 0; w < writers; ++w)
    threads.emplace_back([&, w] {
      for (std::uint64_t i = 0; i < kEach; ++i) this->buffer->write(w, i);
    });
  for (std::thread& thread : threads) thread.join();
  group.writers_are_done();
  done = true;
  for (std::thread& reader : readers) reader.join();
  std::uint64_t once = 0;
  for (const auto& of_writer : seen)
    for (const std::uint8_t times : of_writer) {
      ASSERT_LE(times, 1u);
      once += times;
    }
  EXPECT_EQ(once, group.delivered());
  EXPECT_EQ(once + group.lost(), kEach * writers);
  EXPECT_FALSE(group.corrupt());
}

}  // namespace
}  // namespace ouro::ring
