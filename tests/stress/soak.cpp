// Everything at once, for as long as one likes, against the ring alone: tests/stress/run builds and starts it.
//
//   soak [--seconds N] [--kills N] [--seed N] [--folder FOLDER]
//
// Round after round, each with a ring of another shape (drawn from the seed): 1 to 4 writer processes with two threads each, whose
// signal handlers write every 20 us, which change their CPU and fork; some rounds kill them at random moments. One reader, fast or
// slow. An event is {producer, sequence, size, check sum, filling}; what a producer sent it says in a page of its own, after it sent
// it: so a kill costs one event. sent = received + every loss counter, to the event; of each that was killed there may be one more.
// FOLDER, if given, is on a file system that may run full: rings are files there then.
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <ouro/ring/buffer.hpp>

namespace {

using namespace ouro::ring;

constexpr std::uint32_t kProducers = 4096;
struct alignas(64) Mirror {
  std::atomic<std::uint64_t> sent;
  std::atomic<std::uint32_t> killed;
};
struct Shared {
  std::atomic<std::uint32_t> producers;
  std::atomic<bool> stop;
  Mirror of[kProducers];
};
Shared* shared;

struct Event {
  std::uint32_t producer, size;
  std::uint64_t sequence, sum;
};
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ x >> 31) * 0x9e3779b97f4a7c15;
  return x ^ x >> 29;
}
std::uint64_t sum_of(const Event& e) { return mix(e.sequence * 0x100000001b3 + e.producer) + e.size; }
std::byte filling(const Event& e, std::size_t i) { return static_cast<std::byte>(e.sequence * 7 + e.producer + i); }

char round_text[200] = "before the first round";

[[noreturn]] void die(const char* what, unsigned long long a = 0, unsigned long long b = 0) {
  std::fprintf(stderr, "soak: error: %s: %llu, %llu; %s\n", what, a, b, round_text);
  if (shared != nullptr) shared->stop = true;  // the writers go, too
  std::_Exit(1);
}

struct Round {
  std::uint32_t subbufs;
  std::uint64_t subbuf_size;
  unsigned writers, slow_us;
  bool kills, signals, forks;
};

template <class B>
struct Producer {
  B* buffer;
  std::uint32_t index;
  std::uint64_t next = 0;
  alignas(8) std::byte event[4096];

  Producer(B& b) : buffer(&b), index(shared->producers.fetch_add(1)) {
    if (index >= kProducers) die("too many producers", index);
  }
  void write() {
    const std::uint64_t kind = mix(next + index) % 64;
    const std::size_t size = sizeof(Event) + (kind == 0 ? 1500 : kind < 8 ? kind * 13 : 0);  // two phases, any length, inline
    Event e{index, static_cast<std::uint32_t>(size), next, 0};
    e.sum = sum_of(e);
    std::memcpy(event, &e, sizeof e);
    for (std::size_t i = sizeof e; i < size; ++i) event[i] = filling(e, i);
    if (size == sizeof e) buffer->write(1, e);
    else buffer->write(1, static_cast<const void*>(event), size);
    shared->of[index].sent.store(++next, std::memory_order_release);
  }
};

__thread void (*in_handler)();
void on_timer(int) {
  const int saved = errno;
  if (in_handler != nullptr) in_handler();
  errno = saved;
}
template <class B>
thread_local Producer<B>* of_handler = nullptr;

template <class B>
void write_on(B& buffer, const Round& round, unsigned seed) {
  Producer<B> own(buffer), handler(buffer);
  of_handler<B> = &handler;
  in_handler = [] { of_handler<B>->write(); };
  timer_t timer{};
  if (round.signals) {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) die("timer_create", static_cast<unsigned>(errno));
    const itimerspec often{{0, 20'000}, {0, 20'000}};
    timer_settime(timer, 0, &often, nullptr);
  }
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  for (unsigned i = 1; !shared->stop.load(std::memory_order_relaxed); ++i) {
    own.write();
    if (i % 5'000 == 0) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET((i / 5'000 + seed) % static_cast<unsigned long>(cpus), &set);
      sched_setaffinity(0, sizeof set, &set);
    }
  }
  if (round.signals) timer_delete(timer);
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarm, nullptr);
  in_handler = nullptr;
}

