// What commands say to a line that makes no sense, or that names what is not there: object, value seen, value wanted,
// hint; and a status that is not 0.
#include "cli/command_line.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/test_command.hpp"
#include "record/test_session.hpp"

namespace ouro::cli {
namespace {

// Each test has a runtime folder of its own; at its end nothing may be left there.
class CommandLine : public testing::Test {
 protected:
  CommandLine() { ::setenv("OURO_RUNTIME_DIR", folder_.in("run").c_str(), 1); }
  ~CommandLine() override {
    ::unsetenv("OURO_RUNTIME_DIR");
    std::error_code none;
    EXPECT_TRUE(!std::filesystem::exists(folder_.in("run")) || std::filesystem::is_empty(folder_.in("run"), none));
  }

  // The line is wrong: status 2, and one line on stderr.
  static void expect_usage(int (*command)(int, char**), const std::string& name, std::vector<std::string> arguments,
                           const std::string& text) {
    const test::Outcome outcome = test::run(command, name, std::move(arguments));
    EXPECT_EQ(outcome.status, 2) << text;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "ouro: error: " + name + ": " + text + " (hint: ouro " + name + " --help)\n");
  }
  static void record_refuses(std::vector<std::string> options, const std::string& text) {
    options.insert(options.end(), {"--", "true"});
    expect_usage(record_command, "record", std::move(options), text);
  }
  void record_fails(std::vector<std::string> arguments, int status, const std::string& text) {
    const test::Outcome outcome = test::run(record_command, "record", std::move(arguments));
    EXPECT_EQ(outcome.status, status) << text;
    EXPECT_EQ(outcome.err, "ouro: error: record: " + text + "\n");
  }

