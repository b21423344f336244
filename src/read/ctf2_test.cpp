// CTF 2's metadata, and values as its field classes say: most of it the specification's own examples, with ' for ".
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <string>

#include "read/test_values.hpp"

namespace ouro::read {
namespace {

using format::test::Bytes;
using test::decoded;

std::string fragments(std::initializer_list<std::string> all) {
  std::string out;
  for (std::string text : all) {
    std::replace(text.begin(), text.end(), '\'', '"');
    out.append("\x1e").append(text).append("\n");
  }
  return out;
}

const std::string kPreamble = "{'type': 'preamble', 'version': 2}";
const std::string kStream = "{'type': 'data-stream-class'}";

// A member class.
std::string member(const std::string& name, const std::string& field_class) { return "{'name': '" + name + "', 'field-class': " + field_class + "}"; }
std::string structure(const std::string& members) { return "{'type': 'structure', 'member-classes': [" + members + "]}"; }
std::string fixed(const std::string& type, int bits, const std::string& more = "", const std::string& order = "little") {
  return "{'type': 'fixed-length-" + type + "', 'length': " + std::to_string(bits) + ", 'byte-order': '" + order + "-endian'" + (more.empty() ? "" : ", " + more) + "}";
}
const std::string u8 = fixed("unsigned-integer", 8), u16 = fixed("unsigned-integer", 16), u32 = fixed("unsigned-integer", 32);

// One stream, one event.
std::string payload(const std::string& members, const std::string& stream = kStream, const std::string& context = "") {
  return fragments({kPreamble, stream,
                    "{'type': 'event-record-class', 'name': 'e'" + (context.empty() ? "" : ", 'specific-context-field-class': " + structure(context)) +
                        ", 'payload-field-class': " + structure(members) + "}"});
}

std::string error_of(const std::string& text) {
  const Result<Metadata> metadata = parse_metadata(text);
  return metadata ? "" : metadata.error().text;
}
std::string error_of_class(const std::string& field_class) { return error_of(payload(member("a", field_class))); }

Bytes bytes(std::initializer_list<int> all) {
  Bytes out;
  for (const int byte : all) out.put(static_cast<std::uint8_t>(byte));
  return out;
}

TEST(Ctf2, IntegersHaveAnyLengthAndBothOrders) {
  const std::string members = member("a", fixed("unsigned-integer", 3)) + "," + member("b", fixed("signed-integer", 7)) + "," + member("c", fixed("unsigned-integer", 22));
  EXPECT_EQ(decoded(payload(members), Bytes().put(5u | 0x7fu << 3 | 0x2abcdeu << 10)), "a=5 b=-1 c=2800862");
  const std::string big = member("a", fixed("unsigned-integer", 3, "", "big")) + "," + member("b", fixed("signed-integer", 7, "", "big")) + "," +
                          member("c", fixed("unsigned-integer", 22, "", "big"));
  EXPECT_EQ(decoded(payload(big), Bytes().put(__builtin_bswap32(5u << 29 | 0x7fu << 22 | 0x2abcdeu))), "a=5 b=-1 c=2800862");
  EXPECT_EQ(decoded(payload(member("a", fixed("signed-integer", 48, "'alignment': 32", "big")) + "," + member("b", u8)), bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 7})), "a=-2 b=7");
  EXPECT_EQ(decoded(payload(member("a", u8) + "," + member("b", fixed("unsigned-integer", 8, "'alignment': 32"))), bytes({1, 0, 0, 0, 2})), "a=1 b=2");
}

TEST(Ctf2, ABitOrderThatIsNotTheByteOrdersTurnsTheBitsRound) {
  // 8 bits, 0b00010110: read from the lowest, the first one read is the highest of the value.
  EXPECT_EQ(decoded(payload(member("a", fixed("unsigned-integer", 8, "'bit-order': 'last-to-first'"))), bytes({0x16})), "a=104");
  EXPECT_EQ(decoded(payload(member("a", fixed("unsigned-integer", 8, "'bit-order': 'first-to-last'", "big"))), bytes({0x16})), "a=104");
  EXPECT_EQ(decoded(payload(member("a", fixed("unsigned-integer", 8, "'bit-order': 'last-to-first'", "big"))), bytes({0x16})), "a=22");
  // Four bits from the highest: 1100, of which the first is the lowest: 0011; signed.
  const std::string members = member("a", fixed("signed-integer", 4, "'bit-order': 'first-to-last'", "big")) + "," + member("b", fixed("signed-integer", 4, "'bit-order': 'first-to-last'", "big"));
  EXPECT_EQ(decoded(payload(members), bytes({0xc1})), "a=3 b=-8");
  // 1.0 as a float is 0x3f800000; mirrored.
  EXPECT_EQ(decoded(payload(member("a", fixed("floating-point-number", 32, "'bit-order': 'last-to-first'"))), Bytes().put(0x000001fcu)), "a=1.000000");
}

