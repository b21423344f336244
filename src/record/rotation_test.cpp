#include "record/rotation.hpp"

#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using format::test::TestTrace;
using test::FakeProgram;
using test::range;
using test::small_session;
using test::TestFolder;

// A session, its recorder that writes a folder of traces, and a program's side of it.
class RotationTest : public testing::Test {
 protected:
  void begin(RotationOptions options = {}) {
    options.warn = [this](const std::string& line) { said_.push_back(line); };
    session_.emplace(std::move(*Session::create(folder_.runtime(), small_session())));
    Result<std::unique_ptr<Rotation>> made = Rotation::create(folder_.in("traces"), options);
    ASSERT_TRUE(made) << made.error().text;
    rotation_ = std::move(*made);
    recorder_.emplace(*session_, rotation_->current(), Recorder::Options{{}, options.warn});
    program_.emplace(*session_);
    program_->add_event(0, "test:event");
  }
  void write(std::uint64_t count) {
    for (; count > 0; --count) program_->write(0, next_++);
  }
  void step() {
    recorder_->step();
    rotation_->step(*recorder_);
  }
  Summary finish() {
    Summary out = recorder_->finish();
    rotation_->finish(*recorder_);
    return out;
  }
  std::vector<std::string> traces() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.in("traces"))) out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }
  static std::string text_of(const std::string& folder) { return TestTrace::run("babeltrace2 " + folder + " 2>/dev/null"); }
  // Of the events, one trace after the other.
  std::vector<std::uint64_t> values() const {
    std::vector<std::uint64_t> out;
    for (const std::string& name : traces()) {
      const std::vector<std::uint64_t> more = test::values_of(folder_.in("traces/" + name));
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  }
  // What a trace says that it lost: in the packets' headers, and by cause.
  std::uint64_t lost_in(const std::string& name) const {
    const std::string stream = folder_.read("traces/" + name + "/stream_shared0"), text = text_of(folder_.in("traces/" + name));
    std::uint64_t discarded = 0, by_cause = 0, size = 0;
    for (std::size_t at = 0; at < stream.size(); at += size / 8) {
      std::memcpy(&size, stream.data() + at + 48, 8);
      std::memcpy(&discarded, stream.data() + at + format::kEventsDiscardedOffset, 8);
    }
    for (std::size_t at = 0; (at = text.find("count = ", at)) != std::string::npos;) by_cause += std::stoull(text.substr(at += 8));
    EXPECT_EQ(discarded, by_cause) << name;
    return by_cause;
  }

  TestFolder folder_;
  std::optional<Session> session_;
  std::unique_ptr<Rotation> rotation_;
  std::optional<Recorder> recorder_;
  std::optional<FakeProgram> program_;
  std::vector<std::string> said_;
  std::uint64_t next_ = 0;
};

//  traces   | 000001   | 000002  | 000003 |      each event in one of them, in order
//  events   0 ....... 99 .... 149 .... 150
TEST_F(RotationTest, NothingIsLostAtASeamAndNothingTwice) {
  begin();
  write(100);
  step();
  ASSERT_TRUE(rotation_->rotate(*recorder_));
  write(50);
  ASSERT_TRUE(rotation_->rotate(*recorder_));
  write(1);
  const Summary summary = finish();
  EXPECT_EQ(summary.events, 151u);
  EXPECT_EQ(summary.streams, 1u);
  EXPECT_TRUE(summary.complete);
  ASSERT_EQ(traces().size(), 3u);
  EXPECT_EQ(test::values_of(folder_.in("traces/" + traces()[1])), range(100, 150));
  EXPECT_EQ(values(), range(0, 151));
  EXPECT_EQ(test::values_of(folder_.in("traces")), range(0, 151));  // babeltrace2 puts them together, too
  EXPECT_EQ(said_, std::vector<std::string>());
}

TEST_F(RotationTest, OnlyWhatIsBeingWrittenIsCalledAPart) {
  begin();
  write(10);
  ASSERT_EQ(traces().size(), 1u);
  EXPECT_TRUE(traces()[0].ends_with("-000001.part"));
  ASSERT_TRUE(rotation_->rotate(*recorder_));
  ASSERT_EQ(traces().size(), 2u);
  EXPECT_TRUE(traces()[0].ends_with("-000001"));
  EXPECT_TRUE(traces()[1].ends_with("-000002.part"));
  EXPECT_EQ(test::values_of(folder_.in("traces/" + traces()[0])), range(0, 10));
  EXPECT_TRUE(std::filesystem::exists(folder_.in("traces/" + traces()[1] + "/metadata")));  // a trace from its beginning
  finish();
  EXPECT_TRUE(traces()[1].ends_with("-000002"));
}

