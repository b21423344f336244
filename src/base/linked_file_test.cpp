#include "base/linked_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/boot_id.hpp"
#include "base/fd.hpp"

namespace ouro::base {
namespace {

class LinkedFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ouro-linked-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    ASSERT_TRUE(Fd(::open(in("file").c_str(), O_WRONLY | O_CREAT, 0600)));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string in(const std::string& name) const { return folder_ + "/" + name; }
  void link(const std::string& to) {
    ::unlink(in("link").c_str());
    ASSERT_EQ(::symlink(to.c_str(), in("link").c_str()), 0);
  }
  int error_of(const std::string& name) const {
    errno = 0;
    const Fd fd(open_linked(in(name).c_str(), O_RDONLY | O_CLOEXEC));
    return fd ? 0 : errno;
  }

  std::string folder_;
};

TEST_F(LinkedFile, AFileIsOpenedAndOneBehindALinkToo) {
  EXPECT_EQ(error_of("file"), 0);
  link(in("file"));
  EXPECT_EQ(error_of("link"), 0);
  char named[kMaxLinked];
  ASSERT_TRUE(read_linked(in("link").c_str(), named));
  EXPECT_EQ(named, in("file"));
  EXPECT_FALSE(read_linked(in("file").c_str(), named));
}

TEST_F(LinkedFile, ALinkToALinkOrWithoutAnAbsolutePathIsNone) {
  link("file");
  EXPECT_EQ(error_of("link"), ELOOP);
  ASSERT_EQ(::symlink(in("file").c_str(), in("second").c_str()), 0);
  link(in("second"));
  EXPECT_EQ(error_of("link"), ELOOP);
  link(in("link"));
  EXPECT_EQ(error_of("link"), ELOOP);
  link("/" + std::string(kMaxLinked, 'x'));
  EXPECT_EQ(error_of("link"), ELOOP);
  link(in("nothing"));
  EXPECT_EQ(error_of("link"), ENOENT);
}

TEST_F(LinkedFile, WhoWorksForSomebodyElseFollowsNone) {
  link(in("file"));
  EXPECT_TRUE(Fd(open_linked_of(in("link").c_str(), O_RDONLY, ::geteuid())));
  EXPECT_FALSE(Fd(open_linked_of(in("link").c_str(), O_RDONLY, ::geteuid() + 1)));
  EXPECT_EQ(errno, ELOOP);
}

TEST(BootId, IsReadFromTheKernelsText) {
  constexpr char kText[] = "0123ab67-89ab-cdef-0123-456789abcdef\n";
  const BootId id = parse_boot_id(kText, sizeof kText - 1);
  EXPECT_EQ(id.bytes[0], 0x01);
  EXPECT_EQ(id.bytes[2], 0xab);
  EXPECT_EQ(id.bytes[15], 0xef);
  EXPECT_EQ(parse_boot_id(kText, 20).bytes[0], 0) << "too short";
  EXPECT_EQ(parse_boot_id("0123zz67-89ab-cdef-0123-456789abcdef", 36).bytes[0], 0);
  EXPECT_EQ(parse_boot_id("", 0).bytes[0], 0);
}

TEST(BootId, OnlyTwoThatAreKnownDiffer) {
  const BootId a{{1}}, b{{2}}, unknown{};
  EXPECT_TRUE(is_other_boot(a, b.bytes));
  EXPECT_FALSE(is_other_boot(a, a.bytes));
  EXPECT_FALSE(is_other_boot(a, unknown.bytes));
  EXPECT_FALSE(is_other_boot(unknown, a.bytes));
  EXPECT_FALSE(is_other_boot(boot_id(), boot_id().bytes));
}

}  // namespace
}  // namespace ouro::base