TEST(Ctf2, NoByteHoldsBitsOfBothByteOrders) {
  const std::string members = member("a", fixed("unsigned-integer", 3, "'alignment': 8")) + "," + member("b", fixed("unsigned-integer", 5, "", "big"));
  EXPECT_EQ(decoded(payload(members), bytes({0})), "changes its byte order inside a byte");
  const std::string aligned = member("a", fixed("unsigned-integer", 3, "'alignment': 8")) + "," + member("b", fixed("unsigned-integer", 5, "'alignment': 8", "big"));
  EXPECT_EQ(decoded(payload(aligned), bytes({1, 0x08})), "a=1 b=1");
}

TEST(Ctf2, BooleansAreTrueIfAnyBitIsSet) {
  const std::string members = member("a", fixed("boolean", 1)) + "," + member("b", fixed("boolean", 7)) + "," + member("c", fixed("boolean", 48, "", "big"));
  EXPECT_EQ(decoded(payload(members), bytes({0x20, 0, 0, 0x10, 0, 0, 0})), "a=false b=true c=true");
  EXPECT_EQ(decoded(payload(members), bytes({1, 0, 0, 0, 0, 0, 0})), "a=true b=false c=false");
}

// Example 57: what was written as one number is read as 32 flags.
TEST(Ctf2, AnArrayHasItsOwnAlignment) {
  const std::string flags = "{'type': 'static-length-array', 'length': 4, 'minimum-alignment': 32, 'element-field-class': " + fixed("boolean", 1) + "}";
  EXPECT_EQ(decoded(payload(member("x", u8) + "," + member("a", flags)), bytes({9, 0, 0, 0, 0x0a})), "x=9 a=[4] =false =true =false =true");
}

// Examples 16 and 97.
TEST(Ctf2, FlagsOfABitMapAreActiveIfAnyOfTheirBitsIs) {
  const std::string planets = fixed("bit-map", 8, "'flags': {'Mercury': [[7, 7]], 'Venus': [[6, 6], [2, 3]], 'Earth': [[5, 7]], 'Mars': [[0, 1]]}");
  EXPECT_EQ(decoded(payload(member("a", planets)), bytes({0xa2})), "a=162+Mercury+Earth+Mars");
  const std::string colours = fixed("bit-map", 16, "'flags': {'RED': [[0, 2], [4, 4], [10, 10]], 'ORANGE': [[6, 6]], 'GREEN': [[7, 7], [9, 9], [11, 11]], 'BLUE': [[15, 15]]}", "big");
  EXPECT_EQ(decoded(payload(member("a", colours)), bytes({0x02, 0x10})), "a=528+RED+GREEN");
  EXPECT_EQ(decoded(payload(member("a", fixed("bit-array", 12)) + "," + member("b", fixed("bit-array", 4))), bytes({0x34, 0x12})), "a=564 b=1");
}

TEST(Ctf2, MappingsMayOverlapAndKeepTheirOrder) {
  const std::string mappings = "'mappings': {'fortune': [[3, 67], [-45, 1], [84, 84]], 'building': [[4, 5], [75, 82]], 'abc': [[4, 4]]}";
  EXPECT_EQ(decoded(payload(member("a", fixed("signed-integer", 8, mappings))), bytes({4})), "a=fortune/building/abc");
  EXPECT_EQ(decoded(payload(member("a", fixed("signed-integer", 8, mappings))), bytes({0xfb})), "a=fortune");
  EXPECT_EQ(decoded(payload(member("a", fixed("unsigned-integer", 8, mappings))), bytes({0})), "a=fortune");  // what is of no sign is 0 at least
  EXPECT_EQ(decoded(payload(member("a", "{'type': 'variable-length-unsigned-integer', 'mappings': {'lime': [[3, 3]], 'high': [[18446744073709551615, 18446744073709551615]]}}")),
                    bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})),
            "a=high");
}