  record::test::TestFolder folder_;
};

TEST_F(CommandLine, HelpIsPrintedByAllAndDoesNothingElse) {
  using Command = std::pair<int (*)(int, char**), const char*>;
  for (const auto& [command, name] : {Command{record_command, "record"}, Command{list_command, "list"},
                                      Command{doctor_command, "doctor"}, Command{print_command, "print"},
                                      Command{stats_command, "stats"}, Command{live_command, "live"}, Command{bench_command, "bench"}}) {
    const test::Outcome outcome = test::run(command, name, {"--help"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_NE(outcome.out.find("Usage: ouro " + std::string(name)), std::string::npos) << outcome.out;
  }
}

TEST_F(CommandLine, AnUnknownOptionIsNamed) {
  record_refuses({"--nonsense"}, "unknown option '--nonsense'");
  record_refuses({"--overwrit"}, "unknown option '--overwrit'");
  record_refuses({"--overwrite", "-x"}, "unknown option '-x'");
  expect_usage(record_command, "record", {"--nonsense", "true"}, "unknown option '--nonsense'");
  expect_usage(list_command, "list", {"--nonsense"}, "unknown option '--nonsense'");
  expect_usage(doctor_command, "doctor", {"--nonsense"}, "unknown option '--nonsense'");
  expect_usage(print_command, "print", {"--nonsense", "trace"}, "unknown option '--nonsense'");
  expect_usage(stats_command, "stats", {"--nonsense", "trace"}, "unknown option '--nonsense'");
  expect_usage(live_command, "live", {"--nonsense", "trace"}, "unknown option '--nonsense'");
  expect_usage(live_command, "live", {"-l", "here", "trace"}, "-l 'here', want ADDRESS:PORT or PORT, as 127.0.0.1:5344, [::1]:5344 or 5344");
}

TEST_F(CommandLine, AnArgumentTooManyIsNamed) {
  expect_usage(doctor_command, "doctor", {"all"}, "PID is 'all', want a number above 0");
  expect_usage(stats_command, "stats", {"a", "b"}, "unexpected argument 'b'");
}

TEST_F(CommandLine, AnOptionHasAsManyValuesAsItTakes) {
  expect_usage(record_command, "record", {"--buffer-size"}, "--buffer-size has no value, want one");
  record_refuses({"-o"}, "--output has no value, want one");
  record_refuses({"--output="}, "--output has no value, want one");
  record_refuses({"-o", "a", "-o", "b"}, "--output is given more than once, want it once");
  record_refuses({"--overwrite=no"}, "--overwrite has a value, want none");
  expect_usage(list_command, "list", {"--json=no"}, "--json has a value, want none");
  expect_usage(doctor_command, "doctor", {"--json=no"}, "--json has a value, want none");
}

TEST_F(CommandLine, RecordWantsAProgram) {
  const std::string text = "no program, want one: ouro record [OPTIONS] -- PROGRAM [ARGUMENTS], or one that runs: -p PID";
  expect_usage(record_command, "record", {}, text);
  expect_usage(record_command, "record", {"--"}, text);
  expect_usage(record_command, "record", {"--overwrite", "-e", "shop:*"}, text);
}

TEST_F(CommandLine, ABufferSizeIsANumberWithAUnit) {
  for (const char* size : {"4X", "M", "4MB", "-4M", "4.5M", "", "99999999999999999999", "9999999999G"})
    record_refuses({"--buffer-size", size}, "--buffer-size is '" + std::string(size) + "', want a number with K, M or G, such as 4M");
}

TEST_F(CommandLine, ABufferSizeIsOneThatItsPartsCanHave) {
  record_refuses({"--buffer-size", "0"}, "--buffer-size is '0', want 8K to 512M");
  record_refuses({"--buffer-size", "4K"}, "--buffer-size is '4K', want 8K to 512M");
  record_refuses({"--buffer-size", "1G"}, "--buffer-size is '1G', want 8K to 512M");
  record_refuses({"--buffer-size", "256K", "--subbuf-count", "100"},
                 "--buffer-size is '256K', want 512K to 512M for 128 parts");
  record_refuses({"--buffer-size", "16M", "--subbuf-count", "2"}, "--buffer-size is '16M', want 8K to 8M for 2 parts");
}

TEST_F(CommandLine, OtherValuesAreCheckedBeforeAnythingIsMade) {
  for (const char* count : {"1", "129", "2K", "many", ""})
    record_refuses({"--subbuf-count", count}, "--subbuf-count is '" + std::string(count) + "', want a number from 2 to 128");
  record_refuses({"--clock", "sundial"}, "--clock is 'sundial', want tsc or monotonic");
  record_refuses({"-o", ""}, "--output is '', want a folder's name");
  for (const char* glob : {"", "!"})
    record_refuses({"-e", glob}, "--event is '" + std::string(glob) + "', want a name or a pattern, such as 'shop:*'");
}

TEST_F(CommandLine, AProgramThatCannotBeRunLeavesNoTrace) {
  const std::string not_found = ": cannot run it: No such file or directory (hint: a path, such as ./app, or a name that "
                                "stands in a folder of PATH)";
  const std::string trace = folder_.in("trace");
  record_fails({"-o", trace, "/nonexistent/app"}, 127, "program '/nonexistent/app'" + not_found);
  record_fails({"-o", trace, "--", "--no-such-app"}, 127, "program '--no-such-app'" + not_found);
  std::ofstream(folder_.in("text")) << "no program\n";
  record_fails({"-o", trace, folder_.in("text")}, 126,
               "program '" + folder_.in("text") + "': cannot run it: Permission denied (hint: chmod +x, if it is a program)");
  EXPECT_FALSE(std::filesystem::exists(trace));
}

TEST_F(CommandLine, ATraceGoesIntoAFolderThatIsNewOrEmpty) {
  std::ofstream(folder_.in("text")) << "a file\n";
  const std::string file = folder_.in("text"), above = folder_.in("no/trace"), full = folder_.in("");
  record_fails({"-o", file, "true"}, 1,
               "trace '" + file + "': Not a directory, want a new or an empty folder (hint: another -o DIR)");
  record_fails({"-o", above, "true"}, 1,
               "trace '" + above + "': cannot make the folder: No such file or directory (hint: the folder that it is to "
               "be in must be there)");
  record_fails({"-o", full, "true"}, 1,
               "trace '" + full + "': the folder is not empty, want a new or an empty one (hint: another -o DIR)");
}

TEST_F(CommandLine, ListWantsNumbersOfProcessesThatHaveEvents) {
  for (const char* pid : {"0", "99999999999"})
    expect_usage(list_command, "list", {pid}, "PID is '" + std::string(pid) + "', want a number above 0");
  const test::Outcome outcome = test::run(list_command, "list", {"99999999"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "ouro: error: list: process 99999999 is not there, want one that runs (hint: ouro list shows those with events)\n");
}

TEST_F(CommandLine, BenchSaysWhatItMeasures) {
  expect_usage(bench_command, "bench", {"rings"}, "unexpected argument 'rings', want ring or none");
  expect_usage(bench_command, "bench", {"ring", "a"}, "unexpected argument 'a'");
  expect_usage(bench_command, "bench", {"--mode", "none"}, "--mode is 'none', want discard, overwrite or both");
  for (const char* size : {"32K", "65M", "4X", ""})
    expect_usage(bench_command, "bench", {"--buffer-size", size}, "--buffer-size is '" + std::string(size) + "', want 64K to 64M");
}

TEST_F(CommandLine, DoctorSaysOfARuntimeFolderThatIsNoneWhatIsWanted) {
  ::setenv("OURO_RUNTIME_DIR", "relative", 1);
  const test::Outcome outcome = test::run(doctor_command, "doctor", {});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("fail  runtime folder: OURO_RUNTIME_DIR is 'relative', want a short absolute path (hint: unset it)"),
            std::string::npos)
      << outcome.out;
}

}  // namespace
}  // namespace ouro::cli
