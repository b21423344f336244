// Events whose fields say what their contexts must be.
//
//   contexts         all of it
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>

#include <ouro/trace.hpp>

namespace {

std::uint32_t inode_of(const char* name) {
  struct stat status {};
  return stat((std::string("/proc/thread-self/ns/") + name).c_str(), &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
}

void say(const char* what) {
  char name[16];
  prctl(PR_GET_NAME, name);
  OURO_EVENT("contexts:said", "what", what, "pid", getpid(), "tid", static_cast<int>(syscall(SYS_gettid)), "thread", static_cast<const char*>(name),
             "uid", getuid(), "gid", getgid(), "net", inode_of("net"), "uts", inode_of("uts"));
}

void rename_and_wait(const char* name) {
  prctl(PR_SET_NAME, name);
  const timespec longer_than_kept{0, 150'000'000};
  nanosleep(&longer_than_kept, nullptr);
}

void in_child(void (*body)()) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
}

// Asking for its frame's address gives a function one, whatever the build's options.
[[gnu::noinline]] void inner(void* middle_returns_to) {
  asm volatile("" : : "r"(__builtin_frame_address(0)));
  OURO_EVENT("contexts:stack", "inner_returns_to", __builtin_return_address(0), "middle_returns_to", middle_returns_to);
  asm volatile("");
}
[[gnu::noinline]] void middle() {
  asm volatile("" : : "r"(__builtin_frame_address(0)));
  inner(__builtin_return_address(0));
  asm volatile("");
}

void on_signal(int) { say("handler"); }

}  // namespace

int main() {
  say("first");
  OURO_EVENT("contexts:large", "text", std::string(5000, 'l'), "pid", getpid());
  OURO_EVENT("contexts:medium", "text", std::string(950, 'm'), "pid", getpid());
  middle();
  rename_and_wait("renamed");
  say("renamed");
  std::thread([] {
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);  // the thread's first event
    prctl(PR_SET_NAME, "worker");
    std::thread([] { say("inherits the name"); }).join();
  }).join();
  in_child([] {
    rename_and_wait("child");
    say("child");
    if (unshare(CLONE_NEWUTS) == 0) {  // as root
      rename_and_wait("unshared");
      say("unshared");
    }
    if (setgid(1) == 0 && setuid(1) == 0) say("somebody else");
  });
  return 0;
}
