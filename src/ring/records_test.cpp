// Records: one sequence over several channels. Of one channel: buffer_test.cpp.
#include <ouro/ring/buffer.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

using Counted = Buffer<>;
using Newest = Buffer<Policy{.full = Full::overwrite}>;
using Shared = Buffer<Policy{.sync = Sync::shared}>;
using Unstamped = Buffer<Policy{.stamp = Stamp::none}>;
using StampedByClient = Buffer<Policy{.stamp = Stamp::client}>;

std::uint64_t value_of(const Record& r) {
  std::uint64_t value = 0;
  std::memcpy(&value, r.bytes.data(), sizeof value);
  return value;
}

TEST(SeveralChannels, AreOneSequenceAndEachRecordSaysItsChannel) {
  auto a = Counted::create();
  auto b = Newest::create();
  auto c = Shared::create();
  ASSERT_TRUE(a && b && c);
  const std::array channels{&a->channel(), &b->channel(), &c->channel()};
  auto records = Records::of(channels);
  ASSERT_TRUE(records);
  // Of two records of one tick, in different channels, nobody can tell which was first.
  const auto next_tick = [&first = a->channel().channel()] {
    for (const clock::Ticks now = first.now(); first.now() == now;) {
    }
  };
  for (std::uint64_t i = 0; i < 300; ++i) {
    next_tick();
    if (i % 3 == 0) a->write(1, i);
    if (i % 3 == 1) b->write(2, i);
    if (i % 3 == 2) c->write(3, i);
  }
  records->writers_are_done();
  std::uint64_t i = 0;
  for (Record r; records->next(r); ++i) {
    EXPECT_EQ(value_of(r), i);
    EXPECT_EQ(r.channel, i % 3);
    EXPECT_EQ(r.id, i % 3 + 1);
  }
  EXPECT_EQ(i, 300u);
}

// b ran dry, then has records again, older than what a has in hand: it is looked at before a goes on.
TEST(SeveralChannels, OneThatRanDryIsReadAgainWhenItHasRecords) {
  pin_to(0);
  auto a = Counted::create(), b = Counted::create();
  ASSERT_TRUE(a && b);
  const std::array channels{&a->channel(), &b->channel()};
  auto records = Records::of(channels);
  ASSERT_TRUE(records);
  records->writers_are_done();
  std::uint64_t written = 0, read = 0;
  Record r;
  for (int round = 0; round < 5; ++round) {
    for (const bool to_b : {true, false, true, true, false}) (to_b ? *b : *a).write(1, written++);
    for (; records->next(r); ++read) EXPECT_EQ(value_of(r), read);
    EXPECT_EQ(read, written);
  }
}

TEST(SeveralChannels, ByRingEachIsReadToItsEndBeforeTheNext) {
  pin_to(0);
  auto a = Unstamped::create(), b = Unstamped::create();
  ASSERT_TRUE(a && b);
  const std::array channels{&a->channel(), &b->channel()};
  auto records = Records::of(channels, Records::Order::by_ring);
  ASSERT_TRUE(records);
  for (std::uint64_t i = 0; i < 10; ++i) (i % 2 == 0 ? *a : *b).write(1, i);
  std::vector<std::uint32_t> from;
  for (Record r; records->next(r);) from.push_back(r.channel);
  EXPECT_EQ(from, (std::vector<std::uint32_t>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}));
}

TEST(SeveralChannels, WhoseStampsDoNotCompareAreRefused) {
  auto tsc = Counted::create(), monotonic = Counted::create({.tsc = false});
  auto none = Unstamped::create();
  ASSERT_TRUE(tsc && monotonic && none);
  const auto refused = [](LocalChannel& a, LocalChannel& b) {
    const std::array channels{&a, &b};
    EXPECT_TRUE(Records::of(channels, Records::Order::by_ring));
    auto records = Records::of(channels);
    return records ? std::string("nothing") : records.error().text;
  };
  EXPECT_EQ(refused(tsc->channel(), monotonic->channel()),
            "records: channel 2 of 2 has CLOCK_MONOTONIC's; by time, all want stamps of one clock, the TSC's (hint: Order::by_ring)");
  EXPECT_NE(refused(monotonic->channel(), tsc->channel()).find("channel 2 of 2 has the TSC's"), std::string::npos);
  EXPECT_NE(refused(tsc->channel(), none->channel()).find("channel 2 of 2 has no stamps"), std::string::npos);
  EXPECT_NE(refused(none->channel(), tsc->channel()).find("channel 1 of 2 has no stamps"), std::string::npos);
  EXPECT_FALSE(Records::of({}));
}

