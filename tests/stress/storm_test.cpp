// Many threads on few CPUs, signal handlers that interrupt writes every 50 us, threads that are moved about, forks:
// every event is delivered or counted as lost, whole, once, and in order.
#include "storm.hpp"

namespace ouro::stress {
namespace {

constexpr const char* kEverything = " timer=50 migrate=5000 forks=100000 long=97 text=7";

TEST_F(Storm, InLargeBuffersEveryEventIsThereOrCounted) {
  record("--buffer-size 64M", storm("threads=4 events=1300000" + std::string(kEverything)));
  const Result result = read_all();
  EXPECT_GT(result.tried, 5'000'000u);
  EXPECT_EQ(result.delivered + result.lost, result.tried);
  EXPECT_EQ(count_by_babeltrace(of_recorder(result)), result.delivered);
  EXPECT_EQ(count_by_stats(), std::pair(result.delivered, result.lost));
}

TEST_F(Storm, InTinyBuffersMostIsLostAndAllOfItCounted) {
  record("--buffer-size 16K --subbuf-count 2", storm("threads=4 events=500000" + std::string(kEverything)));
  const Result result = read_all();
  EXPECT_GT(result.lost, result.tried / 10) << "the buffers are not tiny enough for this test";
  EXPECT_EQ(result.delivered + result.lost, result.tried);
  EXPECT_EQ(count_by_babeltrace(of_recorder(result)), result.delivered);
  EXPECT_EQ(count_by_stats(), std::pair(result.delivered, result.lost));
}

TEST_F(Storm, OverwriteKeepsTheNewestWholeAndInOrderAndCountsTheRest) {
  record("--overwrite --buffer-size 1M", storm("threads=4 events=500000" + std::string(kEverything)));
  const Result result = read_all();
  EXPECT_GT(result.delivered, 10'000u);
  EXPECT_EQ(result.delivered + result.lost, result.tried);
  EXPECT_EQ(count_by_babeltrace(of_recorder(result)), result.delivered);
  EXPECT_EQ(count_by_stats(), std::pair(result.delivered, result.lost));
}

TEST_F(Storm, WithoutSectionsTheSharedRingsCountAsExactly) {
  setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
  record("--buffer-size 16M", storm("threads=4 events=200000" + std::string(kEverything)));
  const Result result = read_all();
  unsetenv("GLIBC_TUNABLES");
  EXPECT_EQ(result.delivered + result.lost, result.tried);
  EXPECT_EQ(count_by_babeltrace(of_recorder(result)), result.delivered);
  EXPECT_EQ(count_by_stats(), std::pair(result.delivered, result.lost));
}

TEST_F(Storm, WithoutSectionsOverwriteCountsAsExactly) {
  setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
  record("--overwrite --buffer-size 256K", storm("threads=4 events=200000" + std::string(kEverything)));
  const Result result = read_all();
  unsetenv("GLIBC_TUNABLES");
  EXPECT_GT(result.delivered, 1'000u);
  EXPECT_EQ(result.delivered + result.lost, result.tried);
}

}  // namespace
}  // namespace ouro::stress
