#include "record/recorder.hpp"

#include <sys/file.h>
#include <sys/wait.h>

#include <thread>

#include "clock/calibrate.hpp"
#include "format/live_mark.hpp"
#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using format::test::TestTrace;
using test::FakeProgram;
using test::range;
using test::small_session;
using test::TestFolder;

constexpr std::uint32_t kSharedRing0 = 2;  // where FakeProgram writes

// A session, its recorder and a program's side of it.
class RecorderTest : public testing::Test {
 protected:
  void begin(SessionOptions options = small_session()) {
    session_.emplace(std::move(*Session::create(folder_.runtime(), options)));
    trace_.emplace(std::move(*TraceFolder::create(folder_.in("trace"))));
    recorder_.emplace(*session_, *trace_,
                      Recorder::Options{{}, [this](const std::string& line) { said_.push_back(line); }});
    program_.emplace(*session_);
    program_->add_event(0, "test:event");
  }
  void write(std::uint64_t from, std::uint64_t to, std::uint32_t event = 0) {
    for (std::uint64_t n = from; n < to; ++n) program_->write(event, n);
  }
  std::string babeltrace2(const std::string& options = "") {
    return TestTrace::run("babeltrace2 " + options + " " + folder_.in("trace") + " 2>&1");
  }
  std::vector<std::uint64_t> values() { return test::values_of(folder_.in("trace")); }
  bool said(const std::string& text) const {
    for (const std::string& line : said_)
      if (line.find(text) != std::string::npos) return true;
    return false;
  }

  TestFolder folder_;
  std::optional<Session> session_;
  std::optional<TraceFolder> trace_;
  std::optional<Recorder> recorder_;
  std::optional<FakeProgram> program_;
  std::vector<std::string> said_;
};

TEST_F(RecorderTest, EveryEventIsInTheTraceInOrder) {
  begin();
  // Several laps of the ring, drained often enough.
  for (std::uint64_t n = 0; n < 5000; n += 100) {
    write(n, n + 100);
    recorder_->step();
  }
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 5000u);
  EXPECT_EQ(summary.lost_total(), 0u);
  EXPECT_EQ(summary.streams, 1u);
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(values(), range(0, 5000));
}

TEST_F(RecorderTest, WhatDidNotFitIsCountedAndSaidInTheTrace) {
  begin();
  write(0, 5000);
  const Summary summary = recorder_->finish();
  EXPECT_GT(summary.events, 500u);
  EXPECT_EQ(summary.events + summary.lost_total(), 5000u);
  EXPECT_EQ(summary.lost[static_cast<std::size_t>(abi::Loss::full)], summary.lost_total());
  EXPECT_EQ(values(), range(0, summary.events));
  EXPECT_NE(babeltrace2().find("{ cpu = 0, ring = ( \"shared\" : container = 2 ), cause = \"full\", count = " +
                               std::to_string(summary.lost_total())),
            std::string::npos);
}

TEST_F(RecorderTest, ALossAfterTheLastPacketIsInItsHeader) {
  begin();
  write(0, 5000);
  const Summary summary = recorder_->finish();
  const std::string stream = folder_.read("trace/stream_shared0");
  std::uint64_t discarded = 0;
  for (std::size_t at = 0; at < stream.size();) {
    std::uint64_t bits = 0, now = 0;
    std::memcpy(&bits, stream.data() + at + 48, 8);
    std::memcpy(&now, stream.data() + at + format::kEventsDiscardedOffset, 8);
    EXPECT_GE(now, discarded);
    discarded = now;
    at += bits / 8;
  }
  EXPECT_EQ(discarded, summary.lost_total());
}

// An entry of the ring's table of two-phase writes stays taken until the recorder finds its owner dead.
TEST_F(RecorderTest, MoreDeadWritersThanTheTableHoldsLeaveItFree) {
  begin();
  for (std::size_t dead = 0; dead < 2 * abi::kMaxPending; ++dead) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(ring::reserve(program_->channel(), 0, 12).body != nullptr ? 0 : 1);
    int status = 1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << "refused after " << dead << " dead writers";
    recorder_->step();
  }
  write(0, 1);
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 1u);
  EXPECT_EQ(summary.lost[static_cast<std::size_t>(abi::Loss::dead_writer)], 2 * abi::kMaxPending);
}

