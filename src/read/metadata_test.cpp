// TSDL beyond what Ouro itself writes: LTTng's headers, big endian, bits, nested types, references, scopes.
#include "read/metadata.hpp"

#include <gtest/gtest.h>

#include "format/test_trace.hpp"
#include "read/decoder.hpp"
#include "read/test_values.hpp"

namespace ouro::read {
namespace {

using format::test::Bytes;
using test::decoded;

constexpr const char* kOpening = "/* CTF 1.8 */\n";

// A trace of one stream and one event, whose fields are given.
std::string one_event(const std::string& fields, const std::string& before = "", const std::string& order = "le") {
  return kOpening + before + "trace { major = 1; minor = 8; byte_order = " + order + "; };\n" +
         "stream { packet.context := struct { integer { size = 32; } n; }; };\nevent { name = \"e\"; fields := struct "
         "{" +
         fields + "}; };\n";
}

std::string error_of(const std::string& text) {
  const Result<Metadata> metadata = parse_metadata(text);
  return metadata ? "" : metadata.error().text;
}

TEST(Tsdl, BitFieldsLieAsTheByteOrderSays) {
  const std::string fields =
      "integer { size = 3; } a; integer { size = 7; signed = true; } b; integer { size = 22; } c;";
  // little: a = low 3 bits; big: a = high 3 bits of the same 4 bytes.
  const Bytes bytes = Bytes().put(5u | 0x7fu << 3 | 0x2abcdeu << 10);
  EXPECT_EQ(decoded(one_event(fields), bytes), "a=5 b=-1 c=2800862");
  const Bytes big = Bytes().put(__builtin_bswap32(5u << 29 | 0x7fu << 22 | 0x2abcdeu));
  EXPECT_EQ(decoded(one_event(fields, "", "be"), big), "a=5 b=-1 c=2800862");
}

TEST(Tsdl, AByteOrderOfItsOwnBeatsTheTraces) {
  EXPECT_EQ(decoded(one_event("integer { size = 32; byte_order = be; } a; integer { size = 16; } b;"),
                    Bytes().put(__builtin_bswap32(7)).put(std::uint16_t{8})),
            "a=7 b=8");
  EXPECT_EQ(
      decoded(one_event("floating_point { exp_dig = 11; mant_dig = 53; } d; integer { size = 16; } s[2];", "", "be"),
              Bytes().put(__builtin_bswap64(0x3ff8000000000000)).put(std::uint16_t{0x0100}).put(std::uint16_t{0x0200})),
      "d=1.500000 s=[2]:1:2");
}

TEST(Tsdl, AlignmentIsKept) {
  EXPECT_EQ(
      decoded(
          one_event(
              "integer { size = 8; } a; struct { integer { size = 8; } x; integer { size = 32; align = 32; } y; } s; "
              "integer { size = 8; } b;"),
          Bytes()
              .put(std::uint8_t{1})
              .put(std::uint8_t{0})
              .put(std::uint16_t{0})
              .put(std::uint32_t{2})
              .put(std::uint32_t{3})
              .put(std::uint8_t{4})),
      "a=1 s={2} x=2 y=3 b=4");
}

TEST(Tsdl, TypesAreNamedInAllTheWaysThereAre) {
  EXPECT_EQ(decoded(one_event("unsigned long a; u8_t b; struct point c; enum color d; text e;",
                              "typealias integer { size = 64; } := unsigned long;\n"
                              "typedef integer { size = 8; align = 8; } u8_t;\n"
                              "struct point { u8_t _x, y; };\n"
                              "enum color : u8_t { RED, GREEN = 5, BLUE, \"any\" = 10 ... 20, };\n"
                              "typealias string { encoding = ASCII; } := text; // a comment\n"),
                    Bytes()
                        .put(std::uint64_t{1})
                        .put(std::uint8_t{2})
                        .put(std::uint8_t{3})
                        .put(std::uint8_t{4})
                        .put(std::uint8_t{6})
                        .text("hi")),
            "a=1 b=2 c={2} x=3 y=4 d=BLUE e=hi");
}

TEST(Tsdl, SequencesAndArraysNest) {
  const std::string before = "typealias integer { size = 8; align = 8; } := u8;\n";
  EXPECT_EQ(
      decoded(
          one_event(
              "u8 n; struct { u8 m; u8 v[m]; } rows[n]; u8 grid[2][3]; integer { size = 8; encoding = UTF8; } name[4];",
              before),
          Bytes()
              .put(std::uint8_t{2})
              .put(std::uint8_t{1})
              .put(std::uint8_t{7})
              .put(std::uint8_t{2})
              .put(std::uint8_t{8})
              .put(std::uint8_t{9})
              .put(std::uint16_t{0x0201})
              .put(std::uint32_t{0x06050403})
              .raw("ab\0c", 4)),
      "n=2 rows=[2] ={2} m=1 v=[1]:7 ={2} m=2 v=[2]:8:9 grid=[2] =[3]:1:2:3 =[3]:4:5:6 name=ab");
}

TEST(Tsdl, AVariantIsWhatItsTagSays) {
  const std::string fields =
      "enum : integer { size = 8; signed = true; } { a = -5 ... -1, b = 3 } tag; "
      "variant <tag> { integer { size = 8; } a; string b; } v;";
  EXPECT_EQ(decoded(one_event(fields), Bytes().put(std::int8_t{-2}).put(std::uint8_t{9})), "tag=a v=| a=9");
  EXPECT_EQ(decoded(one_event(fields), Bytes().put(std::int8_t{3}).text("x")), "tag=b v=| b=x");
  EXPECT_EQ(decoded(one_event(fields), Bytes().put(std::int8_t{4})), "holds a variant whose tag selects nothing");
}

TEST(Tsdl, ReferencesReachTheScopesBefore) {
  EXPECT_EQ(error_of(one_event("integer { size = 8; } v[stream.packet.context.n]; integer { size = 8; } w[n];")), "");
  EXPECT_NE(error_of(one_event("integer { size = 8; } v[later]; integer { size = 8; } later;"))
                .find("length 'later' is not among the fields before it"),
            std::string::npos);
}

// Offsets of LTTng-UST's compact header: 5 bits of id, 27 of stamp, extended ones aligned.
TEST(Tsdl, LttngsHeadersAreUnderstood) {
  const std::string text = std::string(kOpening) + R"(
typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 5; align = 1; signed = false; } := uint5_t;
typealias integer { size = 27; align = 1; signed = false; } := uint27_t;
trace {
	major = 1; minor = 8; uuid = "2a6422d0-6cee-11e0-8c08-cb07d7b3a564"; byte_order = le;
	packet.header := struct { uint32_t magic; uint8_t uuid[16]; uint32_t stream_id; uint64_t stream_instance_id; };
};
env { hostname = "h"; domain = "ust"; tracer_major = 2; };
clock { name = "monotonic"; uuid = "c0c0c0c0"; description = "Monotonic Clock"; freq = 1000000000; offset = 1351530929945824323; };
typealias integer { size = 27; align = 1; signed = false; map = clock.monotonic.value; } := uint27_clock_monotonic_t;
typealias integer { size = 64; align = 8; signed = false; map = clock.monotonic.value; } := uint64_clock_monotonic_t;
struct packet_context { uint64_clock_monotonic_t timestamp_begin; uint64_clock_monotonic_t timestamp_end;
	uint64_t content_size; uint64_t packet_size; uint64_t events_discarded; uint32_t cpu_id; };
struct event_header_compact {
	enum : uint5_t { compact = 0 ... 30, extended = 31 } id;
	variant <id> {
		struct { uint27_clock_monotonic_t timestamp; } compact;
		struct { uint32_t id; uint64_clock_monotonic_t timestamp; } extended;
	} v;
} align(8);
stream { id = 0; event.header := struct event_header_compact; packet.context := struct packet_context;
	event.context := struct { integer { size = 32; align = 8; signed = 1; } _vtid; }; };
event { name = "p:e"; id = 0; stream_id = 0; loglevel = 13; model.emf.uri = "http://example.org/a";
	fields := struct { uint8_t __seq_length; uint8_t _seq[ __seq_length ]; }; };
)";
  const Result<Metadata> metadata = parse_metadata(text);
  ASSERT_TRUE(metadata) << metadata.error().text;
  const StreamClass& stream = metadata->streams.at(0);
  EXPECT_EQ(stream.compact.id_mask, 0x1fu);
  EXPECT_EQ(stream.compact.stamp_at, 5u);
  EXPECT_EQ(stream.compact.stamp_mask, 0x7ffffffu);
  EXPECT_EQ(stream.compact.id_limit, 31u);
  EXPECT_EQ(metadata->clocks.at(0).offset_ticks, 1351530929945824323);
  EXPECT_EQ(metadata->events.at(0).file, "http://example.org/a");
  EXPECT_EQ(metadata->events.at(0).level, 13);
  EXPECT_EQ(metadata->events.at(0).fields.at(1).name, "seq");

