// record/crash_watch.hpp -- tells when a program of a session is killed by a signal: a crash, most often. Nothing is done to the programs.
//
//   runtime folder --inotify--> a registry comes: pidfd of its program --poll--> it ended. Registry still there? Killed, unless the kernel
//                                                                                knows an exit status (Linux 6.15; pidfd_open(2), PIDFD_GET_INFO)
//
// Programs of other PID namespaces are not seen.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>

#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "record/session.hpp"

namespace ouro::record {

struct Crash {
  int pid = 0;
  int signal = 0;    // 0: the kernel did not say
  std::string name;  // of the process
};

class CrashWatch {
 public:
  static Result<CrashWatch> create(const std::string& folder, const SessionName& session, uid_t owner = ::geteuid());

  // Readable when something ended, or began: call step() then, and every tenth of a second.
  int fd() const { return epoll_.get(); }
  void step(const std::function<void(const Crash&)>& see);

 private:
  using Clock = std::chrono::steady_clock;
  struct Process {
    base::Fd pidfd;
    std::string path;                // of its registry
    Clock::time_point ended_at{};    // 0: it runs
  };
  CrashWatch() = default;
  void add(const std::string& file);
  void find_new();
  bool judge(Process& process, int pid, const std::function<void(const Crash&)>& see) const;

  std::string folder_;
  SessionName session_;
  uid_t owner_ = 0;
  base::Fd inotify_, epoll_;
  std::map<int, Process> processes_;  // by pid
  std::set<int> ended_;
};

}  // namespace ouro::record
