// A copy of a trace says what the trace says: babeltrace2 is asked of both, with every kind of type that CTF 1.8 has; our reader of what is CTF 2.
#include "export/ctf_writer.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "format/test_trace.hpp"

namespace ouro::ctf {
namespace {

using format::test::Bytes;
using format::test::TestTrace;

constexpr const char* kMetadata = R"(/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := u8;
typealias integer { size = 16; align = 16; signed = false; } := u16;
typealias integer { size = 32; align = 32; signed = false; base = 16; } := u32;
typealias integer { size = 64; align = 8; signed = false; } := u64;
trace { major = 1; minor = 8; uuid = "10111213-1415-1617-1819-1a1b1c1d1e1f"; byte_order = le;
  packet.header := struct { integer { size = 32; align = 8; signed = false; } magic; u8 uuid[16]; integer { size = 32; align = 8; signed = false; } stream_id; }; };
env { hostname = "here"; domain = "a \"b\"\n"; answer = 42; };
clock { name = cycles; freq = 3000000000; offset_s = 1577836800; offset = 7; };
stream { id = 3;
  event.header := struct { u8 id; integer { size = 64; align = 8; signed = false; map = clock.cycles.value; } timestamp; };
  event.context := struct { u8 _count; u8 _vtid; };
  packet.context := struct { u64 timestamp_begin; u64 timestamp_end; u64 content_size; u64 packet_size; u64 packet_seq_num; u64 events_discarded; u8 cpu_id; };
};
event { id = 5; stream_id = 3; name = "all:plain"; loglevel = 4; model.emf.uri = "a/b.c:12";
  context := struct { u8 _own; };
  fields := struct {
    integer { size = 3; align = 1; signed = false; } _three; integer { size = 5; align = 1; signed = true; } _five;
    integer { size = 16; align = 8; signed = true; byte_order = be; } _network; u16 _aligned; u32 _hex;
    floating_point { exp_dig = 8; mant_dig = 24; align = 8; } _f; floating_point { exp_dig = 11; mant_dig = 53; align = 8; byte_order = be; } _d;
    string _text; integer { size = 8; align = 8; signed = true; encoding = UTF8; } _fixed[6];
    enum : integer { size = 8; align = 8; signed = true; } { "minus two" = -2, A = 0 ... 3, B } _e;
    u8 _align; u8 _grid[2][3];
  };
};
event { id = 6; stream_id = 3; name = "all:nested";
  fields := struct {
    u8 _n;
    struct { u8 len; u16 data[len]; struct { string s; } _in; } _items[_n];
    u8 _common[stream.event.context._count]; enum : u8 { none, small = 1 ... 2, large = 3 } _tag; variant <_tag> { u8 none; string small; struct { u16 a; u8 b[_n]; } large; } _choice;
    struct { u8 _m; } _deep; u8 _more[_deep._m];
    enum : u8 { _int = 1, _text = 2 } _kind; variant <_kind> { u32 _int; string _text; } _value;
    integer { size = 8; align = 8; signed = false; encoding = UTF8; } _note[_n];
  };
};
event { id = 7; stream_id = 3; name = "all:empty"; fields := struct { }; };
)";

// A packet of kMetadata's stream, built value by value.
class Packet {
 public:
  Packet(std::uint64_t begin, std::uint64_t number, std::uint64_t discarded) {
    bytes_.put(0xc1fc1fc1u);
    for (std::uint8_t i = 0; i < 16; ++i) bytes_.put(static_cast<std::uint8_t>(0x10 + i));
    bytes_.put(std::uint32_t{3}).put(begin).put(begin + 10'000'000'000).put(std::uint64_t{0}).put(std::uint64_t{0}).put(number).put(discarded).put(std::uint8_t{2});
  }
  Packet& event(std::uint8_t id, std::uint64_t stamp, std::uint8_t count) {
    bytes_.put(id).put(stamp).put(count).put(std::uint8_t{77});
    return *this;
  }
  template <class T>
  Packet& put(T value) { return bytes_.put(value), *this; }
  Packet& text(const char* text) { return bytes_.text(text), *this; }
  Packet& align(std::size_t bytes) {
    while (bytes_.size() % bytes != 0) bytes_.put(std::uint8_t{0});
    return *this;
  }
  Packet& plain(std::uint64_t stamp, std::uint8_t seed) {
    event(5, stamp, 0).put(seed).align(4).put(static_cast<std::uint8_t>(seed * 37)).put(std::uint16_t{0xfeff}).align(2).put(static_cast<std::uint16_t>(seed * 300)).align(4);
    put(0xdeadbeefu + seed).put(1.5f * static_cast<float>(seed)).put(__builtin_bswap64(0x400921fb54442d18)).text("a \"text\"\n");
    for (const char c : {'a', 'b', '\0', 'c', 'd', 'e'}) put(c);
    put(static_cast<std::int8_t>(seed % 2 != 0 ? -2 : 2)).put(seed);
    for (std::uint8_t i = 0; i < 6; ++i) put(i);
    return *this;
  }
  Packet& nested(std::uint64_t stamp, std::uint8_t tag) {
    event(6, stamp, tag).align(2).put(std::uint8_t{2});
    for (std::uint16_t n = 0; n < 2; ++n) {
      align(2).put(static_cast<std::uint8_t>(n)).align(2);
      for (std::uint16_t i = 0; i < n; ++i) put(static_cast<std::uint16_t>(1000 + i));
      text(n == 0 ? "first" : "");
    }
    for (std::uint8_t i = 0; i < tag; ++i) put(i);  // as many as the context says
    put(tag);
    if (tag == 0) put(std::uint8_t{9});
    if (tag == 1 || tag == 2) text("small one");
    if (tag == 3) align(2).put(std::uint16_t{5}).put(std::uint8_t{6}).put(std::uint8_t{7});
    put(std::uint8_t{1}).put(std::uint8_t{0xaa});
    if (tag == 0) put(std::uint8_t{1}).align(4).put(0x12u);
    else put(std::uint8_t{2}).text("valued");
    return put('n').put('o');
  }
  std::string get() {
    const std::uint64_t bits = bytes_.size() * 8;
    std::string out(reinterpret_cast<const char*>(bytes_.get().data()), bytes_.size());
    for (const std::size_t at : {std::size_t{24 + 16}, std::size_t{24 + 24}}) out.replace(at, 8, reinterpret_cast<const char*>(&bits), 8);
    return out;
  }

 private:
  Bytes bytes_;
};

std::string two_packets() {
  return Packet(1'000'000'000, 0, 0).plain(1'000'000'000, 1).nested(1'000'000'001, 0).nested(1'500'000'000, 2).event(7, 1'500'000'002, 0).get() +
         Packet(20'000'000'000, 1, 5).nested(20'000'000'000, 3).plain(20'000'000'009, 2).nested(29'000'000'000, 1).get();
}

class CtfWriter : public testing::Test {
 public:
  CtfWriter() {
    trace_.write("metadata", kMetadata);
    trace_.write("channel_0", two_packets());
  }
  ~CtfWriter() override { std::filesystem::remove_all(copy_); }

  // A copy of all of it, or why there is none.
  std::string copy(const WriterOptions& options = {}) {
    Result<read::Trace> trace = read::Trace::open(trace_.folder());
    if (!trace) return trace.error().text;
    Result<std::unique_ptr<Writer>> writer = Writer::create(copy_, options);
    if (!writer) return writer.error().text;
    (*writer)->begin(*trace, "", [](const read::EventClass&) { return true; });
    while (const read::Event* event = trace->next())
      if (Status ok = (*writer)->write(*event); !ok) return ok.error().text;
    EXPECT_TRUE(trace->complete()) << trace->damage()[0].text;
    if (Status ok = (*writer)->end(true); !ok) return ok.error().text;
    if (Status ok = (*writer)->finish(); !ok) return ok.error().text;
    lost_ = (*writer)->lost();
    return "";
  }
  std::string babeltrace2(const std::string& folder) { return TestTrace::run("babeltrace2 --clock-cycles " + folder + " 2>/dev/null"); }

  TestTrace trace_{format::test::description({})};
  std::string copy_ = trace_.folder() + ".copy";
  std::uint64_t lost_ = 0;
};

TEST_F(CtfWriter, ACopyHasTheSameTextInBabeltrace2) {
  ASSERT_EQ(copy(), "");
  const std::string wanted = babeltrace2(trace_.folder());
  ASSERT_EQ(std::count(wanted.begin(), wanted.end(), '\n'), 7) << wanted;
  EXPECT_EQ(babeltrace2(copy_), wanted);
}

TEST_F(CtfWriter, ACopyOfACopyIsTheSameAgain) {
  ASSERT_EQ(copy(), "");
  const std::string first = babeltrace2(copy_);
  std::filesystem::remove_all(trace_.folder());
  std::filesystem::rename(copy_, trace_.folder());
  ASSERT_EQ(copy(), "");
  EXPECT_EQ(babeltrace2(copy_), first);
}

TEST_F(CtfWriter, PlacesLevelsAndEnvironmentAreKept) {
  ASSERT_EQ(copy(), "");
  Result<read::Trace> trace = read::Trace::open(copy_);
  ASSERT_TRUE(trace) << trace.error().text;
  ASSERT_EQ(trace->classes().size(), 3u);
  EXPECT_EQ(trace->classes()[0].name, "all:plain");
  EXPECT_EQ(trace->classes()[0].level, 4);
  EXPECT_EQ(trace->classes()[0].file, "a/b.c");
  EXPECT_EQ(trace->classes()[0].line, 12u);
  EXPECT_EQ(trace->environment("domain"), "a \"b\"\n");
  EXPECT_EQ(trace->environment("answer"), "42");
  EXPECT_EQ(trace->clocks()[0].frequency, 3'000'000'000u);
}

TEST_F(CtfWriter, LossesComeAlong) {
  ASSERT_EQ(copy(), "");
  EXPECT_EQ(lost_, 5u);
  const std::string said = TestTrace::run("babeltrace2 " + copy_ + " 2>&1 >/dev/null");
  EXPECT_NE(said.find("Tracer discarded 5 events"), std::string::npos) << said;
}

TEST_F(CtfWriter, TimesMayBecomeNanoseconds) {
  ASSERT_EQ(copy({.version = Version::v1_8, .nanoseconds = true}), "");
  Result<read::Trace> first = read::Trace::open(trace_.folder()), second = read::Trace::open(copy_);
  ASSERT_TRUE(first && second);
  while (const read::Event* event = first->next()) {
    const read::Event* const same = second->next();
    ASSERT_NE(same, nullptr);
    EXPECT_EQ(same->time_ns, event->time_ns);
    EXPECT_EQ(same->ticks, static_cast<std::uint64_t>(event->time_ns));
  }
  EXPECT_EQ(read::Trace::open(copy_)->clocks()[0].frequency, 1'000'000'000u);
}

TEST_F(CtfWriter, NothingIsWrittenOver) {
  ASSERT_EQ(copy(), "");
  EXPECT_NE(copy().find("is there already"), std::string::npos);
}

TEST_F(CtfWriter, WhatCannotBeWrittenIsSaid) {
  const Result<std::unique_ptr<Writer>> writer = Writer::create("/nonexistent/x", {});
  ASSERT_FALSE(writer);
  EXPECT_NE(writer.error().text.find("No such file or directory"), std::string::npos);
}

TEST_F(CtfWriter, Ctf2IsASequenceOfFragmentsWithReferencesByLocation) {
  ASSERT_EQ(copy({.version = Version::v2, .nanoseconds = false}), "");
  std::ifstream in(copy_ + "/metadata", std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  std::vector<nlohmann::json> fragments;
  for (std::string fragment; std::getline(text, fragment, '\x1e');)
    if (!fragment.empty()) fragments.push_back(nlohmann::json::parse(fragment));
  ASSERT_EQ(fragments.size(), 7u);  // preamble, trace, clock, stream, three events
  EXPECT_EQ(fragments[0]["version"], 2);
  EXPECT_EQ(fragments[1]["environment"]["answer"], 42);
  EXPECT_EQ(fragments[2]["offset-from-origin"]["cycles"], 7);
  EXPECT_EQ(fragments[4]["attributes"]["babeltrace.org,2020"]["log-level"], "warning");
  const auto& members = fragments[5]["payload-field-class"]["member-classes"];
  EXPECT_EQ(members[1]["field-class"]["length-field-location"], nlohmann::json::parse(R"({"origin": "event-record-payload", "path": ["n"]})"));
  // The element's own length, from the structure around.
  EXPECT_EQ(members[1]["field-class"]["element-field-class"]["member-classes"][1]["field-class"]["length-field-location"], nlohmann::json::parse(R"({"path": ["len"]})"));
  EXPECT_EQ(members[2]["field-class"]["length-field-location"], nlohmann::json::parse(R"({"origin": "event-record-common-context", "path": ["count"]})"));
  EXPECT_EQ(members[4]["field-class"]["selector-field-location"]["path"], nlohmann::json::parse(R"(["tag"])"));
  EXPECT_EQ(members[6]["field-class"]["length-field-location"]["path"], nlohmann::json::parse(R"(["deep", "m"])"));
}

}  // namespace
}  // namespace ouro::ctf
