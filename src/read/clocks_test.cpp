// Of several traces: which clocks are known to agree, and what is said where that is a guess.
#include <gtest/gtest.h>

#include <ouro/read.hpp>

#include "format/test_trace.hpp"
#include "read/clocks.hpp"

namespace ouro::read {
namespace {

using format::test::TestTrace;
using Texts = std::vector<std::string>;

Clock clock(const char* name, const char* uid, const char* origin = "", std::int64_t offset_s = 5) {
  Clock out;
  out.name = name;
  out.uid = uid;
  out.origin = origin;
  out.offset_s = offset_s;
  return out;
}
Source source(const char* folder, const char* host, std::vector<Clock> clocks) {
  Source out;
  out.folder = folder;
  out.clocks = std::move(clocks);
  if (*host != '\0') out.environment = {{"tracer_name", "x"}, {"hostname", host}};
  return out;
}
constexpr const char *kBoot = "20ea2f75-bfdd-4efa-8ac9-4b8f86512ac7", *kOtherBoot = "00000000-bfdd-4efa-8ac9-4b8f86512ac7", *kEpoch = "unix-epoch";

// LTTng's clock has the boot's uid and is not absolute: kernel and programs, or two sessions.
TEST(Clocks, OfOneUidAreOneWhateverTheMachineIsCalled) {
  EXPECT_EQ(relate(clock("monotonic", kBoot), "a", clock("monotonic", kBoot), "a"), Relation::same);
  EXPECT_EQ(relate(clock("monotonic", kBoot), "a", clock("monotonic", kBoot), "container"), Relation::same);
  EXPECT_EQ(relate(clock("monotonic", kBoot), "", clock("monotonic", kBoot, "", 6), ""), Relation::measured);
  EXPECT_EQ(relate(clock("monotonic", kBoot), "a", clock("boottime", kBoot), "a"), Relation::guessed);
  EXPECT_EQ(relate(clock("monotonic", kBoot), "a", clock("monotonic", kOtherBoot), "a"), Relation::guessed) << "the machine was started anew";
}

// Ours are absolute, and each trace has a uid of its own.
TEST(Clocks, ThatAreAbsoluteAreOneOnOneMachine) {
  EXPECT_EQ(relate(clock("tsc", "1", kEpoch), "a", clock("tsc", "2", kEpoch), "a"), Relation::same);
  EXPECT_EQ(relate(clock("tsc", "1", kEpoch), "a", clock("tsc", "2", kEpoch, 6), "a"), Relation::measured);
  EXPECT_EQ(relate(clock("tsc", "1", kEpoch), "a", clock("monotonic", "2", kEpoch), "a"), Relation::stated);
  EXPECT_EQ(relate(clock("tsc", "1", kEpoch), "a", clock("tsc", "2", kEpoch), ""), Relation::stated) << "nothing says that they are not";
  EXPECT_EQ(relate(clock("tsc", "1", kEpoch), "a", clock("tsc", "2", kEpoch), "b"), Relation::guessed);
  EXPECT_EQ(relate(clock("tsc", "1", kEpoch), "a", clock("monotonic", kBoot), "a"), Relation::guessed) << "of LTTng on the same machine";
}

TEST(Clocks, WithoutUidAreToldByNameAndMachine) {
  EXPECT_EQ(relate(clock("c", ""), "a", clock("c", ""), "a"), Relation::same);
  EXPECT_EQ(relate(clock("c", ""), "", clock("c", ""), ""), Relation::guessed);
  EXPECT_EQ(relate(clock("c", ""), "a", clock("c", ""), "b"), Relation::guessed);
}

TEST(Clocks, ThatAreGuessedToAgreeAreWarnedOfOnceForEachOther) {
  const Source first = source("a", "one", {clock("monotonic", kBoot)}), kernel = source("k", "one", {clock("monotonic", kBoot)});
  const Source other = source("b", "two", {clock("monotonic", kOtherBoot)}), more = source("c", "two", {clock("monotonic", kOtherBoot)});
  EXPECT_EQ(clock_warnings({first}), Texts{});
  EXPECT_EQ(clock_warnings({first, kernel}), Texts{});
  EXPECT_EQ(clock_warnings({first, other}),
            Texts{"'b': clock monotonic of two, 'a': clock monotonic of one; that they agree is a guess, as good as each was told the time of day"});
  EXPECT_EQ(clock_warnings({first, other, kernel, more}),
            Texts{"'b' and 1 more trace: clock monotonic of two, 'a': clock monotonic of one; that they agree is a guess, as good as each was told the time of day"});
  const Source unnamed = source("u\n", "", {clock("c", "")}), clockless = source("n", "one", {});
  EXPECT_EQ(clock_warnings({first, unnamed, clockless}),
            (Texts{"'u?': clock c of an unnamed machine, 'a': clock monotonic of one; that they agree is a guess, as good as each was told the time of day",
                   "'n': no clock, so what is before what in 'a' and 'n' is not known"}));
  EXPECT_EQ(clock_warnings({clockless, first}), Texts{"'n': no clock, so what is before what in 'n' and 'a' is not known"});
  EXPECT_EQ(clock_warnings(std::vector<Source>(3, clockless)), Texts{}) << "pieces of one";
}

TEST(Clocks, OfOneTraceAreItsTracersToCorrelate) {
  EXPECT_EQ(clock_warnings({source("a", "one", {clock("x", "1"), clock("y", "2")})}), Texts{});
  EXPECT_EQ(clock_warnings({source("a", "one", {clock("x", "1"), clock("y", "2")}), source("b", "one", {clock("y", "2")})}), Texts{});
}

// However many there are.
TEST(Clocks, GiveAFewWarnings) {
  std::vector<Source> all;
  for (int i = 0; i < 1000; ++i) all.push_back(source("t", std::to_string(i).c_str(), {clock("c", "")}));
  const Texts warnings = clock_warnings(all);
  EXPECT_EQ(warnings.size(), 15u);
  EXPECT_NE(warnings.back().find("'t' and 984 more traces: "), std::string::npos) << warnings.back();
}

TEST(Clocks, OfTracesReadTogetherAreWarnedOf) {
  format::TraceDescription here = format::test::description({}), there = here;
  there.env = {{"hostname", "there"}};
  there.uuid[0] = 0;
  const TestTrace a(here), b(there), c(here);
  EXPECT_EQ(Trace::open(a.folder())->warnings(), Texts{});
  EXPECT_EQ(Trace::open({a.folder(), c.folder()})->warnings(), Texts{});
  const Result<Trace> both = Trace::open({a.folder(), b.folder()});
  ASSERT_EQ(both->warnings().size(), 1u);
  EXPECT_NE(both->warnings()[0].find("clock tsc of there"), std::string::npos) << both->warnings()[0];
  EXPECT_TRUE(both->complete());
}

}  // namespace
}  // namespace ouro::read