TEST_F(RecorderTest, OverwriteKeepsTheNewest) {
  SessionOptions options = small_session();
  options.mode = abi::FullMode::overwrite;
  begin(options);
  for (std::uint64_t n = 0; n < 5000; n += 500) {
    write(n, n + 500);
    recorder_->step();
  }
  const Summary summary = recorder_->finish();
  EXPECT_GT(summary.events, 300u);
  EXPECT_EQ(summary.events + summary.lost[static_cast<std::size_t>(abi::Loss::lapped)], 5000u);
  EXPECT_EQ(values(), range(5000 - summary.events, 5000));
}

TEST_F(RecorderTest, ATraceOfNothingIsStillATrace) {
  begin();
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 0u);
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(babeltrace2(), "");
}

TEST_F(RecorderTest, AnEventThatComesLaterIsInTheMetadataToo) {
  begin();
  write(0, 10);
  recorder_->step();
  program_->add_event(1, "test:later");
  write(10, 20, 1);
  recorder_->finish();
  EXPECT_EQ(values(), range(0, 20));
  EXPECT_NE(babeltrace2().find("test:later"), std::string::npos);
}

TEST_F(RecorderTest, ARowThatWasClaimedAndNeverFilledDelaysNobody) {
  begin();
  program_->event(1).state.store(abi::row_claimed);
  program_->add_event(2, "test:behind");
  write(0, 10, 2);
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 10u);
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(values(), range(0, 10));
}

TEST_F(RecorderTest, ASchemaThatLiesOutsideItsTableIsLeftOutAndSaid) {
  begin();
  program_->add_event(1, "test:poisoned");
  program_->event(1).schema_offset = ~std::uint64_t{0} - 10;
  write(0, 10);
  const Summary summary = recorder_->finish();
  EXPECT_FALSE(summary.complete);
  EXPECT_TRUE(said("event 1"));
  EXPECT_EQ(values(), range(0, 10));
}

TEST_F(RecorderTest, ARingThatContradictsItselfIsGivenUpAndTheOthersGoOn) {
  begin();
  abi::RingHead& poisoned = program_->head(0);
  poisoned.writer.mask.store(4095);
  poisoned.writer.write_word.store(abi::kOffsetMask);
  write(0, 100);
  recorder_->step();
  recorder_->step();
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.rings_poisoned, 1u);
  EXPECT_FALSE(summary.complete);
  EXPECT_EQ(said_.size(), 1u);
  EXPECT_TRUE(said("stream_cpu0"));
  EXPECT_EQ(values(), range(0, 100));
}

TEST_F(RecorderTest, AStampFromTheFutureEndsItsRingOnly) {
  begin();
  write(0, 10);
  abi::RingHead& head = program_->head(kSharedRing0);
  for (abi::SubbufImage& image : head.image) image.close_stamp.store(std::uint64_t{1} << 62);
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.rings_poisoned, 1u);
  EXPECT_EQ(summary.events, 0u);
  EXPECT_EQ(babeltrace2(), "");
}

TEST_F(RecorderTest, NumbersOfTheHeaderChangedAfterwardsDoNotMatter) {
  begin();
  write(0, 100);
  abi::SessionHeader& header = program_->header();
  header.cpus = 0xffffffff;
  header.subbuf_size = 1;
  header.rings_offset = header.ring_stride = header.events_offset = ~std::uint64_t{0};
  header.event_capacity = header.thread_capacity = header.process_capacity = ~0u;
  header.threads_head.store(~std::uint64_t{0});
  EXPECT_EQ(recorder_->finish().events, 100u);
  EXPECT_EQ(values(), range(0, 100));
}

