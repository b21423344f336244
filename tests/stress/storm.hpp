// storm.hpp -- runs program storm under `ouro record` and compares its own books (tests/programs/storm_books.hpp) with
// what arrived. Two judges: our reader, event by event; babeltrace2, which nobody here wrote, by its count.
#pragma once
#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "../programs/storm_books.hpp"

namespace ouro::stress {

inline std::filesystem::path build_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path();
}

struct Result {
  std::uint64_t delivered = 0, lost = 0, tried = 0, packets = 0;
  std::map<std::string, std::uint64_t> by_name;
};

class Storm : public ::testing::Test {
 protected:
  void SetUp() override {
    // In memory where there is room: these tests are about rings, not about how long a disk makes a recorder wait.
    std::error_code error;
    const bool room = std::filesystem::space("/dev/shm", error).available > (std::uint64_t{4} << 30) && !error;
    std::string name = room ? "/dev/shm/ouro-storm.XXXXXX" : "/tmp/ouro-storm.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    setenv("OURO_RUNTIME_DIR", (folder_ / "run").c_str(), 1);
    ASSERT_EQ(access((build_folder() / "ouro").c_str(), X_OK), 0) << build_folder() / "ouro" << " is not built";
  }
  void TearDown() override {
    if (!HasFailure()) std::filesystem::remove_all(folder_);
    else std::printf("the trace is kept: %s\n", trace().c_str());
  }

  std::filesystem::path trace() const { return folder_ / "trace"; }
  std::filesystem::path books_path() const { return folder_ / "books"; }
  std::string storm(const std::string& arguments) const {
    return (build_folder() / "tests/programs/storm").string() + " " + books_path().string() + " " + arguments;
  }

  // Runs a command line with a limit; what it prints is its answer.
  std::string run(const std::string& command) {
    const std::filesystem::path out = folder_ / "out", err = folder_ / "err";
    const std::string line = "timeout 100 " + command + " >" + out.string() + " 2>" + err.string();
    const int status = std::system(line.c_str());
    std::stringstream said, text;
    said << std::ifstream(err).rdbuf();
    text << std::ifstream(out).rdbuf();
    stderr_ = said.str();
    EXPECT_EQ(status, 0) << command << "\n" << stderr_;
    return text.str();
  }
  void record(const std::string& options, const std::string& program) {
    run((build_folder() / "ouro").string() + " record -o " + trace().string() + " " + options + " -- " + program);
    std::printf("%s", stderr_.c_str());
  }

  const Books& books() {
    if (books_ == nullptr) {
      const int fd = open(books_path().c_str(), O_RDONLY);
      void* p = mmap(nullptr, sizeof(Books), PROT_READ, MAP_SHARED, fd, 0);
      close(fd);
      if (fd < 0 || p == MAP_FAILED) std::abort();
      books_ = static_cast<const Books*>(p);
    }
    return *books_;
  }

  // Reads all of the trace: of each writer, numbers must rise, texts must be right; nobody may have written more than
  // he tried. `in_flight`: how many a killed writer may have written beyond its books.
  Result read_all(std::uint64_t in_flight = 0) {
    Result result;
    auto opened = read::Trace::open(trace().string());
    EXPECT_TRUE(opened) << opened.error().text;
    if (!opened) return result;
    read::Trace& trace = *opened;
    delivered_.assign(kMaxWriters, 0);
    next_.assign(kMaxWriters, 0);
    while (const read::Event* event = trace.next()) {
      ++result.by_name[event->type->name];
      if (event->type->name == "storm:number" || event->type->name == "storm:text") check(*event);
      if (HasFatalFailure()) return result;
    }
    EXPECT_TRUE(trace.complete()) << trace.damage().front().text;
    for (const read::Stream& stream : trace.streams()) {
      result.lost += stream.events_discarded;
      result.packets += stream.packets;
      EXPECT_EQ(stream.packets_missing, 0u) << stream.file;
    }
    for (std::uint32_t i = 0; i < books().writers.load(); ++i) {
      result.delivered += delivered_[i];
      result.tried += books().writer[i].tried.load();
      EXPECT_LE(next_[i], books().writer[i].tried.load() + in_flight) << "writer " << i;
    }
    return result;
  }
  std::uint64_t delivered(std::uint32_t writer) const { return delivered_[writer]; }

  // How many events of programs babeltrace2 finds; it must not complain.
  std::uint64_t count_by_babeltrace(std::uint64_t events_of_recorder) {
    const std::string text = run("babeltrace2 " + trace().string() + " --component=count:sink.utils.counter");
    EXPECT_EQ(stderr_, "") << "babeltrace2 complains";
    const std::size_t total = text.rfind(" Event messages");  // it prints as it goes, too
    if (total == std::string::npos) {
      ADD_FAILURE() << "babeltrace2 says:\n" << text;
      return 0;
    }
    return std::stoull(text.substr(text.rfind('\n', total) + 1)) - events_of_recorder;
  }
  // How many `ouro stats` finds, and how many it says are lost.
  std::pair<std::uint64_t, std::uint64_t> count_by_stats() {
    const auto stats = nlohmann::json::parse(run((build_folder() / "ouro").string() + " stats --json " + trace().string()), nullptr, false);
    EXPECT_FALSE(stats.is_discarded());
    return {stats.value("event_count", std::uint64_t{0}), stats.value("lost", nlohmann::json::object()).value("total", ~std::uint64_t{0})};
  }
  static std::uint64_t of_recorder(const Result& result) {
    std::uint64_t sum = 0;
    for (const auto& [name, count] : result.by_name)
      if (name.rfind("storm:", 0) != 0) sum += count;
    return sum;
  }

  // The next program has others.
  void forget_books() {
    if (books_ != nullptr) munmap(const_cast<Books*>(books_), sizeof(Books));
    books_ = nullptr;
    std::filesystem::remove(books_path());
  }

  std::filesystem::path folder_;
  std::string stderr_;  // of what was run last

 private:
  void check(const read::Event& event) {
    const std::uint64_t writer = event.fields()[0].u, number = event.fields()[1].u;
    ASSERT_LT(writer, books().writers.load()) << "an event of a writer that never was";
    ASSERT_GE(number, next_[writer]) << "writer " << writer << ": doubled, or out of order";
    next_[writer] = number + 1;
    ++delivered_[writer];
    if (event.fields().size() < 3) return;
    const std::string_view text = event.fields()[2].text();
    const std::size_t size = text.size() == 2000 ? 2000 : text_size(static_cast<std::uint32_t>(writer), number);
    ASSERT_EQ(text.size(), size) << "writer " << writer << ", number " << number;
    for (std::size_t i = 0; i < size; ++i)
      ASSERT_EQ(text[i], text_at(static_cast<std::uint32_t>(writer), number, i)) << "torn: writer " << writer << ", number " << number;
  }

  const Books* books_ = nullptr;
  std::vector<std::uint64_t> delivered_, next_;
};

}  // namespace ouro::stress
