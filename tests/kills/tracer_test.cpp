// A traced program is killed behind each system call and each store into shared memory of its start, its first events, its end; and a child
// that it forked, of the child's own start, events and end. Afterwards another program of the same session is recorded whole, the trace is
// sound, what is missing is counted, and nothing of the dead one is left in the runtime folder.
#if defined(__x86_64__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>

#include <map>
#include <optional>

#include <ouro/read.hpp>

#include "base/fd.hpp"
#include "record/recorder.hpp"
#include "record/registry_file.hpp"
#include "record/test_session.hpp"
#include "ring/test_ring.hpp"
#include "everywhere.hpp"

namespace ouro::race {
namespace {

using record::Session;

std::string program() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "programs/killed").string();
}

// The program, or the child that it forks, is stepped through or runs to a place, as Stepped does. The same addresses in each.
class Traced {
 public:
  Traced(const Session& session, const std::string& folder, bool its_child) : program_(start(session, folder, its_child ? "fork" : "stop")) {
    waitpid(program_, &status_, 0);
    pid_ = program_;
    while (WIFSTOPPED(status_) && peek(pc() - 1) != 0xcc) go(PTRACE_CONT);  // the exec, as another one's tracer sees it
    if (!its_child) return;
    ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_TRACEFORK);
    go(PTRACE_CONT);
    unsigned long child = 0;
    ptrace(PTRACE_GETEVENTMSG, pid_, nullptr, &child);
    EXPECT_EQ(status_ >> 8, SIGTRAP | PTRACE_EVENT_FORK << 8) << "it does not fork";
    ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
    pid_ = static_cast<pid_t>(child);
    waitpid(pid_, &status_, __WALL);
  }
  ~Traced() { kill(); }
  Traced(const Traced&) = delete;

  bool step() { return go(PTRACE_SINGLESTEP); }
  bool run_to(const Place& place) {
    const long code = ptrace(PTRACE_PEEKTEXT, pid_, place.address, nullptr);
    for (unsigned i = 0; i < place.nth; ++i) {
      if (i != 0 && !step()) return false;
      ptrace(PTRACE_POKETEXT, pid_, place.address, (code & ~0xffL) | 0xcc);
      if (!go(PTRACE_CONT) || pc() != place.address + 1) return false;
      ptrace(PTRACE_POKETEXT, pid_, place.address, code);
      ptrace(PTRACE_POKEUSER, pid_, offsetof(user, regs.rip), place.address);
    }
    return true;
  }
  // The one that is traced; a parent goes on and ends.
  void kill() {
    if (pid_ > 0 && WIFSTOPPED(status_)) {
      ::kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, __WALL);
    }
    if (pid_ > 0 && program_ != pid_) waitpid(program_, nullptr, 0);
    pid_ = -1;
  }
  std::uint64_t pc() const { return static_cast<std::uint64_t>(ptrace(PTRACE_PEEKUSER, pid_, offsetof(user, regs.rip), nullptr)); }
  bool behind_system_call() const { return peek(pc() - 2) == 0x0f && peek(pc() - 1) == 0x05; }

  static pid_t start(const Session& session, const std::string& folder, const char* what) {
    const pid_t child = fork();
    if (child != 0) return child;
    setenv("OURO_RUNTIME_DIR", folder.c_str(), 1);
    setenv("OURO_SESSION", session.file().c_str(), 1);
    setenv("LD_BIND_NOW", "1", 1);
    execl(program().c_str(), "killed", what, nullptr);
    _exit(127);
  }

 private:
  int peek(std::uint64_t at) const { return static_cast<int>(ptrace(PTRACE_PEEKTEXT, pid_, at, nullptr) & 0xff); }
  bool go(__ptrace_request how) {
    const int signal = WIFSTOPPED(status_) && WSTOPSIG(status_) != SIGTRAP && WSTOPSIG(status_) != SIGSTOP ? WSTOPSIG(status_) : 0;
    ptrace(how, pid_, nullptr, signal);
    return waitpid(pid_, &status_, __WALL) == pid_ && WIFSTOPPED(status_) && WSTOPSIG(status_) == SIGTRAP;
  }
  pid_t program_, pid_;
  int status_ = 0;
};

// A session, and who records it.
struct Recording {
  record::test::TestFolder folder;
  std::optional<Session> session;
  std::optional<record::TraceFolder> trace;
  std::optional<record::Recorder> recorder;
  std::vector<std::string> said;
  Recording() {
    record::SessionOptions options = record::test::small_session();
    options.thread_capacity = options.process_capacity = 8;
    session.emplace(std::move(*Session::create(folder.runtime(), options)));
    trace.emplace(std::move(*record::TraceFolder::create(folder.in("trace"))));
    recorder.emplace(*session, *trace, record::Recorder::Options{{}, [this](const std::string& line) { said.push_back(line); }});
  }
  std::string path() const { return folder.runtime().path; }
};

// What a program stores into memory that others see: its session's tables and counters, and whatever registries there are by now.
class Stores {
 public:
  explicit Stores(Recording& r) : r_(&r), session_(watched(r)) {}
  ~Stores() {
    for (auto& [path, memory] : registry_) munmap(memory, abi::kRegistrySize);
  }
  Stores(const Stores&) = delete;
  bool operator()(bool may_be_new_files) {
    if (may_be_new_files) look_for_registries();
    bool changed = session_();
    for (auto& [path, memory] : registry_) {
      std::byte now[kLength];
      std::memcpy(now, memory, kHeader);
      std::memcpy(now + kHeader, static_cast<std::byte*>(memory) + abi::kRegistryRowsOffset, kRows);
      std::vector<std::byte>& last = last_[path];
      if (last.size() == kLength && std::memcmp(last.data(), now, kLength) == 0) continue;
      last.assign(now, now + kLength);
      changed = true;
    }
    return changed;
  }