TEST(Ctf2, FloatingPointNumbersHave16Or32Or64Bits) {
  const std::string half = fixed("floating-point-number", 16);
  EXPECT_EQ(decoded(payload(member("a", half) + "," + member("b", half) + "," + member("c", half) + "," + member("d", half) + "," + member("e", half)),
                    Bytes().put(std::uint16_t{0x3e00}).put(std::uint16_t{0xc000}).put(std::uint16_t{0x0001}).put(std::uint16_t{0xfc00}).put(std::uint16_t{0x7bff})),
            "a=1.500000 b=-2.000000 c=0.000000 d=-inf e=65504.000000");
  EXPECT_EQ(decoded(payload(member("a", fixed("floating-point-number", 32)) + "," + member("b", fixed("floating-point-number", 64, "", "big"))),
                    Bytes().put(0.5F).put(__builtin_bswap64(0x3ff8000000000000))),
            "a=0.500000 b=1.500000");
  EXPECT_NE(error_of_class(fixed("floating-point-number", 128)).find("payload-field-class.member-classes[0].field-class: length is 128 bits, want 16, 32 or 64"), std::string::npos)
      << error_of_class(fixed("floating-point-number", 128));
}

// Examples 98 and 99, and the ends of what fits.
TEST(Ctf2, IntegersInLeb128) {
  const std::string u = member("a", "{'type': 'variable-length-unsigned-integer'}"), s = member("a", "{'type': 'variable-length-signed-integer'}");
  EXPECT_EQ(decoded(payload(u), bytes({0xb4, 0xc7, 0x72})), "a=1876916");
  EXPECT_EQ(decoded(payload(s), bytes({0xb4, 0xc7, 0x72})), "a=-220236");
  EXPECT_EQ(decoded(payload(u), bytes({0x80, 0x80, 0x00})), "a=0");
  EXPECT_EQ(decoded(payload(u), bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})), "a=18446744073709551615");
  EXPECT_EQ(decoded(payload(u), bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})), "holds an integer of more than 64 bits");
  EXPECT_EQ(decoded(payload(s), bytes({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f})), "a=-9223372036854775808");
  EXPECT_EQ(decoded(payload(s), bytes({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e})), "holds an integer of more than 64 bits");
  EXPECT_EQ(decoded(payload(s), bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})), "a=-1");
  EXPECT_EQ(decoded(payload(u), bytes({0x80, 0x80})), "runs past the packet's end");
  EXPECT_EQ(decoded(payload(member("x", fixed("unsigned-integer", 3)) + "," + u), bytes({1, 0x7f})), "x=1 a=127");  // from a byte's begin
}

TEST(Ctf2, TextsOfAllEncodingsComeOutAsUtf8) {
  const auto text = [](const std::string& encoding) { return payload(member("a", "{'type': 'null-terminated-string', 'encoding': '" + encoding + "'}") + "," + member("b", u8)); };
  EXPECT_EQ(decoded(text("utf-8"), Bytes().text("h\xc3\xa9").put(std::uint8_t{7})), "a=h\xc3\xa9 b=7");
  // U+20AC, U+1F600 as two units
  EXPECT_EQ(decoded(text("utf-16le"), bytes({'x', 0, 0xac, 0x20, 0x3d, 0xd8, 0x00, 0xde, 0, 0, 7})), "a=x\xe2\x82\xac\xf0\x9f\x98\x80 b=7");
  EXPECT_EQ(decoded(text("utf-16be"), bytes({0, 'x', 0x20, 0xac, 0xd8, 0x3d, 0xde, 0x00, 0, 0, 7})), "a=x\xe2\x82\xac\xf0\x9f\x98\x80 b=7");
  EXPECT_EQ(decoded(text("utf-32le"), bytes({0xac, 0x20, 0, 0, 0x00, 0xf6, 1, 0, 0, 0, 0, 0, 7})), "a=\xe2\x82\xac\xf0\x9f\x98\x80 b=7");
  EXPECT_EQ(decoded(text("utf-32be"), bytes({0, 0, 0x20, 0xac, 0, 0, 0, 0, 7})), "a=\xe2\x82\xac b=7");
  // Halves of pairs, and what is beyond Unicode
  EXPECT_EQ(decoded(text("utf-16le"), bytes({0x3d, 0xd8, 'x', 0, 0x00, 0xde, 0, 0, 7})), "a=\xef\xbf\xbdx\xef\xbf\xbd b=7");
  EXPECT_EQ(decoded(text("utf-32le"), bytes({0, 0, 0x11, 0, 0, 0, 0, 0, 7})), "a=\xef\xbf\xbd b=7");
  EXPECT_EQ(decoded(text("utf-16le"), bytes({'x', 0, 0})), "holds a text without an end");
}

