// Core dumps that lie: each costs no more than a true one of its size.
#include "record/core_file.hpp"

#include <gtest/gtest.h>

#include "record/test_core.hpp"
#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using test::TestCore;

constexpr std::uint64_t kAt = 0x7f0000000000;

class CoreFileTest : public testing::Test {
 protected:
  CoreFileTest() : session_(std::move(*Session::create(folder_.runtime(), test::small_session()))), program_(session_), size_(program_.header().total_size) {}

  CoreFile read(const TestCore& core) {
    const TestCore::Bytes bytes = core.bytes();
    std::ofstream(folder_.in("core"), std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    Result<CoreFile> out = read_core(folder_.in("core"));
    EXPECT_TRUE(out) << out.error().text;
    return std::move(*out);
  }

  test::TestFolder folder_;
  Session session_;
  test::FakeProgram program_;
  const std::uint64_t size_;
};

TEST_F(CoreFileTest, HasSessionsByTheirNamesAndByTheirLook) {
  TestCore core;
  core.map(kAt, size_, "/run/ouro/session-named");
  core.map(0x400000, 4096, "/usr/bin/program", 1);
  core.add_memory(kAt, program_.base(), 8192);
  core.add_memory(kAt + 8192, program_.base() + 8192, size_ - 8192);
  core.add_memory(2 * kAt, program_.base(), size_ / 2);
  CoreFile seen = read(core);
  ASSERT_EQ(seen.sessions.size(), 2u);
  EXPECT_EQ(seen.sessions[0].path, "/run/ouro/session-named");
  EXPECT_EQ(seen.sessions[0].missing, 0u);
  EXPECT_EQ(seen.sessions[1].path, "");
  EXPECT_EQ(seen.sessions[1].missing, size_ - size_ / 2);
  EXPECT_TRUE(Session::of_image(std::move(seen.sessions[0].image), seen.sessions[0].path));
  EXPECT_TRUE(seen.left_out.empty());
}

TEST_F(CoreFileTest, OneNoteUnderManyHeadersIsReadOnce) {
  TestCore core;
  for (int i = 0; i < 10; ++i) core.map(kAt, size_, "/run/ouro/session-" + std::string(2000, 'x'));
  core.note_headers = 60;
  EXPECT_EQ(read(core).left_out.size(), 10u);
}

TEST_F(CoreFileTest, OfMoreSessionsThanAProgramCanBeInTheFirstAreRead) {
  TestCore core;
  for (std::uint64_t i = 0; i < 100; ++i) core.map(kAt + i * 4096, 4096, "/run/ouro/session-" + std::to_string(i));
  const CoreFile seen = read(core);
  ASSERT_EQ(seen.left_out.size(), 65u);
  EXPECT_EQ(seen.left_out.back(), "/run/ouro/session-64, and all behind it: 64 sessions came before it, want no more of one program");
}

TEST_F(CoreFileTest, MemoryThatIsSaidToBeInManyPlacesIsCopiedOnce) {
  TestCore core;
  for (std::uint64_t i = 0; i < 4; ++i) core.map(kAt, size_, "/run/ouro/session-" + std::to_string(i));
  core.add_memory(kAt, program_.base(), size_);
  const CoreFile seen = read(core);
  EXPECT_EQ(seen.sessions.size(), 1u);
  ASSERT_EQ(seen.left_out.size(), 3u);
  EXPECT_EQ(seen.left_out.front(), "/run/ouro/session-1: its parts overlap each other");
}

}  // namespace
}  // namespace ouro::record
