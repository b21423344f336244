// Programs, recorders and both are killed at random instants; what is recovered from memory holds everything that was written before, to the
// books that the writers kept outside. OURO_FLIGHT_KILLS: how many are killed (24).
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <random>

#include "storm.hpp"

namespace ouro::stress {
namespace {

// Who is killed, of which kind of session.
enum class Way { flight_program, overwrite_both, discard_both, flight_with_snapshot };
constexpr const char* kWays[] = {"a flight recorder's program", "recorder of --overwrite, then program", "recorder and program", "a flight recorder's program, behind snapshots"};

class Flight : public Storm {
 protected:
  void TearDown() override {
    if (program_ > 0) kill(program_, SIGKILL);
    Storm::TearDown();
  }

  std::string ouro() const { return (build_folder() / "ouro").string(); }

  pid_t start(const std::string& command) {
    const pid_t child = fork();
    if (child != 0) return child;
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr);
    _exit(127);
  }

  // Until all its writers are at work.
  void wait_for_program(std::uint32_t writers) {
    for (int i = 0; i < 20'000 && (access(books_path().c_str(), F_OK) != 0 || std::filesystem::file_size(books_path()) != sizeof(Books)); ++i) usleep(1000);
    for (int i = 0; i < 20'000; ++i, usleep(1000)) {
      std::uint32_t begun = 0;
      for (std::uint32_t w = 0; w < writers; ++w) begun += books().writer[w].tried.load() > 10;
      if (begun == writers) break;
    }
    program_ = books().writer[0].pid.load();
    ASSERT_GT(program_, 0) << "the program does not come up";
  }
  static bool is_gone(pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(stat, text);
    const std::size_t at = text.rfind(") ");
    return at == std::string::npos || text[at + 2] == 'Z' || text[at + 2] == 'X';
  }
  void kill_program() {
    kill(program_, SIGKILL);
    for (int i = 0; i < 10'000 && !is_gone(program_); ++i) usleep(1000);
    program_ = 0;
  }

  // Of one writer's numbers, those that are in any of the traces, with the ticks of the last time.
  using Numbers = std::map<std::uint64_t, std::uint64_t>;
  struct Found {
    std::map<std::uint64_t, Numbers> of_writer;
    std::uint64_t complete_from = 0;  // ticks: since then no ring was lapped
    std::uint64_t lost = 0;           // by other causes
    std::uint64_t events = 0;
  };
  void read(const std::string& path, Found& out, bool is_whole) {
    auto opened = read::Trace::open(path);
    ASSERT_TRUE(opened) << opened.error().text;
    std::map<const read::Stream*, std::pair<std::uint64_t, std::uint64_t>> window;  // first and last
    std::map<std::string, std::uint64_t> lost;
    while (const read::Event* event = opened->next()) {
      if (event->type->name == "ouro:lost") lost[std::string(event->fields()[2].text())] += event->fields()[3].u;
      if (event->type->is_state) continue;
      ++out.events;
      out.of_writer[event->fields()[0].u][event->fields()[1].u] = event->ticks;
      window.try_emplace(event->stream, event->ticks, 0).first->second.second = event->ticks;
    }
    if (is_whole) {
      EXPECT_TRUE(opened->complete()) << opened->damage().front().text;
      const std::string said = run("babeltrace2 --component=c:sink.utils.counter " + path);
      EXPECT_EQ(stderr_, "") << "babeltrace2 complains";
    }
    for (const auto& [stream, from_to] : window)
      if (stream->events_discarded != 0) out.complete_from = std::max(out.complete_from, from_to.first);
    for (const auto& [cause, count] : lost)
      if (cause != "lapped") out.lost += count;
  }

  // From `complete_from` on, no number of any writer is missing but as many as were lost; nor is the last that its books have.
  void expect_all(const Found& found, const std::string& how) {
    std::uint64_t missing = 0;
    for (std::uint32_t w = 0; w < books().writers.load(); ++w) {
      const std::uint64_t tried = books().writer[w].tried.load();
      const auto numbers = found.of_writer.find(w);
      if (numbers == found.of_writer.end()) {
        if (found.complete_from == 0) missing += tried;
        continue;
      }
      std::uint64_t next = found.complete_from == 0 ? 0 : ~std::uint64_t{0};
      for (const auto& [number, ticks] : numbers->second) {
        if (ticks < found.complete_from) continue;
        if (next != ~std::uint64_t{0}) missing += number - next;
        next = number + 1;
      }
      if (next != ~std::uint64_t{0} && next < tried) missing += tried - next;
      EXPECT_LE(numbers->second.rbegin()->first, tried) << how << ": more than was written, of writer " << w;
    }
    EXPECT_LE(missing, found.lost) << how << ": committed before the kill, and not there";
  }

  void fly(Way way, unsigned turn, std::mt19937& random);

  pid_t program_ = 0;
};

void Flight::fly(Way way, unsigned turn, std::mt19937& random) {
  const std::string how = std::string(kWays[static_cast<int>(way)]) + ", kill " + std::to_string(turn);
  const bool timer = turn % 3 == 0, flight = way == Way::flight_program || way == Way::flight_with_snapshot;
  const std::string program = storm(std::string("threads=3 events=0 text=7 long=501 pause=300") + (timer ? " timer=200" : ""));
  const std::string a = (folder_ / "a").string(), b = (folder_ / "b").string();
  const std::string tunables = turn % 5 == 4 ? "env GLIBC_TUNABLES=glibc.pthread.rseq=0 " : "";
  pid_t recorder = 0;
  if (flight) run(tunables + ouro() + " record --flight -d --buffer-size 1M -- " + program);
  else recorder = start(tunables + ouro() + " record -o " + a + (way == Way::overwrite_both ? " --overwrite" : "") + " --buffer-size 1M -- " + program);
  wait_for_program(timer ? 6 : 3);
  if (HasFatalFailure()) return;
  usleep(static_cast<useconds_t>(5'000 + random() % 60'000));
  Found found;
  if (way == Way::flight_with_snapshot)
    for (int i = 0; i < 3; ++i) {
      Found seen;
      run(ouro() + " snapshot -o " + a);
      read(a, seen, true);
      EXPECT_GT(seen.events, 0u) << how;
      std::filesystem::remove_all(a);
      usleep(static_cast<useconds_t>(random() % 5'000));
    }
  if (recorder > 0) kill(recorder, SIGKILL);
  if (way == Way::overwrite_both) usleep(static_cast<useconds_t>(random() % 20'000));
  kill_program();
  if (recorder > 0) waitpid(recorder, nullptr, 0);
  run(ouro() + " recover -o " + b);
  if (way == Way::discard_both) read(a, found, false);
  read(b, found, true);
  expect_all(found, how);
  if (flight) run(ouro() + " stop flight");
  EXPECT_EQ(run(ouro() + " status --json"), "[]\n") << how;
  std::filesystem::remove_all(a);
  std::filesystem::remove_all(b);
  forget_books();
}

TEST_F(Flight, WhatWasCommittedBeforeAKillIsRecovered) {
  const char* const text = std::getenv("OURO_FLIGHT_KILLS");
  const unsigned kills = text != nullptr ? static_cast<unsigned>(std::atoi(text)) : 24;
  const auto seed = static_cast<unsigned>(std::time(nullptr));
  std::mt19937 random(seed);
  for (unsigned turn = 0; turn < kills && !HasFailure(); ++turn) fly(static_cast<Way>(turn % 4), turn, random);
  if (HasFailure()) std::printf("seed %u\n", seed);
}

}  // namespace
}  // namespace ouro::stress
