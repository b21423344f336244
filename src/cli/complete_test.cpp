#include "cli/complete.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "format/test_trace.hpp"
#include "record/test_session.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro

Commands:
  record   run a program
  stats    a trace's figures
)";

constexpr Command kCommands[] = {
    {"record", record_command, define_record}, {"list", list_command, define_list},
    {"print", print_command, define_print},    {"stats", stats_command, define_stats},
    {"bench", bench_command, define_bench},    {"completion", completion_command, define_completion}};

class Complete : public testing::Test {
 protected:
  Complete() { ::setenv("OURO_RUNTIME_DIR", folder_.in("").c_str(), 1); }
  ~Complete() override { ::unsetenv("OURO_RUNTIME_DIR"); }
  static std::string of(const std::vector<std::string>& words) {
    std::string out;
    for (const Candidate& candidate : candidates(kCommands, kHelp, words)) out += candidate.text + " ";
    return out;
  }

  record::test::TestFolder folder_;
};

TEST_F(Complete, CommandsWithWhatTheHelpSays) {
  EXPECT_EQ(of({""}), "record list print stats bench completion ");
  EXPECT_EQ(of({"re"}), "record ");
  EXPECT_EQ(candidates(kCommands, kHelp, {"s"}), (std::vector<Candidate>{{"stats", "a trace's figures"}}));
  EXPECT_EQ(of({"x"}), "");
  EXPECT_EQ(of({"nonsense", ""}), "");
  EXPECT_EQ(of({}), "");
}

TEST_F(Complete, OptionsAreThoseOfTheCommand) {
  EXPECT_EQ(of({"stats", "-"}), "--begin --end --events -e --by --utc --json --help -h ");
  EXPECT_EQ(of({"record", "--ov"}), "--overwrite ");
  EXPECT_EQ(of({"record", "--overwrite", "--bu"}), "--buffer-size ");
  EXPECT_EQ(candidates(kCommands, kHelp, {"record", "--out"}),
            (std::vector<Candidate>{
                {"--output", "the trace's folder, new or empty (default: ./ouro-trace-YYYYmmdd-HHMMSS)"}}));
}

TEST_F(Complete, ValuesAreOfTheOptionsType) {
  EXPECT_EQ(of({"record", "--clock", ""}), "tsc monotonic ");
  EXPECT_EQ(of({"record", "--clock", "m"}), "monotonic ");
  EXPECT_EQ(of({"record", "--clock=t"}), "--clock=tsc ");
  EXPECT_EQ(of({"record", "--output", "x"}), ":folders ");
  EXPECT_EQ(of({"record", "--buffer-size", ""}), "");
  EXPECT_EQ(of({"bench", "--mode", "d"}), "discard ");
  EXPECT_EQ(of({"bench", ""}), "ring ");
  EXPECT_EQ(of({"completion", ""}), "bash zsh fish ");
}

TEST_F(Complete, ArgumentsAreWhatTheCommandTakes) {
  EXPECT_EQ(of({"stats", ""}), ":folders ");
  EXPECT_EQ(of({"stats", "trace", ""}), "");
  EXPECT_EQ(of({"list", ""}), ":files ");
  EXPECT_EQ(of({"list", "one", "t"}), ":files ");
  EXPECT_EQ(of({"record", "sh"}), ":commands ");
  EXPECT_EQ(of({"record", "--clock", "tsc", "--", "--x"}), ":commands ");
  EXPECT_EQ(of({"record", "sh", "-"}), ":files ");
}

TEST_F(Complete, SessionsOfTheRuntimeFolder) {
  const record::Session session = std::move(*record::Session::create(folder_.runtime(), record::test::small_session()));
  EXPECT_EQ(of({"list", "--sessions", ""}), "test ");
  EXPECT_EQ(of({"list", "--sessions", "x"}), "");
}

TEST_F(Complete, EventsOfTheTraceThatTheLineNames) {
  const format::EventClass order{"shop:order", {}, {}, "", 0, {}}, pay{"shop:pay", {}, {}, "", 0, {}};
  const format::test::TestTrace trace(format::test::description({{0, order}, {1, pay}}));
  EXPECT_EQ(of({"print", trace.folder(), "-e", "shop:"}), "shop:order shop:pay ");
  EXPECT_EQ(of({"print", trace.folder(), "--events", "!shop:p"}), "!shop:pay ");
  EXPECT_EQ(of({"print", trace.folder(), "--events=shop:o"}), "--events=shop:order ");
  EXPECT_EQ(of({"print", "-e", "shop:"}), "");
}

TEST(SplitLine, AsAShellDoes) {
  const auto words = [](const std::string& line) { return split_line(line, "").words; };
  using Words = std::vector<std::string>;
  EXPECT_EQ(words("ouro "), Words{""});
  EXPECT_EQ(words("ouro li"), Words{"li"});
  EXPECT_EQ(words("ouro print  'a b' \"c d\"e f\\ g "), (Words{"print", "a b", "c de", "f g", ""}));
  EXPECT_EQ(words("ouro print 'a b"), (Words{"print", "a b"}));
  EXPECT_EQ(words("ouro -e '!sh"), (Words{"-e", "!sh"}));
}

TEST(SplitLine, TheShellReplacesOnlyWhatIsBehindABreak) {
  const auto kept = [](const std::string& line) { return split_line(line, " :=").kept; };
  EXPECT_EQ(kept("ouro print -e shop"), 0u);
  EXPECT_EQ(kept("ouro print -e shop:o"), 5u);
  EXPECT_EQ(kept("ouro print --events=shop:o"), 14u);
  EXPECT_EQ(kept("ouro print -e 'shop:o"), 0u);
  EXPECT_EQ(kept("ouro print -e shop:o "), 0u);
  EXPECT_EQ(split_line("ouro print -e shop:o", " ").kept, 0u);
}

}  // namespace
}  // namespace ouro::cli
