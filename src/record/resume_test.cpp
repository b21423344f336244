// A recorder dies at any moment; the one after it goes on with its trace.
#include "record/journal.hpp"
#include "record/recorder.hpp"
#include "record/rotation.hpp"
#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using test::FakeProgram;
using test::range;
using test::small_session;
using test::TestFolder;

constexpr std::uint32_t kSharedRing0 = 2;  // where FakeProgram writes

class ResumeTest : public testing::Test {
 protected:
  ResumeTest()
      : session_(std::move(*Session::create(folder_.runtime(), small_session()))),
        trace_(std::move(*TraceFolder::create(folder_.in("trace")))),
        program_(session_) {
    program_.add_event(0, "test:event");
    recorder_.emplace(session_, trace_, options());
  }
  Recorder::Options options() {
    return {{}, [this](const std::string& line) { said_.push_back(line); }};
  }
  void write(std::uint64_t count) {
    for (; count > 0; --count) program_.write(0, next_++);
  }
  // Its end without a word, and the next one's beginning.
  void replace_recorder() {
    recorder_.emplace(session_, trace_, options());
    const Status resumed = recorder_->resume();
    ASSERT_TRUE(resumed) << resumed.error().text;
  }
  // Does it, and leaves the ring as if it had been killed before it released anything.
  void kill_before_release(const std::function<void()>& what) {
    const std::unique_ptr<abi::RingHead> before(new abi::RingHead);
    std::memcpy(static_cast<void*>(before.get()), &program_.head(kSharedRing0), sizeof *before);
    what();
    std::memcpy(static_cast<void*>(&program_.head(kSharedRing0)), before.get(), sizeof *before);
  }
  std::vector<std::uint64_t> values() const { return test::values_of(folder_.in("trace")); }

  TestFolder folder_;
  Session session_;
  TraceFolder trace_;
  FakeProgram program_;
  std::optional<Recorder> recorder_;
  std::vector<std::string> said_;
  std::uint64_t next_ = 0;
};

TEST_F(ResumeTest, TheTraceGoesOnAsIfNothingHadHappened) {
  for (int i = 0; i < 5; ++i) {
    write(200);
    recorder_->step();
    write(100);
    replace_recorder();
  }
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.lost_total(), 0u);
  EXPECT_EQ(values(), range(0, 1500));
  EXPECT_FALSE(std::filesystem::exists(folder_.in("trace/.recorder")));
  EXPECT_EQ(said_, std::vector<std::string>());
}

//  file   [ packet ]                      written, and not released: the ring has it, too
//  ring   [ packet | what came later ]
TEST_F(ResumeTest, APacketThatWasNotReleasedIsNotTwice) {
  write(50);
  recorder_->step();
  write(150);  // a sub-buffer, which is closed, and some
  kill_before_release([&] { recorder_->step(); });
  ASSERT_GT(std::filesystem::file_size(folder_.in("trace/stream_shared0")), 0u);
  replace_recorder();
  write(10);
  recorder_->step();
  recorder_->finish();
  EXPECT_EQ(values(), range(0, 210));
}

// Of the current sub-buffer only a part was there.
TEST_F(ResumeTest, APartOfASubBufferThatWasNotReleasedIsNotTwice) {
  ::usleep(1'000'000);  // the next step also takes what is current
  write(30);
  kill_before_release([&] { recorder_->step(); });
  ASSERT_GT(std::filesystem::file_size(folder_.in("trace/stream_shared0")), 0u);
  replace_recorder();
  write(30);
  recorder_->step();
  recorder_->finish();
  EXPECT_EQ(values(), range(0, 60));
}

TEST_F(ResumeTest, ATornPacketIsCutOff) {
  write(300);
  recorder_->step();
  const std::string stream = folder_.in("trace/stream_shared0");
  const std::string bytes = folder_.read("trace/stream_shared0");
  for (const std::size_t torn : {1u, 60u, 84u, 500u}) {
    std::ofstream(stream, std::ios::app | std::ios::binary) << bytes.substr(0, torn);
    replace_recorder();
    EXPECT_EQ(std::filesystem::file_size(stream), bytes.size()) << torn;
  }
  recorder_->finish();
  EXPECT_EQ(values(), range(0, 300));
}

TEST_F(ResumeTest, LossesAreThoseOfTheRing) {
  for (int i = 0; i < 3; ++i) {
    write(3000);
    recorder_->step();
    write(10);
    replace_recorder();
  }
  write(1);
  const Summary summary = recorder_->finish();
  EXPECT_EQ(values().size() + summary.lost_total(), 9031u);
}

TEST_F(ResumeTest, LossesOfTracesBeforeAreNotThisOnes) {
  write(3000);
  recorder_->step();
  TraceFolder second(std::move(*TraceFolder::create(folder_.in("second"))));
  recorder_->rotate(second);
  EXPECT_FALSE(std::filesystem::exists(folder_.in("trace/.recorder")));
  const Result<Journal> journal = read_journal(folder_.in("second"));
  ASSERT_TRUE(journal) << journal.error().text;
  ASSERT_EQ(journal->lost.count(kSharedRing0), 1u);
  write(10);
  recorder_.emplace(session_, second, options());
  ASSERT_TRUE(recorder_->resume());
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 10u);
  EXPECT_EQ(summary.lost_total(), 0u);
}

TEST_F(ResumeTest, NamesThatWereReadAndNotWrittenAreAskedForAgain) {
  write(1);
  recorder_->step();
  std::filesystem::remove(folder_.in("trace/ouro_state"));
  replace_recorder();
  EXPECT_TRUE(recorder_->finish().complete);
}

TEST_F(ResumeTest, WhatIsNoTraceOfThisSessionIsRefused) {
  write(1);
  recorder_->step();
  const std::string journal = folder_.read("trace/.recorder");
  ASSERT_NE(journal.find("session-test"), std::string::npos);
  const auto resume = [&](const std::string& text) {
    std::ofstream(folder_.in("trace/.recorder")) << text;
    Recorder other(session_, trace_, options());
    const Status resumed = other.resume();
    return resumed ? "" : resumed.error().text;
  };
  for (std::size_t i = 0; i + 1 < journal.size(); i += 5) EXPECT_NE(resume(journal.substr(0, i)).find("makes no sense"), std::string::npos) << i;
  std::string other = journal;
  other.replace(other.find("session-test"), 12, "session-else");
  EXPECT_NE(resume(other).find("is of session 'session-else'"), std::string::npos);
  EXPECT_EQ(resume(journal), "");
  recorder_.reset();
}

TEST_F(ResumeTest, AStreamOfSomethingElseIsNotCutOff) {
  write(300);
  recorder_->step();
  const std::string stream = folder_.in("trace/stream_shared0");
  std::ofstream(stream, std::ios::binary) << std::string(8 << 20, 'x');
  Recorder other(session_, trace_, options());
  const Status resumed = other.resume();
  ASSERT_FALSE(resumed);
  EXPECT_NE(resumed.error().text.find("makes no sense behind byte 0"), std::string::npos) << resumed.error().text;
  EXPECT_EQ(std::filesystem::file_size(stream), 8u << 20);
  recorder_.reset();
}

}  // namespace
}  // namespace ouro::record
