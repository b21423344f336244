// A snapshot holds what the ring holds, whole and in order, and disturbs nobody; what it could not get, it names. What others
// do while a sub-buffer is copied is done here by the same thread, at the point between copy and check.
#include <ouro/ring/buffer.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <ouro/ring/overview.hpp>

#include "ring/internal.hpp"
#include "ring/look.hpp"
#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

using Why = Snapshot::Missing::Why;
constexpr std::uint32_t kSubbufs = 4;

struct Value {  // 35 to 39 to a sub-buffer: 80 of them begin a third
  std::uint64_t number, filling[11];
  static Value of(std::uint64_t number) {
    Value v{number, {}};
    for (std::uint64_t i = 0; i < 11; ++i) v.filling[i] = number * 31 + i;
    return v;
  }
};

template <class B>
class Snapshots : public testing::Test {
 protected:
  void SetUp() override {
    pin_to(0);
    auto made = B::create({.subbuf_count = kSubbufs, .subbuf_size = 4096});
    ASSERT_TRUE(made);
    buffer.emplace(std::move(*made));
  }
  void TearDown() override { meanwhile = nullptr; }
  static constexpr bool kOverwrite = B::policy.full == Full::overwrite;

  void write(std::uint64_t count) {
    for (; count != 0; --count) written += buffer->write(1, Value::of(tried++)) == Written::yes;
  }
  std::vector<std::uint64_t> numbers(Records&& records) {
    std::vector<std::uint64_t> out;
    for (Record r; records.next(r);) {
      Value v{};
      EXPECT_EQ(r.bytes.size(), sizeof v);
      std::memcpy(&v, r.bytes.data(), sizeof v);
      const Value wanted = Value::of(v.number);
      EXPECT_EQ(std::memcmp(&v, &wanted, sizeof v), 0) << "torn";
      out.push_back(v.number);
    }
    EXPECT_FALSE(records.corrupt());
    return out;
  }
  std::vector<std::uint64_t> drain() {
    Records records(buffer->channel(), Records::Order::by_ring);
    return numbers(std::move(records));
  }
  // Done once, when the first sub-buffer has been copied and not yet checked.
  void during_the_first_copy(std::function<void()> what) {
    meanwhile = std::move(what);
    snapshot_copied = [](std::uint64_t) {
      if (meanwhile) std::exchange(meanwhile, nullptr)();
    };
  }
  // As of a session: its rings, in memory that somebody else made.
  Snapshot of_places() {
    const Channel& channel = buffer->channel().channel();
    std::vector<Snapshot::Place> places;
    for (std::uint32_t i = 0; i < buffer->channel().ring_count(); ++i) places.push_back({channel.ring[i], geometry_of(channel, i)});
    return Snapshot(places);
  }
  static std::vector<Snapshot::Missing> missing(const Snapshot& snapshot) {
    std::vector<Snapshot::Missing> out;
    for (const Snapshot::Ring& ring : snapshot.rings()) out.insert(out.end(), ring.missing.begin(), ring.missing.end());
    return out;
  }
  static std::vector<std::uint64_t> from_to(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> out;
    for (; from < to; ++from) out.push_back(from);
    return out;
  }

  std::optional<B> buffer;
  std::uint64_t tried = 0, written = 0;
  static inline std::function<void()> meanwhile;
};

template <Sync kSync, Full kFull>
struct Of : Buffer<Policy{.sync = kSync, .full = kFull}> {
  static constexpr Policy policy{.sync = kSync, .full = kFull};
  using Base = Buffer<policy>;
  explicit Of(Base base) : Base(std::move(base)) {}
  static Result<Of> create(const Shape& shape) {
    Result<Base> made = Base::create(shape);
    if (!made) return made.error();
    return Of(std::move(*made));
  }
};
using Policies = testing::Types<Of<Sync::per_cpu, Full::discard>, Of<Sync::per_cpu, Full::overwrite>, Of<Sync::shared, Full::discard>,
                                Of<Sync::shared, Full::overwrite>, Of<Sync::exclusive, Full::discard>, Of<Sync::exclusive, Full::overwrite>>;
