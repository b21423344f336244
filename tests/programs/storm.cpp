// Writers of all sorts at full speed, which keep their own books: what each one tried is counted in a file that
// outlives it. tests/stress and tests/e2e compare that with what arrived.
//
//   storm BOOKS [key=value...]
//     threads=4    events=1000000  per thread; 0: until killed, or for that long
//     seconds=0    to write for; 0: until the events have been written
//     timer=0      microseconds between signals to each thread, whose handler writes too; 0: none
//     migrate=0    moves to another CPU after so many events
//     forks=0      forks a child after so many events, which writes 1,000 events of its own
//     long=0       every so manieth event carries a text of 2,000 bytes, which is written in two phases
//     text=0       every so manieth event carries a short text, of a length that changes
//     pause=0      microseconds to sleep after every 100 events
//
// A writer is a thread, a thread's signal handler, or a child: whatever writes its events one after the other. Its
// events carry its index and their number, from 0; texts follow from both. Prints the sum of what was tried.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <thread>
#include <vector>

#include <ouro/trace.hpp>

#include "storm_books.hpp"

namespace {

struct Options {
  unsigned long threads = 4, events = 1000000, timer = 0, migrate = 0, forks = 0, long_every = 0, text_every = 0,
                pause = 0, seconds = 0;
} options;

Books* books;

struct Writer {
  std::uint32_t index;
  std::uint64_t next = 0;

  void write() {
    char text[2001];
    const bool is_long = options.long_every != 0 && next % options.long_every == options.long_every - 1;
    const bool is_text = options.text_every != 0 && next % options.text_every == 0;
    const std::size_t size = is_long ? 2000 : is_text ? text_size(index, next) : 0;
    if (size != 0) {
      fill_text(index, next, text, size);
      OURO_EVENT("storm:text", "writer", index, "number", next, "text", std::string_view(text, size));
    } else {
      OURO_EVENT("storm:number", "writer", index, "number", next);
    }
    ++next;
    books->writer[index].tried.store(next, std::memory_order_release);
  }
};

Writer new_writer() {
  const std::uint32_t index = books->writers.fetch_add(1);
  if (index >= kMaxWriters) {
    std::fprintf(stderr, "storm: more than %u writers\n", kMaxWriters);
    _exit(3);
  }
  books->writer[index].pid.store(getpid());
  return Writer{index};
}

__thread Writer* in_handler;

void on_timer(int) {
  if (in_handler != nullptr) in_handler->write();
}

timer_t start_timer() {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGALRM;
  event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
  timer_t timer{};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) std::perror("timer_create"), _exit(3);
  const auto ns = static_cast<long>(options.timer * 1000);
  const itimerspec often{{0, ns}, {0, ns}};
  timer_settime(timer, 0, &often, nullptr);
  return timer;
}

void move_elsewhere(unsigned long turn) {
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(turn % static_cast<unsigned long>(cpus), &set);
  sched_setaffinity(0, sizeof set, &set);
}

void fork_child() {
  const pid_t child = fork();
  if (child == 0) {
    Writer writer = new_writer();
    for (int i = 0; i < 1000; ++i) writer.write();
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    std::fprintf(stderr, "storm: child %d: status %#x\n", static_cast<int>(child), static_cast<unsigned>(status));
    _exit(3);
  }
}

void run(unsigned long which) {
  Writer writer = new_writer();
  Writer handler{};
  timer_t timer{};
  if (options.timer != 0) {
    handler = new_writer();
    in_handler = &handler;
    timer = start_timer();
  }
  const std::time_t end = std::time(nullptr) + static_cast<std::time_t>(options.seconds);
  for (unsigned long i = 0; i < options.events || options.events == 0; ++i) {
    writer.write();
    if (options.seconds != 0 && i % 100 == 0 && std::time(nullptr) >= end) break;
    if (options.migrate != 0 && i % options.migrate == 0) move_elsewhere(which + i / options.migrate);
    if (options.pause != 0 && i % 100 == 0) usleep(static_cast<useconds_t>(options.pause));
    if (options.forks != 0 && i % options.forks == options.forks - 1) fork_child();
  }
  if (options.timer != 0) {
    timer_delete(timer);
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, nullptr);
    in_handler = nullptr;
  }
}

void parse(int argc, char** argv) {
  for (int i = 2; i < argc; ++i) {
    const auto take = [&](const char* key, unsigned long& value) {
      const std::size_t n = std::strlen(key);
      if (std::strncmp(argv[i], key, n) != 0 || argv[i][n] != '=') return false;
      value = std::strtoul(argv[i] + n + 1, nullptr, 10);
      return true;
    };
    if (!take("threads", options.threads) && !take("events", options.events) && !take("timer", options.timer) &&
        !take("migrate", options.migrate) && !take("forks", options.forks) && !take("long", options.long_every) &&
        !take("text", options.text_every) && !take("pause", options.pause) && !take("seconds", options.seconds))
      std::fprintf(stderr, "storm: argument is '%s', want key=value\n", argv[i]), std::exit(2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  parse(argc, argv);
  const int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(Books)) != 0) return std::perror(argv[1]), 1;
  books = static_cast<Books*>(mmap(nullptr, sizeof(Books), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  close(fd);
  struct sigaction action {};
  action.sa_handler = on_timer;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  std::vector<std::thread> threads;
  for (unsigned long i = 0; i < options.threads; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < books->writers.load(); ++i) sum += books->writer[i].tried.load();
  std::printf("%llu\n", static_cast<unsigned long long>(sum));
}
