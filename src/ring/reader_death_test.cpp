// A reader that dies leaves the ring to another one, wherever it was. Each test puts a ring into a state that a dead reader left
// behind; tests/kills/readers_test.cpp kills one behind each of its stores.
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "ring/internal.hpp"
#include "ring/owner.hpp"
#include "ring/test_ring.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring {
namespace {

class ReaderDeath : public testing::TestWithParam<Sync> {
 protected:
  void SetUp() override {
    pin_to(0);
    ring_.emplace(LocalChannel::Options{.sync = GetParam(), .mode = abi::FullMode::discard, .subbuf_count = 4, .subbuf_size = 4096});
  }
  // The ring that this thread writes to.
  std::uint32_t index() { return ring_->channel().per_cpu ? 0 : ring_->channel().cpus; }
  abi::RingHead& head() { return ring_->local().head(index()); }
  Reader& reader() { return ring_->reader(index()); }
  void replace_reader() { reader() = Reader(head(), ring_->local().geometry(index())); }
  void reserve_and_die() {
    const pid_t child = fork();
    if (child == 0) {
      const Reservation r = reserve(ring_->channel(), 7, 700);
      if (r.body != nullptr) std::memset(r.body, 0x55, 100);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }
  std::optional<TestRing> ring_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, ReaderDeath, testing::Values(Sync::per_cpu, Sync::shared),
                         [](const auto& p) { return p.param == Sync::per_cpu ? "per_cpu" : "shared"; });

TEST_P(ReaderDeath, WhatItBuriedItsSuccessorLeavesOutToo) {
  ring_->write(1, 0, 20);
  reserve_and_die();
  ring_->write(1, 1, 20);
  ASSERT_EQ(reader().bury_dead(), 1u);
  replace_reader();
  EXPECT_EQ(reader().bury_dead(), 0u);
  EXPECT_EQ(ring_->drain().size(), 2u);
  EXPECT_EQ(ring_->lost(abi::Loss::dead_writer), 1u);
  for (std::uint32_t i = 2; i < 12; ++i) {  // the next sub-buffer
    ring_->write(1, i, 500);
    ring_->drain();
  }
  EXPECT_EQ(head().pending[0].state.load(), 0u) << "the entry is of no use any more";
}

TEST_P(ReaderDeath, ItsSuccessorEndsABurialThatItBegan) {
  ring_->write(1, 0, 20);
  reserve_and_die();
  ring_->write(1, 1, 20);
  abi::Pending& entry = head().pending[0];
  entry.reserved[0].store(1);
  entry.reserved[1].store(4);
  entry.state.store(kBurier);
  replace_reader();
  EXPECT_EQ(ring_->drain().size(), 0u);
  Packet packet;
  ASSERT_EQ(reader().next_past_dead(packet, true), Reader::Answer::packet);
  EXPECT_EQ(packet.records, 2u);
  reader().release();
  EXPECT_EQ(ring_->lost(), 1u);
}

TEST_P(ReaderDeath, BurialsLeaveEntriesToWriters) {
  for (std::size_t i = 0; i < abi::kMaxPending; ++i) reserve_and_die();
  reader().bury_dead();
  EXPECT_NE(find_free_pending(head()), nullptr);
}

// Lapped, in hand, delivered in part: every record is counted once, however many readers die as they begin.
class ReaderDeathOverwrite : public ReaderDeath {
 protected:
  void SetUp() override {
    pin_to(0);
    ring_.emplace(LocalChannel::Options{.sync = GetParam(), .mode = abi::FullMode::overwrite, .subbuf_count = 4, .subbuf_size = 4096});
  }
  void write(int n) {
    for (; n > 0; --n) ring_->write(1, static_cast<std::uint32_t>(tried_++), 100);
  }
  void read() { read_ += ring_->drain().size(); }
  void expect_balance() {
    read();
    EXPECT_EQ(read_ + ring_->lost(), tried_);
  }
  std::uint64_t tried_ = 0, read_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Kinds, ReaderDeathOverwrite, testing::Values(Sync::per_cpu, Sync::shared),
                         [](const auto& p) { return p.param == Sync::per_cpu ? "per_cpu" : "shared"; });

TEST_P(ReaderDeathOverwrite, WhatItDeliveredOfALappedSubBufferIsNotLostToo) {
  write(10);
  read();
  write(500);
  replace_reader();
  replace_reader();
  expect_balance();
}

TEST_P(ReaderDeathOverwrite, BooksThatItHadNotEndedDoNotCount) {
  write(10);
  read();
  write(500);
  Packet packet;
  ASSERT_EQ(reader().next(packet, false), Reader::Answer::packet);
  abi::ReaderBooks& unfinished = head().books[(head().reader.booked.load() + 1) & 1];
  unfinished.next_sequence.store(1234567);
  unfinished.records.store(1234567);
  replace_reader();
  expect_balance();
}

TEST_P(ReaderDeathOverwrite, WhatItHeldIsLappedOnce) {
  write(100);
  Packet packet;
  ASSERT_EQ(reader().next(packet, false), Reader::Answer::packet);
  const std::uint64_t held = packet.records;
  replace_reader();
  replace_reader();
  write(5);
  expect_balance();
  EXPECT_EQ(ring_->lost(abi::Loss::lapped), held);
}

TEST_P(ReaderDeathOverwrite, WhatItHeldTheRestOfIsLappedOnceAndThatAlone) {
  write(30);
  read();
  write(20);  // the sub-buffer ends with 39
  Packet packet;
  ASSERT_EQ(reader().next(packet, false), Reader::Answer::packet);
  const std::uint64_t held = packet.records;
  EXPECT_LT(held, 30u);
  write(500);
  replace_reader();
  replace_reader();
  expect_balance();
  EXPECT_GE(ring_->lost(abi::Loss::lapped), held);
}

TEST_P(ReaderDeathOverwrite, WhatItBuriedAndWritersLappedIsCountedOnce) {
  write(10);
  read();
  reserve_and_die();
  tried_ += 1;
  write(3);
  ASSERT_EQ(reader().bury_dead(), 1u);
  write(500);
  replace_reader();
  replace_reader();
  expect_balance();
  EXPECT_EQ(ring_->lost(abi::Loss::dead_writer), 1u);
  write(100);
  expect_balance();
  EXPECT_EQ(head().pending[0].state.load(), 0u) << "the entry is of no use any more";
}

TEST_P(ReaderDeathOverwrite, WhatItBuriedAndHeldIsCountedOnce) {
  write(10);
  reserve_and_die();
  tried_ += 1;
  write(60);
  ASSERT_EQ(reader().bury_dead(), 1u);
  Packet packet;
  ASSERT_EQ(reader().next(packet, false), Reader::Answer::packet);
  replace_reader();
  replace_reader();
  expect_balance();
  EXPECT_EQ(ring_->lost(abi::Loss::dead_writer), 1u);
}

TEST(ReaderDeathDiscard, BetweenTakingAndItsBooksLapsNothing) {
  pin_to(0);
  TestRing ring({.mode = abi::FullMode::discard, .subbuf_count = 4, .subbuf_size = 4096});
  if (!ring.channel().per_cpu) GTEST_SKIP() << "shared rings count at the writer";
  for (std::uint32_t i = 0; i < 80; ++i) ring.write(1, i, 100);
  abi::Word& slot = ring.local().head(0).slot[0];
  slot.store(abi::Slot::make(4, true, abi::Slot{slot.load()}.physical()).word);  // release:B, and dead
  ring.reader(0) = Reader(ring.local().head(0), ring.local().geometry(0));
  EXPECT_LT(ring.drain().size(), 80u);
  EXPECT_EQ(ring.lost(), 0u) << "nothing is lapped in discard mode";
}

}  // namespace
}  // namespace ouro::ring
