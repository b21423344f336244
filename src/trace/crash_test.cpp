// What a debugger, or whoever looks at a core, sees of a crash that was handed on to the default: what it would have seen without us.
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include <ouro/trace.hpp>

namespace ouro::trace {
namespace {

struct Stop {
  user_regs_struct registers{};
  siginfo_t info{};
};

// The child's next stop, of this signal.
Stop next_stop(pid_t child, int signal) {
  Stop out;
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == signal) << status;
  iovec to{&out.registers, sizeof out.registers};
  EXPECT_EQ(ptrace(PTRACE_GETREGSET, child, reinterpret_cast<void*>(NT_PRSTATUS), &to), 0);
  EXPECT_EQ(ptrace(PTRACE_GETSIGINFO, child, nullptr, &out.info), 0);
#if defined(__x86_64__)
  out.registers.orig_rax = 0;  // the number of a system call that is over: the kernel forgets it with any handler
#elif defined(__aarch64__)
  out.registers.pstate = 0;    // it has bits that any handler clears
#endif
  return out;
}

bool can_trace() {  // qemu-user cannot
  const pid_t child = fork();
  if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void illegal_instruction() {
#if defined(__aarch64__)
  asm volatile(".inst 0");  // a trap is SIGTRAP there
#else
  __builtin_trap();
#endif
}

// Stopped twice: as the signal comes, and as it comes again, behind our handler.
template <class Crash>
void expect_the_same_twice(int signal, Crash crash) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    struct sigaction none {};
    none.sa_handler = SIG_DFL;  // no sanitizer's
    sigaction(signal, &none, nullptr);
    const int nowhere = open("/dev/null", O_WRONLY);
    if (!on_crash({.fd = nowhere}) || ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
    crash();
    _exit(2);
  }
  const Stop first = next_stop(child, signal);
  ASSERT_EQ(ptrace(PTRACE_CONT, child, nullptr, reinterpret_cast<void*>(static_cast<long>(signal))), 0);
  const Stop second = next_stop(child, signal);
  EXPECT_EQ(std::memcmp(&first.registers, &second.registers, sizeof first.registers), 0);
  EXPECT_EQ(first.info.si_code, second.info.si_code);
  EXPECT_EQ(first.info.si_addr, second.info.si_addr);
  ASSERT_EQ(ptrace(PTRACE_CONT, child, nullptr, reinterpret_cast<void*>(static_cast<long>(signal))), 0);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
}

char* page_of(int protection) { return static_cast<char*>(mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); }

TEST(OnCrash, AFaultIsHandedOnWhereItCameWithAllThatBelongsToIt) {
  if (!can_trace()) GTEST_SKIP() << "no ptrace here";
  expect_the_same_twice(SIGSEGV, [] { *static_cast<volatile char*>(page_of(PROT_NONE)) = 1; });
  expect_the_same_twice(SIGILL, illegal_instruction);
}

TEST(OnCrash, ASignalThatWasRaisedIsHandedOnAsItWas) {
  if (!can_trace()) GTEST_SKIP() << "no ptrace here";
  expect_the_same_twice(SIGSEGV, [] { raise(SIGSEGV); });
  expect_the_same_twice(SIGABRT, [] { abort(); });
}

TEST(OnCrash, WhatItCannotDoItSays) {
  struct sigaction before {}, after {};
  sigaction(SIGFPE, nullptr, &before);
  EXPECT_EQ(on_crash({.events = 0}).error, ERANGE);
  EXPECT_EQ(on_crash({.events = 1025}).error, ERANGE);
  EXPECT_EQ(on_crash({.fd = -1}).error, ERANGE);
  EXPECT_EQ(on_crash({.time_limit_ms = 0}).error, ERANGE);
  sigaction(SIGFPE, nullptr, &after);
  EXPECT_EQ(before.sa_sigaction, after.sa_sigaction);
}

TEST(CrashStack, IsTheThreadsAsLongAsItLivesUnlessItHasOne) {
  stack_t before;
  sigaltstack(nullptr, &before);
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
  stack_t within, inner, after;
  {
    const ouro::CrashStack stack;
    sigaltstack(nullptr, &within);
    {
      const ouro::CrashStack second;
    }
    sigaltstack(nullptr, &inner);
  }
  sigaltstack(nullptr, &after);
  if ((before.ss_flags & SS_DISABLE) == 0) sigaltstack(&before, nullptr);
  EXPECT_EQ(within.ss_flags, 0);
  EXPECT_GE(within.ss_size, std::size_t{64} << 10);
  EXPECT_EQ(inner.ss_sp, within.ss_sp);
  EXPECT_EQ(after.ss_flags, SS_DISABLE);
}

}  // namespace
}  // namespace ouro::trace
