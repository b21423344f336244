// What ouro diff finds where the truth is known: nothing where nothing changed, and what changed.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/diff_compare.hpp"
#include "cli/test_command.hpp"
#include "format/test_trace.hpp"

namespace ouro::cli {
namespace {

using format::test::Bytes;
using format::test::description;
using format::test::TestTrace;
using test::Outcome;

// ---- Student's t, against its tables

TEST(Student, TailsAndQuantilesAreThoseOfTheTables) {
  EXPECT_NEAR(student_quantile(0.025, 10), 2.228139, 1e-5);
  EXPECT_NEAR(student_quantile(0.025, 30), 2.042272, 1e-5);
  EXPECT_NEAR(student_quantile(0.005, 5), 4.032143, 1e-5);
  EXPECT_NEAR(student_quantile(0.025, 1e6), 1.959966, 1e-4);
  EXPECT_NEAR(student_tail(0, 7), 0.5, 1e-12);
  EXPECT_NEAR(student_tail(1, 1), 0.25, 1e-12);
  EXPECT_NEAR(student_tail(-1, 1), 0.75, 1e-12);
  EXPECT_NEAR(student_tail(12.706205, 1), 0.025, 1e-8);
}

// ---- what is kept

TEST(Blocks, NoneIsLostWhenTheyAreMerged) {
  Blocks blocks;
  Histogram all;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    blocks.add(i);
    all.add(i);
    ASSERT_LE(blocks.all().size(), Blocks::kMost);
  }
  EXPECT_EQ(blocks.merged().total(), all.total());
  EXPECT_GE(blocks.all().size(), Blocks::kMost / 2);
  for (std::size_t i = 0; i + 1 < blocks.all().size(); ++i) EXPECT_EQ(blocks.all()[i].count(), blocks.all()[0].count());
  EXPECT_LT(blocks.all()[0].max(), blocks.all()[1].min());  // they stay in order
}

TEST(Windows, CountsStayInTheirTimeWhenWindowsGetLonger) {
  Windows windows;
  for (std::int64_t i = 0; i < 10'000; ++i) {
    windows.see(7'000'000'000 + i * i * 100);
    windows.count(1);
  }
  const std::vector<std::uint64_t> counts = windows.counts(1);
  ASSERT_GE(counts.size(), Windows::kMost / 2 - 1);
  EXPECT_EQ(windows.counts(0), std::vector<std::uint64_t>(counts.size()));
  for (std::size_t i = 1; i < counts.size(); ++i) EXPECT_LE(counts[i], counts[i - 1]);  // fewer and fewer
  EXPECT_NEAR(windows.seconds(), 9.998, 0.001);
}

// ---- durations: no change, and a change

// Log-normal, as latencies are; `alike`: how much a value is like the one ahead.
Blocks durations(std::mt19937_64& random, int count, double factor, double alike) {
  std::normal_distribution<double> normal;
  Blocks out;
  double state = normal(random);
  for (int i = 0; i < count; ++i) {
    state = alike * state + std::sqrt(1 - alike * alike) * normal(random);
    out.add(static_cast<std::uint64_t>(10'000 * factor * std::exp(0.5 * state)));
  }
  return out;
}

// In how many of `trials` comparisons of five spans anything is found; `factor`: what one of them is slower by.
int found(int trials, double factor, double alike, const CompareOptions& options) {
  std::mt19937_64 random(42);
  int out = 0;
  for (int t = 0; t < trials; ++t) {
    std::vector<Blocks> kept;
    for (int i = 0; i < 5; ++i) {
      kept.push_back(durations(random, 2000, 1, alike));
      kept.push_back(durations(random, 2000, i == 0 ? factor : 1, alike));
    }
    std::vector<std::pair<const Blocks*, const Blocks*>> pairs;
    for (std::size_t i = 0; i < kept.size(); i += 2) pairs.emplace_back(&kept[i], &kept[i + 1]);
    const Compared compared = compare_spans(pairs, options);
    EXPECT_EQ(compared.all.size(), 15u);
    out += factor == 1 ? compared.significant() != 0 : compared.significant() != 0 && compared.all.front().name == "0";
  }
  return out;
}

// The level is 5% of the trials; three standard deviations above it are allowed for.
TEST(Diff, WhereNothingChangedAlmostNothingIsFoundEvenIfAnyChangeCounts) {
  constexpr int kTrials = 100;
  const double most = kTrials * 0.05 + 3 * std::sqrt(kTrials * 0.05 * 0.95);
  EXPECT_LE(found(kTrials, 1, 0, {.least = 0, .confidence = 0.95}), most);
  EXPECT_LE(found(kTrials, 1, 0.9, {.least = 0, .confidence = 0.95}), most);  // values that are like their neighbours
}

TEST(Diff, AChangeOfAFifthIsFoundAndOfAFiftiethIsNone) {
  EXPECT_GE(found(20, 1.2, 0, {}), 19);
  EXPECT_EQ(found(20, 1.02, 0, {}), 0);
}

TEST(Diff, IntervalsHoldTheTruthAsOftenAsTheySay) {
  std::mt19937_64 random(7);
  int held = 0, all = 0;
  for (int t = 0; t < 200; ++t) {
    const Blocks a = durations(random, 2000, 1, 0.5), b = durations(random, 2000, 1.3, 0.5);
    for (const Comparison& c : compare_spans({{&a, &b}}, {}).all) {
      ++all;
      held += c.low <= 1.3 && c.high >= 1.3;
    }
  }
  EXPECT_GE(held, all * 0.92);  // 95% were said
}

// ---- whole traces

enum Id : std::uint32_t { kBegin, kEnd, kTick, kRare };

format::TraceDescription classes() {
  const auto event = [](const char* name, abi::EventKind kind) { return format::EventClass{name, kind, abi::Level::info, "a.cpp", 1, {}}; };
  return description({{kBegin, event("t:work_begin", abi::EventKind::span_begin)},
                      {kEnd, event("t:work_end", abi::EventKind::span_end)},
                      {kTick, event("t:tick", abi::EventKind::point)},
                      {kRare, event("t:rare", abi::EventKind::point)}});
}

struct Program {
  int count = 3000;
  double work_ns = 20'000, ticks = 1;  // per work
  int rare = 0;
  unsigned seed = 1;
};

void run(TestTrace& trace, const Program& program) {
  std::mt19937_64 random(program.seed);
  std::exponential_distribution<double> wait(1.0 / 100'000);
  std::lognormal_distribution<double> work(std::log(program.work_ns), 0.3);
  std::poisson_distribution<int> ticks(program.ticks);
  Bytes records;
  double now = 1e9;
  const auto put = [&](Id id) { records.extended(id, static_cast<std::uint64_t>(now), 1); };
  for (int i = 0; i < program.count; ++i) {
    now += wait(random);
    put(kBegin);
    now += work(random);
    put(kEnd);
    for (int n = ticks(random); n > 0; --n) put(kTick);
    if (i < program.rare) put(kRare);
  }
  trace.packet("stream_cpu0", {.timestamp_begin = 1'000'000'000, .timestamp_end = static_cast<std::uint64_t>(now)}, records.get());
}

nlohmann::json diff_of(const Program& a, const Program& b, std::vector<std::string> options = {}) {
  TestTrace first(classes()), second(classes());
  run(first, a);
  run(second, b);
  options.insert(options.end(), {"--json", first.folder(), second.folder()});
  const Outcome outcome = test::run(diff_command, "diff", options);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return nlohmann::json::parse(outcome.out);
}

TEST(DiffCommand, TwoRunsOfTheSameDoNotDiffer) {
  for (unsigned seed = 1; seed < 20; ++seed) {
    const auto out = diff_of({.seed = seed}, {.seed = seed + 1000});
    EXPECT_EQ(out["significant"], 0) << out.dump(2);
  }
}

TEST(DiffCommand, SlowerWorkIsNamedFirst) {
  const auto out = diff_of({}, {.work_ns = 30'000, .seed = 2});
  const auto& first = out["comparisons"][0];
  EXPECT_EQ(first["name"], "t:work");
  EXPECT_NE(first["what"], "rate");
  EXPECT_EQ(first["significant"], true);
  EXPECT_NEAR(first["change_percent"].get<double>(), 50, 8);
  EXPECT_LT(first["low_percent"].get<double>(), 50);
  EXPECT_GT(first["high_percent"].get<double>(), 50);
}

TEST(DiffCommand, MoreFrequentEventsAreNamed) {
  const auto out = diff_of({}, {.ticks = 2, .seed = 2});
  EXPECT_EQ(out["significant"], 1) << out.dump(2);
  EXPECT_EQ(out["comparisons"][0]["name"], "t:tick");
  EXPECT_EQ(out["comparisons"][0]["what"], "rate");
  EXPECT_NEAR(out["comparisons"][0]["change_percent"].get<double>(), 100, 10);
}

TEST(DiffCommand, EventsThatOnlyOneHasAreNamed) {
  const auto out = diff_of({}, {.rare = 200, .seed = 2}, {"-e", "t:rare", "-e", "t:tick"});
  EXPECT_EQ(out["comparisons"][0]["name"], "t:rare");
  EXPECT_EQ(out["comparisons"][0]["count_a"], 0);
}

TEST(DiffCommand, TooFewAreNotCompared) {
  const auto out = diff_of({.count = 10, .ticks = 0}, {.count = 10, .ticks = 0, .seed = 2});
  EXPECT_EQ(out["left_out"], 3);  // the span's durations; ten and ten begins are enough for a rate
  EXPECT_EQ(out["comparisons"].size(), 1u);
}

TEST(DiffCommand, TheTextSaysNothingOrWhat) {
  TestTrace a(classes()), b(classes()), c(classes());
  run(a, {});
  run(b, {.seed = 2});
  run(c, {.work_ns = 40'000, .seed = 3});
  EXPECT_NE(test::run(diff_command, "diff", {a.folder(), b.folder()}).out.find("Nothing differs by more than 5% beyond chance, of 5 comparisons"), std::string::npos);
  const std::string out = test::run(diff_command, "diff", {a.folder(), c.folder()}).out;
  EXPECT_NE(out.find("slower"), std::string::npos) << out;
  EXPECT_LT(out.find("t:work         mean"), out.find("t:tick")) << out;  // which is seldomer, for all takes longer
}

TEST(DiffCommand, WrongUseIsAnErrorWithAHint) {
  EXPECT_EQ(test::run(diff_command, "diff", {"a"}).status, 2);
  EXPECT_EQ(test::run(diff_command, "diff", {"a", "b", "--least", "much"}).status, 2);
  EXPECT_EQ(test::run(diff_command, "diff", {"/nonexistent/a", "/nonexistent/b"}).status, 1);
}

}  // namespace
}  // namespace ouro::cli
