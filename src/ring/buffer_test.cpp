// Buffers of every policy give back what was written; what else a policy promises, it keeps.
#include <ouro/ring/buffer.hpp>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

using namespace std::chrono_literals;

std::string text_of_size(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(size + 3 * i);
  return text;
}

template <class B>
class AnyBuffer : public testing::Test {};
template <Sync kSync, Stamp kStamp>
using Of = Buffer<Policy{.sync = kSync, .stamp = kStamp}>;
using ById = Buffer<Policy{.index = Index::concurrency}>;
using Policies = testing::Types<ById, Of<Sync::per_cpu, Stamp::clock>, Of<Sync::per_cpu, Stamp::none>, Of<Sync::shared, Stamp::clock>,
                                Of<Sync::shared, Stamp::none>, Of<Sync::exclusive, Stamp::clock>, Of<Sync::exclusive, Stamp::none>>;
TYPED_TEST_SUITE(AnyBuffer, Policies);

TYPED_TEST(AnyBuffer, GivesBackRecordsOfAllSizesInOrder) {
  pin_to(0);
  auto buffer = TypeParam::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  Records records(buffer->channel(), Records::Order::by_ring);
  std::uint32_t id = 0;
  for (std::size_t size = 0; size <= 1020; size += 1 + size / 50) {
    const std::string text = text_of_size(size);
    ASSERT_EQ(buffer->write(id % 1000, text), Written::yes);
    Record r;
    ASSERT_TRUE(records.next(r)) << size;
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(r.bytes.data()), r.bytes.size()), text);
    if (buffer->channel().channel().stamped) {
      EXPECT_EQ(r.id, id % 1000);
    }
    EXPECT_FALSE(records.next(r));
    ++id;
  }
  EXPECT_EQ(records.lost(), 0u);
}

TYPED_TEST(AnyBuffer, GathersOneRecordFromPieces) {
  auto buffer = TypeParam::create();
  ASSERT_TRUE(buffer);
  const std::string a = "one ", b, c = "record";
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(a)), std::as_bytes(std::span(b)), std::as_bytes(std::span(c))};
  EXPECT_EQ(buffer->gather(1, pieces), Written::yes);
  Records records(buffer->channel(), Records::Order::by_ring);
  Record r;
  ASSERT_TRUE(records.next(r));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(r.bytes.data()), r.bytes.size()), "one record");
}

TYPED_TEST(AnyBuffer, ARecordThatNeverFitsIsLostAndCounted) {
  auto buffer = TypeParam::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  const std::string large(5000, 'x');
  EXPECT_EQ(buffer->write(1, large), Written::lost);
  Records records(buffer->channel());
  EXPECT_EQ(records.lost(abi::Loss::too_large), 1u);
}

template <class B>
class LargeRecords : public testing::Test {};
using Stores = testing::Types<Buffer<>, Buffer<Policy{.stream_from = 1021}>>;
TYPED_TEST_SUITE(LargeRecords, Stores);

TYPED_TEST(LargeRecords, AreWrittenInTwoPhasesAndComeOutWhole) {
  auto buffer = TypeParam::create();
  ASSERT_TRUE(buffer);
  Records records(buffer->channel(), Records::Order::by_ring);
  for (const std::size_t size : {1021u, 1022u, 1087u, 4096u, 4097u, 10'000u, 10'063u, 100'000u}) {
    const std::string large = text_of_size(size);
    EXPECT_EQ(buffer->write(1, large), Written::yes);
    Record r;
    ASSERT_TRUE(records.next(r));
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(r.bytes.data()), r.bytes.size()), large);
  }
}

template <class B>
class ClientStamps : public testing::Test {};
using StampedByClients = testing::Types<Of<Sync::per_cpu, Stamp::client>, Of<Sync::shared, Stamp::client>, Of<Sync::exclusive, Stamp::client>>;
TYPED_TEST_SUITE(ClientStamps, StampedByClients);

