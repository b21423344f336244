// Kills processes at random instants while they write at full speed, beside a healthy one of the same session.
//
//   kills STORM BOOKS COUNT SEED
//
// Victims are of three kinds by turns: every event in two phases; short events; two threads with signal handlers. Each
// is killed up to 0.3 ms after its first event. The healthy process is writer 0.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "storm_books.hpp"

namespace {

Books* books;

pid_t start(std::vector<const char*> arguments) {
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const int null = open("/dev/null", O_WRONLY);
  dup2(null, 1);
  execv(arguments[0], const_cast<char* const*>(arguments.data()));
  _exit(127);
}

bool has_written(pid_t pid) {
  const std::uint32_t writers = books->writers.load();
  for (std::uint32_t i = writers; i-- > 0;)
    if (books->writer[i].pid.load() == pid && books->writer[i].tried.load() != 0) return true;
  return false;
}

using Clock = std::chrono::steady_clock;

bool wait_for_first_event(pid_t pid) {
  const auto end = Clock::now() + std::chrono::seconds(10);
  while (!has_written(pid)) {
    if (Clock::now() > end || waitpid(pid, nullptr, WNOHANG) != 0) return false;
    sched_yield();
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const int fd = open(argv[2], O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(Books)) != 0) return std::perror(argv[2]), 1;
  books = static_cast<Books*>(mmap(nullptr, sizeof(Books), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  close(fd);
  std::mt19937 random(static_cast<unsigned>(std::strtoul(argv[4], nullptr, 10)));
  const pid_t healthy = start({argv[1], argv[2], "threads=1", "events=200000", "pause=1000", "text=7", "long=50"});
  if (!wait_for_first_event(healthy)) return std::fprintf(stderr, "kills: the healthy process writes nothing\n"), 1;
  for (int i = 0; i < std::atoi(argv[3]); ++i) {
    const std::vector<const char*> kinds[] = {{argv[1], argv[2], "threads=1", "events=0", "long=1"},
                                              {argv[1], argv[2], "threads=1", "events=0", "text=3"},
                                              {argv[1], argv[2], "threads=2", "events=0", "timer=50", "long=5"}};
    const pid_t victim = start(kinds[i % 3]);
    if (!wait_for_first_event(victim)) return std::fprintf(stderr, "kills: victim %d writes nothing\n", i), 1;
    const auto end = Clock::now() + std::chrono::microseconds(random() % 300);
    while (Clock::now() < end) {
    }
    kill(victim, SIGKILL);
    waitpid(victim, nullptr, 0);
  }
  int status = 0;
  waitpid(healthy, &status, 0);
  return status == 0 ? 0 : 1;
}
