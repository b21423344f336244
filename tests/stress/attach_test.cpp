// Sessions come and go, thousands of them, while a program writes events of all kinds from threads and from signal handlers: it lives on, does
// not grow, and what each session has of it is without a gap that is not counted. OURO_CYCLES: how many come and go (300).
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include <ouro/read.hpp>

#include "record/attachment.hpp"
#include "record/recorder.hpp"
#include "record/registry_file.hpp"
#include "record/test_session.hpp"
#include "../programs/storm_books.hpp"

namespace ouro::record {
namespace {

using test::TestFolder;

int cycles() {
  const char* text = std::getenv("OURO_CYCLES");
  return text != nullptr ? std::atoi(text) : 300;
}

// tests/programs/storm in a runtime folder of its own.
class Storm {
 public:
  explicit Storm(const TestFolder& folder) {
    const std::string path = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "programs/storm").string();
    const std::string books = folder.in("books");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setenv("OURO_RUNTIME_DIR", folder.runtime().path, 1);
      ::execl(path.c_str(), path.c_str(), books.c_str(), "threads=4", "events=0", "timer=300", "long=97", "text=5", "pause=200", nullptr);
      ::_exit(127);
    }
  }
  ~Storm() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  int pid() const { return pid_; }
  bool lives() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  std::optional<Target> target() const {
    for (int i = 0; i < 2000; ++i) {
      if (Result<Target> found = find_target(pid_)) return std::move(*found);
      ::usleep(10'000);
    }
    return std::nullopt;
  }

 private:
  pid_t pid_;
};

struct Memory {
  long mappings = 0, size_kb = 0, resident_kb = 0;
};
Memory memory_of(int pid) {
  Memory out;
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream maps(folder + "/maps"), status(folder + "/status");
  for (std::string line; std::getline(maps, line);) ++out.mappings;
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmSize:", 0) == 0) out.size_kb = std::atol(line.c_str() + 7);
    if (line.rfind("VmRSS:", 0) == 0) out.resident_kb = std::atol(line.c_str() + 6);
  }
  return out;
}

SessionOptions options_of(int cycle) {
  SessionOptions out;
  out.name = "storm-" + std::to_string(cycle);
  out.mode = cycle % 2 == 0 ? abi::FullMode::discard : abi::FullMode::overwrite;
  out.subbuf_count = 8;
  out.subbuf_size = cycle % 3 == 0 ? 4096 : 65536;
  Rule rule;
  rule.name = cycle % 4 == 1 ? "storm:text" : cycle % 4 == 2 ? "storm:number" : "*";
  out.rules = {rule};
  return out;
}

bool is_text(std::uint64_t number) { return number % 97 == 96 || number % 5 == 0; }  // as the program was told

// What a session has of one writer's events of one kind.
struct Run {
  std::uint64_t first = 0, last = 0, count = 0;
  bool in_order = true;
  std::uint64_t missing(bool text) const {
    std::uint64_t expected = 0;
    for (std::uint64_t n = first; n <= last; ++n) expected += is_text(n) == text;
    return expected - count;
  }
};

// Between the first and the last that are there of a kind, as many are missing as were lost, or fewer: its two kinds do not go on and off at the
// same instant. Returns how many events there are.
std::uint64_t expect_no_uncounted_gap(const std::string& path, int cycle, std::uint64_t lost) {
  Result<read::Trace> trace = read::Trace::open(path);
  EXPECT_TRUE(trace) << trace.error().text;
  if (!trace) return 0;
  std::map<std::pair<std::uint64_t, bool>, Run> runs;
  std::uint64_t events = 0;
  while (const read::Event* event = trace->next()) {
    if (event->type->is_state) continue;
    const bool text = event->type->name == "storm:text";
    EXPECT_TRUE(text ? cycle % 4 != 2 : event->type->name == "storm:number" && cycle % 4 != 1) << event->type->name << " in a session that does not want it";
    ++events;
    const std::uint64_t writer = event->fields()[0].u, number = event->fields()[1].u;
    EXPECT_EQ(is_text(number), text) << number;
    Run& run = runs[{writer, text}];
    if (run.count++ == 0) run.first = run.last = number;
    else run.in_order &= number > run.last;
    run.last = std::max(run.last, number);
    run.first = std::min(run.first, number);
  }
  EXPECT_TRUE(trace->complete()) << (trace->damage().empty() ? "" : trace->damage()[0].text);
  std::uint64_t missing = 0;
  for (const auto& [key, run] : runs) {
    EXPECT_TRUE(run.in_order) << "writer " << key.first << " in cycle " << cycle;
    missing += run.missing(key.second);
  }
  EXPECT_LE(missing, lost) << "in cycle " << cycle;
  return events;
}

