// resize() gives a channel in use other sub-buffers: nothing is lost by it, nothing read twice, each ring's order kept. What
// writers do at each step of it is done here at that step, by the same thread.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include <ouro/ring/buffer.hpp>
#include <ouro/ring/clients.hpp>
#include <ouro/ring/reader_group.hpp>

#include "ring/internal.hpp"
#include "ring/retire.hpp"
#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

using Order = Records::Order;

std::uint64_t number_of(const Record& r) {
  std::uint64_t number = 0;
  std::memcpy(&number, r.bytes.data(), 8);
  return number;
}

std::function<void(RetirePoint)> meanwhile;
void at_each_point(std::function<void(RetirePoint)> what) {
  meanwhile = std::move(what);
  retire_reached = [](RetirePoint point) {
    if (meanwhile) meanwhile(point);
  };
}

template <class B>
class Resize : public testing::Test {
 protected:
  void SetUp() override {
    pin_to(0);
    auto made = B::create({.subbuf_count = 4, .subbuf_size = 4096});
    ASSERT_TRUE(made);
    buffer.emplace(std::move(*made));
  }
  void TearDown() override { meanwhile = nullptr; }
  void write(std::uint64_t count) {
    for (; count != 0; --count) buffer->write(1, std::array<std::uint64_t, 12>{tried++});
  }
  void resize(std::uint32_t count, std::uint64_t size) {
    const Status resized = buffer->resize(count, size);
    ASSERT_TRUE(resized) << resized.error().text;
  }
  std::vector<std::uint64_t> numbers(Records&& records) {
    records.writers_are_done();
    std::vector<std::uint64_t> out;
    for (Record r; records.next(r);) out.push_back(number_of(r));
    EXPECT_FALSE(records.corrupt());
    lost = records.lost();
    return out;
  }
  std::vector<std::uint64_t> drain(Order order = Order::by_ring) { return numbers(Records(buffer->channel(), order)); }
  std::vector<std::uint64_t> up_to_now(std::uint64_t from = 0) {
    std::vector<std::uint64_t> out;
    for (; from < tried; ++from) out.push_back(from);
    return out;
  }
  std::optional<B> buffer;
  std::uint64_t tried = 0, lost = 0;
};
template <Sync kSync, Full kFull>
using Of = Buffer<Policy{.sync = kSync, .full = kFull}>;
using Policies = testing::Types<Of<Sync::per_cpu, Full::discard>, Of<Sync::per_cpu, Full::overwrite>, Of<Sync::shared, Full::discard>,
                                Of<Sync::shared, Full::overwrite>, Of<Sync::exclusive, Full::discard>, Of<Sync::exclusive, Full::overwrite>>;
TYPED_TEST_SUITE(Resize, Policies);

TYPED_TEST(Resize, RecordsBeforeAndAfterComeInTheirOrder) {
  for (const Order order : {Order::by_ring, Order::by_time}) {
    Records records(this->buffer->channel(), order);
    this->write(50);
    std::uint64_t first = this->tried - 50;
    if (order == Order::by_ring) {  // a part is read; by time, nothing is old enough yet
      Record r;
      for (const std::uint64_t end = first + 20; first < end; ++first) ASSERT_TRUE(records.next(r));
    }
    this->resize(8, 16384);
    EXPECT_EQ(this->buffer->channel().geometry(0).subbuf_size, 16384u);
    this->write(500);
    this->resize(4, 8192);
    this->write(30);
    EXPECT_EQ(this->numbers(std::move(records)), this->up_to_now(first));
    EXPECT_EQ(this->lost, 0u);
  }
}

TYPED_TEST(Resize, AReaderThatComesLaterFindsAllOfIt) {
  this->write(50);
  this->resize(2, 16384);
  this->write(20);
  EXPECT_EQ(this->drain(), this->up_to_now());
  this->write(5);
  this->resize(4, 4096);
  EXPECT_EQ(this->drain(), this->up_to_now(70));
  EXPECT_TRUE(this->drain().empty());
}

