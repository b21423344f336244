#include "base/proc.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace ouro::base {
namespace {

// A child that waits; killed and reaped at the end.
class Child {
 public:
  explicit Child(const char* name = "child") {
    int ready[2];
    if (::pipe(ready) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_NAME, name);
      (void)!::write(ready[1], "x", 1);
      for (;;) ::pause();
    }
    char c;
    (void)!::read(ready[0], &c, 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Child() {
    kill();
    reap();
  }
  int pid() const { return pid_; }
  void kill() {
    ::kill(pid_, SIGKILL);
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);  // a zombie now
  }
  void reap() { ::waitpid(pid_, nullptr, 0); }

 private:
  int pid_ = -1;
};

TEST(Proc, AProcessIsAliveUntilItIsKilledAlsoBeforeItIsReaped) {
  Child child;
  const std::uint64_t start = start_time_of(child.pid());
  EXPECT_NE(start, 0u);
  EXPECT_TRUE(is_alive(child.pid(), start));
  EXPECT_TRUE(is_alive(child.pid(), 0));
  child.kill();
  EXPECT_FALSE(is_alive(child.pid(), start));
  child.reap();
  EXPECT_FALSE(is_alive(child.pid(), start));
  EXPECT_EQ(start_time_of(child.pid()), 0u);
}

TEST(Proc, APidThatCameAgainIsAnotherProcess) { EXPECT_FALSE(is_alive(::getpid(), start_time_of(::getpid()) + 1)); }

TEST(Proc, TheNameOfAProcessDoesNotConfuseTheFields) {
  const std::uint64_t mine = start_time_of(::getpid());
  Child child(") R 1 2 3 (");
  EXPECT_GE(start_time_of(child.pid()), mine);
  EXPECT_LE(start_time_of(child.pid()), mine + 3600 * 100);  // an hour
  EXPECT_TRUE(is_alive(child.pid(), 0));
}

TEST(Proc, ANameComesWithTheStartTime) {
  for (const char* given : {"child", ") R 1 2 3 (", "fifteen-letters"}) {
    Child child(given);
    char name[16];
    EXPECT_EQ(start_time_of(child.pid(), name), start_time_of(child.pid()));
    EXPECT_STREQ(name, given);
  }
  char name[16];
  EXPECT_EQ(start_time_of(-1, name), 0u);
  EXPECT_STREQ(name, "");
}

TEST(Proc, NumbersThatAreNoPidAreNobody) {
  EXPECT_EQ(start_time_of(0), 0u);
  EXPECT_EQ(start_time_of(-1), 0u);
  EXPECT_FALSE(is_alive(-1, 0));
}

TEST(Proc, NamespacesAreTheInodesThatStatSees) {
  for (const std::string kind : {"pid", "user", "mnt"}) {
    struct stat status {};
    ASSERT_EQ(::stat(("/proc/self/ns/" + kind).c_str(), &status), 0);
    EXPECT_EQ(own_namespace(kind.c_str()), status.st_ino) << kind;
  }
  errno = 4711;
  EXPECT_EQ(own_namespace("none"), 0u);
  EXPECT_EQ(errno, 4711);
}

TEST(Proc, TheMainThreadsFiltersAreThoseOfTheCallingThreadThatIsTheMainOne) { EXPECT_EQ(seccomp_filters_of(kMainThread), seccomp_filters_of(kThisThread)); }

TEST(Proc, LeavesErrnoAlone) {
  errno = 4711;
  start_time_of(0x7fffffff);
  EXPECT_EQ(errno, 4711);
}

}  // namespace
}  // namespace ouro::base