TEST(Ctf2, TextsOfALengthEndAtTheirFirstNul) {
  const std::string both = member("a", "{'type': 'static-length-string', 'length': 6}") + "," + member("b", "{'type': 'static-length-string', 'length': 6, 'encoding': 'utf-16be'}") + "," +
                           member("n", u8) + "," + member("c", "{'type': 'dynamic-length-string', 'length-field-location': {'path': ['n']}, 'encoding': 'utf-16le'}") + "," +
                           member("d", "{'type': 'dynamic-length-string', 'length-field-location': {'path': ['n']}}");
  EXPECT_EQ(decoded(payload(both), Bytes().raw("ab\0xyz", 6).raw("\0p\0q\0r", 6).put(std::uint8_t{4}).raw("u\0v\0", 4).raw("wxyz", 4)), "a=ab b=pqr n=4 c=uv d=wxyz");
  EXPECT_EQ(decoded(payload(both), Bytes().raw("abcdef", 6).raw("\0p\0\0\0r", 6).put(std::uint8_t{3}).raw("u\0v\0", 4).raw("wxyz", 4)), "holds a text whose bytes are no whole characters");
  EXPECT_EQ(decoded(payload(member("a", "{'type': 'static-length-string', 'length': 0}") + "," + member("b", u8)), bytes({3})), "a= b=3");
}

// Values of one event do not get in each other's way, however long.
TEST(Ctf2, ManyLongTextsAreConvertedInOneEvent) {
  const std::string text = "{'type': 'null-terminated-string', 'encoding': 'utf-16le'}";
  Bytes in;
  std::string wanted;
  for (const char letter : {'a', 'b', 'c'}) {
    for (int i = 0; i < 3000; ++i) in.put(static_cast<std::uint16_t>(letter));
    in.put(std::uint16_t{0});
    wanted.append(wanted.empty() ? "" : " ").append(1, letter).append("=").append(3000, letter);
  }
  EXPECT_EQ(decoded(payload(member("a", text) + "," + member("b", text) + "," + member("c", text)), in), wanted);
}

TEST(Ctf2, BlobsAreBytesOfAMediaType) {
  const std::string members = member("a", "{'type': 'static-length-blob', 'length': 3, 'media-type': 'image/tiff'}") + "," + member("n", u16) + "," +
                              member("b", "{'type': 'dynamic-length-blob', 'length-field-location': {'origin': 'event-record-payload', 'path': ['n']}}");
  EXPECT_EQ(decoded(payload(members), Bytes().raw("xyz", 3).put(std::uint16_t{2}).raw("pq", 2)), "a=<xyz> n=2 b=<pq>");
  EXPECT_EQ(decoded(payload(members), Bytes().raw("xyz", 3).put(std::uint16_t{3}).raw("pq", 2)), "runs past the packet's end");
  const Result<Metadata> metadata = parse_metadata(payload(members));
  EXPECT_EQ(metadata->events[0].fields[0].type->media_type, "image/tiff");
  EXPECT_EQ(metadata->events[0].fields[2].type->media_type, "application/octet-stream");
}

TEST(Ctf2, OptionalsAreThereIfTheirSelectorSaysSo) {
  const std::string by_boolean = member("has", fixed("boolean", 8)) + "," + member("a", "{'type': 'optional', 'selector-field-location': {'path': ['has']}, 'field-class': " + u16 + "}") + "," + member("b", u8);
  EXPECT_EQ(decoded(payload(by_boolean), bytes({4, 1, 1, 9})), "has=true a=some =257 b=9");
  EXPECT_EQ(decoded(payload(by_boolean), bytes({0, 9})), "has=false a=none b=9");
  // Example 61
  const std::string by_integer = member("has", fixed("signed-integer", 8)) + "," +
                                 member("a", "{'type': 'optional', 'selector-field-location': {'origin': 'event-record-payload', 'path': ['has']}, "
                                             "'selector-field-ranges': [[-12, -12], [-5, 0], [15, 35]], 'field-class': {'type': 'null-terminated-string'}}");
  EXPECT_EQ(decoded(payload(by_integer), bytes({0xfc, 'x', 0})), "has=-4 a=some =x");
  EXPECT_EQ(decoded(payload(by_integer), bytes({1, 'x', 0})), "has=1 a=none");
  EXPECT_NE(error_of(payload(member("has", u8) + "," + member("a", "{'type': 'optional', 'selector-field-location': {'path': ['has']}, 'field-class': " + u8 + "}"))).find("no selector-field-ranges"),
            std::string::npos);
}