TYPED_TEST(Resize, WithoutTheCurrentPartTheLastOneOfTheOldMemoryIsReadAllTheSame) {
  this->write(10);
  this->resize(4, 8192);
  this->write(10);
  EXPECT_EQ(this->numbers(Records(this->buffer->channel(), Order::by_ring, false)).size(), 10u);
}

TYPED_TEST(Resize, MakesRoomForWhatWouldHaveBeenLost) {
  this->resize(16, 65536);
  this->write(5000);
  EXPECT_EQ(this->drain(), this->up_to_now());
  EXPECT_EQ(this->lost, 0u);
}

TYPED_TEST(Resize, KeepsTheBooksOfWhatWasLostBefore) {
  this->write(1000);
  this->resize(16, 4096);
  this->write(200);
  const std::size_t read = this->drain().size();
  EXPECT_EQ(read + this->lost, 1200u);
  EXPECT_GT(this->lost, 800u);
}

TYPED_TEST(Resize, ARecordOpenMeanwhileIsReadWhereItBeganAndHoldsBackTheRest) {
  this->write(3);
  const Reservation open = reserve(this->buffer->channel().channel(), 1, 700);
  ASSERT_NE(open.body, nullptr);
  const std::uint64_t number = this->tried++;
  this->resize(4, 16384);
  this->write(3);
  Records records(this->buffer->channel(), Order::by_ring);
  Record r;
  EXPECT_FALSE(records.next(r));
  const std::uint32_t size = 696;
  std::memcpy(open.body, &size, 4);
  std::memcpy(open.body + 4, &number, 8);
  commit(open);
  EXPECT_EQ(this->numbers(std::move(records)), this->up_to_now());
}

TYPED_TEST(Resize, WhatIsWrittenAtEachStepIsThere) {
  this->write(20);
  if (this->buffer->channel().channel().exclusive) return;  // its writer is the one that resizes
  int points = 0;
  at_each_point([&](RetirePoint) {
    ++points;
    this->write(10);
    const Reservation two_phases = reserve(this->buffer->channel().channel(), 1, 1200);
    const std::uint32_t size = 1196;
    std::memcpy(two_phases.body, &size, 4);
    std::memcpy(two_phases.body + 4, &this->tried, 8);
    ++this->tried;
    commit(two_phases);
  });
  this->resize(8, 4096);
  EXPECT_EQ(points, 4);
  this->write(20);
  EXPECT_EQ(this->drain(Order::by_time), this->up_to_now());
  EXPECT_EQ(this->lost, 0u);
}

// A section that had compared W before it was exchanged stores its own over it.
TYPED_TEST(Resize, AWriteThatWasUnderWayAsTheRingWasRetiredCounts) {
  this->write(20);
  if (this->buffer->channel().channel().exclusive) return;
  abi::RingHead& ring = this->buffer->channel().head(0);
  int seen = 0;
  at_each_point([&](RetirePoint point) {
    if (point != RetirePoint::poisoned || ++seen > 3) return;
    ring.writer.write_word.store(ring.writer.final_word.load());
    this->write(1);  // by the slow path, into the old ring
    EXPECT_EQ(this->buffer->channel().channel().successor.load()->ring[0]->image[0].commits.load(), 0u);
  });
  this->resize(8, 4096);
  EXPECT_EQ(seen, 4);
  this->write(20);
  EXPECT_EQ(this->drain(Order::by_time), this->up_to_now());
  EXPECT_EQ(this->lost, 0u);
}

// The pages of the old memory's records, as far as the kernel has them.
std::size_t pages_in_use(const LocalChannel& channel) {
  std::size_t used = 0;
  for (std::uint32_t i = 0; i < channel.ring_count(); ++i) {
    const Geometry g = geometry_of(channel.oldest(), i);
    std::vector<unsigned char> pages(g.data_size() / 4096);
    EXPECT_EQ(mincore(data_of(*channel.oldest().ring[i]), g.data_size(), pages.data()), 0);
    for (const unsigned char page : pages) used += page & 1;
  }
  return used;
}