template <class B>
pid_t start(B& buffer, const Round& round, unsigned seed) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  std::signal(SIGALRM, on_timer);
  std::thread other([&] { write_on(buffer, round, seed); });
  if (round.forks) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      Producer<B> own(buffer);
      for (int i = 0; i < 1'000; ++i) own.write();
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }
  write_on(buffer, round, seed + 1);
  other.join();
  _exit(0);
}

struct Totals {
  std::uint64_t sent = 0, received = 0, lost = 0, kills = 0, rounds = 0, refused = 0;
} totals;

struct Check {
  std::vector<std::vector<std::uint64_t>> of_ring;  // what comes next, by producer: order is a ring's
  std::vector<std::uint64_t> next = std::vector<std::uint64_t>(kProducers);
  std::uint64_t received = 0;
  void operator()(const Record& r) {
    Event e;
    if (r.bytes.size() < sizeof e) die("an event of so many bytes", r.bytes.size());
    std::memcpy(&e, r.bytes.data(), sizeof e);
    if (e.producer >= kProducers || e.sum != sum_of(e) || e.size != r.bytes.size()) die("torn: producer, size", e.producer, e.size);
    if (r.ring >= of_ring.size()) of_ring.resize(r.ring + 1, std::vector<std::uint64_t>(kProducers));
    std::uint64_t& expected = of_ring[r.ring][e.producer];
    if (e.sequence < expected) die("twice, or out of order: producer, sequence", e.producer, e.sequence);
    expected = e.sequence + 1;
    for (std::size_t i = sizeof e; i < e.size; ++i)
      if (r.bytes[i] != filling(e, i)) die("torn: producer, sequence", e.producer, e.sequence);
    next[e.producer] = std::max(next[e.producer], expected);
    ++received;
  }
};

