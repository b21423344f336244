// Children whose very first event is interrupted, after each number of instructions, by a handler that writes one too.
// Each event says its process, which is its thread as well. Status 0: no child crashed.
//
//   nested INSTRUCTIONS
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

#include <ouro/trace.hpp>

namespace {

void on_signal(int) { OURO_EVENT("nested:handler", "pid", getpid()); }

// One of each inline shape.
[[gnu::noinline]] void scalars(int pid) { OURO_EVENT("nested:scalars", "pid", pid); }
[[gnu::noinline]] void words(int pid) { OURO_EVENT("nested:words", "pid", pid, "b", 2, "c", 3, "d", 4, "e", 5); }
[[gnu::noinline]] void text(int pid) { OURO_EVENT("nested:text", "pid", pid, "text", std::string_view("twenty characters ..")); }

bool wait_stopped(pid_t child) {
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFSTOPPED(status);
}

// Status of a child that is interrupted `instructions` into `function`; -1: it never came there.
int run(void (*function)(int), int instructions) {
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    const int pid = getpid();
    raise(SIGSTOP);
    function(pid);
    _exit(0);
  }
  int status = -1;
  bool inside = false;
  if (!wait_stopped(child)) return -1;
  for (int i = 0; i < 10000 && !inside; ++i) {
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, child, nullptr, &registers);
    inside = registers.rip == reinterpret_cast<unsigned long long>(function);
    if (!inside && (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0 || !wait_stopped(child))) return -1;
  }
  for (int i = 0; i < instructions; ++i)
    if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0 || !wait_stopped(child)) return -1;
  ptrace(PTRACE_CONT, child, nullptr, SIGUSR1);
  waitpid(child, &status, 0);
  return inside ? status : -1;
}

}  // namespace

int main(int argc, char** argv) {
  const int instructions = argc > 1 ? std::atoi(argv[1]) : 60;
  signal(SIGUSR1, on_signal);
  // Another thread makes the events known, so that the children's take the inline path at once; ours knows nothing yet.
  std::thread([] {
    for (auto* function : {scalars, words, text}) function(gettid());
  }).join();
  bool well = true;
  for (auto* function : {scalars, words, text})
    for (int i = 0; i < instructions; ++i)
      if (const int status = run(function, i); status != 0) {
        std::fprintf(stderr, "nested: interrupted after %d instructions: wait status %#x\n", i, static_cast<unsigned>(status));
        well = false;
      }
  return well ? 0 : 1;
}