TYPED_TEST_SUITE(Snapshots, Policies);

template <class B>
class OverwritingSnapshots : public Snapshots<B> {};
using Overwriting = testing::Types<Of<Sync::per_cpu, Full::overwrite>, Of<Sync::shared, Full::overwrite>, Of<Sync::exclusive, Full::overwrite>>;
TYPED_TEST_SUITE(OverwritingSnapshots, Overwriting);

TYPED_TEST(Snapshots, HoldAllThatIsReadableAndTakeNothing) {
  this->write(80);  // two sub-buffers and a part
  const Snapshot snapshot(this->buffer->channel());
  EXPECT_EQ(this->numbers(Records(snapshot)), this->from_to(0, 80));
  EXPECT_EQ(this->numbers(Records(snapshot, Records::Order::by_ring)), this->from_to(0, 80));
  EXPECT_EQ(snapshot.records(), 80u);
  EXPECT_EQ(snapshot.lost(), 0u);
  EXPECT_TRUE(this->missing(snapshot).empty());
  EXPECT_EQ(this->drain(), this->from_to(0, 80));
}

TYPED_TEST(Snapshots, OfAnEmptyChannelAreEmpty) {
  const Snapshot snapshot(this->buffer->channel());
  EXPECT_TRUE(this->numbers(Records(snapshot)).empty());
  EXPECT_TRUE(this->missing(snapshot).empty());
}

TYPED_TEST(Snapshots, OfAFullRingKnowHowManyAreLostAndWhy) {
  this->write(1000);
  const Snapshot snapshot(this->buffer->channel());
  EXPECT_EQ(snapshot.records() + snapshot.lost(), 1000u);
  EXPECT_EQ(snapshot.lost(this->kOverwrite ? Loss::lapped : Loss::full), snapshot.lost());
  const auto numbers = this->numbers(Records(snapshot));
  ASSERT_GT(numbers.size(), 80u);
  EXPECT_EQ(numbers.front(), this->kOverwrite ? 1000 - numbers.size() : 0u);
}

TYPED_TEST(Snapshots, LeaveOutWhatAReaderHasTakenButNotThePartOfTheCurrentOne) {
  this->write(80);
  Records records(this->buffer->channel(), Records::Order::by_ring);
  Record r;
  for (int i = 0; i < 80; ++i) ASSERT_TRUE(records.next(r));
  EXPECT_FALSE(records.next(r));
  this->write(1);
  const Snapshot snapshot(this->buffer->channel());
  const auto numbers = this->numbers(Records(snapshot));
  ASSERT_FALSE(numbers.empty());
  EXPECT_LT(numbers.size(), 80u - 30u);
  EXPECT_EQ(numbers, this->from_to(81 - numbers.size(), 81));
  EXPECT_EQ(snapshot.lost(), 0u) << "what was delivered is not lost";
}

TYPED_TEST(OverwritingSnapshots, NameWhatTheirWritersLappedWhileTheyWereCopied) {
  this->write(80);
  this->during_the_first_copy([&] { this->write(200); });  // more than a lap
  const Snapshot snapshot(this->buffer->channel());
  const auto missing = this->missing(snapshot);
  ASSERT_EQ(missing.size(), 3u);
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(missing[i].why, Why::lapped);
    EXPECT_EQ(missing[i].sequence, kSubbufs + i);
  }
  EXPECT_TRUE(this->numbers(Records(snapshot)).empty());
}

TYPED_TEST(OverwritingSnapshots, HaveWhatWasNotLappedBesideWhatWas) {
  this->write(140);  // all four in use
  this->during_the_first_copy([&] { this->write(40); });  // one or two of them
  const Snapshot snapshot(this->buffer->channel());
  const auto missing = this->missing(snapshot);
  ASSERT_FALSE(missing.empty());
  EXPECT_EQ(missing[0].why, Why::lapped);
  const auto numbers = this->numbers(Records(snapshot));
  ASSERT_GT(numbers.size(), 30u);
  EXPECT_EQ(numbers, this->from_to(numbers.front(), numbers.front() + numbers.size()));
}

