// What a writer puts into a ring and what a reader gets out of it, in one thread on one CPU: the sequential
// specification. Races are in tests/race and tests/stress.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "ring/internal.hpp"
#include "ring/owner.hpp"
#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

using abi::FullMode;
using abi::Loss;

// All kinds of ring must behave alike.
class Ring : public testing::TestWithParam<Sync> {
 protected:
  void SetUp() override { pin_to(0); }
  static LocalChannel::Options options(FullMode mode, std::uint32_t count = 4) {
    return {.sync = GetParam(), .mode = mode, .subbuf_count = count, .subbuf_size = 4096};
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, Ring, testing::Values(Sync::per_cpu, Sync::shared, Sync::exclusive), [](const auto& p) {
  return p.param == Sync::per_cpu ? "per_cpu" : p.param == Sync::shared ? "shared" : "exclusive";
});

TEST_P(Ring, ARecordIsReadableAtOnceFromTheCurrentSubBuffer) {
  TestRing ring(options(FullMode::discard));
  EXPECT_EQ(ring.write(1, 0, 20), Written::yes);
  const auto records = ring.drain();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].number, 0u);
  EXPECT_EQ(ring.drain().size(), 0u);
}

TEST_P(Ring, WithoutTheCurrentPartNothingIsReadBeforeASubBufferIsClosed) {
  TestRing ring(options(FullMode::discard));
  ring.write(1, 0, 20);
  EXPECT_EQ(ring.drain(false).size(), 0u);
  std::uint32_t n = 1;
  while (ring.drain(false).empty()) {
    ring.write(1, n++, 100);
    ASSERT_LT(n, 1000u);
  }
  EXPECT_GT(n, 20u);
}

TEST_P(Ring, RecordsOfAllSizesComeOutWholeAndInOrder) {
  TestRing ring(options(FullMode::discard));
  std::uint32_t number = 0;
  std::vector<TestRecord> all;
  for (std::size_t size = 12; size <= kMaxSingleShotBody; ++size) {
    ASSERT_EQ(ring.write(1, number++, size), Written::yes) << size;
    if (size % 3 == 0)
      for (const TestRecord& r : ring.drain(size % 2 == 0)) all.push_back(r);
  }
  for (const TestRecord& r : ring.drain()) all.push_back(r);
  ASSERT_EQ(all.size(), number);
  for (std::uint32_t i = 0; i < number; ++i) ASSERT_EQ(all[i].number, i);
  EXPECT_EQ(ring.lost(), 0u);
}

TEST_P(Ring, DiscardKeepsTheOldestAndCountsTheRest) {
  TestRing ring(options(FullMode::discard));
  std::uint32_t written = 0;
  for (std::uint32_t i = 0; i < 1000; ++i) written += ring.write(1, i, 100) == Written::yes;
  const auto records = ring.drain();
  ASSERT_EQ(records.size(), written);
  for (std::uint32_t i = 0; i < written; ++i) EXPECT_EQ(records[i].number, i);
  EXPECT_EQ(ring.lost(Loss::full), 1000 - written);
  EXPECT_EQ(ring.lost(), 1000 - written);
  // There is room again.
  EXPECT_EQ(ring.write(1, 1000, 100), Written::yes);
  EXPECT_EQ(ring.drain().size(), 1u);
}

TEST_P(Ring, OverwriteKeepsTheNewestAndKnowsHowManyAreGone) {
  TestRing ring(options(FullMode::overwrite));
  for (std::uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(ring.write(1, i, 100), Written::yes);
  const auto records = ring.drain();
  ASSERT_GT(records.size(), 3 * 4096 / 120u) << "n - 1 closed sub-buffers at least";
  for (std::uint32_t i = 0; i < records.size(); ++i)
    EXPECT_EQ(records[i].number, 1000 - records.size() + i);
  EXPECT_EQ(ring.lost(Loss::lapped), 1000 - records.size());
  EXPECT_EQ(ring.lost(), 1000 - records.size());
}

TEST_P(Ring, OverwriteAfterAPartWasReadNeitherDoublesNorLosesUncounted) {
  TestRing ring(options(FullMode::overwrite));
  std::uint64_t read = 0;
  std::uint32_t number = 0, next = 0;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < round; ++i) ring.write(1, number++, 60);
    for (const TestRecord& r : ring.drain()) {
      EXPECT_GE(r.number, next);
      next = r.number + 1;
      ++read;
    }
    ASSERT_EQ(read + ring.lost(), number) << "round " << round;
  }
}