TYPED_TEST(Resize, GivesBackTheOldMemoryOnceItIsRead) {
  this->write(50);
  this->resize(4, 4096);
  EXPECT_GT(pages_in_use(this->buffer->channel()), 0u);
  this->drain();
  EXPECT_EQ(pages_in_use(this->buffer->channel()), 0u);
}

TEST(ResizeWithAGroup, WhatSomebodyHoldsStaysUntilItIsGivenBack) {
  pin_to(0);
  auto buffer = Buffer<>::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  for (std::uint64_t i = 0; i < 100; ++i) buffer->write(1, std::array<std::uint64_t, 12>{i});
  ReaderGroup group(buffer->channel(), true);
  ReaderGroup::Share held, other;
  ASSERT_TRUE(group.take(held));
  ASSERT_TRUE(buffer->resize(4, 4096));
  buffer->write(1, std::array<std::uint64_t, 12>{100});
  std::uint64_t others = 0;
  while (group.take(other))
    for (Record r; other.next(r);) ++others;
  EXPECT_GT(pages_in_use(buffer->channel()), 0u);
  std::uint64_t next = 0;
  for (Record r; held.next(r);) EXPECT_EQ(number_of(r), next++);
  EXPECT_EQ(next + others, 101u);
  held.give_back();
  group.take(other);
  EXPECT_EQ(pages_in_use(buffer->channel()), 0u);
}

TYPED_TEST(Resize, ASnapshotHoldsOldAndNew) {
  this->write(50);
  this->resize(4, 8192);
  this->write(20);
  const Snapshot before(this->buffer->channel());
  EXPECT_EQ(this->numbers(Records(before)), this->up_to_now());
  EXPECT_EQ(this->drain(), this->up_to_now());
  this->write(3);
  const Snapshot after(this->buffer->channel());
  EXPECT_EQ(this->numbers(Records(after)).size(), 23u) << "the old memory was read; of the new, the current sub-buffer is there";
  EXPECT_EQ(after.lost(), 0u);
}