TYPED_TEST(Snapshots, LeaveOutASubBufferThatAReaderTookMeanwhile) {
  this->write(80);
  this->during_the_first_copy([&] { this->drain(); });
  const Snapshot snapshot(this->buffer->channel());
  const auto missing = this->missing(snapshot);
  ASSERT_GE(missing.size(), 1u);
  EXPECT_EQ(missing[0].why, Why::taken);
  EXPECT_EQ(missing[0].sequence, kSubbufs);
  const auto numbers = this->numbers(Records(snapshot));
  EXPECT_EQ(numbers, this->from_to(80 - numbers.size(), 80)) << "the current one is there, whoever reads it";
}

// The reader's spare: what was copied from leaves the ring, comes back under another slot and is written to.
TYPED_TEST(Snapshots, HoldNothingOfASubBufferThatWasTakenGivenBackAndWrittenTo) {
  this->write(80);
  this->during_the_first_copy([&] {
    for (int i = 0; i < 8; ++i) {
      this->drain();
      this->write(40);
    }
  });
  const Snapshot snapshot(this->buffer->channel());
  this->numbers(Records(snapshot));  // whole
  EXPECT_EQ(snapshot.records(), 0u);
  EXPECT_EQ(this->missing(snapshot).size(), 3u);
}

TYPED_TEST(Snapshots, TakenWhileTheNextSubBuffersAreFilledHaveThePartThatWasThere) {
  this->write(10);
  this->during_the_first_copy([&] { this->write(40); });
  const Snapshot snapshot(this->buffer->channel());
  EXPECT_EQ(this->numbers(Records(snapshot)), this->from_to(0, 10));
  EXPECT_TRUE(this->missing(snapshot).empty());
}

TYPED_TEST(Snapshots, NameWhatAnOpenRecordHoldsBack) {
  this->write(40);
  const Reservation open = reserve(this->buffer->channel().channel(), 7, 700);
  ASSERT_NE(open.body, nullptr);
  const Snapshot snapshot(this->buffer->channel());
  const auto missing = this->missing(snapshot);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].why, Why::unfinished);
  EXPECT_EQ(missing[0].sequence, kSubbufs + 1);
  const auto numbers = this->numbers(Records(snapshot));
  EXPECT_EQ(numbers, this->from_to(0, numbers.size()));
}

TYPED_TEST(Snapshots, OfPlacesHoldAllButTheRecordsThatAreStillBeingWritten) {
  this->write(40);
  const Reservation first = reserve(this->buffer->channel().channel(), 7, 300);
  this->write(5);
  const Reservation second = reserve(this->buffer->channel().channel(), 7, 300);
  ASSERT_TRUE(first.body != nullptr && second.body != nullptr);
  this->write(5);
  const auto all = [&] {
    const Snapshot snapshot = this->of_places();
    EXPECT_TRUE(this->missing(snapshot).empty());
    return this->numbers(Records(snapshot));
  };
  EXPECT_EQ(all(), this->from_to(0, 50));
  std::memset(second.body, 0, 300);
  const Value last = Value::of(50);  // as Buffer writes it: its size, and itself
  const std::uint32_t size = sizeof last;
  const Reservation third = reserve(this->buffer->channel().channel(), 1, sizeof size + sizeof last);
  std::memcpy(third.body, &size, sizeof size);
  std::memcpy(third.body + sizeof size, &last, sizeof last);
  EXPECT_EQ(all(), this->from_to(0, 50));
  commit(third);
  EXPECT_EQ(all(), this->from_to(0, 51)) << "one that is committed behind others that are not";
}

