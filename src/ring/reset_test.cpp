// reset() empties a channel in use, and says of how much.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include <ouro/ring/buffer.hpp>

#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

using Order = Records::Order;

template <class B>
class Reset : public testing::Test {
 protected:
  void SetUp() override {
    pin_to(0);
    auto made = B::create({.subbuf_count = 4, .subbuf_size = 4096});
    ASSERT_TRUE(made);
    buffer.emplace(std::move(*made));
  }
  void write(std::uint64_t count) {
    for (; count != 0; --count) buffer->write(1, std::array<std::uint64_t, 12>{tried++});
  }
  std::optional<B> buffer;
  std::uint64_t tried = 0;
};
template <Sync kSync, Full kFull>
using Of = Buffer<Policy{.sync = kSync, .full = kFull}>;
using Policies = testing::Types<Of<Sync::per_cpu, Full::discard>, Of<Sync::per_cpu, Full::overwrite>, Of<Sync::shared, Full::discard>,
                                Of<Sync::shared, Full::overwrite>, Of<Sync::exclusive, Full::discard>, Of<Sync::exclusive, Full::overwrite>>;
TYPED_TEST_SUITE(Reset, Policies);

TYPED_TEST(Reset, DropsAllThatIsThereWhateverWasReadOfIt) {
  for (const Order order : {Order::by_ring, Order::by_time})
    for (const int read : {0, 1, 50, 90}) {
      this->SetUp();
      this->tried = 0;
      Records records(this->buffer->channel(), order);
      this->write(90);  // two sub-buffers and a part
      if (read == 90) records.writers_are_done();
      Record r;
      std::uint64_t got = 0;
      while (got < static_cast<std::uint64_t>(read) && records.next(r)) ++got;
      EXPECT_EQ(records.reset(), 90 - got);
      EXPECT_FALSE(records.next(r));
      EXPECT_EQ(records.dropped(), 90 - got);
      EXPECT_EQ(records.delivered() + records.dropped() + records.lost(), 90u);
      this->write(7);
      records.writers_are_done();
      std::uint64_t next = 90;
      for (; records.next(r); ++next) {
        std::uint64_t number = 0;
        std::memcpy(&number, r.bytes.data(), 8);
        EXPECT_EQ(number, next);
      }
      EXPECT_EQ(next, 97u);
    }
}

TYPED_TEST(Reset, MakesRoomAndForgetsNoLoss) {
  Records records(this->buffer->channel());
  this->write(1000);
  const std::uint64_t dropped = records.reset();
  EXPECT_EQ(dropped + records.lost(), 1000u);
  EXPECT_GT(records.lost(), 800u);
  const std::uint64_t lost = records.lost();
  this->write(50);
  EXPECT_EQ(records.lost(), lost);
}

TYPED_TEST(Reset, LeavesWhatCannotBeReadYet) {
  this->write(3);
  const Reservation open = reserve(this->buffer->channel().channel(), 7, 1500);
  ASSERT_NE(open.body, nullptr);
  this->write(60);  // the next sub-buffer is begun
  Records records(this->buffer->channel(), Order::by_ring);
  EXPECT_EQ(records.reset(), 0u) << "behind an open record nothing can be read";
  const std::uint32_t size = 1496;
  std::memcpy(open.body, &size, 4);
  commit(open);
  EXPECT_EQ(records.reset(), 64u);
}

TYPED_TEST(Reset, WhileOthersWriteEndsAndTheBooksBalance) {
  run_anywhere();
  std::atomic<bool> enough{false};
  std::atomic<std::uint64_t> written{0};
  std::vector<std::thread> writers;
  for (int w = 0; w < (this->buffer->channel().ring_count() == 1 ? 1 : 2); ++w)
    writers.emplace_back([&] {
      std::uint64_t i = 0;
      for (; !enough.load(std::memory_order_relaxed); ++i) this->buffer->write(1, i);
      written += i;
    });
  Records records(this->buffer->channel(), Order::by_ring);
  Record r;
  for (int turn = 0; turn < 200 || records.dropped() < 5'000 || records.delivered() < 5'000; ++turn) {
    if (turn % 4 == 0) records.reset();
    for (int i = 0; i < 1000 && records.next(r);) ++i;
  }
  enough = true;
  for (std::thread& writer : writers) writer.join();
  records.writers_are_done();
  while (records.next(r)) {
  }
  EXPECT_EQ(records.delivered() + records.dropped() + records.lost(), written.load());
}

}  // namespace
}  // namespace ouro::ring