TEST_F(RecorderTest, ThreadsAreInTheTraceWithTheNameTheyHaveNow) {
  begin();
  program_->add_thread(::gettid(), "before", 1);
  recorder_->finish();
  const std::string text = babeltrace2("--clock-cycles");
  EXPECT_NE(text.find("ouro:thread"), std::string::npos);
  EXPECT_NE(text.find("name = \"before\""), std::string::npos) << text;
  const std::string now = TestTrace::run("cat /proc/" + std::to_string(::getpid()) + "/comm");
  EXPECT_NE(text.find("name = \"" + now.substr(0, now.size() - 1) + "\""), std::string::npos) << text;
}

TEST_F(RecorderTest, TheQueueOfThreadsGoesRoundAndIsOrderedByTime) {
  begin();
  for (int i = 0; i < 10; ++i) {
    program_->add_thread(1000000 + i, "t", 100 - static_cast<std::uint64_t>(i % 2));
    recorder_->step();
  }
  program_->add_thread(2000000, "a", 7);  // stamps that lie before what was written, and after now
  program_->add_thread(2000001, "b", ~std::uint64_t{0});
  recorder_->finish();
  const std::string text = babeltrace2();
  for (int i = 0; i < 10; ++i) EXPECT_NE(text.find("tid = " + std::to_string(1000000 + i)), std::string::npos) << i;
  EXPECT_NE(text.find("tid = 2000000"), std::string::npos);
  EXPECT_NE(text.find("tid = 2000001"), std::string::npos);
  EXPECT_EQ(text.find("[exit status"), std::string::npos) << text;
}

