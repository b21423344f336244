// Contexts as a traced program puts them behind its thread id (ouro/abi/context_layout.hpp).
#include "trace/context.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "trace/context_cache.hpp"

namespace ouro::trace {
namespace {

using abi::bit;
using abi::Context;

detail::ThreadState& oneself() {
  detail::ThreadState& thread = detail::ouro_thread;
  thread.tid = static_cast<std::uint32_t>(::syscall(SYS_gettid));
  thread.pid = static_cast<std::uint32_t>(::getpid());
  return thread;
}

// What put_contexts wrote, one value after the other.
class Contexts {
 public:
  explicit Contexts(std::uint64_t mask) { size_ = put_contexts(mask, oneself(), bytes_.data(), bytes_.size()); }
  template <class T>
  T number() {
    T value{};
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const std::string out = reinterpret_cast<const char*>(bytes_.data() + at_);
    at_ += out.size() + 1;
    return out;
  }
  bool at_end() const { return at_ == size_; }
  std::size_t size() const { return size_; }

 private:
  std::array<std::byte, kMaxContexts> bytes_{};
  std::size_t size_ = 0, at_ = 0;
};

std::string name_now() { return Contexts(bit(Context::thread)).text(); }
void pass_freshness() {
  const timespec time{0, static_cast<long>(kFreshNs) + 20'000'000};
  ::nanosleep(&time, nullptr);
}
void rename(const char* name) { ::prctl(PR_SET_NAME, name); }

// Status of a child that runs `body`; its expectations fail it.
int in_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(Contexts, StandInTheOrderOfTheirBits) {
  rename("a thread");
  Contexts c(bit(Context::gid) | bit(Context::pid) | bit(Context::thread) | bit(Context::tid) | bit(Context::ns_net));
  EXPECT_EQ(c.number<std::uint32_t>(), static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(c.text(), "a thread");
  EXPECT_EQ(c.number<std::uint32_t>(), ::getgid());
  struct stat status {};
  ::stat("/proc/self/ns/net", &status);
  EXPECT_EQ(c.number<std::uint32_t>(), static_cast<std::uint32_t>(status.st_ino));
  EXPECT_TRUE(c.at_end());
}

TEST(Contexts, AllOfThemFitIntoTheirBoundAndKeepErrno) {
  errno = 4711;
  Contexts c(abi::kAllContexts | abi::depth_bits(abi::kMaxDepth));
  EXPECT_EQ(errno, 4711);
  EXPECT_LE(c.size(), kMaxContexts);
  EXPECT_GT(c.size(), 100u);
}

TEST(Contexts, WithoutRoomNothingIsWritten) {
  std::byte place[8] = {};
  EXPECT_EQ(put_contexts(bit(Context::thread), oneself(), place, sizeof place), 0u);
  EXPECT_EQ(put_contexts(bit(Context::pid) | bit(Context::cpu), oneself(), place, sizeof place), 8u);
}

TEST(Contexts, AThreadThatIsRenamedHasItsNewNameSoon) {
  rename("before");
  pass_freshness();
  EXPECT_EQ(name_now(), "before");
  rename("fifteen bytes..");
  pass_freshness();
  EXPECT_EQ(name_now(), "fifteen bytes..");
}

TEST(Contexts, EachThreadHasItsOwnName) {
  rename("main");
  pass_freshness();
  std::string other;
  std::thread([&] {
    rename("other");
    other = name_now();
  }).join();
  EXPECT_EQ(other, "other");
  EXPECT_EQ(name_now(), "main");
}

TEST(Contexts, TheProcessNameIsItsFirstThreads) {
  std::string now;
  std::getline(std::ifstream("/proc/self/comm"), now);
  std::thread([&] {
    rename("not this");
    EXPECT_EQ(Contexts(bit(Context::comm)).text(), now);
  }).join();
}

TEST(Contexts, UsersAreThoseOfTheMoment) {
  if (::getuid() != 0) GTEST_SKIP() << "only root may become somebody else";
  EXPECT_EQ(in_child([] {
              EXPECT_EQ(Contexts(bit(Context::uid)).number<std::uint32_t>(), 0u);
              ::setgid(1234);
              ::setuid(4321);
              Contexts c(bit(Context::uid) | bit(Context::gid));
              EXPECT_EQ(c.number<std::uint32_t>(), 4321u);
              EXPECT_EQ(c.number<std::uint32_t>(), 1234u);
            }),
            0);
}

TEST(Contexts, AForkedChildStartsAnew) {
  rename("parent");
  pass_freshness();
  EXPECT_EQ(name_now(), "parent");
  EXPECT_EQ(in_child([] {
              rename("child");
              Contexts c(bit(Context::pid) | bit(Context::thread));
              EXPECT_EQ(c.number<std::uint32_t>(), static_cast<std::uint32_t>(::getpid()));
              EXPECT_EQ(c.text(), "child");
            }),
            0);
  EXPECT_EQ(name_now(), "parent");
}

TEST(Contexts, CachesOfDeadThreadsAreUsedAgain) {
  for (std::uint32_t i = 0; i < kCaches + 200; ++i) {  // more than there are at once
    char name[16];
    std::snprintf(name, sizeof name, "thread-%u", i);
    std::string seen;
    std::thread([&] {
      rename(name);
      seen = name_now();
      EXPECT_NE(detail::ouro_thread.contexts, 0u) << i;  // it got one
    }).join();
    ASSERT_EQ(seen, name);
  }
}

TEST(Contexts, WithoutACacheValuesAreAskedEachTime) {
  std::thread([] {
    detail::ThreadState& thread = oneself();
    thread.contexts = 1;  // a handler has left in the middle
    rename("first");
    EXPECT_EQ(name_now(), "first");
    rename("second");
    EXPECT_EQ(name_now(), "second");
    Contexts c(bit(Context::cycles) | bit(Context::callstack));
    EXPECT_GE(c.number<std::uint32_t>(), 1u);
    EXPECT_EQ(thread.contexts, 1u);
  }).join();
}

// A handler at random places of a loop, which is the thread's first touch and all the others.
std::uint64_t handled = 0, torn = 0;
void on_signal(int) {
  detail::ThreadState& thread = detail::ouro_thread;
  if (thread.tid == 0) thread.tid = static_cast<std::uint32_t>(::syscall(SYS_gettid)), thread.pid = static_cast<std::uint32_t>(::getpid());
  std::array<std::byte, kMaxContexts> bytes;
  const std::size_t size = put_contexts(bit(Context::thread) | bit(Context::callstack), thread, bytes.data(), bytes.size());
  torn += std::strcmp(reinterpret_cast<const char*>(bytes.data()), "interrupted") != 0 || size < 16 + 8;
  ++handled;
}

TEST(Contexts, AHandlerInTheMiddleSeesWholeValues) {
  rename("interrupted");
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigaction(SIGPROF, &action, nullptr);
  timer_t timer;
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGPROF;
  ASSERT_EQ(::timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const itimerspec often{{0, 20'000}, {0, 20'000}};
  ASSERT_EQ(::timer_settime(timer, 0, &often, nullptr), 0);
  std::uint64_t wrong = 0;
  for (int i = 0; i < 4'000; ++i) {
    detail::ThreadState& thread = oneself();
    if (i % 16 == 0) thread.contexts = 0;  // a first touch again
    Contexts c(bit(Context::thread) | namespace_bits());
    wrong += c.text() != "interrupted";
  }
  ::timer_delete(timer);
  ::signal(SIGPROF, SIG_IGN);
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(torn, 0u);
  EXPECT_GT(handled, 10u);
}

TEST(Contexts, SoftwareCountersCount) {
  const std::uint64_t mask = bit(Context::page_faults) | bit(Context::context_switches) | bit(Context::task_clock);
  Contexts before(mask);
  constexpr std::size_t kSize = 1 << 20;
  void* const memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  ::madvise(memory, kSize, MADV_NOHUGEPAGE);
  auto* const pages = static_cast<volatile char*>(memory);  // a vector that nobody reads need not be there
  for (std::size_t i = 0; i < kSize; i += 4096) pages[i] = 1;
  ::munmap(memory, kSize);
  const timespec nap{0, 1'000'000};
  ::nanosleep(&nap, nullptr);
  Contexts after(mask);
  EXPECT_GE(after.number<std::uint64_t>(), before.number<std::uint64_t>() + 100);
  EXPECT_GT(after.number<std::uint64_t>(), before.number<std::uint64_t>());
  EXPECT_GT(after.number<std::uint64_t>(), before.number<std::uint64_t>());
}

TEST(Contexts, HardwareCountersCountOrAreZeroAndLeaveNoDescriptor) {
  const int next = ::dup(0);
  ::close(next);
  const std::uint64_t mask = bit(Context::cycles) | bit(Context::instructions);
  Contexts before(mask);
  for (volatile int i = 0; i < 1'000'000;) i = i + 1;
  Contexts after(mask);
  const int then = ::dup(0);
  ::close(then);
  EXPECT_EQ(then, next);
  int error = 0;
  const void* page = base::open_counter(base::Counter::instructions, error);
  if (page == nullptr) {
    EXPECT_NE(error, 0);
    EXPECT_EQ(after.number<std::uint64_t>() + after.number<std::uint64_t>(), 0u);
    GTEST_SKIP() << "no such counter here: " << std::strerror(error);
  }
  base::close_counter(page);
  EXPECT_GT(after.number<std::uint64_t>(), before.number<std::uint64_t>());
  EXPECT_GT(after.number<std::uint64_t>(), before.number<std::uint64_t>() + 1'000'000);
}

TEST(Contexts, FiltersGetSingleValues) {
  detail::ThreadState& thread = oneself();
  rename("filtered");
  pass_freshness();
  EXPECT_EQ(context_number(Context::pid, thread), thread.pid);
  EXPECT_EQ(context_number(Context::tid, thread), thread.tid);
  EXPECT_EQ(context_number(Context::uid, thread), ::getuid());
  EXPECT_LT(context_number(Context::cpu, thread), 8192u);
  EXPECT_EQ(context_number(Context::thread, thread), 0u);
  char text[4];
  ASSERT_EQ(context_text(Context::thread, thread, text, sizeof text), 4u);
  EXPECT_EQ(std::string(text, 4), "filt");
  EXPECT_EQ(context_text(Context::pid, thread, text, sizeof text), 0u);
}

TEST(ContextLayout, AProgramRefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(abi::knows_contexts(0));
  EXPECT_TRUE(abi::knows_contexts(abi::kAllContexts | abi::depth_bits(abi::kMaxDepth)));
  EXPECT_FALSE(abi::knows_contexts(std::uint64_t{1} << abi::kContextCount));
  EXPECT_FALSE(abi::knows_contexts(std::uint64_t{1} << 55));
  EXPECT_FALSE(abi::knows_contexts(bit(Context::callstack) | abi::depth_bits(abi::kMaxDepth + 1)));
}

}  // namespace
}  // namespace ouro::trace
