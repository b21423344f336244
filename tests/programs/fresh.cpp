// Events whose fields say what their thread is called, and since when; in a loop, in a signal handler that interrupts it, and in forked
// children.
//
//   fresh         as it is recorded with contexts pid and thread
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <ctime>

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

// Names of several lengths: 1, 2, ... 12.
void rename() {
  const int next = name + 1;
  char text[32];
  std::snprintf(text, sizeof text, "%.*s%d", next * 5 % 11, "abcdefghijk", next);
  sigset_t handled;
  sigemptyset(&handled);
  sigaddset(&handled, SIGPROF);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  prctl(PR_SET_NAME, text);
  name = next;
  renamed_ms = now_ms();
  sigprocmask(SIG_UNBLOCK, &handled, nullptr);
}

void run_for(int ms) {
  for (const std::int64_t end = now_ms() + ms; now_ms() < end;) {
    for (int i = 0; i < 10; ++i) {
      const int age = static_cast<int>(now_ms() - renamed_ms);
      OURO_EVENT("fresh:number", "pid", getpid(), "name", static_cast<int>(name), "age_ms", age);
      OURO_EVENT("fresh:text", "text", "some text", "pid", getpid(), "name", static_cast<int>(name), "age_ms", age);
    }
    usleep(500);
  }
}

}  // namespace

int main() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPROF, &action, nullptr);
  timer_t timer;
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGPROF;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return 1;
  const itimerspec often{{0, 300'000}, {0, 300'000}};
  if (timer_settime(timer, 0, &often, nullptr) != 0) return 1;
  for (int i = 0; i < 6; ++i) {
    rename();
    run_for(170);
    if (fork() == 0) {  // its events are its own from the first one on
      run_for(5);
      _exit(0);
    }
    wait(nullptr);
  }
}