TEST_F(RotationTest, LossesOfAllTracesAreThoseOfTheRing) {
  begin();
  for (int i = 0; i < 3; ++i) {
    write(5000);
    step();
    ASSERT_TRUE(rotation_->rotate(*recorder_));
  }
  write(1);
  const Summary summary = finish();
  EXPECT_EQ(summary.events + summary.lost_total(), 15001u);
  std::uint64_t sum = 0;
  for (const std::string& name : traces()) sum += lost_in(name);
  EXPECT_EQ(sum, summary.lost_total());
  EXPECT_EQ(lost_in(traces()[3]), 0u);
  EXPECT_EQ(values().size(), summary.events);
}

TEST_F(RotationTest, EachTraceHasTheNamesOfThoseWhoAreThere) {
  begin();
  program_->add_thread(::gettid(), "me", 1);
  program_->add_thread(2'000'000'000, "gone", 1);
  write(1);
  step();
  for (int i = 0; i < 3; ++i) {
    write(1);
    ASSERT_TRUE(rotation_->rotate(*recorder_));
  }
  finish();
  const std::string tid = "tid = " + std::to_string(::gettid());
  for (const std::string& name : traces()) EXPECT_NE(text_of(folder_.in("traces/" + name)).find(tid), std::string::npos) << name;
  // Who went meanwhile is in the next one, whose events may be there, and in no later one.
  const auto has_gone = [&](std::size_t i) { return text_of(folder_.in("traces/" + traces()[i])).find("gone") != std::string::npos; };
  EXPECT_TRUE(has_gone(0) && has_gone(1));
  EXPECT_FALSE(has_gone(2));
}

TEST_F(RotationTest, ATraceEndsWithItsSize) {
  begin({.size = 64 << 10, .time = {}, .keep = {}, .compress = false, .warn = {}});
  for (int i = 0; i < 100; ++i) {
    write(200);  // about 4 KB
    step();
  }
  finish();
  EXPECT_EQ(values(), range(0, 20000));
  const auto names = traces();
  ASSERT_GE(names.size(), 4u);
  for (const std::string& name : names) {
    const std::uint64_t bytes = bytes_of_trace(base::Fd(::open(folder_.in("traces").c_str(), O_RDONLY)).get(), name);
    EXPECT_LT(bytes, (64u << 10) + 3 * 4096u + 4096u) << name;
    EXPECT_TRUE(name == names.back() || bytes >= 64u << 10) << name << ": " << bytes;
  }
}

TEST_F(RotationTest, ATraceEndsWithItsTimeIfAnythingHappened) {
  begin({.size = {}, .time = std::chrono::milliseconds(20), .keep = {}, .compress = false, .warn = {}});
  for (int i = 0; i < 5; ++i, ::usleep(10'000)) step();
  EXPECT_EQ(traces().size(), 1u);
  write(2000);  // some sub-buffers of them are closed
  step();
  EXPECT_EQ(traces().size(), 2u);
  finish();
}

TEST_F(RotationTest, TheOldestGoSoThatAllTakeNoMore) {
  begin({.size = 64 << 10, .time = {}, .keep = 256 << 10, .compress = false, .warn = {}});
  const auto sum = [&] {
    const base::Fd fd(::open(folder_.in("traces").c_str(), O_RDONLY));
    std::uint64_t out = 0;
    for (const std::string& name : traces()) out += bytes_of_trace(fd.get(), name);
    return out;
  };
  for (int i = 0; i < 300; ++i) {
    write(200);
    step();
  }
  const Summary summary = finish();
  EXPECT_LE(sum(), 256u << 10);
  EXPECT_GT(sum(), 128u << 10);
  const Rotation::Removed& removed = rotation_->removed();
  EXPECT_EQ(removed.traces + traces().size(), rotation_->traces());
  EXPECT_EQ(values(), range(removed.events, 60000));
  EXPECT_EQ(summary.events, 60000u);
  EXPECT_EQ(said_, std::vector<std::string>());
}

TEST_F(RotationTest, EarlierRecordingsAreGoneOnWithAndCount) {
  begin();
  write(10);
  finish();
  recorder_.reset();
  rotation_.reset();
  const std::string first = traces().at(0);
  program_.reset();
  session_.reset();
  begin({.size = 64 << 10, .time = {}, .keep = 128 << 10, .compress = false, .warn = {}});
  ASSERT_EQ(traces().size(), 2u);
  EXPECT_TRUE(traces()[1].ends_with("-000002.part"));
  for (int i = 0; i < 200; ++i) {
    write(200);
    step();
  }
  finish();
  EXPECT_NE(traces()[0], first);
}

TEST_F(RotationTest, WhatItDidNotMakeStays) {
  begin({.size = 64 << 10, .time = {}, .keep = 128 << 10, .compress = false, .warn = {}});
  write(10);
  ASSERT_TRUE(rotation_->rotate(*recorder_));
  const std::string first = traces()[0];
  std::ofstream(folder_.in("traces/" + first + "/notes")) << "mine";
  for (int i = 0; i < 200; ++i) {
    write(200);
    step();
  }
  finish();
  EXPECT_EQ(folder_.read("traces/" + first + "/notes"), "mine");
  EXPECT_TRUE(std::filesystem::exists(folder_.in("traces/" + first + "/metadata")));
  ASSERT_EQ(said_.size(), 1u);
  EXPECT_NE(said_[0].find("stays, for it holds what ouro did not write"), std::string::npos);
}

TEST_F(RotationTest, WhatIsWholeIsCompressedBesideTheRecording) {
  begin({.size = {}, .time = {}, .keep = {}, .compress = true, .warn = {}});
  write(400);
  ASSERT_TRUE(rotation_->rotate(*recorder_));
  const std::string first = folder_.in("traces/" + traces()[0]);
  for (int i = 0; i < 1000 && !std::filesystem::exists(first + "/ouro_state.zst") && std::filesystem::exists(first + "/stream_shared0"); ++i) ::usleep(10'000);
  EXPECT_TRUE(std::filesystem::exists(first + "/stream_shared0.zst"));
  EXPECT_TRUE(std::filesystem::exists(first + "/metadata"));
  write(100);
  finish();
  EXPECT_GT(rotation_->saved_bytes(), 1000u);
  TestTrace::run("zstd -q -d --rm " + folder_.in("traces") + "/*/*.zst");
  EXPECT_EQ(values(), range(0, 500));
  EXPECT_EQ(said_, std::vector<std::string>());
}

// Whoever does not want to wait leaves it as it is.
TEST_F(RotationTest, CompressingCanBeEnded) {
  begin({.size = {}, .time = {}, .keep = {}, .compress = true, .warn = {}});
  for (int i = 0; i < 50; ++i) {
    write(200);
    step();
  }
  recorder_->finish();
  rotation_->finish(*recorder_, [] { return true; });
  for (const auto& file : std::filesystem::directory_iterator(folder_.in("traces/" + traces()[0]))) EXPECT_NE(file.path().filename().string()[0], '.');
  TestTrace::run("zstd -q -d --rm " + folder_.in("traces") + "/*/*.zst 2>&1");
  EXPECT_EQ(values(), range(0, 10000));
}

TEST(Rotation, AFolderWithAnythingElseIsRefused) {
  TestFolder folder;
  std::filesystem::create_directory(folder.in("t"));
  std::ofstream(folder.in("t/letter")) << "";
  const auto made = Rotation::create(folder.in("t"), {});
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().text.find("holds 'letter', want a new folder"), std::string::npos);
  EXPECT_FALSE(Rotation::create(folder.in("no/parent"), {}));
}

// It had the journal of the next trace half written.
TEST(Rotation, WhatWasJustBegunAsTheRecorderWasKilledGoes) {
  TestFolder folder;
  const std::string killed = "20261122T022225Z-000001.part", begun = "20261122T022226Z-000002.part";
  for (const std::string& name : {killed, begun}) std::filesystem::create_directories(folder.in("t/" + name));
  std::ofstream(folder.in("t/" + killed + "/.recorder")) << "";
  std::ofstream(folder.in("t/" + begun + "/.recorder.new")) << "";
  const auto resumed = Rotation::resume(folder.in("t"), {});
  ASSERT_TRUE(resumed) << resumed.error().text;
  EXPECT_EQ((*resumed)->current().path(), folder.in("t/" + killed));
  EXPECT_FALSE(std::filesystem::exists(folder.in("t/" + begun)));
}

TEST(Rotation, OneRecordingAtATimeHasAFolder) {
  TestFolder folder;
  const auto one = Rotation::create(folder.in("t"), {});
  ASSERT_TRUE(one);
  const auto other = Rotation::create(folder.in("t"), {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, EBUSY);
  (*one)->discard();
  EXPECT_FALSE(std::filesystem::exists(folder.in("t")));
}

}  // namespace
}  // namespace ouro::record