TYPED_TEST(Snapshots, OfPlacesHoldWhatIsBesideABuriedRecordAndAnOpenOne) {
  this->write(5);
  const pid_t child = fork();
  if (child == 0) _exit(reserve(this->buffer->channel().channel(), 7, 300).body != nullptr ? 0 : 1);
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  this->write(5);
  for (std::uint32_t i = 0; i < this->buffer->channel().ring_count(); ++i) this->buffer->channel().reader(i).bury_dead();
  ASSERT_NE(reserve(this->buffer->channel().channel(), 7, 300).body, nullptr);
  this->write(5);
  const Snapshot snapshot = this->of_places();
  EXPECT_TRUE(this->missing(snapshot).empty());
  EXPECT_EQ(this->numbers(Records(snapshot)), this->from_to(0, 15));
}

TYPED_TEST(Snapshots, AreWhatAnOverviewSays) {
  this->write(100);
  const Snapshot snapshot = this->of_places();
  const Channel& channel = this->buffer->channel().channel();
  std::uint64_t records = 0;
  for (std::uint32_t i = 0; i < snapshot.rings().size(); ++i) {
    const Overview seen = overview_of(*channel.ring[i], geometry_of(channel, i));
    const Snapshot::Ring& ring = snapshot.rings()[i];
    records += seen.records;
    EXPECT_EQ(seen.lost, ring.lost);
    EXPECT_FALSE(seen.corrupt);
    if (ring.packets.empty()) continue;
    EXPECT_EQ(seen.begin_stamp, ring.packets.front().begin_stamp);
    EXPECT_EQ(seen.end_stamp, ring.packets.back().end_stamp);
  }
  EXPECT_EQ(records, snapshot.records());
  this->write(1000);  // laps, where it may
  std::uint64_t lost = 0;
  for (std::uint32_t i = 0; i < snapshot.rings().size(); ++i)
    for (const std::uint64_t n : overview_of(*channel.ring[i], geometry_of(channel, i)).lost) lost += n;
  EXPECT_EQ(this->of_places().records() + lost, 1100u);
}

TYPED_TEST(Snapshots, StepOverTheRecordOfADeadWriter) {
  this->write(5);
  const pid_t child = fork();
  if (child == 0) _exit(reserve(this->buffer->channel().channel(), 7, 700).body != nullptr ? 0 : 1);
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  this->write(5);
  for (std::uint32_t i = 0; i < this->buffer->channel().ring_count(); ++i) this->buffer->channel().reader(i).bury_dead();
  const Snapshot snapshot(this->buffer->channel());
  EXPECT_EQ(this->numbers(Records(snapshot)), this->from_to(0, 10));
  EXPECT_EQ(snapshot.lost(Loss::dead_writer), 1u);
  EXPECT_EQ(this->drain(), this->from_to(0, 10)) << "nor is it in the way of a reader that did not bury it";
}

TYPED_TEST(Snapshots, WhileWritersAndAReaderAreAtWorkAreWholeAndInOrder) {
  run_anywhere();
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (std::uint64_t writer = 0; writer < (this->buffer->channel().ring_count() == 1 ? 1 : 2); ++writer)
    threads.emplace_back([&, writer] {
      const std::uint64_t first = writer << 32;
      for (std::uint64_t i = 0; !done.load(std::memory_order_relaxed); ++i) this->buffer->write(1, Value::of(first + i));
    });
  threads.emplace_back([&] {
    while (!done.load(std::memory_order_relaxed)) this->drain();
  });
  std::uint64_t copied = 0;
  for (int i = 0; i < 300 || copied == 0; ++i) {
    const Snapshot snapshot(this->buffer->channel());
    std::uint64_t last[2]{};
    for (const std::uint64_t number : this->numbers(Records(snapshot))) {
      ASSERT_LT(number >> 32, 2u);
      ASSERT_GT(number + 1, last[number >> 32]) << "out of order";
      last[number >> 32] = number + 1;
      ++copied;
    }
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ouro::ring