template <Policy kPolicy, class B = Buffer<kPolicy>>
void run(const Round& round, std::mt19937& random, const std::string& folder) {
  shared->producers = 0;
  shared->stop = false;
  for (Mirror& m : shared->of) m.sent = 0, m.killed = 0;
  constexpr const char* kSync[] = {"per_cpu", "shared", "exclusive"};
  std::snprintf(round_text, sizeof round_text, "round %llu: %s, %s, %u sub-buffers of %llu bytes, %u writers, reads every %u us%s%s%s",
                static_cast<unsigned long long>(totals.rounds), kSync[static_cast<int>(kPolicy.sync)],
                kPolicy.full == Full::discard ? "discard" : "overwrite", round.subbufs, static_cast<unsigned long long>(round.subbuf_size),
                round.writers, round.slow_us, round.kills ? ", kills" : "", round.signals ? ", signals" : "", round.forks ? ", forks" : "");
  const std::string path = folder + "/ring";
  auto made = B::create({.subbuf_count = round.subbufs, .subbuf_size = round.subbuf_size,
                         .memory = folder.empty() ? Memory::anonymous : Memory::file, .path = path});
  if (!folder.empty()) unlink(path.c_str());
  if (!made) return void(++totals.refused);
  Records records(made->channel(), Records::Order::by_ring);
  Check check;
  std::vector<pid_t> writers;
  for (unsigned i = 0; i < round.writers; ++i) writers.push_back(start(*made, round, static_cast<unsigned>(random())));
  std::uint64_t killed = 0;
  const auto now = [] { timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1'000'000L + t.tv_nsec / 1'000; };
  long next_kill = now() + 2'000;
  const long end = now() + 1'000'000;
  std::uint32_t counted = 0;
  const auto read = [&] {
    Record r;
    for (int i = 0; i < 100'000 && records.next(r); ++i) check(r);
  };
  while (now() < end) {
    read();
    if (round.slow_us != 0) usleep(round.slow_us);
    if (!round.kills || now() < next_kill || shared->producers.load() > kProducers - 16) continue;
    next_kill = now() + 500 + static_cast<long>(random() % 8'000);
    pid_t& victim = writers[static_cast<std::uint64_t>(random()) % writers.size()];
    kill(victim, SIGKILL);
    waitpid(victim, nullptr, 0);
    ++killed;
    victim = start(*made, round, static_cast<unsigned>(random()));
  }
  shared->stop = true;
  for (const pid_t pid : writers) {
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0) die("a writer's end: status", static_cast<unsigned>(status));
  }
  while (waitpid(-1, nullptr, 0) > 0) {  // children of the killed, too
  }
  records.writers_are_done();
  for (int i = 0; i < 3; ++i) read();
  for (std::uint64_t before = ~std::uint64_t{0}; before != check.received;) before = check.received, read();
  std::uint64_t sent = 0;
  counted = shared->producers.load();
  for (std::uint32_t i = 0; i < counted; ++i) {
    sent += shared->of[i].sent.load();
    if (check.next[i] > shared->of[i].sent.load() + 1) die("more than was sent: producer", i);
  }
  const std::uint64_t seen = check.received + records.lost();
  // Each process that is killed has four producers, a forked child's, and so four events under way at most.
  if (records.corrupt()) die("corrupt");
  if (seen < sent || seen > sent + 5 * killed) die("the books do not balance: sent, received + lost", sent, seen);
  totals.sent += sent;
  totals.received += check.received;
  totals.lost += records.lost();
  totals.kills += killed;
  ++totals.rounds;
}

}  // namespace

int main(int argc, char** argv) {
  long seconds = 60, kills = 0;
  unsigned long seed = static_cast<unsigned long>(std::time(nullptr));
  std::string folder;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    if (key == "--seconds") seconds = std::atol(argv[i + 1]);
    else if (key == "--kills") kills = std::atol(argv[i + 1]);
    else if (key == "--seed") seed = std::strtoul(argv[i + 1], nullptr, 10);
    else if (key == "--folder") folder = argv[i + 1];
    else return std::fprintf(stderr, "soak: error: argument is '%s'\n", argv[i]), 2;
  }
  shared = static_cast<Shared*>(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::printf("soak: seed %lu\n", seed);
  std::fflush(stdout);
  std::mt19937 random(static_cast<unsigned>(seed));
  const auto begun = std::time(nullptr);
  for (unsigned i = 0; std::time(nullptr) - begun < seconds || totals.kills < static_cast<std::uint64_t>(kills); ++i) {
    constexpr std::uint64_t kSizes[] = {4096, 16384, 262144, 4 << 20};
    const bool with_kills = kills != 0 || random() % 3 == 0;
    const Round round{2u << random() % 4, kSizes[random() % 4], 1 + static_cast<unsigned>(random() % 4),
                      random() % 3 == 0 ? 2'000u : 0u, with_kills, random() % 4 != 0, random() % 2 == 0};
    const std::string where = i % 4 == 3 ? folder : "";
    switch (i % 4) {
      case 0: run<Policy{}>(round, random, where); break;
      case 1: run<Policy{.full = Full::overwrite}>(round, random, where); break;
      case 2: run<Policy{.sync = Sync::shared}>(round, random, where); break;
      case 3: i % 8 == 3 ? run<Policy{}>(round, random, where)
                         : run<Policy{.sync = Sync::shared, .full = Full::overwrite}>(round, random, where);
    }
  }
  const double took = static_cast<double>(std::max<std::time_t>(std::time(nullptr) - begun, 1));
  std::printf("soak: %llu rounds, %.0f s: sent %llu = received %llu + lost %llu (+ %lld under way); %llu kills; %.2f million events a second, "
              "10^10 in %.1f hours; %llu rounds refused\n",
              static_cast<unsigned long long>(totals.rounds), took, static_cast<unsigned long long>(totals.sent),
              static_cast<unsigned long long>(totals.received), static_cast<unsigned long long>(totals.lost),
              static_cast<long long>(totals.received + totals.lost - totals.sent), static_cast<unsigned long long>(totals.kills),
              static_cast<double>(totals.sent) / took / 1e6, 1e10 / (static_cast<double>(totals.sent) / took) / 3600,
              static_cast<unsigned long long>(totals.refused));
}
