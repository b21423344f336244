#include "base/runtime_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace ouro::base {
namespace {

namespace fs = std::filesystem;

// A folder of the test's own, and the environment as it was, afterwards.
class RuntimeDirTest : public testing::Test {
 protected:
  RuntimeDirTest() {
    char name[] = "/tmp/ouro-runtime-test-XXXXXX";
    home_ = ::mkdtemp(name);
    keep("OURO_RUNTIME_DIR", ours_);
    keep("XDG_RUNTIME_DIR", desktop_);
    ::unsetenv("OURO_RUNTIME_DIR");
    ::unsetenv("XDG_RUNTIME_DIR");
  }
  ~RuntimeDirTest() override {
    fs::remove_all(home_);
    restore("OURO_RUNTIME_DIR", ours_);
    restore("XDG_RUNTIME_DIR", desktop_);
  }
  std::string in_home(const char* name) const { return home_ + "/" + name; }
  int find(bool create) { return find_runtime_dir(dir_, create); }

  std::string home_;
  RuntimeDir dir_{};

 private:
  static void keep(const char* name, std::string& value) {
    if (const char* text = std::getenv(name)) value = text;
  }
  static void restore(const char* name, const std::string& value) {
    if (value.empty())
      ::unsetenv(name);
    else
      ::setenv(name, value.c_str(), 1);
  }
  std::string ours_, desktop_;
};

TEST_F(RuntimeDirTest, IsMadeForTheUserAlone) {
  ::setenv("OURO_RUNTIME_DIR", in_home("a").c_str(), 1);
  EXPECT_EQ(find(false), ENOENT);
  EXPECT_EQ(find(true), 0);
  struct stat status;
  ASSERT_EQ(::stat(in_home("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_EQ(find(false), 0);
  EXPECT_EQ(dir_.path, in_home("a"));
}

TEST_F(RuntimeDirTest, OursComesBeforeTheDesktopsAndThatBeforeSharedMemory) {
  EXPECT_TRUE(find(false) == 0 || find(false) == ENOENT);
  EXPECT_EQ(dir_.path, "/dev/shm/ouro-" + std::to_string(::geteuid()));
  ::setenv("XDG_RUNTIME_DIR", home_.c_str(), 1);
  EXPECT_EQ(find(true), 0);
  EXPECT_EQ(dir_.path, in_home("ouro"));
  ::setenv("OURO_RUNTIME_DIR", in_home("a").c_str(), 1);
  EXPECT_EQ(find(true), 0);
  EXPECT_EQ(dir_.path, in_home("a"));
}

TEST_F(RuntimeDirTest, ADesktopFolderThatIsNotThereCountsAsNone) {
  ::setenv("XDG_RUNTIME_DIR", in_home("nothing").c_str(), 1);
  find(false);
  EXPECT_EQ(dir_.path, "/dev/shm/ouro-" + std::to_string(::geteuid()));
}

TEST_F(RuntimeDirTest, AFolderOpenToOthersIsRefused) {
  ::setenv("OURO_RUNTIME_DIR", in_home("a").c_str(), 1);
  for (const mode_t mode : {0710u, 0701u, 0755u, 0777u}) {
    fs::create_directory(in_home("a"));
    ASSERT_EQ(::chmod(in_home("a").c_str(), mode), 0);
    EXPECT_EQ(find(true), EPERM) << std::oct << mode;
  }
}

TEST_F(RuntimeDirTest, ALinkOrAFileInItsPlaceIsRefused) {
  ASSERT_EQ(::mkdir(in_home("real").c_str(), 0700), 0);
  fs::create_symlink(in_home("real"), in_home("link"));
  ::setenv("OURO_RUNTIME_DIR", in_home("link").c_str(), 1);
  EXPECT_EQ(find(true), EPERM);
  ::setenv("OURO_RUNTIME_DIR", in_home("link//").c_str(), 1);
  EXPECT_EQ(find(true), EPERM);
  std::fclose(std::fopen(in_home("file").c_str(), "w"));
  ::setenv("OURO_RUNTIME_DIR", in_home("file").c_str(), 1);
  EXPECT_EQ(find(true), EPERM);
}

TEST_F(RuntimeDirTest, PathsThatCannotBeMeantAreErrors) {
  ::setenv("OURO_RUNTIME_DIR", "relative", 1);
  EXPECT_EQ(find(true), EINVAL);
  ::setenv("OURO_RUNTIME_DIR", ("/" + std::string(300, 'x')).c_str(), 1);
  EXPECT_EQ(find(true), ENAMETOOLONG);
}

TEST_F(RuntimeDirTest, LeavesErrnoAlone) {
  ::setenv("OURO_RUNTIME_DIR", in_home("a/b/c").c_str(), 1);
  errno = 4711;
  EXPECT_EQ(find(true), ENOENT);
  EXPECT_EQ(errno, 4711);
}

}  // namespace
}  // namespace ouro::base