  // An extended header: 5 bits, then the rest of the byte unused, u32, u64.
  Decoder decoder(metadata->slots);
  const Bytes bytes = Bytes().put(std::uint8_t{31}).put(std::uint32_t{70000}).put(std::uint64_t{123456789012});
  decoder.start(reinterpret_cast<const char*>(bytes.get().data()), bytes.size());
  EXPECT_FALSE(decoder.take_compact(stream.compact));
  Program header = compile(Scope::of(stream.event_header));
  EXPECT_EQ(decoder.run(header), nullptr);
  EXPECT_EQ(decoder.slot(kIdSlot), 70000u);
  EXPECT_EQ(decoder.clock(), 123456789012u);
}

TEST(Tsdl, TheFastWayThroughTheHeaderAgreesWithTheGeneralOne) {
  const Result<Metadata> metadata = parse_metadata(format::metadata_text(format::test::description({})));
  ASSERT_TRUE(metadata) << metadata.error().text;
  const StreamClass& stream = *metadata->stream(0);
  ASSERT_EQ(stream.compact.id_mask, 0x3ffu);
  for (const std::uint32_t word : {0u, 1022u, 5u | 77u << 10, 1022u | 0x3fffffu << 10}) {
    const Bytes bytes = Bytes().put(word).put(std::uint32_t{0});  // a packet's last bytes are left to the general way
    Decoder fast(metadata->slots), general(metadata->slots);
    for (Decoder* decoder : {&fast, &general}) {
      decoder->start(reinterpret_cast<const char*>(bytes.get().data()), bytes.size());
      decoder->set_clock(0x123456789);
    }
    ASSERT_TRUE(fast.take_compact(stream.compact));
    Program header = compile(Scope::of(stream.event_header));
    ASSERT_EQ(general.run(header), nullptr);
    EXPECT_EQ(fast.slot(kIdSlot), general.slot(kIdSlot));
    EXPECT_EQ(fast.clock(), general.clock());
    EXPECT_EQ(fast.bit(), general.bit());
  }
}

