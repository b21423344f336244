// What `ouro stats` makes of traces made by hand.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/test_command.hpp"
#include "format/test_trace.hpp"

namespace ouro::cli {
namespace {

using abi::EventKind;
using abi::FieldShape;
using abi::FieldType;
using format::test::Bytes;
using format::test::description;
using format::test::TestTrace;
using test::Outcome;

Outcome stats(std::vector<std::string> arguments) { return test::run(stats_command, "stats", std::move(arguments)); }

format::EventClass event_class(const char* name, EventKind kind, std::vector<format::Field> fields = {}) {
  return {name, kind, abi::Level::info, "a.cpp", 1, std::move(fields)};
}

// Events by short names: A and B are spans ("A(" begins, "A)" ends), c a counter, p an event.
enum Id : std::uint32_t { kABegin, kAEnd, kBBegin, kBEnd, kCounter, kRatio, kPoint };

class StatsCommand : public testing::Test {
 public:
  StatsCommand()
      : trace_(description({{kABegin, event_class("t:A_begin", EventKind::span_begin)},
                            {kAEnd, event_class("t:A_end", EventKind::span_end)},
                            {kBBegin, event_class("t:B_begin", EventKind::span_begin)},
                            {kBEnd, event_class("t:B_end", EventKind::span_end)},
                            {kCounter, event_class("t:c", EventKind::counter,
                                                   {{"value", FieldType::u64, FieldShape::scalar, false, 0, {}}})},
                            {kRatio, event_class("t:r", EventKind::counter,
                                                 {{"value", FieldType::f64, FieldShape::scalar, false, 0, {}}})},
                            {kPoint, event_class("t:p", EventKind::point)}})) {}
  StatsCommand& at(std::uint64_t ns, Id id, std::uint32_t tid = 1) {
    records_.extended(id, ns, tid);
    last_ = ns;
    return *this;
  }
  nlohmann::json json(std::uint64_t discarded = 0) {
    trace_.packet("stream_cpu0", {.timestamp_end = last_, .events_discarded = discarded}, records_.get());
    const Outcome outcome = stats({"--json", trace_.folder()});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  }
  static nlohmann::json named(const nlohmann::json& list, const std::string& name) {
    for (const auto& entry : list)
      if (entry["name"] == name) return entry;
    return {};
  }
  TestTrace trace_;
  Bytes records_;
  std::uint64_t last_ = 0;
};

TEST_F(StatsCommand, SpansArePairedByNestingPerThread) {
  //  thread 1   A-----------------A        A: 100
  //               B--B  B----B             B: 10, 20
  //  thread 2      A------------------A    A: 200
  at(1000, kABegin, 1).at(1010, kBBegin, 1).at(1015, kABegin, 2).at(1020, kBEnd, 1);
  at(1050, kBBegin, 1).at(1070, kBEnd, 1).at(1100, kAEnd, 1).at(1215, kAEnd, 2);
  const auto spans = json()["spans"];
  const auto a = named(spans, "t:A"), b = named(spans, "t:B");
  EXPECT_EQ(a["count"], 2);
  EXPECT_EQ(a["min_ns"], 100);
  EXPECT_EQ(a["max_ns"], 200);
  EXPECT_EQ(a["total_ns"], 300);
  EXPECT_EQ(a["mean_ns"], 150.0);
  EXPECT_EQ(a["p50_ns"], 100);
  EXPECT_EQ(b["count"], 2);
  EXPECT_EQ(b["total_ns"], 30);
  EXPECT_EQ(b["unmatched_begins"], 0);
  EXPECT_EQ(b["unmatched_ends"], 0);
}

TEST_F(StatsCommand, ASpanInsideItselfIsPairedFromTheInside) {
  at(0, kABegin).at(10, kABegin).at(20, kAEnd).at(100, kAEnd);
  const auto a = named(json()["spans"], "t:A");
  EXPECT_EQ(a["min_ns"], 10);
  EXPECT_EQ(a["max_ns"], 100);
}

TEST_F(StatsCommand, HalvesWithoutTheOtherAreCountedAndSpoilNothing) {
  at(0, kBEnd);                                   // its begin was overwritten
  at(10, kABegin).at(20, kBBegin).at(30, kAEnd);  // B's end was lost
  at(40, kABegin);                                // never ends
  at(50, kAEnd, 2);                               // of a thread that began nothing
  const auto spans = json()["spans"];
  const auto a = named(spans, "t:A"), b = named(spans, "t:B");
  EXPECT_EQ(a["count"], 1);
  EXPECT_EQ(a["total_ns"], 20);
  EXPECT_EQ(a["unmatched_begins"], 1);
  EXPECT_EQ(a["unmatched_ends"], 1);
  EXPECT_EQ(b["count"], 0);
  EXPECT_EQ(b["unmatched_begins"], 1);
  EXPECT_EQ(b["unmatched_ends"], 1);
}

TEST_F(StatsCommand, ASpansOwnTimeIsWithoutThoseDirectlyInIt) {
  //  A--------------------A         A: 100, of which B has 30 and 10
  //    B-------B   B--B             B: 40, of which A has 5
  //       A-A                       A: 5
  at(1000, kABegin).at(1010, kBBegin).at(1020, kABegin).at(1025, kAEnd).at(1040, kBEnd);
  at(1050, kBBegin).at(1060, kBEnd).at(1100, kAEnd);
  const auto out = json();
  EXPECT_EQ(named(out["spans"], "t:A")["total_ns"], 105);
  EXPECT_EQ(named(out["spans"], "t:A")["self_ns"], 65);
  EXPECT_EQ(named(out["spans"], "t:B")["self_ns"], 35);
  EXPECT_EQ(out["threads"][0]["span_ns"], 100);
}

TEST_F(StatsCommand, WhatLiesInASpanWhoseEndIsMissingIsNotTheOwnTimeOfTheOneAround) {
  at(0, kABegin).at(10, kBBegin).at(20, kABegin).at(50, kAEnd).at(100, kAEnd);  // B never ends
  EXPECT_EQ(named(json()["spans"], "t:A")["self_ns"], 30 + 70);
}

TEST_F(StatsCommand, ThreadsStandByTheirTimeInSpans) {
  at(0, kPoint, 1).at(1, kPoint, 1).at(10, kABegin, 2).at(20, kAEnd, 2);
  const auto threads = json()["threads"];
  EXPECT_EQ(threads[0]["tid"], 2);
  EXPECT_EQ(threads[0]["span_ns"], 10);
  EXPECT_EQ(threads[1]["events"], 2);
}

TEST_F(StatsCommand, TheLongestSilencesAreTold) {
  for (std::uint64_t i = 0; i < 30; ++i) at(1000 * (i + i * i), kPoint);
  at(5'000'000, kABegin);
  const auto gaps = json()["gaps"];
  ASSERT_EQ(gaps.size(), 10u);
  EXPECT_EQ(gaps[0]["ns"], 5'000'000 - 870'000);
  EXPECT_EQ(gaps[0]["behind"], "t:p");
  EXPECT_EQ(gaps[0]["ahead_of"], "t:A_begin");
  EXPECT_EQ(gaps[1]["ns"], 58'000);
  EXPECT_EQ(gaps[9]["ns"], 42'000);
}

TEST_F(StatsCommand, ValuesOfAFieldAreToldApart) {
  for (const std::uint64_t value : {7u, 8u, 7u}) {
    at(last_ + 1, kCounter);
    records_.put(value);
  }
  at(last_ + 1, kPoint);
  json();
  const auto out = nlohmann::json::parse(stats({"--json", "--by", "value", trace_.folder()}).out);
  EXPECT_EQ(out["by"], "value");
  EXPECT_EQ(out["events"][0]["name"], "t:c");
  EXPECT_EQ(out["events"][0]["value"], "7");
  EXPECT_EQ(out["events"][0]["count"], 2);
  EXPECT_EQ(out["events"][1]["value"], "8");
  EXPECT_TRUE(named(out["events"], "t:p")["value"].is_null());
}

TEST_F(StatsCommand, SpansAreToldApartByThread) {
  at(0, kABegin, 1).at(5, kABegin, 2).at(10, kAEnd, 1).at(25, kAEnd, 2);
  json();
  const auto out = nlohmann::json::parse(stats({"--json", "--by", "tid", trace_.folder()}).out);
  EXPECT_EQ(out["spans"][0]["value"], "2");
  EXPECT_EQ(out["spans"][0]["total_ns"], 20);
  EXPECT_EQ(out["spans"][1]["value"], "1");
  EXPECT_NE(stats({"--by", "tid", trace_.folder()}).out.find("t:A tid=2"), std::string::npos);
}

TEST_F(StatsCommand, ATimeAndAChoiceOfEventsBoundIt) {
  for (std::uint64_t i = 0; i < 10; ++i) at(i * 1000, kPoint);
  at(9500, kABegin).at(9600, kAEnd);
  json();
  const auto out = nlohmann::json::parse(stats({"--json", "--begin", "+2us", "--end", "-100ns", "-e", "t:p", "-e", "t:A", trace_.folder()}).out);
  EXPECT_EQ(named(out["events"], "t:p")["count"], 8);
  EXPECT_EQ(named(out["spans"], "t:A")["unmatched_begins"], 1);  // its end is outside
  EXPECT_EQ(nlohmann::json::parse(stats({"--json", "-e", "!t:p", trace_.folder()}).out)["event_count"], 2);
  EXPECT_EQ(stats({"--begin", "noon", trace_.folder()}).status, 2);
}

TEST_F(StatsCommand, CountersKeepTheLastLeastAndLargest) {
  for (const std::uint64_t value : {std::uint64_t{5}, ~std::uint64_t{0}, std::uint64_t{2}}) {
    at(last_ + 1, kCounter);
    records_.put(value);
  }
  at(last_ + 1, kRatio);
  records_.put(0.5);
  const auto counters = json()["counters"];
  EXPECT_EQ(named(counters, "t:c")["last"], 2);
  EXPECT_EQ(named(counters, "t:c")["min"], 2);
  EXPECT_EQ(named(counters, "t:c")["max"], ~std::uint64_t{0});
  EXPECT_EQ(named(counters, "t:c")["count"], 3);
  EXPECT_EQ(named(counters, "t:r")["mean"], 0.5);
}

TEST_F(StatsCommand, EventsAreCountedWithRateBytesAndTime) {
  for (std::uint64_t i = 0; i <= 10; ++i) at(1'000'000'000 + i * 200'000'000, kPoint);
  const auto out = json();
  const auto p = named(out["events"], "t:p");
  EXPECT_EQ(out["event_count"], 11);
  EXPECT_EQ(out["time"]["seconds"], 2.0);
  EXPECT_EQ(out["time"]["begin_ns"], 1'577'836'801'000'000'000);
  EXPECT_EQ(p["count"], 11);
  EXPECT_EQ(p["per_second"], 5.5);
  EXPECT_EQ(p["bytes"], 11 * 20);
}

TEST_F(StatsCommand, LossesAreToldPerStreamAndByCause) {
  std::vector<std::byte> state;
  format::append_lost(state, 1, 0, abi::RingKind::per_cpu, "full", 3);
  format::append_lost(state, 1, 1, abi::RingKind::per_cpu, "full", 2);
  format::append_lost(state, 1, 1, abi::RingKind::shared, "too_large", 4);
  trace_.packet("ouro_state", {.stream_id = 1, .timestamp_end = 1}, state);
  at(1, kPoint);
  const auto out = json(3);
  EXPECT_EQ(out["lost"]["total"], 9);  // CPU 1 delivered nothing: only the causes know of it
  EXPECT_EQ(out["lost"]["by_cause"]["full"], 5);
  EXPECT_EQ(out["lost"]["by_cause"]["too_large"], 4);
  EXPECT_EQ(out["streams"][1]["file"], "stream_cpu0");
  EXPECT_EQ(out["streams"][1]["lost"], 3);
  EXPECT_EQ(out["streams"][0]["is_state"], true);
  EXPECT_EQ(out["streams"][1]["is_state"], false);
}

TEST_F(StatsCommand, ThreadsComeWithTheirProcess) {
  std::vector<std::byte> state;
  format::append_process(state, 1, 10, 1, "shop", "./shop -x");
  format::append_thread(state, 1, 10, 11, "worker");
  trace_.packet("ouro_state", {.stream_id = 1, .timestamp_end = 1}, state);
  at(1, kPoint, 11).at(2, kPoint, 11).at(3, kPoint, 99);
  const auto threads = json()["threads"];
  EXPECT_EQ(threads[0]["name"], "worker");
  EXPECT_EQ(threads[0]["process"], "shop");
  EXPECT_EQ(threads[0]["command_line"], "./shop -x");
  EXPECT_EQ(threads[0]["events"], 2);
  EXPECT_EQ(threads[1]["tid"], 99);
  EXPECT_TRUE(threads[1]["pid"].is_null());
}

TEST_F(StatsCommand, TheTextSaysTheSame) {
  std::vector<std::byte> state;
  format::append_thread(state, 1, 10, 1, "worker");
  trace_.packet("ouro_state", {.stream_id = 1, .timestamp_end = 1}, state);
  at(1000, kABegin).at(2500, kAEnd).at(3000, kPoint);
  json(0);
  const Outcome outcome = stats({trace_.folder()});
  for (const char* part :
       {": 3 events, 0 lost, 1 streams", "t:A_begin      1", "t:A       1  1.50 us  1.50 us  1.50 us", "Lost: 0 events"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\nis not in\n" << outcome.out;
}

TEST_F(StatsCommand, ADamagedTraceIsCountedAndTheStatusSaysSo) {
  at(1, kPoint);
  json();
  trace_.write("stream_cpu0", trace_.read("stream_cpu0") + "garbage");
  const Outcome outcome = stats({"--json", trace_.folder()});
  EXPECT_EQ(outcome.status, 1);
  const auto out = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(out["complete"], false);
  EXPECT_EQ(out["event_count"], 1);
  EXPECT_EQ(out["damage"].size(), 1u);
}

TEST_F(StatsCommand, WrongUseIsAnErrorWithAHint) {
  EXPECT_EQ(stats({}).status, 2);
  EXPECT_EQ(stats({"/nonexistent"}).status, 1);
  EXPECT_NE(stats({"--help"}).out.find("Examples:"), std::string::npos);
}

}  // namespace
}  // namespace ouro::cli
