// Processes that are killed at random instants while they write at full speed harm nobody: not the healthy process that
// writes to the same rings, nor the trace.
#include <ctime>

#include "storm.hpp"

namespace ouro::stress {
namespace {

class Kills : public Storm {
 protected:
  void kill_and_check(const std::string& options, int victims, bool keeps_all) {
    const std::string seed = std::to_string(std::time(nullptr));
    const std::string programs = (build_folder() / "tests/programs").string();
    record(options, programs + "/kills " + programs + "/storm " + books_path().string() + " " + std::to_string(victims) + " " +
                        seed);
    // Each killed writer may have had one event under way: written but not in its books, or lost half-written.
    const Result result = read_all(1);
    const std::uint64_t writers = books().writers.load();
    EXPECT_GE(writers, static_cast<std::uint64_t>(victims));
    EXPECT_GE(result.delivered + result.lost, result.tried) << "seed " << seed;
    EXPECT_LE(result.delivered + result.lost, result.tried + writers) << "seed " << seed;
    EXPECT_EQ(count_by_babeltrace(of_recorder(result)), result.delivered);
    EXPECT_EQ(count_by_stats(), std::pair(result.delivered, result.lost));
    if (!keeps_all) return;
    EXPECT_LE(result.lost, writers) << "more than dead writers' last events are lost: seed " << seed;
    EXPECT_EQ(books().writer[0].tried.load(), 200'000u);
    EXPECT_EQ(delivered(0), 200'000u) << "events of the healthy process are missing: seed " << seed;
  }
};

TEST_F(Kills, TheHealthyProcessLosesNothingInLargeBuffers) { kill_and_check("--buffer-size 128M", 300, true); }

TEST_F(Kills, InOverwriteModeWhatIsThereIsInOrderAndTheRestCounted) {
  kill_and_check("--overwrite --buffer-size 1M", 150, false);
}

TEST_F(Kills, WithoutSectionsTheHealthyProcessLosesNothingEither) {
  setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
  kill_and_check("--buffer-size 128M", 150, true);
  unsetenv("GLIBC_TUNABLES");
}

}  // namespace
}  // namespace ouro::stress
