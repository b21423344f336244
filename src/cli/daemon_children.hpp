// cli/daemon_children.hpp -- the processes of `ouro daemon`: an `ouro record --flight --join` beside each session.
//
//   begin --> runs --(ends)--> a pause, 1 s to 60 s --> begin            the session's memory stays meanwhile, and programs write to it
//               |--(its section changed)--> SIGTERM, begin
//               `--(its section is gone)--> SIGTERM, ouro stop NAME, gone
//
// A child dies with the daemon (PR_SET_PDEATHSIG): the next daemon's children find nobody in their place.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "cli/daemon_config.hpp"
#include "record/program.hpp"

namespace ouro::cli {

class DaemonChildren {
 public:
  using Clock = std::chrono::steady_clock;
  struct Child {
    DaemonConfig::Session session;
    std::string runtime_folder;
    pid_t pid = 0;               // 0: none runs
    bool ends_session = false;   // it is the one that does
    bool resumes = false, resumed_in_vain = false;
    std::uint64_t restarts = 0;
    Clock::time_point began{}, next{};
    std::uint32_t failures = 0;  // one after the other
    enum class Fate : std::uint8_t { goes_on, is_replaced, is_removed } fate = Fate::goes_on;

    uid_t owner() const;
  };

  // `signals`: as they were before the daemon. `folder`: the daemon's own runtime folder.
  DaemonChildren(const record::SignalGuard& signals, std::string folder) : signals_(signals), folder_(std::move(folder)) {}

  // These from now on. `work_folder`: in which they, and what their triggers start, run; empty: the daemon's.
  void set(const std::vector<DaemonConfig::Session>& sessions, const std::string& work_folder);
  // Begins who is due, and takes in who ended: after SIGCHLD, or when until_next() is over.
  void step();
  std::chrono::milliseconds until_next() const;
  // Each session is there, or its child had its chance.
  bool all_began() const;
  // Ends the children; the sessions stay.
  void stop();

  const std::list<Child>& list() const { return children_; }

 private:
  void begin(Child& child);
  // False: it is to be forgotten.
  bool on_end(Child& child, int status);
  std::vector<std::string> arguments_of(Child& child) const;
  bool has_left_behind(const Child& child) const;
  pid_t spawn(const Child& child, const std::vector<std::string>& arguments) const;
  void become(const Child& child) const;

  const record::SignalGuard& signals_;
  std::string folder_, work_folder_;
  std::list<Child> children_;
};

}  // namespace ouro::cli