TYPED_TEST(ClientStamps, AreGivenBackAndAreTheOrderOfRecords) {
  auto buffer = TypeParam::create({.subbuf_count = 8, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  const auto stamp_of = [](std::uint32_t i) { return (std::uint64_t{1} << 40) + std::uint64_t{i} * i * 1000; };  // nobody's clock
  for (std::uint32_t i = 0; i < 300; ++i) {
    pin_to(static_cast<int>(i) % cpus);
    const std::string text = text_of_size(i % 60);
    ASSERT_EQ(buffer->write_at(stamp_of(i), i * 1000, text.data(), text.size()), Written::yes);
  }
  Records records(buffer->channel());
  std::uint32_t i = 0;
  for (Record r; records.next(r); ++i) {
    EXPECT_EQ(r.stamp, stamp_of(i));
    EXPECT_EQ(r.id, i * 1000);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(r.bytes.data()), r.bytes.size()), text_of_size(i % 60));
  }
  EXPECT_EQ(i, 300u);
  const std::string largest = text_of_size(1004), larger = text_of_size(1005);
  EXPECT_EQ(buffer->write_at(stamp_of(i), 1, largest.data(), largest.size()), Written::yes);
  EXPECT_EQ(buffer->write_at(stamp_of(i), 1, larger.data(), larger.size()), Written::lost);
  EXPECT_EQ(records.lost(Loss::too_large), 1u);
}

template <class B>
class ReservingBuffer : public testing::Test {};
using Stamped = testing::Types<Of<Sync::per_cpu, Stamp::clock>, Of<Sync::shared, Stamp::clock>, Of<Sync::exclusive, Stamp::clock>>;
TYPED_TEST_SUITE(ReservingBuffer, Stamped);

TYPED_TEST(ReservingBuffer, ShowsWhatIsCommittedAndSkipsWhatIsDiscarded) {
  pin_to(0);
  auto buffer = TypeParam::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  Records records(buffer->channel(), Records::Order::by_ring);
  Record r;
  EXPECT_EQ(detail::nesting(), 0u);
  {
    Reserved first = buffer->reserve(1, 5);
    ASSERT_TRUE(first);
    ASSERT_EQ(first.bytes().size(), 5u);
    EXPECT_EQ(detail::nesting(), 1u);
    Reserved second = buffer->reserve(2, 6), forgotten = buffer->reserve(3, 100);
    EXPECT_EQ(detail::nesting(), 3u);
    std::memcpy(first.bytes().data(), "first", 5);
    std::memcpy(second.bytes().data(), "second", 6);
    EXPECT_FALSE(records.next(r));
    second.commit();
    first.commit();
    EXPECT_EQ(detail::nesting(), 1u);
  }
  EXPECT_EQ(detail::nesting(), 0u);
  buffer->write(4, std::string("last"));
  const auto next = [&] { return records.next(r) ? std::to_string(r.id) + std::string(reinterpret_cast<const char*>(r.bytes.data()), r.bytes.size()) : ""; };
  EXPECT_EQ(next(), "1first");
  EXPECT_EQ(next(), "2second");
  EXPECT_EQ(next(), "4last");
  EXPECT_EQ(next(), "");
  EXPECT_EQ(records.delivered(), 3u);
  EXPECT_EQ(records.discarded(), 1u);
  EXPECT_EQ(records.lost(), 0u);
}

