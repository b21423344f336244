// What TSDL can say, each case as babeltrace2 2.0.4 takes it unless a comment says otherwise. metadata_test.cpp has the frame around it.
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "read/test_values.hpp"

namespace ouro::read {
namespace {

using format::test::Bytes;

struct Trace {
  std::string fields;
  std::string before = "";
  std::string stream = "stream { };";
  std::string order = "le";
  std::string event = "";
};

std::string text_of(const Trace& t) {
  return "/* CTF 1.8 */\ntypealias integer { size = 8; align = 8; } := u8;\n" + t.before + "\ntrace { major = 1; minor = 8; byte_order = " + t.order + "; };\n" + t.stream + "\nevent { name = \"e\"; " + t.event +
         " fields := struct { " + t.fields + " }; };\n";
}

std::string read(const Trace& t, const Bytes& bytes) { return test::decoded(text_of(t), bytes); }
std::string read(const Trace& t, std::initializer_list<int> all) {
  Bytes bytes;
  for (const int byte : all) bytes.put(static_cast<std::uint8_t>(byte));
  return read(t, bytes);
}

TEST(TsdlTypes, ByteOrdersHoldWhereTheyAreSaid) {
  EXPECT_EQ(read({.fields = "integer { size = 16; } a; integer { size = 16; byte_order = network; } b; integer { size = 16; byte_order = le; } c; integer { size = 16; byte_order = native; } d;", .order = "network"},
                 {0, 1, 0, 1, 0, 1, 0, 1}),
            "a=1 b=1 c=256 d=1");
  EXPECT_EQ(read({"integer { size = 3; } a; integer { size = 5; byte_order = be; } b;"}, {0xff}), "changes its byte order inside a byte");
  EXPECT_EQ(read({"integer { size = 8; } a; integer { size = 4; byte_order = be; } b; integer { size = 4; byte_order = be; } c; integer { size = 4; } d;"}, {1, 0x23, 4}), "a=1 b=2 c=3 d=4");
  // What an array has inside is of another order than the number before it.
  EXPECT_EQ(read({"integer { size = 8; align = 1; } a; struct { integer { size = 3; byte_order = be; } x; } b[1]; integer { size = 5; byte_order = be; } c;"}, {1, 0x23}),
            "a=1 b=[1] ={1} x=1 c=3");
}

// All sizes at all offsets in a byte, in both orders, against bits counted one by one.
TEST(TsdlTypes, IntegersOfEverySizeAtEveryOffset) {
  Bytes bytes;
  std::uint64_t state = 1;
  for (int i = 0; i < 16; ++i) bytes.put(static_cast<std::uint8_t>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56));
  const auto bit = [&](std::size_t at, bool big) { return std::to_integer<unsigned>(bytes.get()[at / 8]) >> (big ? 7 - at % 8 : at % 8) & 1; };
  for (const bool big : {false, true})
    for (std::size_t size = 1; size <= 64; ++size)
      for (std::size_t offset = 0; offset < 8; ++offset) {
        std::uint64_t wanted = 0;
        for (std::size_t i = 0; i < size; ++i) wanted |= std::uint64_t{bit(big ? offset + size - 1 - i : offset + i, big)} << i;
        const std::string front = offset != 0 ? "integer { size = " + std::to_string(offset) + "; align = 1; } front; " : "";
        const auto declared = [&](const char* is_signed) {
          return read({.fields = front + "integer { size = " + std::to_string(size) + "; align = 1; signed = " + is_signed + "; } a;", .order = big ? "be" : "le"}, bytes);
        };
        const std::string plain = declared("false");
        EXPECT_EQ(plain.substr(plain.find("a=")), "a=" + std::to_string(wanted)) << size << " bits at " << offset << (big ? ", big endian" : "");
        const auto extended = static_cast<std::int64_t>(wanted << (64 - size)) >> (64 - size);
        const std::string with_sign = declared("true");
        EXPECT_EQ(with_sign.substr(with_sign.find("a=")), "a=" + std::to_string(extended)) << size << " bits at " << offset << (big ? ", big endian" : "");
      }
}

TEST(TsdlTypes, LabelsHaveRangesSignsAndImplicitValues) {
  const Trace some{"enum : integer { size = 8; signed = true; } { a = -5 ... -1, b = 3, c, \"d e\" = 10 ... 12 } t;"};
  EXPECT_EQ(read(some, {0xfe}), "t=a");
  EXPECT_EQ(read(some, {4}), "t=c");
  EXPECT_EQ(read(some, {11}), "t=d e");
  EXPECT_EQ(read(some, {50}), "t=");
  const Trace big{"enum : integer { size = 64; } { a = 0xffffffffffffffff, b = 0x8000000000000000 ... 0x8000000000000010, c } t;"};
  EXPECT_EQ(read(big, Bytes().put(~std::uint64_t{0})), "t=a");
  EXPECT_EQ(read(big, Bytes().put(std::uint64_t{0x8000000000000001})), "t=b");
  EXPECT_EQ(read(big, Bytes().put(std::uint64_t{0x8000000000000011})), "t=c");
  EXPECT_EQ(read({"enum : integer { size = 64; signed = true; } { a = 0xffffffffffffffff, b = 5 } t;"}, Bytes().put(~std::uint64_t{0})), "t=a");  // meant as bits
  EXPECT_EQ(read({"enum : u8 { a = -1, b = 3 } t;"}, {0xff}), "t=");
  EXPECT_EQ(read({"enum : u8 { a = 1 ... 5, b = 3 ... 9, a = 20, c = 3 } t;"}, {3}), "t=a/b/c");
  EXPECT_EQ(read({"enum : u8 { a = 1 ... 5, b = 3 ... 9, a = 20, c = 3 } t;"}, {20}), "t=a");
  EXPECT_EQ(read({"enum : u8 { event, stream, \"x\\ny\", trace, } t;"}, {2}), "t=x\ny");
  EXPECT_EQ(read({.fields = "enum { a, b = 7, c } t;", .before = "typealias integer { size = 16; } := int;"}, {8, 0}), "t=c");
}

TEST(TsdlTypes, NamesOfTypesAreKeptInTheirScopes) {
  EXPECT_EQ(read({.fields = "struct p a; struct { struct p b; } c; enum col : u8 { R, G } d; enum col e;", .before = "struct p { u8 x; };"}, {1, 2, 1, 0}), "a={1} x=1 c={1} b={1} x=2 d=G e=R");
  EXPECT_EQ(read({"struct { typealias integer { size = 16; } := u8; u8 x; } s; u8 y;"}, {1, 0, 2}), "s={1} x=1 y=2");
  EXPECT_NE(read({"struct { typealias integer { size = 16; } := inner; inner x; } s; inner y;"}, {1, 0, 2}).find("want a type that was declared before"), std::string::npos);
  EXPECT_EQ(read({.fields = "pu8 a; u8 * b;", .before = "typealias integer { size = 8; } := u8 *;\ntypealias integer { size = 8; } := pu8;"}, {1, 2}), "a=1 b=2");
  EXPECT_EQ(read({.fields = "v3 a; x b; y c; m d;", .before = "typealias u8 [3] := v3; typedef u8 x, y[2]; typedef u8 m[2][1];"}, {1, 2, 3, 4, 5, 6, 7, 8}), "a=[3]:1:2:3 b=4 c=[2]:5:6 d=[2] =[1]:7 =[1]:8");
  EXPECT_EQ(read({"u8 n; typedef u8 s[n]; s v;"}, {2, 8, 9}), "n=2 v=[2]:8:9");
  EXPECT_EQ(read({"u8 a, b[2], c; const u8 d; u8 const e;"}, {1, 2, 3, 4, 5, 6}), "a=1 b=[2]:2:3 c=4 d=5 e=6");  // babeltrace2 has no const
  EXPECT_EQ(read({.fields = "unsigned long a; long unsigned int b;", .before = "typealias integer { size = 8; } := unsigned long;\ntypealias integer { size = 8; } := long unsigned int;"}, {1, 2}), "a=1 b=2");
  EXPECT_EQ(read({.fields = "u8 a; va v;", .before = "struct t { u8 x; } align(16); typedef struct t va;"}, {1, 0, 2}), "a=1 v={1} x=2");
}

TEST(TsdlTypes, ReferencesFindWhatIsMeant) {
  const std::string header = "stream { event.header := struct { u8 n; }; };";
  EXPECT_EQ(read({"u8 n; struct { u8 n; u8 v[event.fields.n]; } s;"}, {2, 7, 8, 9}), "n=2 s={2} n=7 v=[2]:8:9");
  EXPECT_EQ(read({"u8 n; struct { u8 n; u8 v[n]; } s;"}, {7, 1, 9}), "n=7 s={2} n=1 v=[1]:9");
  EXPECT_EQ(read({"struct { u8 n; } s; u8 v[s.n];"}, {2, 7, 8}), "s={1} n=2 v=[2]:7:8");
  EXPECT_EQ(read({"u8 n; struct { u8 m; u8 v[m][n]; } r[n];"}, {2, 1, 3, 4, 0}), "n=2 r=[2] ={2} m=1 v=[1] =[2]:3:4 ={2} m=0 v=[0]");
  EXPECT_EQ(read({.fields = "u8 v[stream.event.context.q]; u8 w[event.context.c];", .stream = "stream { event.context := struct { u8 q; }; };", .event = "context := struct { u8 c; };"}, {1, 2, 7, 8, 9}),
            "q=1 c=2 v=[1]:7 w=[2]:8:9");
  EXPECT_EQ(read({"enum : u8 { a = 2 } n; string v[n];"}, Bytes().put(std::uint8_t{2}).text("x").text("y")), "n=a v=[2] =x =y");
  EXPECT_NE(read({"u8 v[n]; u8 n;"}, {1}).find("length 'n' is not among the fields before it"), std::string::npos);
  EXPECT_NE(read({"string n; u8 v[n];"}, {1}).find("length 'n' is no integer"), std::string::npos);
  EXPECT_NE(read({.fields = "u8 v[env.n];", .before = "env { n = 1; };"}, {1}).find("length 'env.n' is not among the fields before it"), std::string::npos);
  EXPECT_EQ(read({.fields = "u8 v[stream.event.header.n];", .stream = header}, {7}), "v=[0]");  // no header was decoded here
}

TEST(TsdlTypes, VariantsAreSelectedByNameFromAnyScope) {
  const std::string options = "{ u8 a; string b; struct { u8 x; u8 y; } c; }";
  const Trace plain{"enum : u8 { a, b, c, d } t; struct { variant <t> " + options + " v; } s;"};
  EXPECT_EQ(read(plain, {0, 5}), "t=a s={1} v=| a=5");
  EXPECT_EQ(read(plain, {1, 'A', 0}), "t=b s={1} v=| b=A");
  EXPECT_EQ(read(plain, {2, 7, 8}), "t=c s={1} v=| c={2} x=7 y=8");
  EXPECT_EQ(read(plain, {3, 7, 8}), "holds a variant whose tag selects nothing");
  EXPECT_EQ(read({.fields = "enum : u8 { a, b } t; variant va <t> v; variant va <t> w[2];", .before = "variant va { u8 a; string b; };"}, {0, 5, 6, 7}), "t=a v=| a=5 w=[2] =| a=6 =| a=7");
  EXPECT_EQ(read({.fields = "variant <event.context.t> { u8 a; string b; } v;", .event = "context := struct { enum : u8 { a, b } t; };"}, {0, 5}), "t=a v=| a=5");
  EXPECT_NE(read({"u8 t; variant <t> { u8 a; } v;"}, {0, 5}).find("tag of the variant is no enumeration"), std::string::npos);
}

TEST(TsdlTypes, ArraysOfCharactersAreTextsIfTheyLieTogether) {
  EXPECT_EQ(read({"integer { size = 8; encoding = UTF8; } a[3]; integer { size = 8; encoding = ASCII; signed = true; } b[3]; integer { size = 8; encoding = none; } c[2]; u8 n; integer { size = 8; encoding = UTF8; } d[n];"},
                 {'a', 'b', 0, 'c', 'd', 'e', 'X', 'Y', 2, 'f', 'g'}),
            "a=ab b=cde c=[2]:88:89 n=2 d=fg");
  EXPECT_EQ(read({"u8 x; integer { size = 8; align = 16; encoding = UTF8; } a[2];"}, {1, 0, 'a', 0, 'b', 0}), "x=1 a=[2] =97 =98");
  EXPECT_EQ(read({"integer { size = 16; encoding = UTF8; } a[2];"}, {'a', 0, 'b', 0}), "a=[2]:97:98");
  EXPECT_EQ(read({"string a; string { encoding = ASCII; } b; string { encoding = UTF8; foo = 1; } c;"}, Bytes().text("x").text("").text("z")), "a=x b= c=z");
}

TEST(TsdlTypes, BasesSignsAndAlignmentsHaveSeveralSpellings) {
  const Result<Metadata> metadata = parse_metadata(text_of({"integer { size = 8; base = 2; } a; integer { size = 8; base = o; } b; integer { size = 8; base = \"x\"; } c; integer { size = 8; base = binary; } d; integer { size = 8; base = octal; } e;"
                                                            "integer { size = 8; base = hexadecimal; } f; integer { size = 8; base = u; } g; integer { size = 8; base = decimal; } h; integer { size = 8; base = p; } i;"}));
  ASSERT_TRUE(metadata) << metadata.error().text;
  std::string bases;
  for (const Field& field : metadata->events[0].fields) bases.append(std::to_string(field.type->base)).append(" ");
  EXPECT_EQ(bases, "2 8 16 2 8 16 10 10 16 ");
  EXPECT_EQ(read({"integer { size = 8; signed = 1; } a; integer { size = 8; signed = TRUE; } b; integer { size = 8; signed = 0; } c; integer { size = 8; signed = false; } d;"}, {255, 255, 255, 255}), "a=-1 b=-1 c=255 d=255");
  EXPECT_EQ(read({"integer { size = 0x8; } a; integer { size = 010; align = 8UL; } b; integer { size = 0b1000; } c;"}, {1, 2, 3}), "a=1 b=2 c=3");  // babeltrace2 has no binary numbers
  EXPECT_EQ(read({.fields = "u8 x; struct s16 s; struct s16 t;", .before = "struct s16 { u8 a; } align(16);"}, {1, 0, 2, 0, 3}), "x=1 s={1} a=2 t={1} a=3");
  EXPECT_EQ(read({"floating_point { exp_dig = 8; mant_dig = 24; } a; floating_point { exp_dig = 11; mant_dig = 53; byte_order = be; align = 32; } b;"}, Bytes().put(1.5F).put(__builtin_bswap64(0xc002000000000000))),
            "a=1.500000 b=-2.250000");
}

TEST(TsdlTypes, WhatIsNotKnownIsPassedOver) {
  EXPECT_EQ(read({.fields = "integer { size = 8; foo = \"bar\"; x.y = 3; } a;", .before = "callsite { name = \"e\"; func = \"f\"; line = 5; };", .event = "zork = 5; foo.bar = \"x\";"}, {1}), "a=1");
  EXPECT_EQ(read({.fields = "integer /* x */ { // y\n size = \\\n 8; } a;", .before = "# hello\n"}, {1}), "a=1");
  EXPECT_EQ(read({"u8 _event; u8 _int; u8 __x; struct { } s; u8 z[0];"}, {1, 2, 3}), "event=1 int=2 _x=3 s={0} z=[0]");
}

TEST(TsdlTypes, ClocksMayBeSeveral) {
  const Result<Metadata> metadata = parse_metadata(text_of({.fields = "u8 a;",
                                                            .before = "clock { name = mono; freq = 1000; offset_s = -5; offset = 7; precision = 3; absolute = FALSE; uuid = \"2a6422d0-6cee-11e0-8c08-cb07d7b3a564\"; };"
                                                                      "clock { name = \"wall\"; absolute = TRUE; description = \"a \\\"b\\\"\"; };",
                                                            .stream = "stream { event.header := struct { integer { size = 64; map = clock.wall.value; } t; integer { size = 8; map = clock.mono.value; } u; }; };"}));
  ASSERT_TRUE(metadata) << metadata.error().text;
  ASSERT_EQ(metadata->clocks.size(), 2u);
  EXPECT_EQ(metadata->clocks[0].frequency, 1000u);
  EXPECT_EQ(metadata->clocks[0].offset_s, -5);
  EXPECT_EQ(metadata->clocks[0].offset_ticks, 7);
  EXPECT_EQ(metadata->clocks[0].precision_ticks, 3u);
  EXPECT_EQ(metadata->clocks[0].uid, "2a6422d0-6cee-11e0-8c08-cb07d7b3a564");
  EXPECT_EQ(metadata->clocks[0].origin, "");
  EXPECT_EQ(metadata->clocks[1].origin, "unix-epoch");
  EXPECT_EQ(metadata->clocks[1].description, "a \"b\"");
  EXPECT_EQ(metadata->streams[0].clock, 1u);
}

}  // namespace
}  // namespace ouro::read