// One session from its beginning to its end. Every tenth writes a trace, which is looked at.
struct Outcome {
  std::uint64_t traces = 0, events = 0;
};
void run_session(const TestFolder& folder, const Target& target, int cycle, std::chrono::microseconds time, Outcome& out) {
  Result<Session> session = Session::create(folder.runtime(), options_of(cycle));
  ASSERT_TRUE(session) << session.error().text;
  const std::string path = folder.in("trace-" + std::to_string(cycle));
  std::optional<TraceFolder> trace;
  std::optional<Recorder> recorder;
  if (cycle % 10 < 2) {
    Result<TraceFolder> made = TraceFolder::create(path);
    ASSERT_TRUE(made) << made.error().text;
    trace.emplace(std::move(*made));
    recorder.emplace(*session, *trace, Recorder::Options{{}, [](const std::string& text) { ADD_FAILURE() << text; }});
  }
  Attachment attachment(*session, folder.runtime().path);
  const Status added = attachment.add(target);
  ASSERT_TRUE(added) << added.error().text;
  const auto end = std::chrono::steady_clock::now() + (recorder ? 10 * time : time);
  do {
    if (recorder) recorder->step();
    std::this_thread::sleep_for(std::min<std::chrono::microseconds>(time, std::chrono::milliseconds(1)));
  } while (std::chrono::steady_clock::now() < end);
  session->close();
  if (!recorder) return;
  ::usleep(20'000);  // those that had begun a record
  const Summary summary = recorder->finish();
  EXPECT_EQ(summary.rings_poisoned, 0u);
  ++out.traces;
  out.events += expect_no_uncounted_gap(path, cycle, summary.lost_total());
  std::filesystem::remove_all(path);
}

TEST(Attach, AStormOfSessionsLeavesTheProgramAsItWas) {
  TestFolder folder;
  const Storm storm(folder);
  const std::optional<Target> target = storm.target();
  ASSERT_TRUE(target) << "the program does not come up";
  std::mt19937 random(1);
  Outcome seen, beside;
  Memory before;
  const int n = cycles(), settled = std::min(n / 2, 150);  // each of two slots has as many views as are kept: 64
  for (int i = 0; i < n; ++i) {
    if (i == settled) before = memory_of(storm.pid());
    const std::chrono::microseconds time(random() % 3000);
    // Two at once, now and then.
    std::optional<std::thread> other;
    if (i % 7 == 0) other.emplace([&, i] { run_session(folder, *target, 100'000 + 4 * i + 3, std::chrono::microseconds(2000), beside); });
    run_session(folder, *target, i, time, seen);
    if (other) other->join();
    ASSERT_TRUE(storm.lives()) << "after " << i << " sessions";
    if (::testing::Test::HasFailure()) break;
  }
  const Memory after = memory_of(storm.pid());
  EXPECT_GT(seen.events, 0u);
  EXPECT_LE(after.mappings, before.mappings + 40);
  EXPECT_LE(after.size_kb, before.size_kb + (512 << 10));
  EXPECT_LE(after.resident_kb, before.resident_kb + (32 << 10));
  std::printf("%d sessions, %llu traces with %llu events; mappings %ld, then %ld; size %ld, then %ld kB; resident %ld, then %ld kB\n", n,
              static_cast<unsigned long long>(seen.traces + beside.traces), static_cast<unsigned long long>(seen.events + beside.events), before.mappings,
              after.mappings, before.size_kb, after.size_kb, before.resident_kb, after.resident_kb);
}

}  // namespace
}  // namespace ouro::record
