// stepper.hpp -- a child that is stopped behind any instruction of what it does, to be killed or interrupted there. x86-64.
//
// First the parent lets a child run one instruction at a time and notes where it comes by; then, child after child, it plants a
// breakpoint at one of these places. A section cannot be stepped through, for the kernel restarts it (rseq(2)). So once the child
// is stopped in one, its descriptor is taken out of rseq_cs, and put back before a signal: the kernel then finds the child as an
// interrupt would have found it at that instruction, in whichever pass of a loop. Nobody else runs on the child's CPU before it
// stands still, so the section is as good as one.
#pragma once
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <map>

#include <ouro/detail/rseq.hpp>

#include "sections.hpp"

namespace ouro::race {

// The child runs into it before and behind what is stepped through.
[[gnu::noinline, gnu::used]] inline void stop_here() { asm volatile("int3"); }

// The nth time that a child comes by an instruction.
struct Place {
  std::uint64_t address;
  unsigned nth;
};

class Stepped {
 public:
  // The child stands before `operation`, `prepare` is done.
  template <class Prepare, class Operation>
  Stepped(Prepare&& prepare, Operation&& operation) : pid_(fork()) {
    if (pid_ == 0) {
      prepare();
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      stop_here();
      operation();
      stop_here();
      _exit(0);
    }
    waitpid(pid_, &status_, 0);
    rseq_cs_ = reinterpret_cast<std::uint64_t>(&ouro::detail::rseq_area()->descriptor);  // the child's is where ours is
  }
  Stepped(const Stepped&) = delete;
  ~Stepped() { kill(); }

  // One instruction on. False: the operation is over.
  bool step() {
    ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
    return wait_for_stop() && pc_ != reinterpret_cast<std::uint64_t>(&stop_here);
  }
  // Runs to the place. False: it never comes there.
  bool run_to(const Place& place) {
    const long code = ptrace(PTRACE_PEEKTEXT, pid_, place.address, nullptr);
    for (unsigned i = 0; i < place.nth; ++i) {
      if (i != 0 && !step()) return false;
      ptrace(PTRACE_POKETEXT, pid_, place.address, (code & ~0xffL) | 0xcc);
      ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
      if (!wait_for_stop() || pc_ != place.address + 1) return false;
      ptrace(PTRACE_POKETEXT, pid_, place.address, code);
      ptrace(PTRACE_POKEUSER, pid_, offsetof(user, regs.rip), place.address);
    }
    return true;
  }
  // A signal comes now; then the child goes on to the end of its operation. False: it did not get there.
  bool interrupt(int signal) {
    if (section_ != nullptr) ptrace(PTRACE_POKEDATA, pid_, rseq_cs_, section_);
    ptrace(PTRACE_CONT, pid_, nullptr, signal);
    return wait_for_stop();
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  const Descriptor* section() const { return section_; }  // null: in none
  std::uint64_t pc() const { return pc_; }
  int status() const { return status_; }

 private:
  bool wait_for_stop() {
    if (waitpid(pid_, &status_, 0) != pid_ || !WIFSTOPPED(status_) || WSTOPSIG(status_) != SIGTRAP) return false;
    pc_ = static_cast<std::uint64_t>(ptrace(PTRACE_PEEKUSER, pid_, offsetof(user, regs.rip), nullptr));
    const Descriptor* now = section_at(pc_);
    if (now != nullptr && now != section_) ptrace(PTRACE_POKEDATA, pid_, rseq_cs_, nullptr);
    section_ = now;
    return true;
  }
  static const Descriptor* section_at(std::uint64_t pc) {
    static const auto all = [] {
      std::map<std::uint64_t, const Descriptor*> by_start;
      for (const Descriptor* d : descriptors()) by_start.emplace(d->start, d);
      return by_start;
    }();
    const auto behind = all.upper_bound(pc);
    if (behind == all.begin()) return nullptr;
    const Descriptor* d = std::prev(behind)->second;
    return pc - d->start < d->length ? d : nullptr;
  }

  pid_t pid_;
  int status_ = 0;
  std::uint64_t pc_ = 0, rseq_cs_ = 0;
  const Descriptor* section_ = nullptr;
};

// Where a child comes by to the end of its operation: every instruction, those of loops the first, second and last time. `keep`
// says which; it is asked behind each instruction, that is, before the one whose place is given.
template <class Child, class Keep>
std::vector<Place> places(Child& child, Keep&& keep) {
  std::vector<Place> all;
  std::map<std::uint64_t, std::pair<unsigned, std::size_t>> last;  // how often so far; where the third or a later time stands in `all`
  while (child.step()) {
    auto& [times, at] = last[child.pc()];
    ++times;
    if (!keep()) continue;
    if (times <= 3) {
      at = all.size();
      all.push_back({child.pc(), times});
    } else if (at < all.size() && all[at].address == child.pc()) {
      all[at].nth = times;
    }
  }
  return all;
}
inline std::vector<Place> places(Stepped& child) {
  return places(child, [] { return true; });
}

}  // namespace ouro::race
