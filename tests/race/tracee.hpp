// tracee.hpp -- a child that writes, turn by turn, and is interrupted at one instruction of a section.
#pragma once
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "sections.hpp"

namespace ouro::race {

#if defined(__aarch64__)
inline constexpr long kBreakpoint = 0xd4200000, kBreakpointMask = 0xffffffff;
inline constexpr std::uint64_t kStepsOver = 0;  // bytes of the breakpoint that the thread has gone on when it is stopped
inline std::vector<std::uint64_t> addresses_of(const Descriptor& d) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t at = d.start; at < d.start + d.length; at += 4) all.push_back(at);
  return all;
}
#else
inline constexpr long kBreakpoint = 0xcc, kBreakpointMask = 0xff;
inline constexpr std::uint64_t kStepsOver = 1;
inline std::vector<std::uint64_t> addresses_of(const Descriptor& d) {
  std::vector<std::uint64_t> all;
  for (const Instruction& i : disassemble(image().base, d.start, d.start + d.length)) all.push_back(i.address);
  return all;
}
#endif

class Tracee {
 public:
  // Each turn is one call, with the number of what it writes first. The first finds the route.
  template <class Turn>
  explicit Tracee(Turn&& turn) {
    pid_ = fork();
    if (pid_ != 0) {
      waitpid(pid_, &status_, 0);
      return;
    }
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    std::uint32_t number = 0;
    for (turn(number);; turn(number)) raise(SIGSTOP);
  }
  ~Tracee() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  // One turn with a breakpoint at `address`, in section `d`, which is met so many times in a row. Was it reached?
  bool turn_with_breakpoint(const Descriptor& d, std::uint64_t address, int times = 1) {
    const long code = ptrace(PTRACE_PEEKTEXT, pid_, address, nullptr);
    ptrace(PTRACE_POKETEXT, pid_, address, (code & ~kBreakpointMask) | kBreakpoint);
    bool reached = false;
    resume();
    while (WIFSTOPPED(status_) && WSTOPSIG(status_) == SIGTRAP) {
      reached = true;
      ptrace(PTRACE_POKETEXT, pid_, address, code);
      EXPECT_EQ(program_counter(), address + kStepsOver);
      program_counter(&address);
      resume(PTRACE_SINGLESTEP);  // goes not there, but to the abort address, and one instruction on
      EXPECT_GE(program_counter() - d.start, d.length) << "the section was not restarted";
      if (--times > 0) ptrace(PTRACE_POKETEXT, pid_, address, (code & ~kBreakpointMask) | kBreakpoint);
      resume();
    }
    ptrace(PTRACE_POKETEXT, pid_, address, code);
    return reached;
  }
  bool is_well() const { return WIFSTOPPED(status_) && WSTOPSIG(status_) == SIGSTOP; }

 private:
  // Where the thread goes on; set to `wanted` if that is not null.
  std::uint64_t program_counter(const std::uint64_t* wanted = nullptr) {
    user_regs_struct registers{};
    iovec all{&registers, sizeof registers};
    ptrace(PTRACE_GETREGSET, pid_, NT_PRSTATUS, &all);
#if defined(__aarch64__)
    auto& counter = registers.pc;
#else
    auto& counter = registers.rip;
#endif
    if (wanted != nullptr) {
      counter = *wanted;
      ptrace(PTRACE_SETREGSET, pid_, NT_PRSTATUS, &all);
    }
    return counter;
  }
  void resume(__ptrace_request how = PTRACE_CONT) {
    ptrace(how, pid_, nullptr, nullptr);
    waitpid(pid_, &status_, 0);
  }
  pid_t pid_ = -1;
  int status_ = 0;
};

}  // namespace ouro::race
