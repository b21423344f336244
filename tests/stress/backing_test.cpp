// Memory that is a file, as a power cut leaves it: of each page the disk has what it was at some instant. A program is stopped twice, the file
// is copied both times, and pages of the two copies are mixed. What is recovered from that was written, once; what is missing is counted, or
// said to be unknown. OURO_BACKING_CUTS: how many power cuts (8).
#include <sys/vfs.h>

#include <csignal>
#include <cstring>
#include <ctime>
#include <random>
#include <set>

#include <ouro/abi/session_layout.hpp>

#include "storm.hpp"

namespace ouro::stress {
namespace {

using Bytes = std::vector<char>;
constexpr std::size_t kPage = 4096;

class Backing : public Storm {
 protected:
  void SetUp() override {
    Storm::SetUp();
    std::string name = (build_folder() / "ouro-backing.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    disk_ = name;
    struct statfs system;
    ASSERT_EQ(statfs(name.c_str(), &system), 0);
    if (system.f_type != 0xef53 && system.f_type != 0x58465342) GTEST_SKIP() << "SKIPPED: " << name << " lies neither on ext4 nor on xfs";
  }
  void TearDown() override {
    if (program_ > 0) kill(program_, SIGKILL);
    if (!HasFailure()) std::filesystem::remove_all(disk_);
    else std::printf("the session's file is kept: %s\n", file().c_str());
    Storm::TearDown();
  }

  std::string ouro() const { return (build_folder() / "ouro").string(); }
  std::string file() const { return (disk_ / "session-flight").string(); }
  std::string torn() const { return (disk_ / "session-torn").string(); }

  void start(const std::string& arguments, const std::string& before = "") {
    run(before + ouro() + " record --flight -d --buffer-size 512K --backing " + disk_.string() + " -- " + storm(arguments));
    for (int i = 0; i < 20'000 && (access(books_path().c_str(), F_OK) != 0 || std::filesystem::file_size(books_path()) != sizeof(Books)); ++i) usleep(1000);
    for (int i = 0; i < 20'000 && books().writer[0].tried.load() < 5000; ++i) usleep(1000);
    program_ = books().writer[0].pid.load();
    ASSERT_GT(program_, 0) << "the program does not come up";
  }
  // All of its threads.
  void stop_program() {
    kill(program_, SIGSTOP);
    const std::string tasks = "/proc/" + std::to_string(program_) + "/task";
    for (int i = 0; i < 5'000; ++i, usleep(1000)) {
      bool all = true;
      for (const auto& task : std::filesystem::directory_iterator(tasks)) {
        std::ifstream in(task.path() / "stat");
        std::string text;
        std::getline(in, text);
        const std::size_t at = text.rfind(") ");
        all = all && at != std::string::npos && text[at + 2] == 'T';
      }
      if (all) return;
    }
    FAIL() << "the program does not stop";
  }
  void end() {
    kill(program_, SIGKILL);
    for (int i = 0; i < 10'000 && kill(program_, 0) == 0; ++i) usleep(1000);
    program_ = 0;
    run(ouro() + " stop flight");
    EXPECT_FALSE(std::filesystem::exists(file())) << "its file stays";
    forget_books();
  }

  static Bytes read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write_file(const std::string& path, const Bytes& bytes) { std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size())); }
  static const abi::SessionHeader& header_of(const Bytes& bytes) { return *reinterpret_cast<const abi::SessionHeader*>(bytes.data()); }
  static bool is_data(const abi::SessionHeader& h, std::size_t at) { return at >= h.rings_offset && (at - h.rings_offset) % h.ring_stride >= abi::kRingDataOffset; }

  struct Recovered {
    int status = 0;
    std::set<std::pair<std::uint64_t, std::uint64_t>> events;  // writer, number
    std::uint64_t torn = 0;
    bool is_unknown = false, speaks_of_torn = false;
    std::string said;
  };
  // Every event is one that was written, whole, and comes once.
  Recovered recover(const std::string& options) {
    Recovered out;
    std::filesystem::remove_all(trace());
    const std::string err = (folder_ / "said").string();
    out.status = std::system(("timeout 60 " + ouro() + " recover -o " + trace().string() + " " + options + " >/dev/null 2>" + err).c_str());
    out.status = WIFEXITED(out.status) ? WEXITSTATUS(out.status) : 256;
    const Bytes bytes = read_file(err);
    const std::string said = out.said = std::string(bytes.begin(), bytes.end());
    EXPECT_LE(out.status, 1) << said;
    out.speaks_of_torn = said.find("ouro: torn: ") != std::string::npos;
    out.is_unknown = said.find("is unknown") != std::string::npos;
    if (const std::size_t at = said.find("dropped "); at != std::string::npos) out.torn = std::strtoull(said.c_str() + at + 8, nullptr, 10);
    if (std::filesystem::exists(trace() / "metadata")) read_events(out, said);
    else EXPECT_EQ(out.status, 1) << said;
    return out;
  }
  void read_events(Recovered& out, const std::string& said) {
    auto opened = read::Trace::open(trace().string());
    ASSERT_TRUE(opened) << opened.error().text << "\n" << said;
    std::uint64_t torn = 0;
    while (const read::Event* event = opened->next()) {
      if (event->type->name == "ouro:lost" && event->fields()[2].text() == "torn") torn += event->fields()[3].u;
      if (event->type->is_state) continue;
      const std::uint64_t writer = event->fields()[0].u, number = event->fields()[1].u;
      ASSERT_LT(writer, kMaxWriters);
      ASSERT_LE(number, books().writer[writer].tried.load()) << "was never written: writer " << writer << "\n" << said;
      ASSERT_TRUE(out.events.emplace(writer, number).second) << "twice: writer " << writer << ", number " << number << "\n" << said;
      if (event->fields().size() < 3) continue;
      const std::string_view text = event->fields()[2].text();
      ASSERT_EQ(text.size(), text.size() == 2000 ? 2000 : text_size(static_cast<std::uint32_t>(writer), number));
      for (std::size_t i = 0; i < text.size(); ++i)
        ASSERT_EQ(text[i], text_at(static_cast<std::uint32_t>(writer), number, i)) << "torn: writer " << writer << ", number " << number << "\n" << said;
    }
    ASSERT_TRUE(opened->complete()) << opened->damage().front().text << "\n" << said;
    EXPECT_EQ(torn, out.torn) << said;
  }

  std::filesystem::path disk_;
  pid_t program_ = 0;
};

unsigned cuts() {
  const char* const text = std::getenv("OURO_BACKING_CUTS");
  return text != nullptr ? static_cast<unsigned>(std::atoi(text)) : 8;
}

TEST_F(Backing, WhatAPowerCutLeftIsTrueAndWhatItToreIsCounted) {
  const auto seed = static_cast<unsigned>(std::time(nullptr));
  std::mt19937 random(seed);
  for (unsigned turn = 0; turn < cuts() && !HasFailure(); ++turn) {
    const std::string no_rseq = turn % 4 == 3 ? "env GLIBC_TUNABLES=glibc.pthread.rseq=0 " : "";
    start(std::string("threads=3 events=0 text=7 long=101 pause=200") + (turn % 3 == 0 ? " timer=200" : ""), no_rseq);
    if (HasFatalFailure()) return;
    stop_program();
    const Bytes before = read_file(file());
    kill(program_, SIGCONT);
    usleep(static_cast<useconds_t>(500 + random() % 30'000));
    stop_program();
    const Bytes after = read_file(file());
    const abi::SessionHeader& h = header_of(after);

    // All pages are new: everything.
    write_file(torn(), after);
    const Recovered all = recover(torn());
    EXPECT_FALSE(all.speaks_of_torn) << all.said;
    EXPECT_EQ(all.status, 0) << all.said;
    run(ouro() + " snapshot flight -o " + (folder_ / "snapshot").string());
    std::filesystem::remove_all(folder_ / "snapshot");
    const std::size_t said = stderr_.find("recorded ");
    ASSERT_NE(said, std::string::npos) << stderr_;
    // A record that is whole but not committed proves itself, too: each thread, and its handler, may have been stopped just there.
    constexpr std::uint64_t kMostUnderWay = 2 * 3;
    const std::uint64_t committed = std::strtoull(stderr_.c_str() + said + 9, nullptr, 10);
    EXPECT_GE(all.events.size(), committed) << "not what is in memory: " << stderr_;
    EXPECT_LE(all.events.size(), committed + kMostUnderWay) << "not what is in memory: " << stderr_;

    // Heads are new, data is mixed: the books are known, and so is what is missing.
    const double share = std::array{0.01, 0.1, 0.5, 0.9}[turn % 4];
    const auto is_old = [&] { return std::uniform_real_distribution<>(0, 1)(random) < share; };
    Bytes mixed = after;
    for (std::size_t at = 0; at < after.size(); at += kPage)
      if (is_data(h, at) && is_old()) std::memcpy(mixed.data() + at, before.data() + at, std::min(kPage, after.size() - at));
    write_file(torn(), mixed);
    const Recovered counted = recover(torn());
    EXPECT_FALSE(counted.is_unknown);
    EXPECT_GE(counted.events.size() + counted.torn, committed) << "turn " << turn;
    EXPECT_LE(counted.events.size() + counted.torn, all.events.size()) << "turn " << turn;
    for (const auto& event : counted.events) EXPECT_EQ(all.events.count(event), 1u) << "writer " << event.first << ", number " << event.second;

    // Any page may be either, or never have come to the disk; the first, and the heads, were there from the beginning.
    for (std::size_t at = 0; at < after.size(); at += kPage) {
      const std::size_t size = std::min(kPage, after.size() - at);
      std::memcpy(mixed.data() + at, (is_old() ? before : after).data() + at, size);
      if (is_data(h, at) && random() % 50 == 0) std::memset(mixed.data() + at, 0, size);
    }
    write_file(torn(), mixed);
    const Recovered any = recover(torn());
    EXPECT_TRUE(any.speaks_of_torn || any.events.size() >= counted.events.size()) << any.events.size() << " of " << all.events.size();
    if (turn % 8 == 0) std::printf("%s%zu events; of mixed data %zu and %llu torn; of all mixed %zu, %llu torn%s\n", no_rseq.c_str(), all.events.size(), counted.events.size(),
                                   static_cast<unsigned long long>(counted.torn), any.events.size(), static_cast<unsigned long long>(any.torn), any.is_unknown ? ", more unknown" : "");
    end();
  }
  if (HasFailure()) std::printf("seed %u\n", seed);
}

TEST_F(Backing, DamageOfAnyKindIsSurvived) {
  const auto seed = static_cast<unsigned>(std::time(nullptr));
  std::mt19937_64 random(seed);
  start("threads=2 events=0 text=7 long=101 pause=200");
  if (HasFatalFailure()) return;
  stop_program();
  const Bytes whole = read_file(file());
  const abi::SessionHeader& h = header_of(whole);
  for (unsigned turn = 0; turn < 3 * cuts() && !HasFailure(); ++turn) {
    Bytes bytes = whole;
    // Somewhere in all of it, in the tables, or in rings' heads.
    for (std::uint64_t i = 0, n = 1 + random() % 200; i < n; ++i) {
      const std::uint64_t where = random() % 3 == 0 ? random() % bytes.size() : random() % 2 == 0 ? sizeof h + random() % (h.rings_offset - sizeof h) : h.rings_offset + random() % h.cpus * h.ring_stride + random() % abi::kRingDataOffset;
      bytes[where] = static_cast<char>(random());
    }
    if (turn % 4 == 1) bytes[random() % sizeof h] = static_cast<char>(random());
    if (turn % 8 == 2) bytes.resize(random() % bytes.size());
    write_file(torn(), bytes);
    recover(torn());
  }
  end();
  if (HasFailure()) std::printf("seed %u\n", seed);
}

TEST_F(Backing, OfAnEarlierBootItsOwnClockCounts) {
  start("threads=1 events=0 pause=200");
  if (HasFatalFailure()) return;
  stop_program();
  Bytes bytes = read_file(file());
  write_file(torn(), bytes);
  const auto first_time = [&] {
    auto opened = read::Trace::open(trace().string());
    const read::Event* event = opened ? opened->next() : nullptr;
    while (event != nullptr && event->type->is_state) event = opened->next();
    return event != nullptr ? event->time_ns : 0;
  };
  const Recovered here = recover(torn());
  const std::int64_t time = first_time();
  // The machine had run for weeks longer then than it has now.
  constexpr std::int64_t kWeeks = 100LL * 86400 * 1'000'000'000;
  auto& h = *reinterpret_cast<abi::SessionHeader*>(bytes.data());
  h.boot_id[3] ^= 0x55;
  h.begin_ns += kWeeks;
  h.realtime_offset_ns -= kWeeks;
  h.late_ns.fetch_add(static_cast<std::uint64_t>(kWeeks));
  write_file(torn(), bytes);
  const Recovered there = recover(torn());
  EXPECT_EQ(there.events, here.events);
  EXPECT_NE(time, 0);
  EXPECT_LT(std::abs(first_time() - time), 1'000'000) << "nanoseconds";
  // A program and a tool that find it where sessions are leave it alone.
  std::filesystem::copy_file(torn(), folder_ / "run" / "session-torn");
  EXPECT_NE(std::system((ouro() + " snapshot torn 2>" + (folder_ / "said").string()).c_str()), 0);
  const Bytes said = read_file((folder_ / "said").string());
  EXPECT_NE(std::string(said.begin(), said.end()).find("made before this machine started"), std::string::npos) << std::string(said.begin(), said.end());
  run(ouro() + " stop torn");
  end();
}

}  // namespace
}  // namespace ouro::stress
