#include "cli/retention.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() { fs::create_directory(folder_); }
  ~RetentionTest() override { fs::remove_all(folder_); }

  // A snapshot of two files of together `bytes`, last written to `age` ago.
  std::string snapshot(const std::string& name, std::size_t bytes, std::chrono::seconds age) {
    fs::create_directory(folder_ + "/" + name);
    file(name + "/metadata", bytes / 2, age);
    file(name + "/cpu0_0", bytes - bytes / 2, age);
    return name;
  }
  void file(const std::string& name, std::size_t bytes, std::chrono::seconds age = 2h) {
    std::ofstream(folder_ + "/" + name) << std::string(bytes, 'x');
    const auto then = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() - age);
    const timespec times[2] = {{then, 0}, {then, 0}};
    ::utimensat(AT_FDCWD, (folder_ + "/" + name).c_str(), times, 0);
  }
  Kept apply(std::optional<std::uint64_t> keep, std::optional<std::chrono::seconds> age = {}) {
    return apply_retention({folder_, keep, age}, std::chrono::system_clock::now(), [&](const std::string& text) { warned_.push_back(text); });
  }
  Strings left() const {
    Strings out;
    for (const auto& entry : fs::directory_iterator(folder_)) out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }

  const std::string folder_ = testing::TempDir() + "ouro-retention-" + std::to_string(::getpid());
  Strings warned_;
};

const std::string a = "ouro-snapshot-20260101-000003", b = "ouro-snapshot-20260101-000002", c = "ouro-snapshot-20260101-000001", d = "ouro-snapshot-20260101-000001-2";

TEST_F(RetentionTest, TheOldestGoUntilTheRestHasRoom) {
  snapshot(a, 1000, 5h), snapshot(b, 1000, 4h), snapshot(c, 1000, 3h), snapshot(d, 1000, 2h);
  const Kept kept = apply(2000);
  EXPECT_THAT(left(), ElementsAre(c, d));
  EXPECT_EQ(kept.snapshots, 2u);
  EXPECT_EQ(kept.bytes, 2000u);
  EXPECT_EQ(kept.removed, 2u);
  EXPECT_EQ(kept.removed_bytes, 2000u);
  EXPECT_EQ(apply(2000).removed, 0u);
  EXPECT_THAT(warned_, ElementsAre());
}

TEST_F(RetentionTest, TheNewestStaysHoweverLargeButNotHoweverOld) {
  snapshot(a, 1000, 5h), snapshot(b, 1000, 4h);
  apply(10);
  EXPECT_THAT(left(), ElementsAre(b));
  apply(10, 3h);
  EXPECT_THAT(left(), ElementsAre());
}

TEST_F(RetentionTest, WhatIsTooOldGoes) {
  snapshot(a, 1000, 5h), snapshot(b, 1000, 4h), snapshot(c, 1000, 1h);
  apply({}, 4h - 1s);
  EXPECT_THAT(left(), ElementsAre(c));
}

TEST_F(RetentionTest, WhatMayBeBeingWrittenStays) {
  snapshot(a, 1000, 5h), snapshot(b, 1000, 30s), snapshot(c, 1000, 20s);
  apply(1, 1s);
  EXPECT_THAT(left(), ElementsAre(c, b));
}

TEST_F(RetentionTest, NothingElseIsTouched) {
  file("notes", 1000), file("ouro-snapshot-20260101-000009", 1000);               // files
  snapshot("my-ouro-snapshot-20260101-000001", 1000, 9h);                          // other names
  snapshot("ouro-snapshot-20260101-000001-kept", 1000, 9h), snapshot("ouro-snapshot-20260101-00001", 1000, 9h), snapshot("ouro-snapshot-20260101-000001-", 1000, 9h);
  fs::create_directory(folder_ + "/" + a), file(a + "/data", 1000);                // no metadata: no trace
  snapshot(b, 1000, 9h), fs::create_directory(folder_ + "/" + b + "/mine");        // somebody put something into it
  snapshot("elsewhere", 1000, 9h), fs::create_symlink("elsewhere", folder_ + "/" + c);
  snapshot(d, 1000, 9h), fs::create_symlink("../notes", folder_ + "/" + d + "/link");
  const Strings before = left();
  const Kept kept = apply(0, 1s);
  EXPECT_EQ(left(), before);
  EXPECT_EQ(kept.snapshots + kept.removed, 0u);
  EXPECT_TRUE(fs::exists(folder_ + "/elsewhere/cpu0_0"));
  EXPECT_TRUE(fs::exists(folder_ + "/" + b + "/cpu0_0"));
  EXPECT_THAT(warned_, ElementsAre());
}

TEST_F(RetentionTest, AFolderThatIsNotThereIsSaid) {
  EXPECT_EQ(apply_retention({folder_ + "/none", 1, {}}, std::chrono::system_clock::now(), [&](const std::string& text) { warned_.push_back(text); }).removed, 0u);
  EXPECT_THAT(warned_, ElementsAre(HasSubstr("/none': No such file")));
}

}  // namespace
}  // namespace ouro::cli
