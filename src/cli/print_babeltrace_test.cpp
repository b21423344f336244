// `ouro print --format babeltrace` beside babeltrace2 itself, on traces written by hand. tests/ctf/random_traces.py does the same with
// random ones.
#include <gtest/gtest.h>

#include "cli/commands.hpp"
#include "cli/test_command.hpp"
#include "format/test_trace.hpp"

namespace ouro::cli {
namespace {

using format::test::Bytes;
using format::test::description;
using format::test::TestTrace;

std::string ours(const std::string& folder) { return test::run(print_command, "print", {"--format", "babeltrace", folder}).out; }
// Both outputs: babeltrace2 has nothing to say on the second.
std::string theirs(const TestTrace& trace) { return trace.babeltrace2(); }

class HandMade : public testing::Test {
 protected:
  HandMade() : trace_(description({})) { ::setenv("TZ", "UTC", 1), ::tzset(); }
  ~HandMade() override { ::unsetenv("TZ"), ::tzset(); }

  // Streams whose packets have no header but `stream_id` and `stream_instance_id`, and events of a 64-bit stamp.
  void metadata(const std::string& fields, const std::string& clock = "freq = 1000000000; offset = 1000000000000;", const std::string& more = "") {
    trace_.write("metadata", "/* CTF 1.8 */\n"
                             "typealias integer { size = 8; align = 8; } := u8; typealias integer { size = 64; align = 8; } := u64;\n"
                             "typealias integer { size = 8; align = 8; signed = true; } := i8;\n"
                             "trace { major = 1; minor = 8; byte_order = le; packet.header := struct { u8 stream_id; u8 stream_instance_id; }; };\n"
                             "env { hostname = \"h\"; procname = \"p\"; vpid = 7; };\n"
                             "clock { name = c; " + clock + " };\n"
                             "typealias integer { size = 64; align = 8; map = clock.c.value; } := stamp;\n" + more +
                             "stream { id = 0; event.header := struct { stamp timestamp; }; };\n"
                             "stream { id = 1; event.header := struct { stamp timestamp; }; };\n"
                             "event { name = \"a:e\"; stream_id = 0; fields := struct { " + fields + " }; };\n"
                             "event { name = \"other\"; stream_id = 1; fields := struct { " + fields + " }; };\n");
  }
  void stream(const std::string& file, std::uint8_t stream, std::uint8_t instance, const Bytes& events) {
    Bytes all;
    all.put(stream).put(instance).add(events);
    trace_.write(file, std::string(reinterpret_cast<const char*>(all.get().data()), all.size()));
  }
  void expect_equal() { EXPECT_EQ(ours(trace_.folder()), theirs(trace_)); }