// Example 63.
TEST(Ctf2, AnOptionalAndItsVariantMayShareASelector) {
  const std::string members =
      member("sel", u8) + "," +
      member("a", "{'type': 'optional', 'selector-field-location': {'path': ['sel']}, 'selector-field-ranges': [[1, 255]], 'field-class': {'type': 'variant', "
                  "'selector-field-location': {'path': ['sel']}, 'options': [{'selector-field-ranges': [[1, 1]], 'field-class': {'type': 'null-terminated-string'}}, "
                  "{'name': 'number', 'selector-field-ranges': [[2, 2]], 'field-class': {'type': 'variable-length-signed-integer', 'preferred-display-base': 16}}]}}");
  EXPECT_EQ(decoded(payload(members), bytes({0})), "sel=0 a=none");
  EXPECT_EQ(decoded(payload(members), bytes({1, 'x', 0})), "sel=1 a=some =| =x");
  EXPECT_EQ(decoded(payload(members), bytes({2, 0x7f})), "sel=2 a=some =| number=-1");
  EXPECT_EQ(decoded(payload(members), bytes({3})), "holds a variant whose tag selects nothing");
}

// Examples 87 to 92: where a length is found.
TEST(Ctf2, LengthsAreFoundInTheSameElementOfAnArray) {
  const std::string element = structure(member("laser", "{'type': 'variable-length-unsigned-integer'}") + "," +
                                        member("joystick", "{'type': 'dynamic-length-array', 'length-field-location': {'path': ['laser']}, 'element-field-class': " + u8 + "}"));
  const std::string members = member("norm", "{'type': 'null-terminated-string'}") + "," + member("nature", "{'type': 'static-length-array', 'length': 2, 'element-field-class': " + element + "}");
  EXPECT_EQ(decoded(payload(members), bytes({'x', 0, 1, 7, 2, 8, 9})), "norm=x nature=[2] ={2} laser=1 joystick=[1] =7 ={2} laser=2 joystick=[2] =8 =9");
  // The same from the root, through the element being decoded.
  std::string rooted = members;
  rooted.replace(rooted.find("{'path': ['laser']}"), 19, "{'origin': 'event-record-payload', 'path': ['nature', 'laser']}");
  EXPECT_EQ(decoded(payload(rooted), bytes({'x', 0, 1, 7, 2, 8, 9})), "norm=x nature=[2] ={2} laser=1 joystick=[1] =7 ={2} laser=2 joystick=[2] =8 =9");
}

TEST(Ctf2, NullInAPathIsTheStructureAround) {
  const std::string inner = structure(member("v", "{'type': 'dynamic-length-array', 'length-field-location': {'path': [null, null, 'n']}, 'element-field-class': " + u8 + "}"));
  const std::string members = member("n", u8) + "," + member("a", structure(member("n", u8) + "," + member("b", "{'type': 'static-length-array', 'length': 1, 'element-field-class': " +
                                                                                                               structure(member("c", inner)) + "}")));
  // From inside c: up to the element, up to a.
  EXPECT_EQ(decoded(payload(members), bytes({5, 2, 8, 9})), "n=5 a={2} n=2 b=[1] ={1} c={1} v=[2] =8 =9");
  std::string beyond = members;
  beyond.replace(beyond.find("[null, null, 'n']"), 17, "[null, null, null, null, 'n']");
  EXPECT_NE(error_of(payload(beyond)).find("is not among the fields before it"), std::string::npos);
}

