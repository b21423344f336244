// What `ouro check` says of traces made by hand, sound and not.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/check_collect.hpp"
#include "cli/commands.hpp"
#include "cli/test_command.hpp"
#include "format/test_trace.hpp"

namespace ouro::cli {
namespace {

using format::test::Bytes;
using format::test::description;
using format::test::TestTrace;
using test::Outcome;

Outcome check(std::vector<std::string> arguments) { return test::run(check_command, "check", std::move(arguments)); }

format::TraceDescription one_event(const char* clock = "tsc") {
  format::TraceDescription out = description({{0, {"t:p", abi::EventKind::point, abi::Level::info, "a.cpp", 1, {}}}});
  out.clock.name = clock;
  return out;
}

class CheckCommand : public testing::Test {
 public:
  // A packet of `events` events, a tick apart, from `begin` on; its end is the last one's, unless said.
  static void packet(const TestTrace& trace, std::uint64_t number, std::uint64_t begin, std::uint64_t events, std::uint64_t end = 0, std::uint64_t discarded = 0,
                     const std::string& file = "stream_cpu0") {
    Bytes records;
    for (std::uint64_t i = 0; i < events; ++i) records.extended(0, begin + i, 1);
    const_cast<TestTrace&>(trace).packet(
        file, {.timestamp_begin = begin, .timestamp_end = end != 0 ? end : begin + events, .packet_seq_num = number, .events_discarded = discarded}, records.get());
  }
  void packet(std::uint64_t number, std::uint64_t begin, std::uint64_t events, std::uint64_t end = 0, std::uint64_t discarded = 0) {
    packet(trace_, number, begin, events, end, discarded);
  }
  nlohmann::json json(int status) {
    const Outcome outcome = check({"--json", trace_.folder()});
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    return nlohmann::json::parse(outcome.out);
  }
  // The one fault there is.
  nlohmann::json fault() {
    const auto out = json(1);
    EXPECT_EQ(out["traces"][0]["fault_count"], 1) << out.dump(2);
    return out["traces"][0]["faults"].empty() ? nlohmann::json{} : out["traces"][0]["faults"][0];
  }
  TestTrace trace_{one_event()};
};

constexpr std::uint64_t kEventSize = 20;

TEST_F(CheckCommand, ASoundTraceHasItsBooksInOrder) {
  packet(0, 100, 10);
  packet(1, 200, 5);
  const auto out = json(0);
  EXPECT_EQ(out["sound"], true);
  const auto& trace = out["traces"][0];
  EXPECT_EQ(trace["events"], 15);
  EXPECT_EQ(trace["lost"]["total"], 0);
  EXPECT_EQ(trace["uuid"], "10111213-1415-1617-1819-1a1b1c1d1e1f");
  EXPECT_EQ(trace["clocks"][0]["name"], "tsc");
  const auto& stream = trace["streams"][0];
  EXPECT_EQ(stream["packets"], 2);
  EXPECT_EQ(stream["first_number"], 0);
  EXPECT_EQ(stream["last_number"], 1);
  EXPECT_EQ(stream["bytes"], 2 * format::kPacketHeaderSize + 15 * kEventSize);
  EXPECT_EQ(stream["content_bytes"], stream["bytes"]);
  EXPECT_EQ(stream["begin_ns"], 1'577'836'800'000'000'100);
  EXPECT_EQ(stream["end_ns"], 1'577'836'800'000'000'205);
}

TEST_F(CheckCommand, LossesAreSaidAndNoFault) {
  packet(0, 100, 10, 0, 7);
  const auto out = json(0);
  EXPECT_EQ(out["traces"][0]["lost"]["total"], 7);
  EXPECT_EQ(out["traces"][0]["streams"][0]["lost"], 7);
  EXPECT_NE(check({trace_.folder()}).err.find("sound; 10 events, 7 lost, 0 faults"), std::string::npos);
}

TEST_F(CheckCommand, APacketThatBeginsBeforeTheOneAheadEndedIsAFault) {
  packet(0, 100, 10, 500);  // its last event is at 109: our reader reads on, others stop
  packet(1, 200, 5);
  const auto seen = fault();
  EXPECT_EQ(seen["file"], "stream_cpu0");
  EXPECT_EQ(seen["offset"], format::kPacketHeaderSize + 10 * kEventSize);
  EXPECT_EQ(seen["text"], "stream_cpu0, byte 284: packet begins at tick 200, before the end of the one ahead of it at 500");
  EXPECT_NE(trace_.babeltrace2().find("[exit status"), std::string::npos);
}

TEST_F(CheckCommand, AMissingPacketIsAFault) {
  packet(0, 100, 1);
  packet(3, 200, 1);
  EXPECT_NE(fault()["text"].get<std::string>().find("packet 3 follows packet 0: 2 missing"), std::string::npos);
  EXPECT_EQ(json(1)["traces"][0]["streams"][0]["packets_missing"], 2);
}

TEST_F(CheckCommand, EventsOutsideOfTheirPacketAreAFault) {
  packet(0, 100, 10, 105);
  EXPECT_NE(fault()["text"].get<std::string>().find("outside of its packet's 100 to 105"), std::string::npos);
}

TEST_F(CheckCommand, ACutOffFileIsAFaultAndItsSoundPartIsCounted) {
  packet(0, 100, 10);
  std::string bytes = trace_.read("stream_cpu0");
  bytes.resize(bytes.size() - kEventSize);
  trace_.write("stream_cpu0", bytes);
  EXPECT_NE(fault()["text"].get<std::string>().find("is cut off after"), std::string::npos);
  EXPECT_EQ(json(1)["traces"][0]["events"], 9);
}

TEST_F(CheckCommand, AnotherStreamsPacketInAFileIsAFault) {
  packet(0, 100, 1);
  Bytes records;
  trace_.packet("stream_cpu0", {.stream_instance_id = 9, .timestamp_begin = 200, .timestamp_end = 201, .packet_seq_num = 1}, records.extended(0, 200, 1).get());
  EXPECT_NE(fault()["text"].get<std::string>().find("packet is of instance 9 of the stream, the first of 0"), std::string::npos);
}

TEST_F(CheckCommand, AnotherTracesPacketIsAFault) {
  packet(0, 100, 1);
  std::string bytes = trace_.read("stream_cpu0");
  for (std::size_t at = 4; at < 20; ++at) bytes[at] = static_cast<char>(~bytes[at]);
  trace_.write("stream_cpu0", bytes);
  EXPECT_NE(fault()["text"].get<std::string>().find("another trace's uuid"), std::string::npos);
}

TEST_F(CheckCommand, TwoFilesOfOneInstanceAreRemarked) {
  packet(0, 100, 1);
  packet(trace_, 0, 100, 1, 0, 0, "stream_cpu1");
  const auto out = json(0);
  EXPECT_EQ(out["traces"][0]["remarks"][0], "stream_cpu0 and stream_cpu1 are both instance 0 of stream 0");
}

TEST_F(CheckCommand, WhatCannotBeReadIsAFaultToo) {
  trace_.write("metadata", "/* CTF 1.8 */ nonsense");
  const auto out = json(1);
  EXPECT_EQ(out["sound"], false);
  EXPECT_NE(out["traces"][0]["faults"][0]["text"].get<std::string>().find("metadata line 1"), std::string::npos);
}

TEST_F(CheckCommand, AFolderOfTracesIsCheckedOneByOne) {
  packet(0, 100, 1);
  const std::string outer = trace_.folder() + ".outer";
  std::filesystem::create_directories(outer + "/ust/uid/0");
  std::filesystem::copy(trace_.folder(), outer + "/ust/uid/0/64-bit");
  std::filesystem::copy(trace_.folder(), outer + "/kernel");
  const Outcome outcome = check({outer});
  std::filesystem::remove_all(outer);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("checked 2 traces: sound; 2 events, 0 lost, 0 faults"), std::string::npos) << outcome.err;
}

TEST_F(CheckCommand, ClocksOfSeveralTracesAreHeldAgainstEachOther) {
  packet(0, 100, 1);
  format::TraceDescription later = one_event(), other = one_event("monotonic"), elsewhere = one_event();
  later.clock.offset_ticks = 250;
  elsewhere.env = {{"hostname", "elsewhere"}};
  elsewhere.uuid[0] = 0;
  const TestTrace same(one_event()), measured(later), different(other), far(elsewhere);
  for (const TestTrace* trace : {&same, &measured, &different, &far}) packet(*trace, 0, 100, 1);
  const Outcome outcome = check({"--json", trace_.folder(), same.folder(), measured.folder(), different.folder(), far.folder()});
  const auto aligned = nlohmann::json::parse(outcome.out)["alignment"];
  ASSERT_EQ(aligned.size(), 4u);
  EXPECT_EQ(aligned[0]["kind"], "same");
  EXPECT_EQ(aligned[1]["kind"], "measured");
  EXPECT_EQ(aligned[1]["offset_ns"], 250);
  EXPECT_EQ(aligned[2]["kind"], "stated");
  EXPECT_EQ(aligned[3]["kind"], "guessed");
}

TEST_F(CheckCommand, WrongUseIsAnErrorWithAHint) {
  EXPECT_EQ(check({}).status, 2);
  EXPECT_EQ(check({"/nonexistent"}).status, 1);
  EXPECT_NE(check({"--help"}).out.find("Exit status"), std::string::npos);
}

}  // namespace
}  // namespace ouro::cli
