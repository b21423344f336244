#include "record/program.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

namespace ouro::record {
namespace {

using namespace std::chrono_literals;

// Runs a shell's text to its end, descendants included.
class Shell {
 public:
  explicit Shell(const std::string& text, std::vector<std::pair<std::string, std::string>> env = {})
      : program_(std::move(*Program::start({"sh", "-c", text}, env, signals_))) {}
  Program& program() { return program_; }
  int to_end() {
    for (int i = 0; i < 2000 && !program_.all_ended(); ++i) {
      program_.reap();
      std::this_thread::sleep_for(5ms);
    }
    return program_.has_ended() ? program_.exit_status() : -1;
  }

 private:
  SignalGuard signals_{{SIGCHLD, SIGINT, SIGTERM}};
  Program program_;
};

TEST(Program, PassesOnItsExitStatus) {
  EXPECT_EQ(Shell("exit 0").to_end(), 0);
  EXPECT_EQ(Shell("exit 42").to_end(), 42);
}

TEST(Program, ASignalThatKilledItBecomesAStatusAsInAShell) {
  Shell shell("kill -9 $$");
  EXPECT_EQ(shell.to_end(), 137);
  EXPECT_EQ(shell.program().killed_by(), SIGKILL);
}

TEST(Program, OneThatCannotBeRunSaysWhy) {
  const SignalGuard signals({SIGCHLD});
  EXPECT_EQ(Program::start({"/nothing/here"}, {}, signals).error().code, ENOENT);
  EXPECT_EQ(Program::start({"/etc/passwd"}, {}, signals).error().code, EACCES);
}

TEST(Program, WhatItLeavesBehindIsWaitedForToo) {
  // A daemon: its parents end at once.
  Shell shell("(setsid sh -c 'sleep 0.3' &) ; exit 5");
  while (!shell.program().has_ended()) {
    shell.program().reap();
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_FALSE(shell.program().all_ended());
  EXPECT_EQ(shell.to_end(), 5);
}

TEST(Program, SeesTheVariablesAddedForIt) {
  EXPECT_EQ(Shell("test \"$OURO_SESSION\" = 'session x'", {{"OURO_SESSION", "session x"}}).to_end(), 0);
}

TEST(Program, HasItsCallersSignalsNotTheRecorders) {
  // As this test has them, before the guard changes them.
  std::string mine;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("SigBlk", 0) == 0 || line.rfind("SigIgn", 0) == 0) mine += line.substr(8);
  ASSERT_FALSE(mine.empty());
  EXPECT_EQ(
      Shell("test \"$(grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -cd '0-9a-f\\n' | tr -d '\\n')\" = '" + mine + "'")
          .to_end(),
      0);
}

// SIGINT as a shell has it: who is not protected is killed by it.
TEST(SignalGuard, WhatNobodyReadEndsNobodyBehindIt) {
  {
    const SignalGuard guard({SIGINT});
    const base::Fd signals = guard.descriptor();
    ASSERT_TRUE(signals);
    ::raise(SIGINT);
  }
  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_EQ(::sigismember(&blocked, SIGINT), 0);
}

TEST(Program, ReceivesWhatIsSentToIt) {
  Shell shell("trap 'exit 9' TERM; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done");
  std::this_thread::sleep_for(50ms);
  shell.program().send(SIGTERM);
  EXPECT_EQ(shell.to_end(), 9);
}

}  // namespace
}  // namespace ouro::record