TEST(Ctf2, ALengthMayBeAVariant) {
  const std::string glass = "{'type': 'variant', 'selector-field-location': {'origin': 'event-record-specific-context', 'path': ['sel']}, 'options': [{'selector-field-ranges': [[0, 0]], 'field-class': " +
                            u8 + "}, {'selector-field-ranges': [[1, 1]], 'field-class': " + u16 + "}]}";
  const std::string members = member("glass", glass) + "," + member("margin", "{'type': 'dynamic-length-string', 'length-field-location': {'origin': 'event-record-payload', 'path': ['glass']}}");
  EXPECT_EQ(decoded(payload(members, kStream, member("sel", u8)), bytes({0, 2, 'a', 'b'})), "sel=0 glass=| =2 margin=ab");
  EXPECT_EQ(decoded(payload(members, kStream, member("sel", u8)), bytes({1, 2, 0, 'a', 'b'})), "sel=1 glass=| =2 margin=ab");
}

TEST(Ctf2, AStructureWithALengthMayBeAVariantAndUseItItself) {
  const auto option = [](int selector, const std::string& members) { return "{'selector-field-ranges': [[" + std::to_string(selector) + ", " + std::to_string(selector) + "]], 'field-class': " + structure(members) + "}"; };
  const auto lock = [](const std::string& name) { return member(name, "{'type': 'dynamic-length-blob', 'length-field-location': {'origin': 'event-record-payload', 'path': ['glass', 'eagle']}}"); };
  const std::string glass = "{'type': 'variant', 'selector-field-location': {'origin': 'event-record-common-context', 'path': ['sel']}, 'options': [" + option(0, member("eagle", u16) + "," + lock("key")) + "," +
                            option(32, member("nuance", u8) + "," + member("eagle", u8)) + "," + option(5, member("eagle", "{'type': 'variable-length-unsigned-integer'}") + "," + lock("lock")) + "]}";
  const std::string stream = "{'type': 'data-stream-class', 'event-record-common-context-field-class': " + structure(member("sel", u8)) + "}";
  const std::string text = payload(member("glass", glass) + "," + lock("margin"), stream);
  EXPECT_EQ(decoded(text, bytes({0, 1, 0, 'k', 'm'})), "sel=0 glass=| ={2} eagle=1 key=<k> margin=<m>");
  EXPECT_EQ(decoded(text, bytes({32, 9, 2, 'm', 'n'})), "sel=32 glass=| ={2} nuance=9 eagle=2 margin=<mn>");
  EXPECT_EQ(decoded(text, bytes({5, 2, 'k', 'l', 'm', 'n'})), "sel=5 glass=| ={2} eagle=2 lock=<kl> margin=<mn>");
}

TEST(Ctf2, NamesAreTakenAsTheyAre) {
  EXPECT_EQ(decoded(payload(member("_a b", u8) + "," + member("\\u001b[31m", u8)), bytes({1, 2})), "_a b=1 ?[31m=2");
}

TEST(Ctf2, AliasesAreKnownFromTheirFragmentOn) {
  const std::string alias = "{'type': 'field-class-alias', 'name': 'u8', 'field-class': " + u8 + "}";
  const std::string event = "{'type': 'event-record-class', 'payload-field-class': " + structure(member("a", "'u8'") + "," + member("b", "'byte'")) + "}";
  EXPECT_EQ(decoded(fragments({kPreamble, alias, "{'type': 'field-class-alias', 'name': 'byte', 'field-class': 'u8'}", kStream, event}), bytes({1, 2})), "a=1 b=2");
  EXPECT_EQ(error_of(fragments({kPreamble, kStream, event, alias})), "metadata line 3, event-record-class: payload-field-class.member-classes[0].field-class: 'u8' is no alias declared before");
  EXPECT_NE(error_of(fragments({kPreamble, alias, alias})).find("name 'u8' is taken by another alias"), std::string::npos);
  const std::string whole = "{'type': 'field-class-alias', 'name': 's', 'field-class': " + structure(member("a", u8)) + "}";
  EXPECT_EQ(decoded(fragments({kPreamble, whole, kStream, "{'type': 'event-record-class', 'payload-field-class': 's'}"}), bytes({1})), "a=1");
}