TEST(ResizeWhileAWriterWaits, ItGetsRoomInTheNewMemory) {
  auto buffer = Buffer<Policy{.full = Full::block, .patience_ns = 600'000'000'000}>::create({.subbuf_count = 2, .subbuf_size = 4096});
  ASSERT_TRUE(buffer);
  std::thread writer([&] {
    pin_to(0);
    for (std::uint64_t i = 0; i < 100; ++i) buffer->write(1, std::array<std::uint64_t, 12>{i});
  });
  while (buffer->channel().channel().bell->writers.load() == 0) std::this_thread::yield();
  ASSERT_TRUE(buffer->resize(4, 16384));
  writer.join();
  Records records(buffer->channel(), Order::by_ring);
  std::uint64_t next = 0;
  for (Record r; records.next(r);) EXPECT_EQ(number_of(r), next++);
  EXPECT_EQ(next, 100u);
}

TEST(ResizedLog, IsDumpedAsAWhole) {
  pin_to(0);
  auto log = text_log::create({.subbuf_count = 2, .subbuf_size = 4096});
  ASSERT_TRUE(log);
  log->write("old");
  ASSERT_TRUE(log->buffer().resize(4, 4096));
  log->write("new");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(log->dump(ends[1]), 2u);
  close(ends[0]);
  close(ends[1]);
}

TEST(ResizeIsRefused, WhereWritersMayBeOutOfReachOrTheShapeIsNone) {
  const auto error = [](auto&& buffer, std::uint32_t count = 4) {
    const Status resized = buffer->resize(count, 4096);
    return resized ? std::string("no error") : resized.error().text;
  };
  auto memfd = Buffer<>::create({.memory = Memory::memfd});
  auto anonymous = Buffer<>::create();
  ASSERT_TRUE(memfd && anonymous);
  EXPECT_NE(error(memfd).find("memory that other processes may map"), std::string::npos);
  EXPECT_NE(error(anonymous, 3).find("3 sub-buffers, want a power of two"), std::string::npos);
  EXPECT_EQ(error(anonymous), "no error");
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  EXPECT_NE(error(anonymous).find("resize after fork()"), std::string::npos);
  EXPECT_EQ(anonymous->write(1, 7), Written::yes);
  EXPECT_EQ(error(Buffer<>::create()), "no error") << "made after the fork";
}

// Writers on all CPUs, interrupted by handlers that write, one reader, and sub-buffers that change all the time.
template <Full kFull>
void resize_under_load(bool by_group) {
  run_anywhere();
  static std::optional<Buffer<Policy{.full = kFull}>> buffer;
  static std::atomic<std::uint64_t> by_handlers{0};
  by_handlers = 0;
  auto made = Buffer<Policy{.full = kFull}>::create({.subbuf_count = 4, .subbuf_size = 16384});
  ASSERT_TRUE(made);
  buffer.emplace(std::move(*made));
  struct sigaction action{}, before{};
  action.sa_handler = [](int) { buffer->write(9, by_handlers++); };
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, &before);
  std::atomic<bool> done{false}, all_read{false};
  std::atomic<std::uint64_t> written{0};
  std::vector<std::thread> writers;
  for (std::uint32_t w = 0; w < 3; ++w)
    writers.emplace_back([&, w] {
      for (std::uint64_t i = 0; !done.load(std::memory_order_relaxed); ++i) {
        if (i % 64 == 0) buffer->write(w, std::vector<std::uint64_t>(200, i));  // in two phases
        else buffer->write(w, i);
        ++written;
      }
    });
  Records records(buffer->channel());
  ReaderGroup group(buffer->channel());
  std::uint64_t read = 0, late = 0;
  std::thread reader([&] {
    std::uint64_t last = 0, next[3]{};
    ReaderGroup::Share share;
    for (bool last_round = false; !last_round;) {
      last_round = all_read.load();
      if (last_round) records.writers_are_done(), group.writers_are_done();
      if (by_group)
        while (group.take(share))
          for (Record r; share.next(r);) ++read;
      for (Record r; !by_group && records.next(r); ++read) {
        // A writer may lose its CPU between its stamp and its record for longer than Records holds back: rarely.
        late += r.stamp < last;
        last = std::max(last, r.stamp);
        if (r.id == 9) continue;
        ASSERT_LT(r.id, 3u);
        ASSERT_GE(number_of(r), next[r.id]) << "twice, or out of order";
        next[r.id] = number_of(r) + 1;
      }
    }
  });
  for (std::uint32_t i = 0; i < 60; ++i) {
    for (std::thread& writer : writers) pthread_kill(writer.native_handle(), SIGUSR1);
    const Status resized = buffer->resize(2u << i % 4, 4096u << i % 3);
    EXPECT_TRUE(resized) << resized.error().text;
    while (written.load() < 2000 * (i + 1)) std::this_thread::yield();
  }
  done = true;
  for (std::thread& writer : writers) writer.join();
  all_read = true;
  reader.join();
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_FALSE(records.corrupt() || group.corrupt());
  EXPECT_EQ(read + (by_group ? group.lost() : records.lost()), written + by_handlers);
  EXPECT_GT(read, 0u);
  EXPECT_LE(late, read / 1000 + 3) << "out of order";
}

TEST(ResizeUnderLoad, DiscardLosesNothingUncounted) { resize_under_load<Full::discard>(false); }
TEST(ResizeUnderLoad, OverwriteLosesNothingUncounted) { resize_under_load<Full::overwrite>(false); }
TEST(ResizeUnderLoad, DiscardWithAGroupLosesNothingUncounted) { resize_under_load<Full::discard>(true); }

}  // namespace
}  // namespace ouro::ring