TEST(StateStream, AThreadThatWasKilledAtItsRowIsSkippedAfterASecond) {
  TestFolder folder;
  const Result<Session> session = Session::create(folder.runtime(), small_session());
  FakeProgram program(*session);
  StateStream state(*session, {});
  program.add_thread(1, "", 1, abi::row_claimed);
  program.add_thread(2, "", 1);
  state.update(5'000'000'000);
  state.update(5'900'000'000);
  EXPECT_EQ(program.header().threads_tail.load(), 0u);
  state.update(6'000'000'000);
  EXPECT_EQ(program.header().threads_tail.load(), 2u);
  EXPECT_EQ(state.skipped(), 1u);
}

// A second for each would hold up all others for as long as somebody kills programs.
TEST(StateStream, RowsThatWereClaimedTogetherAreWaitedForTogether) {
  TestFolder folder;
  const Result<Session> session = Session::create(folder.runtime(), small_session());
  FakeProgram program(*session);
  StateStream state(*session, {});
  //    1        2        |  3        4
  //  [ claimed  claimed  |  claimed  ready ]     | the head as the wait for 1 begins
  for (const std::int32_t tid : {1, 2}) program.add_thread(tid, "", 1, abi::row_claimed);
  state.update(5'000'000'000);
  program.add_thread(3, "", 1, abi::row_claimed);
  program.add_thread(4, "", 1);
  state.update(6'000'000'000);
  EXPECT_EQ(program.header().threads_tail.load(), 2u);
  EXPECT_EQ(state.skipped(), 2u);
  state.update(6'900'000'000);
  EXPECT_EQ(program.header().threads_tail.load(), 2u);
  state.update(7'000'000'000);
  EXPECT_EQ(program.header().threads_tail.load(), 4u);
  EXPECT_EQ(state.skipped(), 3u);
}

TEST_F(RecorderTest, AWriteErrorIsSaidOnceCountedAndTheTraceStaysReadable) {
  begin();
  std::filesystem::create_directory(folder_.in("trace/stream_shared0"));  // no stream can be made there
  write(0, 1000);
  const Summary summary = recorder_->finish();
  std::filesystem::remove(folder_.in("trace/stream_shared0"));
  EXPECT_FALSE(summary.complete);
  EXPECT_EQ(summary.events, 0u);
  EXPECT_EQ(summary.lost_total(), 1000u);
  EXPECT_EQ(said_.size(), 1u);
  EXPECT_NE(babeltrace2().find("cause = \"unwritten\", count = " + std::to_string(summary.unwritten)),
            std::string::npos);
}

//  trace    [ 0 .. ]                    [ .. 599 ]       while nothing can be written, the ring holds what comes
//  ring              [ held | waiting ]
TEST_F(RecorderTest, WhatTheFileSystemDoesNotTakeWaitsInMemory) {
  begin();
  write(0, 100);
  recorder_->step();
  const std::filesystem::path stream = folder_.in("trace/stream_shared0");
  std::filesystem::create_directory(stream);  // no stream can be made there
  write(100, 300);
  recorder_->step();
  write(300, 450);
  recorder_->step();
  EXPECT_TRUE(recorder_->is_stuck());
  ASSERT_EQ(said_.size(), 1u);
  EXPECT_TRUE(said("recording goes on in memory, and tries again every second"));
  std::filesystem::remove(stream);
  for (int i = 0; i < 500 && !said("the trace is written again"); ++i, ::usleep(10'000)) recorder_->step();
  EXPECT_FALSE(recorder_->is_stuck());
  EXPECT_TRUE(said("the trace is written again, after "));
  EXPECT_TRUE(said("; 0 events were lost meanwhile"));
  write(450, 600);
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 600u);
  EXPECT_EQ(summary.lost_total(), 0u);
  EXPECT_EQ(summary.outages, 1u);
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(values(), range(0, 600));
}

// The ring counts what comes then: each event is in the trace or in a count.
TEST_F(RecorderTest, MemoryThatIsFullMeanwhileLosesWhatComes) {
  begin();
  std::filesystem::create_directory(folder_.in("trace/stream_shared0"));
  for (std::uint64_t n = 0; n < 5000; n += 500) {
    write(n, n + 500);
    recorder_->step();
  }
  std::filesystem::remove(folder_.in("trace/stream_shared0"));
  for (int i = 0; i < 500 && !said("the trace is written again"); ++i, ::usleep(10'000)) recorder_->step();
  write(5000, 5100);
  const Summary summary = recorder_->finish();
  EXPECT_GT(summary.events, 600u);
  EXPECT_EQ(summary.events + summary.lost[static_cast<std::size_t>(abi::Loss::full)], 5100u);
  EXPECT_EQ(summary.unwritten, 0u);
  EXPECT_FALSE(summary.complete);
  EXPECT_EQ(values().size(), summary.events);
  EXPECT_EQ(values().back(), 5099u);
}

TEST_F(RecorderTest, ACpuWithoutMemoryLosesItsEventsAndSaysSo) {
  begin();
  FakeProgram::refuse_memory = true;
  write(0, 10);
  FakeProgram::refuse_memory = false;
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 0u);
  EXPECT_EQ(summary.lost[static_cast<std::size_t>(abi::Loss::no_memory)], 10u);
  const std::string text = babeltrace2();
  EXPECT_NE(text.find("no_memory"), std::string::npos);
  EXPECT_EQ(text.find("WARN"), std::string::npos) << text;  // the loss is in no packet, so babeltrace2 does not know it
}

// Program basic has four kinds of event, of which it writes equally many.
TEST_F(RecorderTest, EventsThatFindNoRowInTheTableAreLostByACauseOfTheirOwn) {
  SessionOptions options = small_session();
  options.event_capacity = 3;  // begin() takes one
  begin(options);
  const auto build = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  EXPECT_EQ(TestTrace::run("OURO_RUNTIME_DIR=" + std::string(folder_.runtime().path) + " OURO_SESSION=" +
                           session_->file() + " " + (build / "programs/basic").string() + " 50"),
            "50 turns\n");
  const Summary summary = recorder_->finish();
  EXPECT_EQ(summary.events, 100u);
  EXPECT_EQ(summary.lost[static_cast<std::size_t>(abi::Loss::table_full)], 100u);
  EXPECT_EQ(summary.lost_total(), 100u);
  EXPECT_NE(babeltrace2().find("cause = \"table_full\", count = 100"), std::string::npos) << babeltrace2();
}

// What others who follow the recording rely on.
class MarkTest : public RecorderTest {
 protected:
  std::uint64_t complete_until() const {
    const std::string bytes = folder_.read("trace/.recording");
    const std::optional<format::LiveMark> mark = format::decode_live_mark(std::as_bytes(std::span(bytes)));
    EXPECT_TRUE(mark);
    return mark ? mark->complete_until : 0;
  }
  // Sub-buffers that are not full are read once a second.
  void step_after_a_second() {
    std::this_thread::sleep_for(std::chrono::milliseconds(1050));
    recorder_->step();
  }
  std::uint64_t now() const { return clock::now(session_->options().clock); }
  static std::optional<format::PacketHeader> header_at(const std::string& file, std::size_t at) {
    std::array<std::byte, format::kPacketHeaderSize> bytes{};
    if (file.size() >= at + bytes.size()) std::memcpy(bytes.data(), file.data() + at, bytes.size());
    return format::decode(bytes);
  }
};

TEST_F(MarkTest, WhileItIsWrittenTheFolderHasALockedMark) {
  begin();
  const std::string mark = folder_.in("trace/.recording");
  EXPECT_FALSE(std::filesystem::exists(mark));
  recorder_->step();
  const base::Fd fd(::open(mark.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd);
  EXPECT_NE(::flock(fd.get(), LOCK_SH | LOCK_NB), 0);
  EXPECT_EQ(complete_until(), 0u);
  recorder_->finish();
  EXPECT_EQ(::flock(fd.get(), LOCK_SH | LOCK_NB), 0);
  EXPECT_FALSE(std::filesystem::exists(mark));
}

TEST_F(MarkTest, NothingThatComesAfterItBeginsEarlier) {
  begin();
  recorder_->step();
  write(0, 3);
  const std::uint64_t written = now();
  step_after_a_second();
  const std::uint64_t until = complete_until();
  EXPECT_GT(until, written);
  EXPECT_LT(until, now());
  write(3, 4);
  program_->add_thread(4711, "late", written);  // it was held up since
  recorder_->finish();
  const std::string name = "stream_shared0", file = folder_.read("trace/" + name), state = folder_.read("trace/ouro_state");
  const std::optional<format::PacketHeader> first = header_at(file, 0);
  ASSERT_TRUE(first);
  EXPECT_LT(first->timestamp_begin, written);
  const std::optional<format::PacketHeader> second = header_at(file, first->content_bytes);
  ASSERT_TRUE(second);
  EXPECT_GT(second->timestamp_begin, until);
  const std::optional<format::PacketHeader> late = header_at(state, 0);
  ASSERT_TRUE(late);
  EXPECT_GE(late->timestamp_begin, until);
  EXPECT_EQ(values(), range(0, 4));
}

TEST_F(MarkTest, IsInThePieceThatIsBeingWritten) {
  begin();
  recorder_->step();
  write(0, 3);
  Result<TraceFolder> next = TraceFolder::create(folder_.in("next"));
  ASSERT_TRUE(next);
  recorder_->rotate(*next);
  EXPECT_FALSE(std::filesystem::exists(folder_.in("trace/.recording")));
  EXPECT_TRUE(std::filesystem::exists(folder_.in("next/.recording")));
  recorder_->finish();
  EXPECT_FALSE(std::filesystem::exists(folder_.in("next/.recording")));
}

TEST_F(MarkTest, IsNotMovedPastARecordThatIsNotFinished) {
  begin();
  recorder_->step();
  const ring::Reservation slot = ring::reserve(program_->channel(), 0, 12);
  ASSERT_NE(slot.body, nullptr);
  step_after_a_second();
  EXPECT_EQ(complete_until(), 0u);
  std::memset(slot.body, 0, 12);
  ring::commit(slot);
  step_after_a_second();
  EXPECT_NE(complete_until(), 0u);
}

}  // namespace
}  // namespace ouro::record