 private:
  static constexpr std::size_t kHeader = abi::kRegistryRowsOffset, kRows = 8 * sizeof(abi::RegistryRow), kLength = kHeader + kRows;
  static Changes watched(Recording& r) {
    const Session& s = *r.session;
    const auto rows = [](const auto& first) { return std::as_bytes(std::span(&first, 8)); };
    return Changes{bytes_of(s.header()), rows(s.event(0)), rows(s.thread(0)), rows(s.process(0)),
                   bytes_of(s.ring(s.options().cpus)), std::span(s.schemas(), 256)};
  }
  void look_for_registries() {
    for (const std::string& path : record::find_registries(r_->path())) {
      const base::Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      struct stat status{};
      if (registry_.contains(path) || !fd || fstat(fd.get(), &status) != 0 || status.st_size != static_cast<off_t>(abi::kRegistrySize)) continue;
      registry_[path] = mmap(nullptr, abi::kRegistrySize, PROT_READ, MAP_SHARED, fd.get(), 0);
    }
  }
  Recording* r_;
  Changes session_;
  std::map<std::string, void*> registry_;
  std::map<std::string, std::vector<std::byte>> last_;
};

constexpr std::uint64_t kHealthy = 60;
constexpr std::uint64_t kWithoutRandom = 0x555555554000;  // where the kernel puts it then

// What came of all the kills: that there was something to kill.
struct Came {
  std::uint64_t none, some, all;  // of the victim's events
};

// Another program runs, the recording ends, and is looked at.
void expect_sound(Recording& r, bool its_child, Came& came) {
  int status = 1;
  waitpid(Traced::start(*r.session, r.path(), std::to_string(kHealthy).c_str()), &status, 0);
  EXPECT_EQ(status, 0);
  r.recorder->step();
  r.session->close();
  const record::Summary summary = r.recorder->finish();
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(summary.rings_poisoned + summary.rings_unfinished + summary.unwritten, 0u);
  EXPECT_LE(summary.lost[static_cast<std::size_t>(abi::Loss::dead_writer)], 1u);
  EXPECT_EQ(summary.lost_total(), summary.lost[static_cast<std::size_t>(abi::Loss::dead_writer)]);
  for (const std::string& line : r.said) ADD_FAILURE() << line;
  EXPECT_TRUE(record::find_registries(r.path()).empty()) << "registries of the dead are left";

  Result<read::Trace> trace = read::Trace::open(r.folder.in("trace"));
  ASSERT_TRUE(trace) << trace.error().text;
  std::map<std::string, std::uint64_t> count;
  std::uint64_t all = 0;
  while (const read::Event* event = trace->next()) {
    if (event->type->name.rfind("killed:", 0) != 0) continue;
    std::uint64_t& n = count[event->type->name];
    if (event->type->name == "killed:healthy") { EXPECT_EQ(event->fields()[0].u, n); }
    ++n, ++all;
  }
  EXPECT_TRUE(trace->complete());
  EXPECT_EQ(all, summary.events);
  EXPECT_EQ(count["killed:healthy"], kHealthy) << "of a program that nobody killed";
  EXPECT_LE(count["killed:first"], 1u);
  EXPECT_LE(count["killed:second"], count["killed:first"]);
  ++(count["killed:child"] != 0 || (!its_child && count["killed:second"] != 0) ? came.all : count["killed:first"] != 0 && !its_child ? came.some : came.none);
  if (!its_child) return;
  EXPECT_EQ(count["killed:second"], 1u) << "of a child's parent that nobody killed";
  EXPECT_LE(count["killed:child"], 1u);
}

void kill_everywhere(bool its_child) {
  if (personality(ADDR_NO_RANDOMIZE) == -1) GTEST_SKIP() << "programs are not to be told where they are (personality(2))";
  ring::pin_to(0);
  std::vector<Place> all;
  {
    Recording r;
    Traced first(*r.session, r.path(), its_child);
    Stores stored(r);
    all = places(first, [&] {
      const bool called = first.behind_system_call();
      return stored(called) || called;
    });
  }
  EXPECT_GE(all.size(), its_child ? 40u : 60u);
  Tally kills;
  kills.base = kWithoutRandom;
  Came came{};
  const auto kill_at = [&](const Place& place) {
    Recording r;
    {
      Traced victim(*r.session, r.path(), its_child);
      if (!victim.run_to(place)) return false;
      victim.kill();
    }
    expect_sound(r, its_child, came);
    return true;
  };
  ASSERT_NO_FATAL_FAILURE(kills.at_each(all, its_child ? "its child" : "a program", kill_at));
  kills.say();
  EXPECT_GE(came.none, 20u);
  EXPECT_GE(came.all, 5u);
  if (!its_child) { EXPECT_GE(came.some, 5u); }
  EXPECT_LE(kills.missed, kills.points / 10);
}

TEST(Kills, AProgramBehindEachSideEffectOfItsStartItsFirstEventsAndItsEnd) { kill_everywhere(false); }
TEST(Kills, AForkedChildBehindEachSideEffectOfItsStartItsFirstEventsAndItsEnd) { kill_everywhere(true); }

}  // namespace
}  // namespace ouro::race
#endif
