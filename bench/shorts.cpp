// bench/shorts.cpp -- starts a program again and again, at a given rate, and kills some of them at a random moment, for bench/day.
//
//   shorts PER_SECOND COUNT KILL_PERCENT PROGRAM [ARGUMENT...]      on stdout, after each 1,000: a line "STARTED"; then waits for
//                                                                  a byte on stdin; at the end "killed N, ended N, RATE a second"
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

struct Victim {
  pid_t pid;
  Clock::time_point when;
};

int killed = 0, ended = 0, failed = 0;

void reap(bool wait) {
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, wait ? 0 : WNOHANG)) > 0;) {
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ++killed;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) ++ended;
    else ++failed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: shorts PER_SECOND COUNT KILL_PERCENT PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  const double rate = std::atof(argv[1]);
  const int count = std::atoi(argv[2]);
  std::mt19937 random(1);
  std::uniform_int_distribution<int> percent(0, 99), micros(0, 3000);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  std::deque<Victim> victims;
  double seconds = 0;
  auto begin = Clock::now();
  int of_turn = 0;
  for (int i = 1; i <= count; ++i, ++of_turn) {
    const auto due = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(of_turn / rate));
    do {
      // No zombie has gone while it is a victim: its pid is nobody else's.
      while (!victims.empty() && victims.front().when <= Clock::now()) {
        kill(victims.front().pid, SIGKILL);
        victims.pop_front();
      }
      if (victims.empty()) reap(false);
      if (Clock::now() < due) std::this_thread::sleep_for(std::chrono::microseconds(200));
    } while (Clock::now() < due);
    pid_t pid = 0;
    if (posix_spawn(&pid, argv[4], &quiet, nullptr, argv + 4, environ) != 0) {
      std::perror(argv[4]);
      return 1;
    }
    if (percent(random) < std::atoi(argv[3])) victims.push_back({pid, Clock::now() + std::chrono::microseconds(micros(random))});
    if (i % 1000 == 0) {
      for (const Victim& victim : victims) kill(victim.pid, SIGKILL);
      victims.clear();
      reap(true);
      seconds += std::chrono::duration<double>(Clock::now() - begin).count();
      std::printf("%d\n", i);
      std::fflush(stdout);
      if (std::getchar() == EOF) return 1;
      begin = Clock::now();
      of_turn = -1;
    }
  }
  reap(true);
  std::printf("killed %d, ended %d, failed %d, %.0f a second\n", killed, ended, failed, count / seconds);
}
