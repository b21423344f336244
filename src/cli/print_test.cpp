// What `ouro print` writes for traces made by hand.
#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
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
using format::test::scalar;
using format::test::sequence;
using format::test::TestTrace;
using test::Outcome;

Outcome print(std::vector<std::string> arguments) { return test::run(print_command, "print", std::move(arguments)); }


// Two threads of one process; a span, a counter and an event with a text. One second in ticks is 10^9.
class Print : public testing::Test {
 protected:
  Print()
      : trace_(description(
            {{0,
              {"shop:pay_begin", EventKind::span_begin, abi::Level::info, "a.cpp", 1, {scalar("id", FieldType::u32)}}},
             {1, {"shop:pay_end", EventKind::span_end, abi::Level::info, "a.cpp", 1, {}}},
             {2, {"shop:depth", EventKind::counter, abi::Level::info, "a.cpp", 2, {scalar("value", FieldType::i64)}}},
             {3,
              {"shop:note", EventKind::point, abi::Level::info, "a.cpp", 3, {scalar("text", FieldType::string)}}}})) {
    std::vector<std::byte> state;
    format::append_process(state, 5, 100, 1, "shop", "./shop");
    format::append_thread(state, 5, 100, 100, "shop");
    format::append_thread(state, 6, 100, 101, "worker");
    format::append_lost(state, 4'000'000'000, 0, abi::RingKind::per_cpu, "full", 7);
    trace_.packet("ouro_state", {.stream_id = 1, .timestamp_begin = 5, .timestamp_end = 4'000'000'000}, state);
    Bytes records;
    records.extended(0, 1'000'000'000, 100).put(std::uint32_t{9});
    records.extended(2, 1'000'001'500, 101).put(std::int64_t{-3});
    records.extended(3, 3'500'000'000, 101).text("two\nlines, \"quoted\" \x1b[2J\xff gr\xc3\xbc\xc3\x9f");
    records.extended(1, 3'500'000'001, 100);
    trace_.packet("stream_cpu2",
                  {.timestamp_begin = 10, .timestamp_end = 4'000'000'000, .events_discarded = 7, .cpu_id = 2},
                  records.get());
  }
  TestTrace trace_;
};

TEST_F(Print, ALineSaysWhenWhereWhoAndWhat) {
  const Outcome outcome = print({"--utc", trace_.folder()});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out,
            "00:00:01.000000000  +0.000000000 2   shop 100                   shop:pay_begin  id=9\n"
            "00:00:01.000001500  +0.000001500 2   shop/worker 101            shop:depth      value=-3\n"
            "00:00:03.500000000  +2.499998500 2   shop/worker 101            shop:note       "
            "text=\"two\\nlines, \\\"quoted\\\" \\x1b[2J\\xff gr\xc3\xbc\xc3\x9f\"\n"
            "00:00:03.500000001  +0.000000001 2   shop 100                   shop:pay_end\n");
  EXPECT_EQ(outcome.err, "ouro: printed 4 of 4 events, 7 lost, 1 streams\nouro: lost: 7 events: full\n");
}

TEST_F(Print, RelativeTimesBeginWithTheFirstEvent) {
  const std::string out = print({"--relative", trace_.folder()}).out;
  EXPECT_EQ(out.substr(0, 11), "0.000000000");
  EXPECT_NE(out.find("\n2.500000000  +2.499998500"), std::string::npos) << out;
}

TEST_F(Print, EventsAreChosenByNameAndASpanByItsOwn) {
  const auto lines = [&](std::vector<std::string> arguments) {
    arguments.push_back(trace_.folder());
    const Outcome outcome = print(arguments);
    return std::count(outcome.out.begin(), outcome.out.end(), '\n');
  };
  EXPECT_EQ(lines({"-e", "shop:pay"}), 2);
  EXPECT_EQ(lines({"-e", "shop:pay_end"}), 1);
  EXPECT_EQ(lines({"-e", "shop:*", "-e", "!shop:pay"}), 2);
  EXPECT_EQ(lines({"--events", "!shop:depth"}), 3);
  EXPECT_EQ(lines({"-e", "nothing"}), 0);
  EXPECT_EQ(lines({"--all"}), 8);
  EXPECT_EQ(lines({"--all", "-e", "ouro:*"}), 4);
}

TEST_F(Print, APartOfTheTimeOrTheLastEvents) {
  const auto names = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--utc", trace_.folder()});
    const Outcome outcome = print(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    std::string out;
    for (const char* name : {"pay_begin", "depth", "note", "pay_end"})
      if (outcome.out.find(std::string("shop:") + name) != std::string::npos) out += std::string(name) + " ";
    return out;
  };
  EXPECT_EQ(names({"--begin", "+1us"}), "depth note pay_end ");
  EXPECT_EQ(names({"--begin", "00:00:01.0000015", "--end", "00:00:03.5"}), "depth note ");
  EXPECT_EQ(names({"--begin", "-1ns"}), "note pay_end ");
  EXPECT_EQ(names({"--end", "2020-01-01T00:00:02"}), "pay_begin depth ");
  EXPECT_EQ(names({"--tail", "1"}), "pay_end ");
  EXPECT_EQ(names({"--tail", "2", "--end", "+2.5s"}), "depth note ");
  EXPECT_EQ(names({"--tail", "1", "-e", "shop:depth"}), "depth ");
  EXPECT_EQ(names({"--tail", "9"}), "pay_begin depth note pay_end ");
  EXPECT_EQ(names({"--tail", "0"}), "");
  EXPECT_NE(print({"--relative", "--begin", "+1us", trace_.folder()}).out.find("0.000001500  +0.000000000"), std::string::npos);
  EXPECT_EQ(print({"--tail", "some", trace_.folder()}).status, 2);
  EXPECT_EQ(print({"--begin", "noon", trace_.folder()}).status, 2);
}

TEST_F(Print, JsonIsAnObjectALine) {
  const Outcome outcome = print({"--format", "json", trace_.folder()});
  EXPECT_EQ(outcome.status, 0);
  std::istringstream lines(outcome.out);
  std::vector<nlohmann::json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0], (nlohmann::json{{"time", 1577836801000000000}, {"cpu", 2}, {"tid", 100}, {"thread", "shop"}, {"pid", 100}, {"process", "shop"},
                                       {"event", "shop:pay_begin"}, {"fields", {{"id", 9}}}, {"context", {{"tid", 100}}}}));
  EXPECT_EQ(events[2]["fields"]["text"], "two\nlines, \"quoted\" \x1b[2J\\xff gr\xc3\xbc\xc3\x9f");
}

TEST_F(Print, CsvHasAColumnForEachFieldOfTheChosenEvents) {
  EXPECT_EQ(print({"--format", "csv", "-e", "!shop:depth", trace_.folder()}).out,
            "time,cpu,process,pid,thread,tid,event,id,text,context.tid\r\n"
            "1577836801.000000000,2,shop,100,shop,100,shop:pay_begin,9,,100\r\n"
            "1577836803.500000000,2,shop,100,worker,101,shop:note,,\"two\nlines, \"\"quoted\"\" \x1b[2J\xff gr\xc3\xbc\xc3\x9f\",101\r\n"
            "1577836803.500000001,2,shop,100,shop,100,shop:pay_end,,,100\r\n");
}

TEST_F(Print, ColoursAreForThoseWhoWantThem) {
  const std::string plain = print({trace_.folder()}).out;
  EXPECT_EQ(plain.find("\x1b["), std::string::npos);
  const std::string coloured = print({"--colour", "always", trace_.folder()}).out;
  EXPECT_NE(coloured.find("\x1b[1;35mshop:note\x1b[0m"), std::string::npos) << coloured;
  std::string stripped;
  for (std::size_t at = 0; at < coloured.size(); ++at)
    if (coloured[at] == '\x1b') at = coloured.find('m', at);
    else stripped += coloured[at];
  EXPECT_EQ(stripped, plain);
  EXPECT_EQ(print({"--color", "never", trace_.folder()}).out, plain);
  EXPECT_EQ(print({"--colour", "green", trace_.folder()}).status, 2);
}

TEST(PrintJson, IntegersAreWholeAndNumbersThatAreNoneAreNamed) {
  TestTrace trace(description({{0, {"t:v", EventKind::point, abi::Level::info, "a.cpp", 1,
                                    {scalar("u", FieldType::u64), scalar("i", FieldType::i64), scalar("nan", FieldType::f64), scalar("inf", FieldType::f32),
                                     {"e", FieldType::u8, FieldShape::scalar, false, 0, {{1, "red"}}}, sequence("s", FieldType::u16)}}}}));
  Bytes records;
  records.compact(0, 1, 1).put(~std::uint64_t{0}).put(INT64_MIN).put(std::numeric_limits<double>::quiet_NaN()).put(-std::numeric_limits<float>::infinity());
  records.put(std::uint8_t{1}).put(std::uint32_t{2}).put(std::uint16_t{7}).put(std::uint16_t{8});
  trace.packet("s", {.timestamp_end = 1}, records.get());
  EXPECT_NE(print({"--format", "json", trace.folder()}).out.find(
                R"("fields":{"u":18446744073709551615,"i":-9223372036854775808,"nan":"NaN","inf":"-Infinity","e":"red","s":[7,8]})"),
            std::string::npos);
  EXPECT_NE(print({"--format", "csv", trace.folder()}).out.find("t:v,18446744073709551615,-9223372036854775808,NaN,-Infinity,red,\"[7,8]\",1\r\n"), std::string::npos);
}

TEST_F(Print, LossesAreSaidAlsoWhenThereAreNone) {
  TestTrace empty(description({}));
  const Outcome outcome = print({empty.folder()});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "ouro: printed 0 of 0 events, 0 lost, 0 streams\n");
}

TEST_F(Print, ADamagedTraceIsPrintedAsFarAsItGoesAndTheStatusSaysSo) {
  trace_.write("stream_cpu2", trace_.read("stream_cpu2") + "garbage");
  const Outcome outcome = print({trace_.folder()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 4);
  EXPECT_NE(outcome.err.find("ouro: warning: print: stream_cpu2, byte 2"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("ouro: error: print: the trace is damaged in 1 places"), std::string::npos) << outcome.err;
}

TEST_F(Print, AClosedPipeEndsQuietly) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  const int saved = ::dup(STDOUT_FILENO);
  testing::internal::CaptureStderr();
  ::dup2(ends[1], STDOUT_FILENO);
  std::string name = "print", folder = trace_.folder();
  char* argv[] = {name.data(), folder.data()};
  const int status = print_command(2, argv);
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  ::close(ends[1]);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(PrintFields, EveryKindOfValueHasItsShape) {
  TestTrace trace(description({{0,
                                {"t:v",
                                 EventKind::point,
                                 abi::Level::info,
                                 "a.cpp",
                                 1,
                                 {scalar("f", FieldType::f32),
                                  scalar("d", FieldType::f64),
                                  scalar("b", FieldType::boolean),
                                  scalar("p", FieldType::pointer),
                                  {"h", FieldType::i16, FieldShape::scalar, true, 0, {}},
                                  {"e", FieldType::u8, FieldShape::scalar, false, 0, {{1, "red"}}},
                                  {"e2", FieldType::u8, FieldShape::scalar, false, 0, {{1, "red"}}},
                                  {"a", FieldType::i8, FieldShape::array, false, 3, {}},
                                  sequence("s", FieldType::u16),
                                  {"r", FieldType::u8, FieldShape::sequence, true, 0, {}},
                                  sequence("n", FieldType::f64)}}}}));
  Bytes records;
  records.compact(0, 1, 1).put(0.1F).put(0.1).put(std::uint8_t{1}).put(std::uint64_t{0xbeef}).put(std::int16_t{-1});
  records.put(std::uint8_t{1}).put(std::uint8_t{2}).put(std::int8_t{-1}).put(std::int8_t{0}).put(std::int8_t{1});
  records.put(std::uint32_t{2}).put(std::uint16_t{7}).put(std::uint16_t{8});
  records.put(std::uint32_t{2}).put(std::uint8_t{0xca}).put(std::uint8_t{0x0e}).put(std::uint32_t{0});
  trace.packet("s", {.timestamp_end = 1}, records.get());
  const std::string out = print({trace.folder()}).out;
  EXPECT_NE(out.find("f=0.1 d=0.1 b=true p=0xbeef h=0xffff e=red e2=2 a=[-1, 0, 1] s=[7, 8] r=0xca0e n=[]\n"),
            std::string::npos)
      << out;
}

TEST(PrintCommand, WrongUseIsAnErrorWithAHint) {
  EXPECT_EQ(print({}).status, 2);
  EXPECT_EQ(print({"--nonsense", "x"}).status, 2);
  const Outcome outcome = print({"/nonexistent"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "ouro: error: print: trace '/nonexistent' cannot be opened: No such file or directory\n");
  EXPECT_NE(print({"--help"}).out.find("Examples:"), std::string::npos);
}

}  // namespace
}  // namespace ouro::cli
