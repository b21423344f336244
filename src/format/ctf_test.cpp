// What babeltrace2, which shares no line with this project, makes of our bytes.
#include "format/ctf.hpp"

#include <gtest/gtest.h>

#include "format/test_trace.hpp"

namespace ouro::format {
namespace {

using abi::EventKind;
using abi::FieldShape;
using abi::FieldType;
using test::Bytes;
using test::description;
using test::scalar;
using test::sequence;
using test::TestTrace;

EventClass event(const char* name, std::vector<Field> fields, EventKind kind = EventKind::point) {
  return {name, kind, abi::Level::notice, "src/a.cpp", 7, std::move(fields)};
}

// Every value of the text is what was stored: "name = value" in babeltrace2's words.
void expect_has(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
}

TEST(Ctf, Babeltrace2ReadsEveryFieldType) {
  TestTrace trace(description(
      {{0, event("t:all", {scalar("a", FieldType::u8),
                           scalar("b", FieldType::u16),
                           scalar("c", FieldType::u32),
                           scalar("d", FieldType::u64),
                           scalar("e", FieldType::i8),
                           scalar("f", FieldType::i16),
                           scalar("g", FieldType::i32),
                           scalar("h", FieldType::i64),
                           scalar("i", FieldType::f32),
                           scalar("j", FieldType::f64),
                           scalar("k", FieldType::boolean),
                           scalar("l", FieldType::pointer),
                           scalar("m", FieldType::string),
                           {"n", FieldType::u16, FieldShape::array, false, 3, {}},
                           sequence("o", FieldType::i32),
                           {"p", FieldType::u8, FieldShape::sequence, true, 0, {}},
                           {"q", FieldType::i16, FieldShape::scalar, false, 0, {{-2, "cold"}, {5, "say \"hi\""}}},
                           {"r", FieldType::u32, FieldShape::scalar, true, 0, {}},
                           sequence("s", FieldType::f64),
                           {"t", FieldType::boolean, FieldShape::array, false, 2, {}}})}}));
  Bytes records;
  records.compact(0, 1000, 77);
  records.put(std::uint8_t{200}).put(std::uint16_t{60000}).put(std::uint32_t{4000000000}).put(~std::uint64_t{0});
  records.put(std::int8_t{-100}).put(std::int16_t{-30000}).put(std::int32_t{-2000000000}).put(INT64_MIN);
  records.put(1.5F).put(-2.25).put(std::uint8_t{1}).put(std::uint64_t{0xdeadbeef0000}).text("gr\xc3\xbc\xc3\x9f");
  records.put(std::uint16_t{1}).put(std::uint16_t{2}).put(std::uint16_t{3});
  records.put(std::uint32_t{2}).put(std::int32_t{-7}).put(std::int32_t{8});
  records.put(std::uint32_t{3}).put(std::uint8_t{0xca}).put(std::uint8_t{0xfe}).put(std::uint8_t{0});
  records.put(std::int16_t{-2}).put(std::uint32_t{255}).put(std::uint32_t{0}).put(std::uint8_t{1}).put(std::uint8_t{0});
  trace.packet("stream_cpu3", {.timestamp_begin = 900, .timestamp_end = 1000, .cpu_id = 3}, records.get());

  const std::string text = trace.babeltrace2("--clock-gmt");
  expect_has(text, {"[00:00:00.000001000]", "t:all:", "cpu_id = 3", "tid = 77"});
  expect_has(text, {"a = 200,",
                    "b = 60000,",
                    "c = 4000000000,",
                    "d = 18446744073709551615,",
                    "e = -100,",
                    "f = -30000,",
                    "g = -2000000000,",
                    "h = -9223372036854775808,",
                    "i = 1.5,",
                    "j = -2.25,",
                    "k = ( \"true\" : container = 1 )",
                    "l = 0xDEADBEEF0000,",
                    "m = \"gr\xc3\xbc\xc3\x9f\",",
                    "n = [ [0] = 1, [1] = 2, [2] = 3 ]",
                    "o = [ [0] = -7, [1] = 8 ]",
                    "p = [ [0] = 0xCA, [1] = 0xFE, [2] = 0x0 ]",
                    "q = ( \"cold\" : container = -2 )",
                    "r = 0xFF",
                    "s = [ ]",
                    "[1] = ( \"false\" : container = 0 )"});
  EXPECT_EQ(text.find("WARN"), std::string::npos) << text;
  EXPECT_EQ(text.find("exit status"), std::string::npos) << text;
}

TEST(Ctf, CompactStampsGrowFromThePacketsBeginAndExtendedOnesAreWhole) {
  TestTrace trace(description({{0, event("t:e", {})},
                               {1022, event("t:last", {})},
                               {1023, event("t:first_long", {})},
                               {70000, event("t:far", {})}}));
  constexpr std::uint64_t kBegin = (std::uint64_t{5} << 22) + 4194300;  // a compact stamp soon wraps
  Bytes records;
  records.compact(0, kBegin, 1);
  records.compact(1022, kBegin + 10, 1);
  records.extended(0, kBegin + 5'000'000'000, 1);
  records.compact(0, kBegin + 5'000'000'001, 1);
  records.extended(1023, kBegin + 5'000'000'002, 1);
  records.extended(70000, kBegin + 5'000'000'003, 1);
  trace.packet("stream_cpu0", {.timestamp_begin = kBegin, .timestamp_end = kBegin + 5'000'000'003}, records.get());

  EXPECT_EQ(trace.babeltrace2("--clock-cycles --no-delta"),
            "[00000000000025165820] test t:e: { cpu_id = 0 }, { tid = 1 }, { }\n"
            "[00000000000025165830] test t:last: { cpu_id = 0 }, { tid = 1 }, { }\n"
            "[00000000005025165820] test t:e: { cpu_id = 0 }, { tid = 1 }, { }\n"
            "[00000000005025165821] test t:e: { cpu_id = 0 }, { tid = 1 }, { }\n"
            "[00000000005025165822] test t:first_long: { cpu_id = 0 }, { tid = 1 }, { }\n"
            "[00000000005025165823] test t:far: { cpu_id = 0 }, { tid = 1 }, { }\n");
}

TEST(Ctf, TimesAreRealTimeWhateverTheClocksFrequency) {
  TraceDescription d = description({{0, event("t:e", {})}});
  d.clock.frequency = 2'000'000'000;
  d.clock.offset_s = 1'577'836'800;
  d.clock.offset_ticks = 1'000'000'000;  // half a second
  TestTrace trace(d);
  Bytes records;
  records.extended(0, 3'000'000'000, 1);
  trace.packet("s", {.timestamp_begin = 3'000'000'000, .timestamp_end = 3'000'000'000}, records.get());
  EXPECT_EQ(trace.babeltrace2("--clock-date --clock-gmt --no-delta").substr(0, 31), "[2020-01-01 00:00:02.000000000]");
}

TEST(Ctf, BothStreamsInSeveralPacketsWithLosses) {
  TestTrace trace(description({{0, event("t:e", {})}}));
  Bytes one, two;
  one.compact(0, 100, 1);
  two.compact(0, 300, 1);
  trace.packet("stream_cpu0", {.timestamp_begin = 100, .timestamp_end = 150}, one.get());
  trace.packet("stream_cpu0",
               {.timestamp_begin = 200, .timestamp_end = 300, .packet_seq_num = 1, .events_discarded = 5}, two.get());
  std::vector<std::byte> state;
  append_process(state, 50, 4711, 1, "shop", "./shop --port 0");
  append_thread(state, 60, 4711, 4712, "worker \"1\"");
  append_lost(state, 310, 0, abi::RingKind::per_cpu, "full", 5);
  append_lost(state, 310, 1, abi::RingKind::shared, "busy", 2);
  trace.packet("ouro_state", {.stream_id = 1, .timestamp_begin = 50, .timestamp_end = 310}, state);

  const std::string text = trace.babeltrace2("--clock-cycles --no-delta --fields=loglevel");
  expect_has(
      text,
      {"ouro:process: { cpu_id = 0 }, { pid = 4711, parent_pid = 1, name = \"shop\", cmdline = \"./shop --port 0\" }",
       "ouro:thread: { cpu_id = 0 }, { pid = 4711, tid = 4712, name = \"worker \\\"1\\\"\" }",
       "ouro:lost: { cpu_id = 0 }, { cpu = 0, ring = ( \"per_cpu\" : container = 1 ), cause = \"full\", count = 5 }",
       "ouro:lost: { cpu_id = 0 }, { cpu = 1, ring = ( \"shared\" : container = 2 ), cause = \"busy\", count = 2 }",
       "WARNING: Tracer discarded 5 events",
       "TRACE_NOTICE (5)"});
  EXPECT_EQ(text.find("exit status"), std::string::npos) << text;
}

TEST(Ctf, NoNameBreaksTheMetadata) {
  // Quotes, comment marks, keywords, names that differ only in what TSDL cannot say, and an enumeration whose
  // labels repeat or do not fit.
  TestTrace trace(description(
      {{0, event("t:\"}; event { /* \\ // %s",
                 {scalar("integer", FieldType::u8),
                  scalar("a b", FieldType::u8),
                  scalar("a-b", FieldType::u8),
                  scalar("9", FieldType::u8),
                  scalar("\xc3\xa9", FieldType::u8),
                  sequence("s", FieldType::u8),
                  scalar("_s_length", FieldType::u8),
                  {"x",
                   FieldType::u8,
                   FieldShape::scalar,
                   false,
                   0,
                   {{1, "one"}, {1, "uno"}, {2, "one"}, {300, "far"}, {-1, "below"}}},
                  {"y", FieldType::u8, FieldShape::scalar, false, 0, {{300, "far"}}},
                  {"z", FieldType::i64, FieldShape::scalar, false, 0, {{INT64_MIN, "min"}, {INT64_MAX, "max"}}},
                  {"w", FieldType::u64, FieldShape::scalar, false, 0, {{-1, "all"}}}})}}));
  Bytes records;
  records.compact(0, 1, 1);
  for (int i = 1; i <= 5; ++i) records.put(static_cast<std::uint8_t>(i));
  records.put(std::uint32_t{1}).put(std::uint8_t{6}).put(std::uint8_t{7}).put(std::uint8_t{2}).put(std::uint8_t{9});
  records.put(INT64_MIN).put(~std::uint64_t{0});
  trace.packet("s", {.timestamp_begin = 1, .timestamp_end = 1}, records.get());
  const std::string text = trace.babeltrace2();
  expect_has(text, {"integer = 1, a_b = 2, a_b_2 = 3,", "s = [ [0] = 6 ]", "_s_length_2 = 7", "y = 9",
                    "z = ( \"min\" : container = -9223372036854775808 )",
                    "w = ( \"all\" : container = 18446744073709551615 )"});
  EXPECT_EQ(text.find("exit status"), std::string::npos) << text;
  EXPECT_EQ(text.find("WARN"), std::string::npos) << text;
}

TEST(Ctf, ANameThatDiffersFromAnEarlierOneByAnUnderscoreIsReadableToo) {
  TestTrace trace(description({{0, event("t:underscores", {scalar("_x", FieldType::u8), scalar("x", FieldType::u8),
                                                           sequence("a", FieldType::u8),
                                                           scalar("a_length", FieldType::u8)})}}));
  Bytes records;
  records.compact(0, 1, 1);
  records.put(std::uint8_t{1}).put(std::uint8_t{2}).put(std::uint32_t{1}).put(std::uint8_t{3}).put(std::uint8_t{4});
  trace.packet("s", {.timestamp_begin = 1, .timestamp_end = 1}, records.get());
  const std::string text = trace.babeltrace2();
  expect_has(text, {"_x = 1, x_2 = 2,", "a = [ [0] = 3 ], a_length_2 = 4"});
  EXPECT_EQ(text.find("exit status"), std::string::npos) << text;
}

TEST(Ctf, EventsSayWhereTheyStandAndWhatTheyAre) {
  const std::string text = metadata_text(description({{0, event("t:s_begin", {}, EventKind::span_begin)},
                                                      {1, event("t:s_end", {}, EventKind::span_end)},
                                                      {2, event("t:c", {}, EventKind::counter)},
                                                      {3, event("t:p", {})}}));
  expect_has(text,
             {"model.emf.uri = \"src/a.cpp:7#span_begin\";", "\"src/a.cpp:7#span_end\";", "\"src/a.cpp:7#counter\";",
              "\"src/a.cpp:7\";", "tracer_name = \"ouro\";", "hostname = \"test\";", "loglevel = 5;"});
}

TEST(Ctf, APacketHeaderIsTheBytesTheSpecificationDraws) {
  PacketHeader header{.stream_id = 1,
                      .stream_instance_id = 2,
                      .timestamp_begin = 3,
                      .timestamp_end = 4,
                      .content_bytes = 100,
                      .packet_seq_num = 5,
                      .events_discarded = 6,
                      .cpu_id = 7};
  header.uuid[0] = 0xab;
  const auto bytes = encode(header);
  const auto at = [&](std::size_t offset) { return std::to_integer<unsigned>(bytes.at(offset)); };
  EXPECT_EQ(at(0), 0xc1u);
  EXPECT_EQ(at(3), 0xc1u);
  EXPECT_EQ(at(4), 0xabu);
  EXPECT_EQ((std::vector<unsigned>{at(20), at(24), at(32), at(40), at(64), at(kEventsDiscardedOffset), at(80)}),
            (std::vector<unsigned>{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(at(48) | at(49) << 8, 800u);  // content and packet size in bits
  EXPECT_EQ(at(56) | at(57) << 8, 800u);
}

// The hex dump in docs/trace-format.md, as bytes.
std::string example_of_the_specification() {
  std::ifstream page(std::filesystem::path(__FILE__).parent_path() / "../../docs/trace-format.md");
  std::string out;
  for (std::string line; std::getline(page, line);) {
    if (line.size() < 14 || line.compare(0, 5, "    0") != 0 || line[12] != ':') continue;
    std::string digits;
    for (const char c : line.substr(13))
      if (c != ' ') digits += c;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
      out += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return out;
}

TEST(Ctf, TheWorkedExampleOfTheSpecificationIsWhatIsWritten) {
  TraceDescription d = description({{7,
                                     {"shop:order",
                                      EventKind::point,
                                      abi::Level::info,
                                      "shop.cpp",
                                      42,
                                      {scalar("id", FieldType::u32), scalar("user", FieldType::string)}}}});
  d.clock.frequency = 2'000'000'000;
  TestTrace trace(d);
  Bytes records;
  records.compact(7, 6'000'000'100, 4711).put(std::uint32_t{9}).text("ada");
  records.extended(7, 6'008'388'608, 4711).put(std::uint32_t{10}).text("bob");
  trace.packet("stream_cpu0", {.timestamp_begin = 6'000'000'000, .timestamp_end = 6'010'000'000}, records.get());
  EXPECT_EQ(trace.read("stream_cpu0"), example_of_the_specification());
  expect_has(trace.babeltrace2("--clock-gmt"),
             {"[00:00:03.000000050]", "id = 9, user = \"ada\"", "[00:00:03.004194304]"});
}

// Every context there is, in the order of the bits, between the thread's id and the fields; one of them has an event's field's name.
TEST(Ctf, Babeltrace2ReadsEveryContext) {
  TraceDescription d = description({{0, event("t:e", {scalar("uid", FieldType::u8), sequence("callstack", FieldType::u8)})}});
  d.contexts = abi::kAllContexts;
  TestTrace trace(d);
  Bytes records;
  for (std::uint64_t turn = 0; turn < 2; ++turn) {
    records.compact(0, 1000 + turn, 77);
    records.put(std::uint64_t{0x1234}).put(std::uint32_t{70}).text("a thread").text("").put(std::uint32_t{3}).put(std::uint32_t{1000}).put(std::uint32_t{1001});
    for (std::uint32_t i = 0; i < 8; ++i) records.put(std::uint32_t{4026531830} + i);
    records.text("/system.slice").put(static_cast<std::uint32_t>(2 * turn));
    for (std::uint64_t i = 0; i < 2 * turn; ++i) records.put(0x550000001000 + i);
    for (std::uint64_t i = 0; i < 8; ++i) records.put(std::uint64_t{1} << 40 | i);
    records.put(std::uint32_t{2}).put(std::uint8_t{0xab}).put(std::uint8_t{0xcd});
    records.put(std::uint8_t{9}).put(std::uint32_t{1}).put(std::uint8_t{5});
  }
  trace.packet("stream_cpu3", {.timestamp_begin = 900, .timestamp_end = 1001, .cpu_id = 3}, records.get());
  const std::string text = trace.babeltrace2();
  expect_has(text, {"{ tid = 77, check = 0x1234, pid = 70, thread = \"a thread\", comm = \"\", cpu = 3, uid = 1000, gid = 1001, ns_cgroup = 4026531830, "
                    "ns_ipc = 4026531831, ns_mnt = 4026531832, ns_net = 4026531833, ns_pid = 4026531834, ns_time = 4026531835, "
                    "ns_user = 4026531836, ns_uts = 4026531837, cgroup = \"/system.slice\", _callstack_length = 0, callstack = [ ], "
                    "perf_cycles = 1099511627776, perf_instructions = 1099511627777, perf_cache_misses = 1099511627778, "
                    "perf_branch_misses = 1099511627779, perf_page_faults = 1099511627780, perf_context_switches = 1099511627781, "
                    "perf_cpu_clock = 1099511627782, perf_task_clock = 1099511627783, _span_length = 2, span = [ [0] = 0xAB, [1] = 0xCD ] }, { uid = 9, _callstack_length = 1, callstack = [ [0] = 5 ] }",
                    "_callstack_length = 2, callstack = [ [0] = 0x550000001000, [1] = 0x550000001001 ], perf_cycles"});
  EXPECT_EQ(text.find("WARN"), std::string::npos) << text;
  EXPECT_EQ(text.find("exit status"), std::string::npos) << text;
}

}  // namespace
}  // namespace ouro::format