TYPED_TEST(ReservingBuffer, SaysWhenThereIsNoRoom) {
  auto buffer = TypeParam::create({.subbuf_count = 2, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  Reserved none = buffer->reserve(1, 5000);
  EXPECT_FALSE(none);
  none.commit();  // harmless
  EXPECT_EQ(detail::nesting(), 0u);
  Records records(buffer->channel());
  EXPECT_EQ(records.lost(Loss::too_large), 1u);
}

TEST(UnstampedBuffer, RefusesSubBuffersWhoseRecordsItCouldNotCount) {
  using B = Buffer<Policy{.stamp = Stamp::none}>;
  EXPECT_FALSE(B::create({.subbuf_count = 2, .subbuf_size = 4 << 20}));
  pin_to(0);
  auto buffer = B::create({.subbuf_count = 2, .subbuf_size = 2 << 20});
  ASSERT_TRUE(buffer);
  Records records(buffer->channel(), Records::Order::by_ring);
  std::uint64_t written = 0, read = 0;
  for (int i = 0; i < 1'000'000; ++i) written += buffer->write(0, std::string()) == Written::yes;
  for (Record r; records.next(r);) ++read;
  EXPECT_EQ(read, written);
  EXPECT_EQ(read + records.lost(), 1'000'000u);
  if (buffer->channel().channel().per_cpu) {
    EXPECT_GT(read, 524'000u) << "a sub-buffer's full count of the smallest records";
  }
}

TEST(StampedBuffer, RefusesTheIdThatMeansThatARecordWasDiscarded) {
  auto buffer = Buffer<>::create();
  ASSERT_TRUE(buffer);
  EXPECT_EQ(buffer->write(kPaddingId, 42), Written::lost);
  EXPECT_FALSE(buffer->reserve(kPaddingId, 42));
  Records records(buffer->channel());
  EXPECT_EQ(records.lost(), 2u);
  EXPECT_EQ(records.discarded(), 0u);
}

// A handler forks while it interrupts a write in two phases: both processes come to the commit.
TYPED_TEST(ReservingBuffer, CountsARecordOnceThatParentAndChildCommit) {
  pin_to(0);
  auto buffer = TypeParam::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  Reserved place = buffer->reserve(1, 8);
  std::memset(place.bytes().data(), 1, 8);
  const pid_t child = fork();
  if (child == 0) {
    place.commit();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  place.commit();
  std::uint64_t written = 1, read = 0;
  for (int i = 0; i < 100; ++i) written += buffer->write(1, i) == Written::yes;
  Records records(buffer->channel(), Records::Order::by_ring);
  for (Record r; records.next(r);) ++read;
  EXPECT_EQ(written, 101u);
  EXPECT_EQ(read, 101u);
}

TEST(Records, ResetKeepsTheBooksOfRecordsThatWereDiscarded) {
  pin_to(0);
  auto buffer = Buffer<>::create();
  ASSERT_TRUE(buffer);
  buffer->write(1, 1);
  buffer->reserve(2, 8).discard();
  buffer->write(3, 3);
  Records records(buffer->channel());
  records.writers_are_done();
  Record r;
  ASSERT_TRUE(records.next(r));
  records.reset();
  EXPECT_EQ(records.delivered() + records.dropped() + records.discarded() + records.lost(), 3u);
}

TEST(Records, ResetReachesTheNewestMemoryAfterAResize) {
  pin_to(0);
  auto buffer = Buffer<>::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  Records records(buffer->channel());
  for (int i = 0; i < 10; ++i) buffer->write(1, i);
  const Status resized = buffer->resize(8, 8192);
  if (!resized) GTEST_SKIP() << resized.error().text;
  for (int i = 0; i < 10; ++i) buffer->write(1, i);
  EXPECT_EQ(records.reset(), 20u);
  Record r;
  EXPECT_FALSE(records.next(r));
}

TEST(TwoBuffersOfOnePolicy, DoNotMixTheirRecords) {
  auto a = Buffer<>::create(), b = Buffer<>::create();
  ASSERT_TRUE(a && b);
  for (std::uint32_t i = 0; i < 100; ++i) {
    a->write(1, i);
    b->write(2, i);
  }
  for (auto* buffer : {&*a, &*b}) {
    Records records(buffer->channel(), Records::Order::by_ring);
    std::uint32_t count = 0;
    for (Record r; records.next(r); ++count) EXPECT_EQ(r.id, buffer == &*a ? 1u : 2u);
    EXPECT_EQ(count, 100u);
  }
}

// ---- blocking

TEST(BlockingBuffer, LosesNothingWhileSomebodyReads) {
  auto buffer = Buffer<Policy{.full = Full::block, .patience_ns = 60'000'000'000}>::create({.subbuf_count = 2, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  constexpr std::uint64_t kCount = 50'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kCount; ++i) buffer->write(1, i);
  });
  Records records(buffer->channel(), Records::Order::by_ring);
  std::uint64_t next = 0;
  for (Record r; next < kCount;) {
    if (!records.next(r)) continue;
    std::uint64_t value = 0;
    std::memcpy(&value, r.bytes.data(), 8);
    if (value != next) break;  // it may run on several CPUs' rings, but one at a time
    ++next;
  }
  writer.join();
  EXPECT_EQ(records.lost(), 0u);
}

TEST(BlockingBuffer, GivesUpAfterItsPatience) {
  pin_to(0);
  auto buffer = Buffer<Policy{.full = Full::block, .patience_ns = 20'000'000}>::create({.subbuf_count = 2, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  std::uint64_t written = 0;
  while (buffer->write(1, written) == Written::yes) ASSERT_LT(++written, 10'000u);
  Records records(buffer->channel());
  EXPECT_EQ(records.lost(abi::Loss::full), 1u);
}

// ---- sleeping

TEST(Bell, WakesOneOfTheReadersThatSleepForEachClosedSubBuffer) {
  pin_to(0);
  auto buffer = Buffer<>::create({.subbuf_count = 16, .subbuf_size = 4096, .bell = true});
  ASSERT_TRUE(buffer);
  std::atomic<int> asleep{0}, woken{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      const std::uint32_t seen = buffer->channel().bell_count();
      ++asleep;
      if (buffer->channel().sleep(seen, 20'000'000'000)) ++woken;
    });
  const abi::Bell& bell = *buffer->channel().channel().bell;
  while (bell.readers.load() != 3) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(20ms);  // between counting itself and the kernel's queue there is a step
  for (int closed = 1; closed <= 3; ++closed) {
    const std::uint32_t before = buffer->channel().bell_count();
    while (buffer->channel().bell_count() == before) buffer->write(1, text_of_size(500));
    while (woken.load() < closed) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(woken.load(), closed) << "more than one reader woke";
  }
  for (std::thread& reader : readers) reader.join();
}

TEST(Bell, IsRungOncePerSoManySubBuffers) {
  pin_to(0);
  auto buffer = Buffer<Policy{.full = Full::overwrite}>::create({.subbuf_count = 16, .subbuf_size = 4096, .bell = true, .wake_every = 4});
  ASSERT_TRUE(buffer);
  for (int i = 0; i < 16 * 9; ++i) buffer->write(1, text_of_size(500));  // 7 or 8 to a sub-buffer
  const std::uint32_t rung = buffer->channel().bell_count();
  EXPECT_GE(rung, 4u);
  EXPECT_LE(rung, 5u);
}

TEST(Bell, AnEventDescriptorTellsAnEventLoop) {
  pin_to(0);
  auto buffer = Buffer<>::create({.subbuf_count = 4, .subbuf_size = 4096, .event_fd = true});
  ASSERT_TRUE(buffer);
  pollfd fd{buffer->channel().channel().event_fd, POLLIN, 0};
  EXPECT_EQ(poll(&fd, 1, 0), 0);
  for (int i = 0; i < 12; ++i) buffer->write(1, text_of_size(500));
  EXPECT_EQ(poll(&fd, 1, 0), 1);
}

// ---- order

TEST(Records, OfAllRingsComeInTheOrderOfTheirStamps) {
  auto buffer = Buffer<>::create();
  ASSERT_TRUE(buffer);
  constexpr std::uint64_t kEach = 40'000;
  std::atomic<int> running{4};
  std::vector<std::thread> writers;
  for (std::uint32_t w = 0; w < 4; ++w)
    writers.emplace_back([&, w] {
      for (std::uint64_t i = 0; i < kEach; ++i) buffer->write(w, i);
      --running;
    });
  Records records(buffer->channel());
  std::uint64_t count = 0, last = 0, next[4]{};
  for (bool done = false; !done;) {
    if (running.load() == 0) {
      done = true;
      records.writers_are_done();
    }
    for (Record r; records.next(r); ++count) {
      ASSERT_GE(r.stamp, last);
      last = r.stamp;
      std::uint64_t value = 0;
      std::memcpy(&value, r.bytes.data(), 8);
      ASSERT_LT(r.id, 4u);
      ASSERT_GE(value, next[r.id]);
      next[r.id] = value + 1;
    }
  }
  for (std::thread& writer : writers) writer.join();
  for (Record r; records.next(r);) ++count;
  EXPECT_EQ(count + records.lost(), 4 * kEach);
  EXPECT_FALSE(records.corrupt());
}

// ---- memory

TEST(Memory, CanBeADescriptorOrAFileAndThenIsMappedByOthers) {
  const std::string path = (std::filesystem::temp_directory_path() / ("ouro-ring-" + std::to_string(getpid()))).string();
  for (const Memory memory : {Memory::memfd, Memory::file}) {
    auto buffer = Buffer<>::create({.memory = memory, .path = path});
    ASSERT_TRUE(buffer);
    struct stat status{};
    ASSERT_EQ(fstat(buffer->channel().fd(), &status), 0);
    EXPECT_GT(status.st_size, 16 * 256 * 1024);
    EXPECT_EQ(buffer->write(1, 7), Written::yes);
  }
  EXPECT_TRUE(std::filesystem::remove(path));
  auto refused = Buffer<>::create({.memory = Memory::file, .path = "/nowhere/ring"});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("/nowhere/ring"), std::string::npos);
}

std::uint32_t rings_in_memory(const LocalChannel& channel) {
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < channel.ring_count(); ++i) found += channel.head(i).writer.mask.load() != 0;
  return found;
}

// On a machine that claims 512 CPUs: forty threads, one after the other and two at a time, each hopping over all CPUs there are.
TEST(Memory, ByConcurrencyIdFollowsTheThreadsThatRunAtOnce) {
  auto buffer = ById::create({.subbuf_count = 2, .subbuf_size = 4096, .cpus = 512});
  ASSERT_TRUE(buffer);
  if (!buffer->channel().channel().per_cpu) GTEST_SKIP() << "no concurrency ids here";
  ASSERT_EQ(buffer->channel().channel().cpus, 512u);
  ASSERT_EQ(rings_in_memory(buffer->channel()), 0u);
  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  Records records(buffer->channel());
  std::uint64_t read = 0;
  const auto hop = [&](std::uint32_t number) {
    for (std::uint32_t i = 0; i < 20; ++i) {
      pin_to(static_cast<int>(i + number) % cpus);
      EXPECT_EQ(buffer->write(number, i), Written::yes);
    }
  };
  for (std::uint32_t turn = 0; turn < 20; ++turn) {
    std::thread a(hop, 2 * turn), b(hop, 2 * turn + 1);
    a.join();
    b.join();
    for (Record r; records.next(r); ++read) EXPECT_EQ(r.bytes.size(), 4u);
  }
  records.writers_are_done();
  for (Record r; records.next(r);) ++read;
  EXPECT_EQ(read, 800u);
  // Two that write and one that waits for them; but a kernel may let each of the machine's real CPUs keep an id for a while.
  EXPECT_LE(rings_in_memory(buffer->channel()), std::max(3u, std::thread::hardware_concurrency()));
}

TEST(Memory, ByConcurrencyIdIsThisProcesssOwn) {
  EXPECT_FALSE(LocalChannel::create({.index = Index::concurrency, .memory = Memory::memfd}));
  EXPECT_FALSE(LocalChannel::create({.sync = Sync::exclusive, .index = Index::concurrency}));
  auto buffer = ById::create();
  ASSERT_TRUE(buffer);
  const pid_t child = fork();
  if (child == 0) _exit(buffer->write(1, 2) == Written::yes ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  Records records(buffer->channel());
  records.writers_are_done();
  Record r;
  EXPECT_FALSE(records.next(r)) << "the child's record is the child's";
}

TEST(Memory, IsReservedAsACpuFirstWritesOrAtOnceOnRequest) {
  pin_to(0);
  for (const bool prefault : {false, true}) {
    auto buffer = Buffer<>::create({.memory = Memory::memfd, .prefault = prefault});
    ASSERT_TRUE(buffer);
    const auto used = [&] {
      struct stat status{};
      fstat(buffer->channel().fd(), &status);
      return status.st_blocks * 512;
    };
    if (!prefault) {
      EXPECT_LT(used(), 1 << 20);
      buffer->write(1, 7);
      EXPECT_LT(used(), 6 << 20) << "one ring, not all";
    }
    EXPECT_GT(used(), 4 << 20);
  }
}

}  // namespace
}  // namespace ouro::ring
