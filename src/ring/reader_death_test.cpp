// A reader that dies leaves the ring to another one, wherever it was. Each test puts a ring into a state that a dead reader left
// behind; tests/kills/readers_test.cpp kills one behind each of its stores.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
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

// What others do while a reader is on its way to a page of the ring: they come first.
class Meanwhile {
 public:
  Meanwhile(void* page, void (*what)()) {
    page_ = page;
    what_ = what;
    struct sigaction action{};
    action.sa_handler = [](int) {
      mprotect(page_, 4096, PROT_READ | PROT_WRITE);
      what_();
    };
    action.sa_flags = SA_NODEFER;
    sigaction(SIGSEGV, &action, &before_);
    mprotect(page_, 4096, PROT_NONE);
  }
  ~Meanwhile() { sigaction(SIGSEGV, &before_, nullptr); }

 private:
  static inline void* page_;
  static inline void (*what_)();
  struct sigaction before_;
};

//            sub-buffer 4 (physical 0)
// before     [ 0 | of a dead writer, buried | 1 | 2 ... ]    the reader died before it could say that the burial is counted
// meanwhile  [ new content of sub-buffer 8               ]    writers lap it while the next reader is between the slots and the entries
TEST(ReaderDeathLapped, ItsSuccessorMarksNothingThatWritersMayHaveLapped) {
  pin_to(0);
  static TestRing* ring = nullptr;
  static std::uint32_t tried = 0;
  TestRing here({.mode = abi::FullMode::overwrite, .subbuf_count = 4, .subbuf_size = 4096});
  if (!here.channel().per_cpu) GTEST_SKIP() << "rings by CPU";
  ring = &here;
  abi::RingHead& head = here.local().head(0);
  here.write(1, tried++, 100);
  const Reservation r = reserve(here.channel(), 7, 500);
  r.pending->state.store(std::uint64_t{0x7ffffff0} << 32 | 0x7ffffff0);  // no process has this number
  while (low_sequence_of(head.writer.write_word.load()) == 4) here.write(1, tried++, 100);
  ASSERT_EQ(here.reader(0).bury_dead(), 1u);
  ASSERT_EQ(r.pending->reserved[2].load(), kCounted);
  r.pending->reserved[2].store(kMarked);
  {
    const Meanwhile lapped(head.pending, [] {
      while (low_sequence_of(ring->local().head(0).writer.write_word.load()) < 9) ring->write(1, tried++, 100);
    });
    here.reader(0) = Reader(head, here.local().geometry(0));
  }
  ASSERT_EQ(low_sequence_of(head.writer.write_word.load()), 9u);
  std::uint32_t header = 0;
  std::size_t marked = 0;
  for (std::size_t at = 0; at < 4096; at += 4) {
    std::memcpy(&header, data_of(head) + at, sizeof header);
    marked += header == kDeadHeader;
  }
  EXPECT_EQ(marked, 0u) << "in the midst of somebody's record";
  here.drain();
}

//                      slot 0         slot 1
// a reader died         2, taken       3
// its successor looks   2, taken
// writers go on         4              5             4 is closed, and neither lapped nor read
// its successor looks                  5
TEST(ReaderDeathLapped, ItsSuccessorMissesNothingThatIsWrittenWhileItLooksAtTheSlots) {
  pin_to(0);
  TestRing ring({.sync = Sync::shared, .mode = abi::FullMode::overwrite, .subbuf_count = 2, .subbuf_size = 4096});
  abi::RingHead& head = *ring.channel().shared[0];
  const std::uint32_t index = ring.channel().cpus;
  std::uint32_t tried = 0;
  const auto write_until = [&](std::uint64_t sequence) {
    while (shared_sequence_of(head.writer.write_word.load()) < sequence) ring.write(1, tried++, 100);
  };
  write_until(3);
  std::size_t read = ring.drain(false).size();
  ASSERT_GT(read, 0u);
  const std::uint64_t taken = head.slot[0].load();
  write_until(5);
  const std::uint64_t now = head.slot[0].load();
  head.slot[0].store(taken);
  ring.reader(index) = Reader(head, ring.local().geometry(index));
  head.slot[0].store(now);
  read += ring.drain().size();
  EXPECT_EQ(read + ring.lost(), tried);
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
