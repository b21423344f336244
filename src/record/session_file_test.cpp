#include "record/session_file.hpp"

#include <gtest/gtest.h>

#include <random>

#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using test::FakeProgram;
using test::small_session;
using test::TestFolder;

class SessionFileTest : public testing::Test {
 protected:
  SessionFileTest() : session_(std::move(*Session::create(folder_.runtime(), small_session()))), program_(session_) {}
  Result<SessionFile> open(const std::string& file = "session-test") { return SessionFile::open(folder_.in(""), file); }

  TestFolder folder_;
  Session session_;
  FakeProgram program_;
};

TEST_F(SessionFileTest, SaysWhatTheSessionIs) {
  const Result<SessionFile> file = open();
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->name(), "test");
  EXPECT_EQ(file->mode(), abi::FullMode::discard);
  EXPECT_EQ(file->creator_pid(), ::getpid());
  EXPECT_EQ(file->buffer_size(), 4u * 4096);
  EXPECT_GT(file->memory(), 2 * sizeof(abi::RingHead));
  EXPECT_TRUE(file->is_open());
  EXPECT_FALSE(file->is_left_behind());
  EXPECT_EQ(file->lost(), 0u);
  EXPECT_TRUE(file->events().empty());
  EXPECT_EQ(find_sessions(folder_.in("")), std::vector<std::string>{"session-test"});
}

TEST_F(SessionFileTest, EventsHaveTheCountsOfTheirRows) {
  program_.add_event(0, "test:zero");
  program_.event(1).state.store(abi::row_claimed);
  program_.add_event(2, "test:two");
  program_.event(2).count.store(17);
  const auto events = open()->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].count, 0u);
  EXPECT_EQ(events[1].count, 17u);
  EXPECT_EQ(format::parse_schema(events[1].schema)->name, "test:two");
}

TEST_F(SessionFileTest, LossesOfAllRingsAreSummed) {
  program_.head(0).losses.full_in_section.store(1);
  program_.head(1).losses.lost[static_cast<std::size_t>(abi::Loss::full)].store(2);
  program_.head(3).losses.lost[static_cast<std::size_t>(abi::Loss::too_large)].store(4);
  program_.head(3).losses.lost[static_cast<std::size_t>(abi::Loss::lapped)].store(8);
  EXPECT_EQ(open()->lost(), 7u);
}

TEST_F(SessionFileTest, OtherFilesAreRefused) {
  EXPECT_EQ(open("session-none").error().code, ENOENT);
  EXPECT_EQ(open("../session-test").error().code, EINVAL);
  EXPECT_EQ(open("session-/../session-test").error().code, EINVAL);
  std::ofstream(folder_.in("session-short")) << "session1";
  EXPECT_EQ(open("session-short").error().code, EAGAIN);
  program_.header().version = 77;
  EXPECT_EQ(open().error().text, "session 'session-test': version is 77, want " + std::to_string(abi::kSessionVersion) +
                                     " (hint: another Ouro made it)");
}

// Whatever its header and rows say: an answer, and no more memory than the largest table.
TEST_F(SessionFileTest, FlippedAnywhereItIsStillOnlyAFile) {
  program_.add_event(0, "test:zero");
  const std::string sound(reinterpret_cast<const char*>(program_.base()), sizeof(abi::SessionHeader));
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::memcpy(program_.base(), sound.data(), sound.size());
    program_.event(0).schema_offset = random() % 3 == 0 ? random() : 0;
    program_.event(0).schema_size = random() % 3 == 0 ? static_cast<std::uint32_t>(random() % 20000) : 64;
    const std::size_t at = 8 + random() % (sizeof(abi::SessionHeader) - 8);
    program_.base()[at] = static_cast<std::byte>(random());
    const Result<SessionFile> file = open();
    if (!file) continue;
    (void)file->events();
    (void)file->lost();
  }
  std::memcpy(program_.base(), sound.data(), sound.size());
}

}  // namespace
}  // namespace ouro::record