TEST_P(Ring, ARecordThatCannotFitIsCountedAsTooLarge) {
  TestRing ring(options(FullMode::overwrite));
  const Reservation r = reserve(ring.channel(), 7, 4096);
  EXPECT_EQ(r.body, nullptr);
  EXPECT_EQ(ring.lost(Loss::too_large), 1u);
}

TEST_P(Ring, ATwoPhaseRecordAppearsWhenItIsCommitted) {
  TestRing ring(options(FullMode::discard));
  ring.write(1, 0, 20);
  const Reservation r = reserve(ring.channel(), 7, 2000);
  ASSERT_NE(r.body, nullptr);
  ring.write(1, 2, 20);
  EXPECT_EQ(ring.drain().size(), 0u) << "the current part is not readable beyond an open record";
  const auto body = make_body(1, 1, 2000);
  std::memcpy(r.body, body.data(), 2000);
  commit(r);
  const auto records = ring.drain();
  ASSERT_EQ(records.size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(records[i].number, i);
}

TEST_P(Ring, AnOpenRecordHoldsBackItsSubBufferAndNoOther) {
  TestRing ring(options(FullMode::discard));
  const Reservation r = reserve(ring.channel(), 7, 2000);
  std::uint32_t n = 1;
  while (ring.write(1, n, 100) == Written::yes) ++n;
  EXPECT_EQ(ring.drain().size(), 0u);
  const auto body = make_body(1, 0, 2000);
  std::memcpy(r.body, body.data(), 2000);
  commit(r);
  EXPECT_EQ(ring.drain().size(), n);
  EXPECT_EQ(ring.lost(Loss::full), 1u);
}

TEST_P(Ring, OverwriteLosesTheNewRecordRatherThanTheMemoryOfAnOpenOne) {
  TestRing ring(options(FullMode::overwrite));
  const Reservation r = reserve(ring.channel(), 7, 2000);
  std::uint32_t lost = 0;
  for (std::uint32_t n = 1; n < 500; ++n) lost += ring.write(1, n, 100) == Written::lost;
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(ring.lost(Loss::busy), lost);
  const auto body = make_body(1, 0, 2000);
  std::memcpy(r.body, body.data(), 2000);
  commit(r);
  EXPECT_EQ(ring.drain().size() + lost, 500u);
}

TEST_P(Ring, AnOwnerThatDiedBetweenReserveAndCommitCostsItsRecordOnly) {
  TestRing ring(options(FullMode::discard));
  ring.write(1, 0, 20);
  const pid_t child = fork();
  if (child == 0) {
    const Reservation r = reserve(ring.channel(), 7, 700);
    std::memset(r.body, 0x55, 100);
    _exit(r.body != nullptr ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ring.write(1, 1, 20);
  EXPECT_EQ(ring.drain().size(), 0u);
  std::uint64_t buried = 0;
  for (std::uint32_t i = 0; i < ring.local().ring_count(); ++i) buried += ring.reader(i).bury_dead();
  EXPECT_EQ(buried, 1u);
  const auto records = ring.drain();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].number, 1u);
  EXPECT_EQ(ring.lost(Loss::dead_writer), 1u);
  EXPECT_EQ(ring.lost(), 1u);
}

// A section is killed between any two of its stores: here before the last, that of W.
[[noreturn]] void die_in_the_section_of_a_reservation(TestRing& ring) {
  abi::RingHead& head = ring.local().head(0);
  const std::uint64_t w = head.writer.write_word.load(), stamp = ring.channel().now();
  std::byte* record = reinterpret_cast<std::byte*>(&head) + abi::kRingDataOffset + (w & abi::kOffsetMask);
  const std::uint64_t header[2] = {kExtendedId | std::uint64_t{7} << 32, stamp};
  std::memcpy(record, header, sizeof header);
  head.pending[0].stamp.store(stamp);
  head.pending[0].length.store(716);
  head.pending[0].where.store(w);
  head.pending[0].state.store(static_cast<std::uint64_t>(syscall(SYS_gettid)) << 32 | static_cast<std::uint32_t>(getpid()));
  _exit(0);
}

TEST_P(Ring, AnOwnerThatDiedInTheSectionOfItsReservationLeavesNothing) {
  pin_to(0);
  TestRing ring(options(FullMode::discard));
  if (ring.local().geometry(0).kind == abi::RingKind::shared || !(ring.channel().per_cpu || ring.channel().exclusive)) GTEST_SKIP() << "no sections";
  ring.write(1, 0, 20);
  const pid_t child = fork();
  if (child == 0) die_in_the_section_of_a_reservation(ring);
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(ring.reader(0).bury_dead(), 0u);
  EXPECT_EQ(ring.local().head(0).pending[0].state.load(), 0u) << "the entry is free again";
  for (std::uint32_t i = 1; i < 200; ++i) EXPECT_EQ(ring.write(1, i, 60), Written::yes);
  EXPECT_EQ(ring.drain().size(), 200u);
  EXPECT_EQ(ring.lost(), 0u);
}

// commit() marks the entry, counts, frees the entry; its owner may die before or after it has counted.
[[noreturn]] void die_while_committing(TestRing& ring, bool counted) {
  const Reservation r = reserve(ring.channel(), 7, 700);
  std::memcpy(r.body, make_body(1, 1, 700).data(), 700);
  const bool shared = r.ring->shape.kind == static_cast<std::uint32_t>(abi::RingKind::shared);
  if (shared) r.ring->image[0].close_stamp.store(r.stamp);
  r.pending->length.store(r.size | abi::kCommitting);
  if (counted) r.ring->image[0].commits.fetch_add(shared ? std::uint64_t{1} << 32 | r.size : 1);
  _exit(0);
}

TEST_P(Ring, AnOwnerThatDiedWhileCommittingCostsNothing) {
  for (const bool counted : {false, true}) {
    TestRing ring(options(FullMode::discard));
    ring.write(1, 0, 20);
    const pid_t child = fork();
    if (child == 0) {
      die_while_committing(ring, counted);
    }
    int status = 1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ring.write(1, 2, 20);
    for (std::uint32_t i = 0; i < ring.local().ring_count(); ++i) EXPECT_EQ(ring.reader(i).bury_dead(), 0u);
    const auto records = ring.drain();
    ASSERT_EQ(records.size(), 3u) << "counted: " << counted;
    EXPECT_EQ(records[1].size, 700u);
    EXPECT_EQ(ring.lost(), 0u);
  }
}

// The totals of bytes and records stand in one word: after 4 GiB the one runs over into the other.
TEST(SharedRing, CountsItsRecordsBeyondFourGigabytes) {
  abi::SubbufImage image{};
  const std::uint64_t before = std::uint64_t{70} << 32 | 0xfffffff0u;
  image.sequence.store(tagged(9, 70));
  image.records_before.store(tagged(9, 0xfffffff0u));
  image.commits.store(before + (std::uint64_t{10} << 32 | 400));
  EXPECT_EQ(shared_use(image).records, 10u);
  EXPECT_EQ(shared_use(image).bytes, 400u);
}

TEST(SharedRing, StampsNeverGoBackWhicheverCpuTheyAreReadOn) {
  TestRing ring({.sync = Sync::shared, .cpus = 1, .mode = FullMode::discard, .subbuf_count = 16, .subbuf_size = 1 << 20});
  const auto write = [&](std::uint32_t who) {
    pin_to(static_cast<int>(who % std::thread::hardware_concurrency()));
    for (std::uint32_t i = 0; i < 100'000; ++i) ring.write(who, i, 12);
  };
  std::thread a(write, 0), b(write, 1);
  a.join();
  b.join();
  EXPECT_EQ(ring.drain().size(), 200'000u);  // which looks at every stamp
}

TEST(SharedRing, AWriterThatStalledForALapLeavesTheBooksOfTheLaterUse) {
  const abi::Word commits{std::uint64_t{70} << 32 | 2100};
  abi::Word base{tagged(5, 40)};
  open_books(base, 21, commits, 32);  // the next lap of 16 sub-buffers
  EXPECT_EQ(base.load(), tagged(21, 70));
  for (const std::uint32_t late : {21u, 5u}) {
    open_books(base, late, abi::Word{std::uint64_t{99} << 32}, 32);
    EXPECT_EQ(base.load(), tagged(21, 70)) << late;
  }
}

// What happens while the kernel is asked whether an entry's owner is dead: it ends as it should, and somebody else takes
// the entry.
std::optional<Reservation> ends, follows;
const Channel* its_channel;
bool owner_ends_meanwhile(std::uint64_t) {
  if (!ends) return false;
  std::memcpy(ends->body, make_body(1, 1, 700).data(), 700);
  commit(*ends);
  ends.reset();
  follows = reserve(*its_channel, 7, 700);
  std::memcpy(follows->body, make_body(1, 2, 700).data(), 700);
  follows->pending->length.store(follows->size | abi::kCommitting);
  return true;
}

TEST_P(Ring, AnEntryThatChangesHandsWhileItsOwnerIsAskedForIsLeftAlone) {
  TestRing ring(options(FullMode::discard));
  its_channel = &ring.channel();
  ring.write(1, 0, 20);
  ends = reserve(ring.channel(), 7, 700, 4711);
  const abi::Pending* entry = ends->pending;
  owner_is_dead = owner_ends_meanwhile;
  for (std::uint32_t i = 0; i < ring.local().ring_count(); ++i) EXPECT_EQ(ring.reader(i).bury_dead(), 0u);
  owner_is_dead = kernel_says_dead;
  ASSERT_EQ(follows->pending, entry);
  follows->pending->length.store(follows->size);  // as if it were only now about to begin
  commit(*follows);
  EXPECT_EQ(ring.drain().size(), 3u);
  EXPECT_EQ(ring.lost(), 0u);
}

TEST_P(Ring, ADeadCommitWaitsForTheLivingOnesOfItsSubBuffer) {
  TestRing ring(options(FullMode::discard));
  const Reservation open = reserve(ring.channel(), 7, 700);
  const pid_t child = fork();
  if (child == 0) {
    die_while_committing(ring, false);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  const auto bury = [&] {
    for (std::uint32_t i = 0; i < ring.local().ring_count(); ++i) EXPECT_EQ(ring.reader(i).bury_dead(), 0u);
  };
  bury();
  EXPECT_EQ(ring.drain().size(), 0u);
  std::memcpy(open.body, make_body(1, 0, 700).data(), 700);
  commit(open);
  EXPECT_EQ(ring.drain().size(), 0u) << "the dead one's is still missing";
  bury();
  EXPECT_EQ(ring.drain().size(), 2u);
}

TEST_P(Ring, AReaderThatComesAfterAnotherContinuesWhereThatStopped) {
  TestRing ring(options(FullMode::discard));
  for (std::uint32_t i = 0; i < 60; ++i) ring.write(1, i, 100);
  const std::size_t first = ring.drain().size();
  EXPECT_EQ(first, 60u);
  ring.write(1, 60, 100);
  for (std::uint32_t i = 0; i < ring.local().ring_count(); ++i)
    ring.reader(i) = Reader(ring.local().head(i), ring.local().geometry(i));
  const auto rest = ring.drain();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].number, 60u);
}

// ---- packets that are kept

// The ring that CPU 0 writes to.
std::uint32_t written_ring(const TestRing& ring) {
  return ring.channel().per_cpu || ring.channel().exclusive ? 0 : ring.channel().cpus;
}
// Records from `from` on, until it is full; the number of the first that did not fit.
std::uint32_t fill(TestRing& ring, std::uint32_t from) {
  while (ring.write(1, from, 100) == Written::yes) ++from;
  return from;
}

TEST_P(Ring, PacketsThatAreKeptStayUntouchedUntilTheyAreGivenBackOneByOne) {
  TestRing ring(options(FullMode::discard));
  std::uint32_t next = fill(ring, 0);
  Reader& reader = ring.reader(written_ring(ring));
  Packet packet;
  std::vector<std::span<const std::byte>> kept;
  std::vector<std::vector<std::byte>> copies;
  while (reader.next(packet, true) == Reader::Answer::packet) {
    EXPECT_TRUE(packet.in_place);
    kept.push_back(packet.bytes);
    copies.emplace_back(packet.bytes.begin(), packet.bytes.end());
    ASSERT_TRUE(reader.keep());
  }
  ASSERT_EQ(kept.size(), 4u);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(ring.write(1, next, 100), Written::lost);
    for (std::size_t k = i; k < kept.size(); ++k) ASSERT_EQ(std::memcmp(kept[k].data(), copies[k].data(), copies[k].size()), 0);
    reader.give_back();
    if (i + 1 < kept.size()) {  // the last was a part of the current sub-buffer
      const std::uint32_t before = next;
      next = fill(ring, next);
      EXPECT_GT(next, before + 20) << "the writer got one sub-buffer";
    }
  }
}

TEST_P(Ring, WhatWasKeptAndNotGivenBackTheNextReaderGetsAgain) {
  TestRing ring(options(FullMode::discard));
  fill(ring, 0);
  const std::uint32_t i = written_ring(ring);
  Packet packet;
  std::vector<std::uint64_t> first;
  for (int k = 0; k < 3; ++k) {
    ASSERT_EQ(ring.reader(i).next(packet, true), Reader::Answer::packet);
    first.push_back(packet.sequence);
    ASSERT_TRUE(ring.reader(i).keep());
  }
  ring.reader(i).give_back();
  ring.reader(i) = Reader(ring.local().head(i), ring.local().geometry(i));
  for (int k = 1; k < 3; ++k) {
    ASSERT_EQ(ring.reader(i).next(packet, true), Reader::Answer::packet);
    EXPECT_EQ(packet.sequence, first[static_cast<std::size_t>(k)]);
    EXPECT_EQ(packet.lost_lapped, 0u);
    ring.reader(i).release();
  }
}

TEST_P(Ring, ASubBufferWithoutARestGoesBackWithItsPartThatWasKept) {
  TestRing ring(options(FullMode::discard, 2));
  const std::uint32_t i = written_ring(ring);
  Reader& reader = ring.reader(i);
  std::uint32_t n = 0;
  Packet packet;
  // Deliver the current sub-buffer record by record until it closes: its closed rest is empty.
  std::uint64_t sequence = 0;
  std::uint32_t kept = 0;
  for (;; ++n) {
    ASSERT_EQ(ring.write(1, n, 100), Written::yes);
    ASSERT_EQ(reader.next(packet, true), Reader::Answer::packet);
    if (sequence != 0 && packet.sequence != sequence) break;
    sequence = packet.sequence;
    ASSERT_TRUE(reader.keep());
    ++kept;
  }
  ASSERT_TRUE(reader.keep());
  EXPECT_GT(fill(ring, n + 1), n);
  EXPECT_EQ(ring.write(1, 0, 100), Written::lost) << "both are in use";
  for (; kept > 0; --kept) {
    EXPECT_EQ(ring.write(1, 0, 100), Written::lost) << kept;
    reader.give_back();
  }
  EXPECT_EQ(ring.write(1, 0, 100), Written::yes);
}

TEST_P(Ring, OverwriteKeepsNothingForThereIsOneSpare) {
  TestRing ring(options(FullMode::overwrite));
  for (std::uint32_t n = 0; n < 1000; ++n) ring.write(1, n, 100);
  const std::uint32_t i = written_ring(ring);
  Packet packet;
  ASSERT_EQ(ring.reader(i).next(packet, true), Reader::Answer::packet);
  EXPECT_FALSE(ring.reader(i).keep());
  ring.reader(i).release();
  EXPECT_EQ(ring.reader(i).next(packet, true), Reader::Answer::packet);
  ring.reader(i).release();
}

TEST(RingWithoutMemory, LosesAndCountsInsteadOfFaulting) {
  pin_to(0);
  TestRing ring({.subbuf_count = 4, .subbuf_size = 4096});
  auto& channel = const_cast<Channel&>(ring.channel());
  channel.reserve = [](const Channel&, abi::RingHead&) { return 12; };
  for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(ring.write(1, i, 20), Written::lost);
  EXPECT_EQ(ring.lost(Loss::no_memory), 10u);
  EXPECT_EQ(ring.drain().size(), 0u);
}

TEST_P(Ring, AClaimedSlotThatNamesNoSubBufferCostsRecordsNotMemory) {
  TestRing ring(options(FullMode::overwrite));
  ring.write(1, 0, 20);
  for (std::uint32_t i = 0; i < ring.local().ring_count(); ++i)
    ring.local().head(i).slot[1].store(abi::Slot::make(5, false, 40000).word);  // 4 is the sequence of the first sub-buffer
  std::uint32_t lost = 0;
  for (std::uint32_t n = 1; n < 100; ++n) lost += ring.write(1, n, 100) == Written::lost;
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(ring.lost(Loss::busy), lost);
}

// Its counter may have been read before the lock under which it writes was taken: the writer before it has the later stamp.
TEST(ExclusiveRing, AStampThatRanAheadOfTheLastWritersIsLeftToTheSlowPath) {
  TestRing ring({.sync = Sync::exclusive, .subbuf_count = 4, .subbuf_size = 4096});
  ring.write(1, 0, 20);
  abi::RingHead& head = ring.local().head(0);
  head.writer.stamp_deadline.store(~std::uint64_t{0});
  const auto put = [&] {
    const auto body = make_body(1, 1, 20);
    return detail::put_exclusive<true>(head, ring.channel().tsc, 7, 20, [&](std::byte* at) { std::memcpy(at, body.data(), 20); });
  };
  EXPECT_TRUE(put());
  const std::uint64_t w = head.writer.write_word.load();
  head.writer.last_stamp.store(~std::uint64_t{0} >> 1);
  EXPECT_FALSE(put());
  EXPECT_EQ(head.writer.write_word.load(), w);
}

TEST(RingGeometry, RefusesWhatTheWriteWordCannotHold) {
  using abi::RingKind;
  EXPECT_TRUE(check({RingKind::per_cpu, FullMode::discard, 16, 4096, 0}));
  EXPECT_FALSE(check({RingKind::per_cpu, FullMode::discard, 12, 4096, 0}));
  EXPECT_FALSE(check({RingKind::per_cpu, FullMode::discard, 256, 4096, 0}));
  EXPECT_FALSE(check({RingKind::per_cpu, FullMode::discard, 16, 8 << 20, 0}));
  EXPECT_FALSE(check({RingKind::per_cpu, FullMode::discard, 16, 5000, 0}));
}

#if OURO_HAS_RSEQ
// True as soon as the text is written; slow records in between find the route, move the deadline and, in the end, switch.
bool write_text(TestRing& ring, Route& route, const std::uint64_t* words, const std::string& text, int tries) {
  const std::vector<char> exactly(text.begin(), text.end());  // so that ASan sees what lies beside it
  const auto shoot = [&] { return detail::shoot_bytes<8, 1, true, true, false>(route, detail::kOnlyTag, 7, detail::no_context, words, exactly.data(), exactly.size()); };
  for (; tries > 0; --tries) {
    if (shoot()) return true;
    refresh(route, ring.channel(), detail::kOnlyTag);
    write_slow(ring.channel(), 7, words, 12);
  }
  return false;
}

TEST(FastPath, FixedAndSizedRecordsAreThoseOfTheSlowPath) {
  pin_to(0);
  TestRing ring({.mode = FullMode::discard, .subbuf_count = 4, .subbuf_size = 4096});
  if (!ring.channel().per_cpu) GTEST_SKIP() << "no rseq here";
  std::uint32_t number = 0;
  std::size_t read = 0;
  static thread_local Route route;
  for (int round = 0; round < 300; ++round) {
    const auto b16 = make_body(3, number++, 16), b36 = make_body(3, number++, 36), b60 = make_body(3, number++, 60);
    std::uint64_t words[8];
    std::memcpy(words, b16.data(), 16);
    write_fixed<16>(route, ring.channel(), 7, words);
    std::memcpy(words, b36.data(), 40);
    write_fixed<36>(route, ring.channel(), 7, words);
    std::memcpy(words, b60.data(), 64);
    write_fixed<60>(route, ring.channel(), 7, words);
    const std::size_t size = 12 + static_cast<std::size_t>(round) % 230;
    const auto body = make_body(3, number++, size);
    write_sized(route, ring.channel(), 7, body.data(), size);
    const auto text = make_body(3, number++, size + 1);
    write_text(route, ring.channel(), text, size + 1);
    for (const TestRecord& r : ring.drain(round % 2 == 0)) EXPECT_EQ(r.number, read++);
  }
  for (const TestRecord& r : ring.drain()) EXPECT_EQ(r.number, read++);
  EXPECT_EQ(read, number);
  EXPECT_EQ(ring.lost(), 0u);
}

TEST(FastPath, ARecordThatFindsItsRingFullIsCountedWithoutAtomicOperations) {
  pin_to(0);
  TestRing ring({.mode = FullMode::discard, .subbuf_count = 2, .subbuf_size = 4096});
  if (!ring.channel().per_cpu) GTEST_SKIP() << "no rseq here";
  std::uint32_t written = 0, lost = 0;
  for (std::uint32_t i = 0; i < 1000; ++i) (ring.write(1, i, 20) == Written::yes ? written : lost) += 1;
  EXPECT_GT(lost, 500u);
  EXPECT_EQ(ring.local().head(0).losses.full_in_section.load(), lost);
  EXPECT_EQ(ring.lost(Loss::full), lost);
  EXPECT_EQ(ring.drain().size(), written);
}

TEST(FastPath, TextOfEveryLengthIsWholeAndOneWithANulIsDeclined) {
  pin_to(0);
  TestRing ring({.mode = FullMode::discard, .subbuf_count = 4, .subbuf_size = 4096});
  if (!ring.channel().per_cpu || !OURO_INLINE_SECTIONS) GTEST_SKIP() << "no inline sections here";
  Route route;
  std::uint64_t words[2] = {0x1122334455667788, 0};  // 8 bytes, then the text and its NUL
  for (std::size_t length = 0; length < 256; ++length) {
    std::string text(length, 'x');
    for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>('a' + i % 26);
    for (std::size_t nul = 0; nul < length; nul += 1 + length / 40) {
      std::string broken = text;
      broken[nul] = '\0';
      EXPECT_FALSE(write_text(ring, route, words, broken, 3)) << length << ", NUL at " << nul;
    }
    EXPECT_TRUE(write_text(ring, route, words, text, 30)) << length;
    std::string seen;
    Packet packet;
    while (ring.reader(0).next(packet, true) == Reader::Answer::packet) {
      seen.append(reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size());
      ring.reader(0).release();
    }
    ASSERT_GE(seen.size(), length + 9);
    EXPECT_EQ(seen.substr(seen.size() - length - 9), std::string(reinterpret_cast<const char*>(words), 8) + text + '\0');
  }
}
#endif

}  // namespace
}  // namespace ouro::ring
