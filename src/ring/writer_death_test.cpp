// A writer of a shared ring that dies leaves it to the others, wherever it was. Each test puts a ring into a state that a dead writer
// left behind; tests/kills/writers_test.cpp kills one behind each of its instructions.
#include "ring/internal.hpp"
#include "ring/owner.hpp"
#include "ring/test_ring.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring {
namespace {

using abi::FullMode;

constexpr std::uint64_t kDead = std::uint64_t{0x7ffffff0} << 32 | 0x7ffffff0;  // no process has this number

class WriterDeath : public testing::Test {
 protected:
  void SetUp() override { pin_to(0); }
  static LocalChannel::Options options(FullMode mode, bool stamped = true) {
    return {.sync = Sync::shared, .mode = mode, .subbuf_count = 2, .subbuf_size = 4096, .stamped = stamped};
  }
  static abi::RingHead& head(const TestRing& ring) { return *ring.channel().shared[0]; }
  static std::uint64_t w(const TestRing& ring) { return head(ring).writer.write_word.load(); }
  std::uint32_t tried = 0;
  void write_until(TestRing& ring, std::uint64_t sequence) {
    while (shared_sequence_of(w(ring)) < sequence && tried < 10'000) ring.write(1, tried++, 100);
    ASSERT_EQ(shared_sequence_of(w(ring)), sequence);
  }
  // What a writer does up to the exchange of W; its header is not there yet.
  static abi::Pending& reserve_and_die(const TestRing& ring, std::uint64_t length) {
    abi::Pending& entry = enter_and_die(ring, length);
    head(ring).writer.write_word.fetch_add(length);
    return entry;
  }
  static abi::Pending& enter_and_die(const TestRing& ring, std::uint64_t length) {
    abi::Pending& entry = *find_free_pending(head(ring));
    entry.state.store(kDead);
    entry.where.store(w(ring));
    entry.stamp.store(ring.channel().now());
    entry.length.store(length);
    return entry;
  }
  // What it does from there on, up to the count of its commit.
  static void fill_and_die(const TestRing& ring, abi::Pending& entry, std::uint32_t number, bool counted) {
    const std::uint64_t where = entry.where.load(), length = entry.length.load();
    std::byte* const record = data_of(head(ring)) + offset_of(where);
    put_header(record, 7, entry.stamp.load(), true);
    const std::uint32_t mark = stamped_mark(static_cast<std::size_t>(&entry - head(ring).pending));
    std::memcpy(record, &mark, sizeof mark);
    const auto body = make_body(2, number, length - kExtendedHeader);
    std::memcpy(record + kExtendedHeader, body.data(), length - kExtendedHeader);
    abi::SubbufImage& image = head(ring).image[offset_of(where) / 4096];
    image.close_stamp.store(entry.stamp.load());
    entry.length.store(length | abi::kCommitting);
    if (counted) image.commits.fetch_add(std::uint64_t{1} << 32 | length);
  }
  static std::size_t bury_and_drain(TestRing& ring) {
    std::size_t read = 0;
    for (int i = 0; i < 3; ++i) {
      for (std::uint32_t r = 0; r < ring.local().ring_count(); ++r) ring.reader(r).bury_dead();
      read += ring.drain().size();
    }
    EXPECT_EQ(ring.last_answer, Reader::Answer::nothing) << "something is never whole";
    for (const abi::Pending& entry : head(ring).pending) EXPECT_TRUE(entry.state.load() == 0 || entry.state.load() == kBurier);
    return read;
  }
};

TEST_F(WriterDeath, BetweenClaimAndCountOfWhatItLappedLosesNoCount) {
  for (const bool others_go_on : {true, false}) {
    TestRing ring(options(FullMode::overwrite));
    tried = 0;
    write_until(ring, 3);
    abi::Word& slot = head(ring).slot[0];
    slot.store(abi::Slot::make(4, false, abi::Slot{slot.load()}.physical()).word);
    if (others_go_on) write_until(ring, 6);
    const std::size_t read = ring.drain().size();
    EXPECT_EQ(read + ring.lost(abi::Loss::lapped), tried);
  }
}

TEST_F(WriterDeath, BetweenReservationAndHeaderIsBuriedAlsoWhereAnEarlierLapLeftAHeader) {
  for (const bool stamped : {true, false}) {
    SCOPED_TRACE(stamped);
    TestRing ring(options(FullMode::overwrite, stamped));
    tried = 0;
    write_until(ring, 6);  // all of one size, so that headers come to lie where headers lay
    for (int i = 0; i < 3; ++i) ring.write(1, tried++, 100);
    reserve_and_die(ring, 116);
    for (int i = 0; i < 200; ++i) ring.write(1, tried++, 100);  // until its sub-buffer is the oldest, and in the way
    EXPECT_EQ(shared_sequence_of(w(ring)), 7u);
    const std::size_t read = bury_and_drain(ring);
    EXPECT_EQ(ring.lost(abi::Loss::dead_writer), 1u);
    EXPECT_EQ(read + ring.lost(), tried + 1);
  }
}

TEST_F(WriterDeath, WhereSomebodyElseReservedItsPlaceCostsNothing) {
  for (const bool stamped : {true, false}) {
    SCOPED_TRACE(stamped);
    TestRing ring(options(FullMode::discard, stamped));
    for (std::uint32_t i = 0; i < 3; ++i) ring.write(1, i, 100);
    enter_and_die(ring, 116);
    for (std::uint32_t i = 3; i < 6; ++i) ring.write(1, i, 100);
    EXPECT_EQ(bury_and_drain(ring), 6u);
    EXPECT_EQ(ring.lost(), 0u);
  }
}

TEST_F(WriterDeath, OfTwoAtOnePlaceOneIsBuried) {
  for (const std::uint64_t reserved : {100u, 200u})
    for (const bool first : {true, false}) {
      SCOPED_TRACE(reserved);
      TestRing ring(options(FullMode::discard));
      ring.write(1, 0, 100);
      if (!first) enter_and_die(ring, 300 - reserved);
      abi::Pending& entry = reserve_and_die(ring, reserved);
      if (first) {
        abi::Pending& other = *find_free_pending(head(ring));
        other.where.store(entry.where.load());
        other.state.store(kDead);
        other.stamp.store(entry.stamp.load() - 1);
        other.length.store(300 - reserved);
      }
      ring.write(1, 1, 100);
      EXPECT_EQ(bury_and_drain(ring), 2u);
      EXPECT_EQ(ring.lost(abi::Loss::dead_writer), 1u);
      EXPECT_EQ(ring.lost(), 1u);
    }
}

TEST_F(WriterDeath, OfTwoInTheirCommitsEachIsCountedOnce) {
  for (const bool one : {true, false})
    for (const bool two : {true, false}) {
      TestRing ring(options(FullMode::discard));
      ring.write(1, 0, 100);
      abi::Pending& a = reserve_and_die(ring, 116);
      abi::Pending& b = reserve_and_die(ring, 216);
      fill_and_die(ring, a, 0, one);
      fill_and_die(ring, b, 1, two);
      ring.write(1, 1, 100);
      EXPECT_EQ(bury_and_drain(ring), 4u) << one << two;
      EXPECT_EQ(ring.lost(), 0u);
    }
}

TEST_F(WriterDeath, WhereSomebodyElseReservedItsPlaceCostsNothingAlsoWhileTheNextUseIsClaimed) {
  TestRing ring(options(FullMode::overwrite));
  tried = 0;
  write_until(ring, 4);
  enter_and_die(ring, 116);
  const std::uint64_t physical = offset_of(w(ring)) / 4096;
  write_until(ring, 5);
  // What a writer does that dies before it opens the books of sub-buffer 6, where 4 was.
  abi::Word& slot = head(ring).slot[0];
  ASSERT_EQ(slot.load(), abi::Slot::make(4, false, static_cast<std::uint32_t>(physical)).word);
  slot.store(abi::Slot::make(6, false, static_cast<std::uint32_t>(physical)).word);
  head(ring).image[physical].first_stamp.store(ring.channel().now());
  const std::size_t read = bury_and_drain(ring);
  EXPECT_EQ(ring.lost(abi::Loss::dead_writer), 0u);
  EXPECT_EQ(read + ring.lost(), tried);
}

TEST_F(WriterDeath, WhoseRecordIsBuriedAndThenLappedIsOneLoss) {
  for (const Sync sync : {Sync::shared, Sync::per_cpu}) {
    SCOPED_TRACE(static_cast<int>(sync));
    LocalChannel::Options o = options(FullMode::overwrite);
    o.sync = sync;
    TestRing ring(o);
    std::uint32_t written = 0;
    for (int i = 0; i < 3; ++i) ring.write(1, written++, 100);
    ASSERT_NE(reserve(ring.channel(), 7, 100, kDead).body, nullptr);
    for (int i = 0; i < 50; ++i) ring.write(1, written++, 100);
    for (std::uint32_t r = 0; r < ring.local().ring_count(); ++r) ring.reader(r).bury_dead();
    for (int i = 0; i < 200; ++i) ring.write(1, written++, 100);
    const std::size_t read = ring.drain().size();
    EXPECT_GT(ring.lost(abi::Loss::lapped), 0u);
    EXPECT_EQ(ring.lost(abi::Loss::dead_writer), 1u);
    EXPECT_EQ(read + ring.lost(), written + 1);
  }
}

// A process dies thread by thread.
TEST_F(WriterDeath, OfOneWhileAnotherIsBuriedIsForTheNextTime) {
  static int asked;
  asked = 0;
  TestRing ring(options(FullMode::discard));
  ring.write(1, 0, 100);
  abi::Pending& counted = reserve_and_die(ring, 116);
  fill_and_die(ring, counted, 0, true);
  abi::Pending& open = reserve_and_die(ring, 116);
  open.state.store(kDead + 1);
  const auto kernel = std::exchange(owner_is_dead, [](std::uint64_t owner) { return owner == kDead || (owner == kDead + 1 && asked++ > 0); });
  const std::size_t read = bury_and_drain(ring);
  owner_is_dead = kernel;
  EXPECT_EQ(read, 2u);
  EXPECT_EQ(ring.lost(abi::Loss::dead_writer), 1u);
}

// Two writers read a coarse clock at once, and want one place.
TEST_F(WriterDeath, WhereSomebodyElseReservedItsPlaceAtTheSameTickCostsNothing) {
  TestRing ring(options(FullMode::discard));
  ring.write(1, tried++, 100);
  abi::Pending& entry = enter_and_die(ring, 40);
  const std::uint64_t place = offset_of(w(ring));
  ring.write(1, tried++, 100);
  std::uint64_t stamp = 0;
  std::memcpy(&stamp, data_of(head(ring)) + place + 8, sizeof stamp);
  entry.stamp.store(stamp);
  EXPECT_EQ(bury_and_drain(ring), tried);
  EXPECT_EQ(ring.lost(), 0u);
}

// What the words of an image say together is not all of one moment on a machine of a weaker memory order than x86's: here commits
// are the next use's already, and the rest is the old one's still.
TEST(WriterDeathPerCpu, WhatItHadCountedIsNotMadeUpInTheNextUseOfItsSubBuffer) {
  pin_to(0);
  TestRing ring({.mode = FullMode::overwrite, .subbuf_count = 2, .subbuf_size = 4096});
  if (!ring.channel().per_cpu) GTEST_SKIP() << "shared rings never reset their commits";
  abi::RingHead& head = ring.local().head(0);
  abi::SubbufImage& image = head.image[0];
  std::uint32_t tried = 0;
  const auto write_until = [&](std::uint64_t sequence) {
    while (low_sequence_of(head.writer.write_word.load()) < sequence) ring.write(1, tried++, 100);
  };
  const Reservation r = reserve(ring.channel(), 7, 500);
  ASSERT_TRUE(begin_commit(r));
  image.commits.fetch_add(1);
  r.pending->state.store(kDead);
  write_until(3);
  const std::uint64_t closed = image.close_word.load();
  write_until(4);
  ASSERT_EQ(image.sequence.load(), 4u);
  ASSERT_EQ(image.commits.load(), 0u);
  image.sequence.store(2);
  image.close_word.store(closed);
  ring.reader(0).bury_dead();
  image.sequence.store(4);
  image.close_word.store(0);
  EXPECT_EQ(image.commits.load(), 0u) << "no reader would ever find it whole";
}

}  // namespace
}  // namespace ouro::ring
