// Becomes many processes, in all the ways a program can: tests/e2e/processes.sh knows how many events each writes.
//
//   processes BASIC      BASIC: the program of that name
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <ouro/trace.hpp>

extern char** environ;

namespace {

void ten_events(const char* who) {
  for (int i = 0; i < 10; ++i) OURO_EVENT("processes:child", "who", who, "number", i, "pid", getpid());
}

void wait_for(pid_t pid) {
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
    std::fprintf(stderr, "processes: child %d: status %#x\n", static_cast<int>(pid), static_cast<unsigned>(status));
    std::exit(1);
  }
}

template <class Work>
void in_child(Work work) {
  const pid_t pid = fork();
  if (pid == 0) {
    work();
    _exit(0);
  }
  wait_for(pid);
}

// The child of a fork in the midst of writing threads has one thread, and must not miss the others.
void fork_among_threads() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!stop) {
        OURO_EVENT("processes:busy");
        usleep(10);
      }
    });
  for (int i = 0; i < 20; ++i) in_child([] { ten_events("among threads"); });
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

void start_others(const char* basic) {
  char hundred[] = "100", fifty[] = "50";
  char* spawned[] = {const_cast<char*>(basic), hundred, nullptr};
  pid_t pid = -1;
  posix_spawn(&pid, basic, nullptr, nullptr, spawned, environ);
  wait_for(pid);
  char* executed[] = {const_cast<char*>(basic), fifty, nullptr};
  in_child([&] {
    ten_events("before exec");
    execv(basic, executed);
  });
}

// As daemon(3) does it, and more thoroughly.
void become_daemon() {
  in_child([] {
    setsid();
    if (fork() != 0) _exit(0);
    if (chdir("/") != 0) _exit(1);
    for (int fd = 0; fd < 1024; ++fd) close(fd);
    usleep(200'000);
    ten_events("daemon");
    _exit(0);
  });
}

}  // namespace

int main(int, char** argv) {
  ten_events("parent");
  in_child([] {
    ten_events("child");
    in_child([] { ten_events("grandchild"); });
  });
  fork_among_threads();
  start_others(argv[1]);
  become_daemon();
}
