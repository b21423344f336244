// Stacks of all sorts: what is right is found, what is not never faults.
#include "trace/callstack.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <thread>
#include <vector>

namespace ouro::trace {
namespace {

constexpr std::uint32_t kDepth = 32;
struct Seen {
  std::array<std::uint64_t, kDepth> address{};
  std::uint32_t count = 0;
};

[[gnu::noinline]] Seen walk_from(const void* frame, StackBounds& bounds) {
  Seen out;
  std::array<std::byte, 8 * kDepth> bytes{};
  out.count = walk_stack(frame, bounds, bytes.data(), kDepth);
  std::memcpy(out.address.data(), bytes.data(), 8 * out.count);
  return out;
}

std::uint64_t address_of(const void* code) { return reinterpret_cast<std::uintptr_t>(code); }

// Asking for its frame's address gives a function one, whatever the build's options. Each level notes where it returns to; the
// walk from the last one must find these, innermost first.
struct Chain {
  explicit Chain(StackBounds* of) : bounds(of) { wanted.reserve(64); }  // a handler fills it
  StackBounds* bounds;
  std::vector<std::uint64_t> wanted;
  Seen seen;
};
[[gnu::noinline]] void descend(Chain& chain, int levels) {
  const void* const frame = __builtin_frame_address(0);
  chain.wanted.push_back(address_of(__builtin_return_address(0)));
  if (levels == 0)
    chain.seen = walk_from(frame, *chain.bounds);
  else
    descend(chain, levels - 1);
  asm volatile("" : : "r"(&chain) : "memory");
}

void expect_chain(const Chain& chain) {
  const std::uint32_t n = std::min<std::uint32_t>(kDepth, static_cast<std::uint32_t>(chain.wanted.size()));
  ASSERT_GE(chain.seen.count, n);
  for (std::uint32_t i = 0; i < n; ++i) EXPECT_EQ(chain.seen.address[i], chain.wanted[chain.wanted.size() - 1 - i]) << i;
}

TEST(Callstack, HasTheReturnAddressesInnermostFirst) {
  StackBounds bounds{};
  Chain chain(&bounds);
  descend(chain, 5);
  expect_chain(chain);
  EXPECT_LE(bounds.low, address_of(__builtin_frame_address(0)));
}

TEST(Callstack, OfAThreadLikewise) {
  std::thread([] {
    StackBounds bounds{};
    Chain chain(&bounds);
    descend(chain, 5);
    expect_chain(chain);
  }).join();
}

TEST(Callstack, OfADeepRecursionHasTheInnermost) {
  StackBounds bounds{};
  for (const int levels : {10, 5'000, 10'000, 10}) {
    Chain chain(&bounds);
    descend(chain, levels);
    expect_chain(chain);
  }
}

// Sandboxes and emulators may not have what walks stacks that are not the thread's own.
bool kernel_copies() {
  std::uint64_t from = 4711, to = 0;
  iovec local{&to, sizeof to}, remote{&from, sizeof from};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == sizeof to;
}

// On an alternate stack; its last frames lead back to the stack below, or out of all.
Chain* handler_chain;
void on_signal(int) { descend(*handler_chain, 3); }

void descend_on_alternate_stack(Chain& chain) {
  constexpr std::size_t kSize = 64 << 10;
  // Nothing behind it: a walk that leaves it must not fault.
  auto* memory = static_cast<std::byte*>(::mmap(nullptr, kSize + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_EQ(::mprotect(memory + 4096, kSize, PROT_READ | PROT_WRITE), 0);
  stack_t stack{memory + 4096, 0, kSize}, old{};
  ASSERT_EQ(::sigaltstack(&stack, &old), 0);
  struct sigaction action {}, before {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK;
  ::sigaction(SIGUSR1, &action, &before);
  handler_chain = &chain;
  ::raise(SIGUSR1);
  ::sigaction(SIGUSR1, &before, nullptr);
  ::sigaltstack(&old, nullptr);
  ::munmap(memory, kSize + 8192);
}

TEST(Callstack, OnAnAlternateStackIsWalkedByTheKernelsCopies) {
  if (!kernel_copies()) GTEST_SKIP() << "no process_vm_readv here: " << std::strerror(errno);
  StackBounds bounds{};
  Chain chain(&bounds);
  descend_on_alternate_stack(chain);
  expect_chain(chain);
  // The own stack is as good as ever.
  Chain again(&bounds);
  descend(again, 5);
  expect_chain(again);
}

void forbid_copies() {
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{std::size(code), code};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

TEST(Callstack, OnAnAlternateStackHasOneAddressWhereTheKernelDoesNotCopy) {
  const pid_t child = ::fork();
  if (child == 0) {
    forbid_copies();
    StackBounds bounds{};
    Chain chain(&bounds), again(&bounds);
    descend_on_alternate_stack(chain);
    descend(again, 5);
    const bool is_own_stack_whole = again.seen.count >= again.wanted.size();
    ::_exit(kernel_copies() ? 2 : chain.seen.count != 1 || chain.seen.address[0] != chain.wanted.back() ? 3 : is_own_stack_whole ? 0 : 4);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

ucontext_t main_context, coroutine_context;
void coroutine() { descend(*handler_chain, 3); }

[[gnu::noinline]] void run_coroutine(void* memory, std::size_t size) {
  ::getcontext(&coroutine_context);
  coroutine_context.uc_stack.ss_sp = memory;
  coroutine_context.uc_stack.ss_size = size;
  coroutine_context.uc_link = &main_context;
  ::makecontext(&coroutine_context, coroutine, 0);
  ::swapcontext(&main_context, &coroutine_context);
}

TEST(Callstack, OfACoroutineIsFoundAndItsMemoryMayGo) {
  if (!kernel_copies()) GTEST_SKIP() << "no process_vm_readv here: " << std::strerror(errno);
  constexpr std::size_t kSize = 64 << 10;
  StackBounds bounds{};
  for (int i = 0; i < 3; ++i) {
    void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Chain chain(&bounds);
    handler_chain = &chain;
    run_coroutine(memory, kSize);
    expect_chain(chain);
    ::munmap(memory, kSize);
    Chain own(&bounds);
    descend(own, 5);
    expect_chain(own);
  }
}

// A frame made by hand: whatever its words say, the walk ends, and the process with 0.
TEST(Callstack, GarbageInTheFramePointersPlaceNeverFaults) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::mt19937_64 random(1);
    StackBounds bounds{};
    const auto here = address_of(__builtin_frame_address(0));
    for (int i = 0; i < 200'000; ++i) {
      volatile std::uint64_t frames[64];
      for (auto& word : frames) {
        switch (random() % 6) {
          case 0: word = random(); break;
          case 1: word = here + random() % (1 << 20); break;                                  // above, perhaps beyond the stack
          case 2: word = address_of(const_cast<std::uint64_t*>(&frames[random() % 64])); break;
          case 3: word = bounds.top - 8 * (random() % 8); break;                              // at the very top
          case 4: word = here + random() % (std::uint64_t{1} << 46); break;
          default: word = ~std::uint64_t{0} - random() % 64;
        }
      }
      walk_from(const_cast<const std::uint64_t*>(&frames[random() % 62]), bounds);
      if (i % 1000 == 0) bounds = {};
    }
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Callstack, KeepsErrno) {
  StackBounds bounds{};
  errno = 4711;
  walk_from(__builtin_frame_address(0), bounds);
  EXPECT_EQ(errno, 4711);
}

}  // namespace
}  // namespace ouro::trace