  TestTrace trace_;
};

TEST_F(HandMade, EveryShapeOfValue) {
  metadata(R"(enum : u8 { "one" = 1, "few" = 1 ... 3, "a \"b\"" = 5, "few" = 9 } e; integer { size = 5; align = 1; signed = true; base = 16; } h;
    integer { size = 3; align = 1; signed = true; base = 2; } b; integer { size = 8; align = 8; signed = true; base = 8; } o; string s;
    struct { } empty; struct { u8 x; struct { i8 y; } in; } st; i8 list[2]; u8 none[0]; u8 _n; u8 seq[_n];
    integer { size = 8; align = 8; encoding = UTF8; } t[4]; enum : u8 { x = 0, y = 1 } tag; variant <tag> { u8 x; string y; } v;
    floating_point { exp_dig = 8; mant_dig = 24; align = 8; } f; struct { u8 q; } many[2];)");
  const auto event = [](std::uint64_t time, std::uint8_t e, const std::string& s, std::uint8_t tag, float f) {
    Bytes out;
    out.put(time).put(e).put(std::uint8_t{0xb5}).put(std::int8_t{-2}).text(s).put(std::uint8_t{1}).put(std::int8_t{-1}).put(std::int8_t{-128}).put(std::int8_t{127});
    out.put(std::uint8_t{2}).put(std::uint8_t{8}).put(std::uint8_t{9}).raw("ab\0d", 4).put(tag);
    if (tag == 0) out.put(std::uint8_t{200});
    else out.text("chosen");
    return out.put(f).put(std::uint8_t{3}).put(std::uint8_t{4});
  };
  Bytes events;
  events.add(event(1, 1, "all: \\ ' \" ? \a\b\t\n\v\f\r\x1b\x01\x7f \xff \xc3\xbc", 0, 0.1F));
  events.add(event(1'500'000'001, 2, "x", 1, 1e10F)).add(event(2'000'000'000, 9, "x", 0, -3)).add(event(4'000'000'000, 77, "x", 0, 99999.95F));
  stream("s", 0, 0, events);
  expect_equal();
}

TEST_F(HandMade, StampsAmongTheFieldsAreHiddenUnlessSomethingNeedsThem) {
  metadata("stamp hidden; u8 a; struct { stamp only; } s; stamp n; u8 list[n]; stamp last;");
  stream("s", 0, 0, Bytes().put(std::uint64_t{5}).put(std::uint64_t{6}).put(std::uint8_t{7}).put(std::uint64_t{8}).put(std::uint64_t{1}).put(std::uint8_t{2}).put(std::uint64_t{9}));
  expect_equal();
  EXPECT_NE(ours(trace_.folder()).find("a:e: { a = 7, n = 1, list = [ [0] = 2 ] }\n"), std::string::npos) << ours(trace_.folder());
}

TEST_F(HandMade, EventsOfOneTimeAreInTheOrderOfTheirStreams) {
  metadata("u8 n;");
  const auto at = [](std::uint64_t time, std::uint8_t n) { return Bytes().put(time).put(n); };
  stream("a", 1, 0, Bytes().add(at(10, 1)).add(at(20, 2)).add(at(20, 3)));
  stream("b", 0, 9, Bytes().add(at(20, 4)).add(at(21, 5)));
  stream("c", 0, 2, Bytes().add(at(5'000'000'000, 6)).add(at(5'000'000'000, 7)));
  stream("d", 0, 1, Bytes().add(at(20, 8)).add(at(5'000'000'000, 9)));
  expect_equal();
}

TEST_F(HandMade, TicksThatAreNoNanosecondsAreRoundedAsThere) {
  metadata("u8 n;", "freq = 2419200000; offset_s = 1700000000; offset = 2419199999;");
  Bytes events;
  for (std::uint64_t i = 0; i < 300; ++i) events.put(i * 7 + (std::uint64_t{1} << 52) + i * i * 1000).put(std::uint8_t{0});
  stream("s", 0, 0, events);
  expect_equal();
}

TEST_F(HandMade, TimesBefore1970) {
  metadata("u8 n;", "freq = 1000000000; offset_s = -5;");
  Bytes events;
  for (const std::uint64_t time : std::vector<std::uint64_t>{1'500'000'000, 2'000'000'000, 4'999'999'999, 5'000'000'000, 6'000'000'001}) events.put(time).put(std::uint8_t{1});
  stream("s", 0, 0, events);
  // The warning is babeltrace2's own.
  std::string wanted = theirs(trace_);
  const std::size_t warning = wanted.find("[warning]");
  ASSERT_NE(warning, std::string::npos) << wanted;
  wanted.erase(warning, wanted.find('\n', warning) + 1 - warning);
  EXPECT_EQ(ours(trace_.folder()), wanted);
}

TEST_F(HandMade, WithoutAClockThereAreNoTimes) {
  trace_.write("metadata", "/* CTF 1.8 */\ntrace { major = 1; minor = 8; byte_order = be; };\n"
                           "stream { event.header := struct { integer { size = 8; } id; }; event.context := struct { integer { size = 8; } c; }; };\n"
                           "event { id = 0; name = \"none\"; }; event { id = 1; name = \"x\"; fields := struct { }; };\n");
  trace_.write("s", std::string("\0\5\1\6", 4));
  expect_equal();
  EXPECT_EQ(ours(trace_.folder()), "none: { c = 5 }\nx: { c = 6 }, { }\n");
}

}  // namespace
}  // namespace ouro::cli
