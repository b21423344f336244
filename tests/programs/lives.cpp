// A program that does one of the things that programs do to themselves, while it can be recorded from outside.
//
//   lives WAY [ARGUMENT]     prints its pid once it is as it should be, and goes on when it can read a byte; tests/e2e/lives.sh
//
// WAY: fork vfork clone spawn exec close-fds daemon chroot drop-user no-capabilities seccomp-errno seccomp-kill exit abort _exit undumpable
// sandboxed-fork. Two threads write lives:busy all the time, but for `daemon`, whose threads do not follow.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <ouro/trace.hpp>

extern char** environ;

namespace {

std::atomic<bool> stop{false};
std::vector<std::thread>& threads = *new std::vector<std::thread>;  // still there, and running, as the program exits

void start_threads() {
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([] {
      for (long n = 0; !stop; ++n) {
        OURO_EVENT("lives:busy", "number", n);
        usleep(200);
      }
    });
}

void stop_threads() {
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

void wait_for_a_byte() {
  char byte;
  while (read(0, &byte, 1) != 1) usleep(2000);
}

void ten_events(const char* who) {
  for (int i = 0; i < 10; ++i) OURO_EVENT("lives:event", "who", who, "number", i);
}

void check(pid_t child, int wanted = 0) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != wanted) {
    std::fprintf(stderr, "lives: child %d: status %#x, want %#x\n", static_cast<int>(child), static_cast<unsigned>(status), static_cast<unsigned>(wanted));
    _exit(1);
  }
}

// All system calls go but these, for which `action` is taken.
void forbid(std::uint32_t action, const std::vector<long>& calls) {
  std::vector<sock_filter> code = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long call : calls) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, action));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  // TSYNC: in all threads.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
    std::perror("lives: seccomp"), _exit(77);
}
const std::vector<long> kForbidden = {SYS_openat, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_prctl, SYS_gettid, SYS_ftruncate, SYS_fallocate, SYS_unlink};

// What the program and its C library themselves do to their end is not among them.
const std::vector<long> kDeadly = {SYS_mremap, SYS_prctl, SYS_getppid, SYS_ftruncate, SYS_fallocate, SYS_unlink};

int sleep_and_exit(void*) {
  for (int i = 0; i < 20; ++i) usleep(1000);
  return 0;
}

void forks() {
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) ten_events("child"), _exit(0);
    check(child);
  }
}

void shares_memory() {
  static char stack[64 << 10];
  check(clone(sleep_and_exit, stack + sizeof stack, CLONE_VM | SIGCHLD, nullptr));
}

void vforks(char* program) {
  char ten[] = "10";
  char* const arguments[] = {program, ten, nullptr};
  for (int i = 0; i < 5; ++i) {
    const pid_t child = vfork();
    if (child == 0) {
      execv(program, arguments);
      _exit(127);
    }
    check(child);
  }
}

void spawns(char* program) {
  char ten[] = "10";
  char* const arguments[] = {program, ten, nullptr};
  for (int i = 0; i < 5; ++i) {
    pid_t child = -1;
    if (posix_spawn(&child, program, nullptr, nullptr, arguments, environ) != 0) _exit(1);
    check(child);
  }
}

void drop_capabilities() {
  struct {
    std::uint32_t version;
    int pid;
  } header{0x20080522, 0};
  std::uint32_t none[6] = {};
  if (syscall(SYS_capset, &header, none) != 0) std::perror("lives: capset"), _exit(77);
}

// Before the session comes.
void prepare(const std::string& way, char* argument) {
  if (way == "close-fds")
    for (int fd = 3; fd < 1024; ++fd) close(fd);
  if (way == "chroot" && (chroot(argument) != 0 || chdir("/") != 0)) std::perror("lives: chroot"), _exit(77);
  if (way == "drop-user" && (setgid(1) != 0 || setuid(1) != 0)) std::perror("lives: setuid"), _exit(77);
  if (way == "no-capabilities") drop_capabilities();
  if (way == "undumpable") prctl(PR_SET_DUMPABLE, 0);
  if (way == "seccomp-errno") forbid(SECCOMP_RET_ERRNO | EPERM, kForbidden);
  if (way == "seccomp-kill") forbid(SECCOMP_RET_KILL_PROCESS, kDeadly);
  if (way == "sandboxed-fork") forbid(SECCOMP_RET_KILL_PROCESS, {SYS_ftruncate, SYS_fallocate, SYS_unlink, SYS_mremap});
  if (way == "daemon") {
    if (fork() != 0) _exit(0);
    setsid();
    if (fork() != 0) _exit(0);
    for (int fd = 3; fd < 1024; ++fd) close(fd);
  }
}

// While it is there.
void live(const std::string& way, char* argument) {
  if (way == "fork" || way == "sandboxed-fork") forks();
  if (way == "clone") shares_memory();
  if (way == "vfork") vforks(argument);
  if (way == "spawn") spawns(argument);
  if (way == "exec") {
    char ten[] = "10";
    ten_events("before");
    char* const arguments[] = {argument, ten, nullptr};
    execv(argument, arguments);
    _exit(127);
  }
  ten_events("self");
  // The others are in the midst of it.
  if (way == "exit") std::exit(0);
  if (way == "abort") std::abort();
  if (way == "_exit") _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string way = argv[1];
  char* const argument = argc > 2 ? argv[2] : nullptr;
  if (way != "daemon") start_threads();
  prepare(way, argument);
  dprintf(1, "%d\n", static_cast<int>(getpid()));
  wait_for_a_byte();
  live(way, argument);
  stop_threads();
}