TEST(Ctf2, ClocksHaveOriginsOffsetsAndNames) {
  const Result<Metadata> metadata = parse_metadata(fragments(
      {"{'type': 'preamble', 'version': 2, 'uuid': [30, 201, 100, 148, 228, 2, 69, 70, 147, 219, 233, 34, 43, 238, 108, 199], 'attributes': {'x': 1}}",
       "{'type': 'trace-class', 'name': 'n', 'environment': {'hostname': 'h', 'tracer_major': -2}}",
       "{'type': 'clock-class', 'id': 'c', 'frequency': 8000000, 'origin': 'unix-epoch', 'offset-from-origin': {'seconds': -18003, 'cycles': 1928547}, 'precision': 100, 'accuracy': 7, 'description': 'd'}",
       "{'type': 'clock-class', 'id': 'my clock class', 'namespace': 'some-tracer', 'name': 'hot', 'uid': 'wheels.28', 'frequency': 1, 'origin': {'name': 'boot', 'uid': '42'}}",
       "{'type': 'data-stream-class', 'id': 3, 'default-clock-class-id': 'my clock class'}",
       "{'type': 'event-record-class', 'data-stream-class-id': 3, 'id': 7, 'name': 'e', 'attributes': {'lttng.org,2009': {'log-level': 'debug:unit', 'emf-uri': 'http://x/'}}}"}));
  ASSERT_TRUE(metadata) << metadata.error().text;
  ASSERT_EQ(metadata->clocks.size(), 2u);
  const Clock& first = metadata->clocks[0];
  EXPECT_EQ(first.name, "c");
  EXPECT_EQ(first.origin, "unix-epoch");
  EXPECT_EQ(first.offset_s, -18003);
  EXPECT_EQ(first.offset_ticks, 1928547);
  EXPECT_EQ(first.precision_ticks, 100u);
  EXPECT_EQ(first.accuracy_ticks, 7u);
  EXPECT_EQ(metadata->clocks[1].name, "hot");
  EXPECT_EQ(metadata->clocks[1].uid, "wheels.28");
  EXPECT_EQ(metadata->clocks[1].origin, "/boot/42");
  EXPECT_EQ(metadata->streams[0].clock, 1u);
  EXPECT_EQ((*metadata->uuid)[1], 201);
  EXPECT_EQ(metadata->env, (std::vector<std::pair<std::string, std::string>>{{"hostname", "h"}, {"tracer_major", "-2"}}));
  EXPECT_EQ(metadata->events[0].level, 11);
  EXPECT_EQ(metadata->events[0].file, "http://x/");
}

TEST(Ctf2, ExtensionsAreRefusedByName) {
  const std::string declared = "{'type': 'preamble', 'version': 2, 'extensions': {'my.tracer': {'piano': {'keys': 88}, 'ramen': null}}}";
  EXPECT_EQ(error_of(fragments({declared})), "metadata line 1, preamble: extensions: my.tracer/piano, my.tracer/ramen, want no extension: none is known here, and each may change how all is decoded");
  EXPECT_EQ(error_of(fragments({"{'type': 'preamble', 'version': 2, 'extensions': {'my.tracer': {}}}", kStream})), "");
  EXPECT_NE(error_of_class(fixed("unsigned-integer", 8, "'extensions': {'a': {'b': 1}}")).find("field-class.extensions: a/b"), std::string::npos);
  EXPECT_NE(error_of(payload("{'name': 'a', 'extensions': {'a': {'b': 1}}, 'field-class': " + u8 + "}")).find("member-classes[0].extensions: a/b"), std::string::npos);
}