TEST(Tsdl, ErrorsNameTheLineAndWhatIsWanted) {
  EXPECT_EQ(error_of("/* CTF 1.8 */\ntrace {\n  byte_order le;\n};"), "metadata line 3: 'le', want '=' or ':='");
  EXPECT_EQ(error_of("/* CTF 1.8 */\ntrace { byte_order = middle; };"),
            "metadata: trace has byte_order 'middle', want le or be");
  EXPECT_EQ(error_of("/* CTF 1.8 */\nenv { a = \"no end\n; };"), "metadata line 2: text does not end");
  EXPECT_EQ(error_of("/* CTF 1.8 */ /* no end"), "metadata line 1: comment does not end");
  EXPECT_NE(error_of(one_event("unknown_t a;")).find("'unknown_t', want a type that was declared before"),
            std::string::npos);
  EXPECT_NE(error_of(one_event("integer { size = 65; } a;")).find("want a size of 1 to 64 bits"), std::string::npos);
  EXPECT_NE(error_of(one_event("string a; string a;")).find("want members with names of their own"), std::string::npos);
}

TEST(Tsdl, HostileMetadataIsRefusedBeforeItCostsMuch) {
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += "struct {";
  EXPECT_NE(error_of(one_event(nested)).find("nested less deeply"), std::string::npos);
  // Each type holds the one before ten times: 10^40 fields, in 40 lines.
  std::string laughs = "typedef string t0;\n";
  for (int i = 1; i < 40; ++i) {
    laughs += "typedef struct { ";
    for (int k = 0; k < 10; ++k)
      laughs.append("t").append(std::to_string(i - 1)).append(" f").append(std::to_string(k)).append("; ");
    laughs.append("} t").append(std::to_string(i)).append(";\n");
  }
  EXPECT_NE(error_of(one_event("t39 x;", laughs)).find("more than 1048576 fields"), std::string::npos);
  std::string chain = "typedef string t0;\n";
  for (int i = 1; i < 1000; ++i)
    chain += "typedef struct { t" + std::to_string(i - 1) + " x; } t" + std::to_string(i) + ";\n";
  EXPECT_NE(error_of(one_event("t999 x;", chain)).find("nested less deeply"), std::string::npos);
  // Elements of no size, 4 thousand million of them.
  EXPECT_EQ(decoded(one_event("struct { } x[4000000000];"), Bytes().put(std::uint8_t{0})),
            "holds more than 1048576 values");
}