TEST(SeveralChannels, AWaitEndsWhenAnyOfThemClosesASubBuffer) {
  auto a = Counted::create({.subbuf_size = 4096, .bell = true}), b = Counted::create({.subbuf_size = 4096, .bell = true});
  ASSERT_TRUE(a && b);
  const std::array channels{&a->channel(), &b->channel()};
  auto records = Records::of(channels, Records::Order::by_time, false);
  ASSERT_TRUE(records);
  Record r;
  ASSERT_FALSE(records->next(r));
  std::thread writer([&] {
    const abi::Bell& bell = *b->channel().channel().bell;
    while (bell.readers.load() == 0) std::this_thread::yield();
    for (const std::uint32_t rung = b->channel().bell_count(); b->channel().bell_count() == rung;) b->write(1, std::uint64_t{7});
  });
  records->wait(600'000'000'000);  // the test's time limit is shorter
  records->writers_are_done();
  EXPECT_TRUE(records->next(r));
  EXPECT_EQ(r.channel, 1u);
  writer.join();
  EXPECT_EQ(a->channel().channel().bell->readers.load(), 0u);
  EXPECT_EQ(b->channel().channel().bell->readers.load(), 0u);
}

// As of a writer that was stopped between its stamp and its record, for longer than the reader holds the others back.
TEST(SeveralChannels, ARecordThatComesAfterYoungerOnesIsDeliveredAndCountedAsLate) {
  auto a = StampedByClient::create(), b = StampedByClient::create();
  ASSERT_TRUE(a && b);
  const std::array channels{&a->channel(), &b->channel()};
  auto records = Records::of(channels);
  ASSERT_TRUE(records);
  const auto all = [&] {
    std::vector<std::uint64_t> stamps;
    for (Record r; records->next(r);) stamps.push_back(r.stamp);
    return stamps;
  };
  for (const std::uint64_t stamp : {100u, 200u}) a->write_at(stamp, 1, "", 0);
  EXPECT_EQ(all(), (std::vector<std::uint64_t>{100, 200}));
  for (const std::uint64_t stamp : {150u, 250u}) b->write_at(stamp, 1, "", 0);
  a->write_at(300, 1, "", 0);
  EXPECT_EQ(all(), (std::vector<std::uint64_t>{150, 250, 300}));
  EXPECT_EQ(records->late(), 1u);
}

TEST(SeveralChannels, WrittenByManyThreadsComeInTheOrderOfTheirStamps) {
  auto a = Counted::create();
  auto b = Newest::create();
  auto c = Shared::create();
  ASSERT_TRUE(a && b && c);
  constexpr std::uint64_t kEach = 20'000;
  std::atomic<int> running{3};
  std::vector<std::thread> writers;
  for (std::uint32_t w = 0; w < 3; ++w)
    writers.emplace_back([&, w] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        a->write(w, 3 * i);
        b->write(w, 3 * i + 1);
        c->write(w, 3 * i + 2);
      }
      --running;
    });
  const std::array channels{&a->channel(), &b->channel(), &c->channel()};
  auto records = Records::of(channels);
  ASSERT_TRUE(records);
  std::uint64_t count = 0, late = 0, newest = 0, next[3]{};
  for (bool done = false; !done;) {
    if (running.load() == 0) {
      done = true;
      records->writers_are_done();
    }
    for (Record r; records->next(r); ++count) {
      if (r.stamp < newest) ++late;
      newest = std::max(newest, r.stamp);
      ASSERT_LT(r.id, 3u);
      ASSERT_GE(value_of(r), next[r.id]) << "a thread's records are out of order";
      ASSERT_EQ(value_of(r) % 3, r.channel);
      next[r.id] = value_of(r) + 1;
    }
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(count + records->lost(), 9 * kEach);
  EXPECT_EQ(late, records->late());
  EXPECT_LE(late, count / 100) << "these are to be rare: a machine that stops its writers for milliseconds";
  EXPECT_FALSE(records->corrupt());
}

}  // namespace
}  // namespace ouro::ring
