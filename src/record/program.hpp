// record/program.hpp -- the program that is recorded, and all that it forks, daemons included.
//
//   start()   fork ---- exec PROGRAM          stdin, stdout, stderr, signal mask and dispositions are the caller's own
//               |          |- its children    those whose parents die become ours (PR_SET_CHILD_SUBREAPER), so that
//               |          `- daemons         their end is seen too
//   reap()    now and then, after SIGCHLD
#pragma once
#include <sys/types.h>

#include <csignal>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ouro/result.hpp>

#include "base/fd.hpp"

namespace ouro::record {

// Signals as they were for the caller, and as the recorder needs them: the given ones blocked (they are read from a
// signalfd), SIGPIPE and SIGXFSZ ignored (they come back as errors of write), SIGCHLD not (else no exit status would
// come). Restored at the end; what came and nobody read ends nobody then.
class SignalGuard {
 public:
  explicit SignalGuard(const std::vector<int>& blocked);
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;
  // Async-signal-safe: also for the child, before its exec.
  void restore() const;
  // A signalfd of the blocked ones, that does not wait; empty, with errno, if there is none to be had.
  base::Fd descriptor() const;

 private:
  sigset_t blocked_, old_mask_;
  struct sigaction old_pipe_, old_file_size_, old_child_;
};

// Asks the scheduler for short turns soon (EEVDF, Linux 6.12 or later, no privilege needed): a recorder that wakes up
// late loses events. Nothing happens where that is not known. After the program's start: it is inherited.
void prefer_short_turns();

class Program {
 public:
  // Runs argv, found along PATH, with NAME=VALUE entries added to the environment. An error has the errno of the
  // exec, once it failed; then nothing is left behind.
  static Result<Program> start(const std::vector<std::string>& argv,
                               const std::vector<std::pair<std::string, std::string>>& env, const SignalGuard& signals);

  // Takes in whoever ended. `others`: of whom it is told, the program left out; with their status as waitpid(2) has it.
  void reap(const std::function<void(pid_t, int)>& others = {});
  // The program itself; its descendants may go on.
  bool has_ended() const { return ended_; }
  // Nobody is left.
  bool all_ended() const { return nobody_left_; }
  // As a shell says it: 128 + signal if it was killed.
  int exit_status() const;
  // Which signal killed it; 0: none.
  int killed_by() const;
  void send(int signal) const;
  pid_t pid() const { return pid_; }

 private:
  explicit Program(pid_t pid) : pid_(pid) {}
  pid_t pid_;
  int status_ = 0;
  bool ended_ = false;
  bool nobody_left_ = false;
};

}  // namespace ouro::record
