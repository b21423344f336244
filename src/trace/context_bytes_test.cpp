// Contexts that a thread has put together, and how long they stand.
#include "trace/context_bytes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>

namespace ouro::trace {
namespace {

constexpr std::uint64_t kMs = 1'000'000;  // ns
constexpr std::uint64_t kMask = abi::bit(abi::Context::pid) | abi::bit(abi::Context::thread);

// A thread that writes to a ring of its own, whose deadline for stamps the test sets.
struct Writer {
  std::unique_ptr<abi::RingHead> ring = std::make_unique<abi::RingHead>();
  detail::ThreadState thread{};
  std::array<std::byte, sizeof detail::ContextBytes::bytes> copied{};

  Writer() {
    thread.pid = thread.tid = 7;
    thread.route.ring = ring.get();
  }
  void deadline(std::uint64_t ticks) { ring->writer.stamp_deadline.store(ticks); }
  void let(const char* text, std::uint64_t until, std::uint64_t mask = kMask) {
    let_stand(thread, mask, reinterpret_cast<const std::byte*>(text), std::strlen(text) + 1, thread.pid, until);
  }
  // What stands; empty: nothing.
  std::string standing(std::uint64_t mask = kMask) {
    const std::size_t size = detail::copy_standing(thread, mask, copied.data());
    return {reinterpret_cast<const char*>(copied.data()), size != 0 ? size - 1 : 0};
  }
};

TEST(ContextBytes, StandWhileNoRecordCanBeLater) {
  Writer w;
  w.deadline(900);
  w.let("name", 1000);
  EXPECT_EQ(w.standing(), "name");
  w.deadline(1000);  // records have earlier stamps
  EXPECT_EQ(w.standing(), "name");
  w.deadline(1001);
  EXPECT_EQ(w.standing(), "");
}

TEST(ContextBytes, AreNotKeptWhereTheyWouldNotStand) {
  Writer w;
  w.deadline(1001);
  w.let("name", 1000);
  w.deadline(0);
  EXPECT_EQ(w.standing(), "");
  w.let("name", 0);
  EXPECT_EQ(w.standing(), "");
  w.let("a text that is longer than what there is room for, which is 56 bytes", 1000);
  EXPECT_EQ(w.standing(), "");
}

TEST(ContextBytes, AreOfOneSetOfContexts) {
  Writer w;
  w.let("name", 1000);
  EXPECT_EQ(w.standing(kMask | abi::bit(abi::Context::comm)), "");
  w.let("other", 1000, abi::bit(abi::Context::comm));
  EXPECT_EQ(w.standing(), "");
  EXPECT_EQ(w.standing(abi::bit(abi::Context::comm)), "other");
}

TEST(ContextBytes, AreOfOneProcess) {
  Writer w;
  w.let("name", 1000);
  w.thread.pid = 8;
  EXPECT_EQ(w.standing(), "");
}

TEST(ContextBytes, AHandlerLeavesThemAlone) {
  Writer w;
  w.let("name", 1000);
  w.thread.contexts = 64;  // a cache
  {
    const detail::ContextsInUse use(w.thread);
    EXPECT_TRUE(use);
    EXPECT_EQ(w.thread.contexts, 64 | detail::kContextsInUse);
    EXPECT_EQ(w.standing(), "");
    EXPECT_EQ(w.thread.contexts, 64 | detail::kContextsInUse);
  }
  EXPECT_EQ(w.thread.contexts, 64u);
  EXPECT_EQ(w.standing(), "name");
}

TEST(ContextBytes, OnlyWhatStaysAsItIsCanStand) {
  using abi::bit, abi::Context;
  EXPECT_TRUE(can_stand(kMask | bit(Context::tid) | bit(Context::comm) | bit(Context::ns_net)));
  for (const Context each : {Context::cpu, Context::uid, Context::gid, Context::callstack, Context::cycles, Context::page_faults})
    EXPECT_FALSE(can_stand(kMask | bit(each))) << static_cast<int>(each);
  EXPECT_FALSE(can_stand(bit(Context::cgroup))) << "too large";
}

// Asked at 0 and again `ms` later, as the coarse clock said, which was up to 10 ms behind each time: however long it really was, what was
// asked the second time does not stand for more than 80 ms.
TEST(ContextBytes, StandNoLongerThanTheClocksCanBeWrong) {
  constexpr std::uint64_t kTicksInMs = 2'600'000;
  for (const std::uint64_t ms : {40u, 80u, 100u, 250u, 9000u})
    for (const int late : {-10, 0, 10}) {
      const std::uint64_t really = ms + static_cast<std::uint64_t>(late);
      const std::uint64_t ticks = ticks_to_stand(ticks_per_ms(really * kTicksInMs, ms * kMs));
      EXPECT_LE(ticks, 80 * kTicksInMs) << ms << " " << late;
      EXPECT_GT(ticks, 45 * kTicksInMs) << ms << " " << late;
    }
}

TEST(ContextBytes, DoNotStandByACounterTooSlowForDeadlines) {
  EXPECT_EQ(ticks_to_stand(25'000), 0u);   // 25 MHz
  EXPECT_NE(ticks_to_stand(1'000'000), 0u);
  EXPECT_EQ(ticks_to_stand(0), 0u);        // not known yet
}

}  // namespace
}  // namespace ouro::trace