TEST(Ctf2, ErrorsNameTheFragmentAndThePlaceInIt) {
  EXPECT_EQ(error_of(fragments({"{'type': 'preamble', 'version': 3}"})), "metadata line 1, preamble: version is 3, want 2");
  EXPECT_EQ(error_of(fragments({kStream})), "metadata line 1, data-stream-class: first fragment, want a preamble");
  EXPECT_EQ(error_of(fragments({kPreamble, kPreamble})), "metadata line 2, preamble: second preamble, want one");
  EXPECT_EQ(error_of(fragments({kPreamble, "{'type': 'x'}"})), "metadata line 2, x: 'x' is no fragment of CTF 2");
  EXPECT_EQ(error_of(fragments({kPreamble, "\n{'type': 1}"})), "metadata line 2: type: an integer, want a string");
  EXPECT_EQ(error_of(fragments({kPreamble, "{'type': "})).substr(0, 33), "metadata line 2: no JSON at its b");
  EXPECT_EQ(error_of(fragments({kPreamble, kStream, kStream})), "metadata line 3, data-stream-class: id 0 is taken by another data stream class");
  EXPECT_EQ(error_of(fragments({kPreamble, "{'type': 'data-stream-class', 'default-clock-class-id': 'c'}"})),
            "metadata line 2, data-stream-class: default-clock-class-id is 'c', which no clock class before has");
  EXPECT_EQ(error_of(fragments({kPreamble, "{'type': 'event-record-class'}"})), "metadata line 2, event-record-class: data-stream-class-id is 0, which no data stream class before has");
  EXPECT_EQ(error_of(fragments({kPreamble, "{'type': 'clock-class', 'id': 'c', 'frequency': 0}"})), "metadata line 2, clock-class: frequency: 0, want at least 1");
  EXPECT_EQ(error_of("\x1e{}"), "metadata line 1: has no 'type'");
  EXPECT_NE(error_of_class("{'type': 'floaty'}").find("'floaty' is no type of field class"), std::string::npos);
  EXPECT_NE(error_of_class(fixed("unsigned-integer", 65)).find("length is 65 bits, want at most 64"), std::string::npos);
  EXPECT_NE(error_of_class(fixed("unsigned-integer", 8, "'alignment': 3")).find("alignment: 3, want a power of two"), std::string::npos);
  EXPECT_NE(error_of_class(fixed("unsigned-integer", 8, "'mappings': {'a': [[2, 1]]}")).find("mappings: range goes from 2 down to 1"), std::string::npos);
  EXPECT_NE(error_of_class("{'type': 'static-length-array', 'length': -1, 'element-field-class': " + u8 + "}").find("length: -1, want at least 0"), std::string::npos);
  EXPECT_NE(error_of_class("{'type': 'static-length-array', 'length': 1.5, 'element-field-class': " + u8 + "}").find("want an integer"), std::string::npos);
  EXPECT_NE(error_of(payload(member("a", u8) + "," + member("a", u8))).find("member-classes[1]: name 'a' is another member's, too"), std::string::npos);
  EXPECT_NE(error_of_class("{'type': 'dynamic-length-blob', 'length-field-location': {'path': ['b', null]}}").find("path does not end with a name"), std::string::npos);
  EXPECT_NE(error_of_class("{'type': 'dynamic-length-blob', 'length-field-location': {'path': ['b']}}").find("length 'b' is not among the fields before it"), std::string::npos);
}

TEST(Ctf2, HostileMetadataIsRefusedBeforeItCostsMuch) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_NE(error_of("\x1e" + std::string(1'000'000, '[')).find("nested more deeply than 400 levels"), std::string::npos);
  std::string many = "\x1e[";
  for (int i = 0; i < 2'000'000; ++i) many += "1,";
  EXPECT_NE(error_of(many).find("more than 1048576 JSON values"), std::string::npos);
  // Each alias holds the one before ten times.
  std::string laughs = fragments({kPreamble, "{'type': 'field-class-alias', 'name': 't0', 'field-class': " + u8 + "}"});
  for (int i = 1; i < 40; ++i) {
    std::string members;
    for (int k = 0; k < 10; ++k) members += (k != 0 ? "," : "") + member("f" + std::to_string(k), "'t" + std::to_string(i - 1) + "'");
    laughs += fragments({"{'type': 'field-class-alias', 'name': 't" + std::to_string(i) + "', 'field-class': " + structure(members) + "}"});
  }
  EXPECT_NE(error_of(laughs + fragments({kStream, "{'type': 'event-record-class', 'payload-field-class': 't39'}"})).find("more than 1048576 fields"), std::string::npos);
  std::string chain = fragments({kPreamble, "{'type': 'field-class-alias', 'name': 't0', 'field-class': " + structure("") + "}"});
  for (int i = 1; i < 100; ++i) chain += fragments({"{'type': 'field-class-alias', 'name': 't" + std::to_string(i) + "', 'field-class': " + structure(member("a", "'t" + std::to_string(i - 1) + "'")) + "}"});
  EXPECT_NE(error_of(chain).find("nested more deeply than 64 levels"), std::string::npos);
  // 20000 blobs that each look for their length behind 20000 other fields.
  std::string blobs;
  for (int i = 0; i < 20'000; ++i) blobs += member("n" + std::to_string(i), u8) + ",";
  for (int i = 0; i < 20'000; ++i) blobs += (i != 0 ? "," : "") + member("b" + std::to_string(i), "{'type': 'dynamic-length-blob', 'length-field-location': {'path': ['n19999']}}");
  EXPECT_NE(error_of(payload(blobs)).find("too many fields to find all lengths and tags among them"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(100));  // one; under ThreadSanitizer thirty
}

}  // namespace
}  // namespace ouro::read
