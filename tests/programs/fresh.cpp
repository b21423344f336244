// Events whose fields say what their thread is called, and since when; in a loop, in a signal handler that interrupts it, and in forked
// children. Another thread on the same CPU has more events, so that the loop seldom has the one that finds the ring's deadline for stamps passed,
// at which the time is looked at anyway.
//
//   fresh         as it is recorded with contexts pid and thread
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <thread>

#include <ouro/trace.hpp>

namespace {

volatile std::int64_t renamed_ms = 0;
volatile int name = 0;

std::int64_t now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}

void on_signal(int) {
  OURO_EVENT("fresh:handler", "pid", getpid(), "name", static_cast<int>(name), "age_ms", static_cast<int>(now_ms() - renamed_ms));
}

void block(int how) {
  sigset_t handled;
  sigemptyset(&handled);
  sigaddset(&handled, SIGPROF);
  pthread_sigmask(how, &handled, nullptr);
}

// Names of several lengths: 1, 2, ... 12.
void rename() {
  const int next = name + 1;
  char text[32];
  std::snprintf(text, sizeof text, "%.*s%d", next * 5 % 11, "abcdefghijk", next);
  block(SIG_BLOCK);
  prctl(PR_SET_NAME, text);
  name = next;
  renamed_ms = now_ms();
  block(SIG_UNBLOCK);
}

void run_for(int ms) {
  for (const std::int64_t end = now_ms() + ms; now_ms() < end;) {
    for (int i = 0; i < 10; ++i) {
      const int age = static_cast<int>(now_ms() - renamed_ms);
      OURO_EVENT("fresh:number", "pid", getpid(), "name", static_cast<int>(name), "age_ms", age);
      OURO_EVENT("fresh:text", "text", "some text", "pid", getpid(), "name", static_cast<int>(name), "age_ms", age);
    }
    usleep(5000);
  }
}

}  // namespace

int main() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(sched_getcpu()), &set);
  sched_setaffinity(0, sizeof set, &set);
  block(SIG_BLOCK);
  std::atomic<bool> is_over{false};
  std::thread other([&] {
    while (!is_over) {
      OURO_EVENT("fresh:other");
      usleep(1);
    }
  });
  block(SIG_UNBLOCK);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPROF, &action, nullptr);
  timer_t timer;
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGPROF;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return 1;
  for (int i = 0; i < 8; ++i) {
    const itimerspec often{{0, 300'000}, {0, 300'000}}, never{};
    if (timer_settime(timer, 0, i < 4 ? &never : &often, nullptr) != 0) return 1;
    rename();
    run_for(250);
    if (fork() == 0) {  // its events are its own from the first one on
      run_for(5);
      _exit(0);
    }
    wait(nullptr);
  }
  timer_delete(timer);
  is_over = true;
  other.join();
}