TEST(Tsdl, MetadataInPacketsIsCollected) {
  const std::string text = one_event("string a;");
  std::string file;
  for (std::size_t at = 0; at < text.size(); at += 50) {
    const std::string piece = text.substr(at, 50);
    const auto bits = static_cast<std::uint32_t>((37 + piece.size()) * 8);
    Bytes packet;
    packet.put(std::uint32_t{0x75d11d57}).raw("0123456789abcdef", 16).put(std::uint32_t{0}).put(bits).put(bits + 64);
    packet.raw("\0\0\0\1\10", 5).raw(piece.data(), piece.size()).put(std::uint64_t{0});
    file.append(reinterpret_cast<const char*>(packet.get().data()), packet.size());
  }
  const Result<std::string> collected = metadata_text_of(file);
  ASSERT_TRUE(collected) << collected.error().text;
  EXPECT_EQ(*collected, text);
  // Cut anywhere but between two packets, it is refused.
  std::size_t whole = 0;
  for (std::size_t size = 4; size < file.size(); ++size)
    whole += metadata_text_of(std::string_view(file).substr(0, size)) ? 1 : 0;
  EXPECT_EQ(whole, (text.size() + 49) / 50 - 1);
  EXPECT_FALSE(metadata_text_of(std::string_view(file).substr(0, file.size() - 1)));
  // Who reads damaged traces gets all that is there, and why that is not all.
  for (std::size_t size = 38; size < file.size(); ++size) {
    std::string trouble;
    const Result<std::string> part = metadata_text_of(std::string_view(file).substr(0, size), &trouble);
    ASSERT_TRUE(part) << part.error().text;
    const std::size_t packets = size / 95, rest = size % 95;  // of 37 bytes header, 50 of text, 8 of padding
    const std::size_t want = std::min(text.size(), packets * 50 + (rest > 37 ? std::min<std::size_t>(rest - 37, 50) : 0));
    EXPECT_EQ(*part, text.substr(0, want)) << size;
    EXPECT_EQ(trouble.empty(), rest == 0) << size << trouble;
  }
}

}  // namespace
}  // namespace ouro::read
