#include "record/snapshot.hpp"

#include <gtest/gtest.h>

#include "format/test_trace.hpp"
#include "record/session_file.hpp"
#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using format::test::TestTrace;
using test::FakeProgram;
using test::small_session;
using test::TestFolder;

SessionOptions kept_session() {
  SessionOptions out = small_session();
  out.mode = abi::FullMode::overwrite;
  out.is_kept = true;
  return out;
}

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() : session_(std::move(*Session::create(folder_.runtime(), kept_session()))), program_(session_) { program_.add_event(0, "test:number"); }

  Result<SnapshotSummary> snapshot(const std::string& name, SnapshotOptions options = {}) {
    Result<TraceFolder> folder = TraceFolder::create(folder_.in(name));
    if (!folder) return folder.error();
    options.warn = [](const std::string& text) { ADD_FAILURE() << text; };
    return write_snapshot(session_, *folder, options);
  }
  std::size_t count(const std::string& name) const {
    const std::string text = TestTrace::run("babeltrace2 " + folder_.in(name) + " 2>/dev/null | grep -c test:number");
    return std::stoul("0" + text);
  }

  TestFolder folder_;
  Session session_;
  FakeProgram program_;
};

TEST_F(SnapshotTest, HasWhatTheRingsHoldAndTakesNothing) {
  for (std::uint64_t n = 0; n < 100; ++n) program_.write(0, n);
  for (const char* name : {"a", "b"}) {
    const Result<SnapshotSummary> seen = snapshot(name);
    ASSERT_TRUE(seen) << seen.error().text;
    EXPECT_EQ(seen->events, 100u);
    EXPECT_EQ(seen->lost_total(), 0u);
    EXPECT_TRUE(seen->complete);
    EXPECT_EQ(count(name), 100u);
  }
}

TEST_F(SnapshotTest, CountsWhatWasOverwritten) {
  for (std::uint64_t n = 0; n < 5000; ++n) program_.write(0, n);
  const Result<SnapshotSummary> seen = snapshot("a");
  ASSERT_TRUE(seen) << seen.error().text;
  EXPECT_GT(seen->events, 100u);
  EXPECT_EQ(seen->events + seen->lost[static_cast<std::size_t>(abi::Loss::lapped)], 5000u);
}

TEST_F(SnapshotTest, OfTheLastMomentsLeavesOutWhatIsOlder) {
  for (std::uint64_t n = 0; n < 10; ++n) program_.write(0, n);
  ::usleep(400'000);
  for (std::uint64_t n = 0; n < 7; ++n) program_.write(0, n);
  const Result<SnapshotSummary> seen = snapshot("a", {.env = {}, .warn = {}, .last = std::chrono::milliseconds(300)});
  ASSERT_TRUE(seen) << seen.error().text;
  EXPECT_EQ(seen->events, 7u);
  EXPECT_EQ(seen->older, 10u);
  EXPECT_EQ(count("a"), 7u);
}

TEST_F(SnapshotTest, NamesOfThreadsStayForTheNext) {
  program_.add_thread(4711, "worker", 1);
  for (const char* name : {"a", "b"}) {
    ASSERT_TRUE(snapshot(name));
    EXPECT_NE(TestTrace::run("babeltrace2 " + folder_.in(name)).find("\"worker\""), std::string::npos) << name;
  }
}

TEST_F(SnapshotTest, OfAnAdoptedSessionIsTheSame) {
  for (std::uint64_t n = 0; n < 100; ++n) program_.write(0, n);
  session_.leave();
  Result<Session> adopted = Session::adopt(folder_.runtime().path, session_.file(), Session::Adopt::look);
  ASSERT_TRUE(adopted) << adopted.error().text;
  Result<TraceFolder> folder = TraceFolder::create(folder_.in("a"));
  const Result<SnapshotSummary> seen = write_snapshot(*adopted, *folder, {.env = {}, .warn = [](const std::string& text) { ADD_FAILURE() << text; }, .last = {}});
  ASSERT_TRUE(seen) << seen.error().text;
  EXPECT_EQ(seen->events, 100u);
}

TEST_F(SnapshotTest, AKeptSessionIsNotLeftBehindAndStaysUntilSomebodyInheritsIt) {
  const std::string file = session_.file(), folder = folder_.runtime().path;
  EXPECT_EQ(Session::adopt(folder, file, Session::Adopt::inherit).error().code, EBUSY) << "its creator is there";
  session_.leave();
  EXPECT_EQ(remove_left_behind(folder), 0u);
  EXPECT_TRUE(find_left_behind(folder).empty());
  EXPECT_FALSE(SessionFile::open(folder, file)->is_left_behind());
  { EXPECT_TRUE(Session::adopt(folder, file, Session::Adopt::look)); }
  EXPECT_EQ(::access(session_.path().c_str(), F_OK), 0) << "who looks changes nothing";
  { EXPECT_TRUE(Session::adopt(folder, file, Session::Adopt::inherit)); }
  EXPECT_NE(::access(session_.path().c_str(), F_OK), 0);
}

// Whatever a program writes over the constants of the header: it is refused, or is a session of the same layout.
TEST_F(SnapshotTest, HeadersThatMakeNoSenseAreNotAdopted) {
  auto* const words = reinterpret_cast<std::uint32_t*>(program_.base());
  session_.leave();
  std::uint32_t refused = 0;
  for (std::size_t i = 0; i < offsetof(abi::SessionHeader, schemas_used) / 4; ++i)
    for (const std::uint32_t flip : {1u, 0x80u, 0x8000u, 0x10000000u, 0xffffffffu}) {
      words[i] ^= flip;
      Result<Session> adopted = Session::adopt(folder_.runtime().path, session_.file(), Session::Adopt::look);
      if (adopted) {
        Result<TraceFolder> folder = TraceFolder::create(folder_.in("t" + std::to_string(i) + "-" + std::to_string(flip)));
        (void)write_snapshot(*adopted, *folder, {.env = {}, .warn = [](const std::string&) {}, .last = {}});
      }
      refused += !adopted;
      words[i] ^= flip;
    }
  EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace ouro::record
