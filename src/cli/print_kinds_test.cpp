// What `ouro print` and `ouro check` make of the kinds of values that CTF 2 has and CTF 1.8 has not.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "cli/commands.hpp"
#include "cli/test_command.hpp"
#include "format/test_trace.hpp"

namespace ouro::cli {
namespace {

using format::test::Bytes;
using format::test::TestTrace;

std::string json(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return "\x1e" + text + "\n";
}

std::string fixed(const std::string& type, int bits, const std::string& more = "") {
  return "{'type': 'fixed-length-" + type + "', 'length': " + std::to_string(bits) + ", 'byte-order': 'little-endian'" + more + "}";
}

TEST(PrintKinds, EachIsShownAsWhatItIs) {
  TestTrace trace(format::test::description({}));
  const auto member = [](const std::string& name, const std::string& type) { return "{'name': '" + name + "', 'field-class': " + type + "}"; };
  const std::string optional = "{'type': 'optional', 'selector-field-location': {'path': ['yes']}, 'field-class': {'type': 'null-terminated-string', 'encoding': 'utf-16be'}}";
  trace.write("metadata",
              json("{'type': 'preamble', 'version': 2}") +
                  json("{'type': 'trace-class', 'packet-header-field-class': {'type': 'structure', 'member-classes': [" + member("m", fixed("unsigned-integer", 32, ", 'roles': ['packet-magic-number']")) + "," +
                       member("u", "{'type': 'static-length-blob', 'length': 2}") + "]}}") +
                  json("{'type': 'data-stream-class', 'packet-context-field-class': {'type': 'structure', 'member-classes': [" + member("n", "{'type': 'variable-length-unsigned-integer', 'roles': ['packet-sequence-number']}") + "," +
                       member("s", fixed("unsigned-integer", 8, ", 'roles': ['packet-content-length', 'packet-total-length']")) + "]}}") +
                  json("{'type': 'event-record-class', 'name': 'e', 'payload-field-class': {'type': 'structure', 'member-classes': [" + member("yes", fixed("boolean", 8)) + "," + member("o", optional) + "," +
                       member("bits", fixed("bit-array", 8)) + "," + member("map", fixed("bit-map", 8, ", 'flags': {'a': [[0, 1]], 'b': [[1, 1]], 'c': [[7, 7]]}")) + "," +
                       member("blob", "{'type': 'static-length-blob', 'length': 3}") + "," + member("n", "{'type': 'variable-length-signed-integer'}") + "]}}"));
  Bytes bytes;
  bytes.put(std::uint32_t{0xc1fc1fc1}).raw("\1\2", 2).put(std::uint8_t{5}).put(std::uint8_t{(8 + 11 + 7) * 8});
  bytes.put(std::uint8_t{1}).raw("\0x\0\0", 4).put(std::uint8_t{0x1f}).put(std::uint8_t{2}).raw("\xca\xfe\0", 3);
  bytes.put(std::uint8_t{0x7f});
  bytes.put(std::uint8_t{0}).put(std::uint8_t{0x1f}).put(std::uint8_t{0x10}).raw("\xca\xfe\0", 3).put(std::uint8_t{0x7f});
  trace.write("s", {reinterpret_cast<const char*>(bytes.get().data()), bytes.size()});
  const test::Outcome printed = test::run(print_command, "print", {"--utc", trace.folder()});
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_NE(printed.out.find("yes=true o=\"x\" bits=0x1f map=a|b blob=0xcafe00 n=-1\n"), std::string::npos) << printed.out;
  EXPECT_NE(printed.out.find("yes=false o=none bits=0x1f map=0x10 blob=0xcafe00 n=-1\n"), std::string::npos) << printed.out;
  const test::Outcome checked = test::run(check_command, "check", {trace.folder()});
  EXPECT_EQ(checked.status, 0) << checked.out << checked.err;
}

// Each kind, in big and little endian, with selectors of both sorts: a copy in CTF 2 prints the same, and so does a copy of the copy. CTF 1.8 has no such kinds.
TEST(ConvertKinds, OfCtf2AreInACopyInCtf2WhatTheyWere) {
  TestTrace trace(format::test::description({}));
  const auto member = [](const std::string& name, const std::string& type) { return "{'name': '" + name + "', 'field-class': " + type + "}"; };
  const auto big = [](const std::string& type, int bits, const std::string& more = "") {
    return "{'type': 'fixed-length-" + type + "', 'length': " + std::to_string(bits) + ", 'byte-order': 'big-endian'" + more + "}";
  };
  const std::string if_yes = "{'type': 'optional', 'selector-field-location': {'path': ['yes']}, 'field-class': {'type': 'structure', 'member-classes': [" +
                             member("n", "{'type': 'variable-length-unsigned-integer', 'mappings': {'few': [[0, 9]], 'many': [[10, 100000]]}}") + "," +
                             member("data", "{'type': 'dynamic-length-blob', 'length-field-location': {'path': ['n']}, 'media-type': 'image/png'}") + "]}}";
  const std::string if_odd = "{'type': 'optional', 'selector-field-location': {'path': ['three']}, 'selector-field-ranges': [[1, 1], [3, 3]], 'field-class': " + big("floating-point-number", 16) + "}";
  trace.write("metadata",
              json("{'type': 'preamble', 'version': 2}") + json("{'type': 'trace-class'}") +
                  json("{'type': 'data-stream-class', 'packet-context-field-class': {'type': 'structure', 'member-classes': [" +
                       member("s", fixed("unsigned-integer", 16, ", 'roles': ['packet-content-length', 'packet-total-length']")) + "]}}") +
                  json("{'type': 'event-record-class', 'name': 'e', 'payload-field-class': {'type': 'structure', 'member-classes': [" + member("yes", fixed("boolean", 8)) + "," + member("maybe", if_yes) + "," +
                       member("three", big("unsigned-integer", 3, ", 'alignment': 8")) + "," + member("five", big("bit-array", 5, ", 'bit-order': 'first-to-last'")) + "," + member("odd", if_odd) + "," +
                       member("flags", big("bit-map", 16, ", 'flags': {'a': [[0, 1]], 'b': [[9, 15]]}")) + "," + member("id", "{'type': 'static-length-blob', 'length': 3}") + "," +
                       member("n", "{'type': 'variable-length-signed-integer', 'preferred-display-base': 16}") + "," +
                       member("wide", "{'type': 'null-terminated-string', 'encoding': 'utf-16be'}") + "," + member("sized", "{'type': 'static-length-string', 'length': 6, 'encoding': 'utf-16le'}") + "]}}"));
  const auto texts = [](Bytes& to) { to.raw("\0h\0\xe9\0\0", 6).raw("a\0\xe9\0\0\0", 6); };
  Bytes events;
  events.put(std::uint8_t{1}).put(std::uint8_t{2}).raw("\xde\xad", 2).put(std::uint8_t{0x2d}).raw("\xc1\x00", 2).raw("\x02\x01", 2).raw("abc", 3).put(std::uint8_t{0x7f});
  texts(events);
  events.put(std::uint8_t{0}).put(std::uint8_t{0x5f}).raw("\x00\x00", 2).raw("xyz", 3).raw("\xff\xff\x00", 3);
  texts(events);
  events.put(std::uint8_t{1}).raw("\x80\x01", 2).raw(std::string(128, 'p').data(), 128).put(std::uint8_t{0x60}).raw("\x03\xff", 2).raw("\xff\xff", 2).raw("123", 3);
  events.raw("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 10);
  texts(events);
  Bytes bytes;
  bytes.put(static_cast<std::uint16_t>((events.size() + 2) * 8)).add(events);
  trace.write("s", {reinterpret_cast<const char*>(bytes.get().data()), bytes.size()});
  const auto print = [](const std::string& folder) {
    test::Outcome printed = test::run(print_command, "print", {"--utc", "--format", "json", folder});
    EXPECT_EQ(printed.status, 0) << printed.err;
    // The source has no clock, copies have one that stands.
    for (std::size_t at; (at = printed.out.find("\"time\":0,")) != std::string::npos;) printed.out.erase(at, 9);
    return printed.out;
  };
  const auto copy = [](const std::string& version, const std::string& from, const std::string& to) { return test::run(convert_command, "convert", {"--to", version, "-o", to, from}); };
  const std::string whole = print(trace.folder());
  EXPECT_NE(whole.find("\"wide\":\"h\u00e9\",\"sized\":\"a\u00e9\""), std::string::npos) << whole;
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 3) << whole;
  EXPECT_NE(whole.find("-9223372036854775808"), std::string::npos) << whole;
  const test::Outcome first = copy("ctf2", trace.folder(), trace.file("first"));
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(print(trace.file("first")), whole);
  ASSERT_EQ(copy("ctf2", trace.file("first"), trace.file("second")).status, 0);
  EXPECT_EQ(print(trace.file("second")), whole);
  EXPECT_NE(trace.read("first/metadata").find("image/png"), std::string::npos);
  EXPECT_NE(trace.read("first/metadata").find("variable-length-signed-integer"), std::string::npos);
  // What CTF 1.8 can say in another way, it does.
  trace.write("metadata", json("{'type': 'preamble', 'version': 2}") + json("{'type': 'trace-class'}") + json("{'type': 'data-stream-class'}") +
                              json("{'type': 'event-record-class', 'name': 'e', 'payload-field-class': {'type': 'structure', 'member-classes': [" + member("n", "{'type': 'variable-length-signed-integer'}") + "," +
                                   member("r", big("unsigned-integer", 16, ", 'bit-order': 'first-to-last'")) + "]}}"));
  trace.write("s", std::string("\x80\x7f\x12\x34", 4));
  const test::Outcome said = copy("ctf1.8", trace.folder(), trace.file("said"));
  ASSERT_EQ(said.status, 0) << said.err;
  EXPECT_EQ(print(trace.file("said")), print(trace.folder()));
  EXPECT_NE(print(trace.folder()).find("\"n\":-128"), std::string::npos) << print(trace.folder());
}

TEST(ConvertKinds, OfCtf2AreRefusedForCtf1) {
  TestTrace trace(format::test::description({}));
  trace.write("metadata", json("{'type': 'preamble', 'version': 2}") + json("{'type': 'trace-class'}") + json("{'type': 'data-stream-class'}") +
                              json("{'type': 'event-record-class', 'name': 'e', 'payload-field-class': {'type': 'structure', 'member-classes': [{'name': 'b', 'field-class': " + fixed("boolean", 8) + "}]}}"));
  trace.write("s", std::string("\1"));
  const test::Outcome old = test::run(convert_command, "convert", {"--to", "ctf1.8", "-o", trace.file("old"), trace.folder()});
  EXPECT_EQ(old.status, 1);
  EXPECT_NE(old.err.find("is of a kind that CTF 1.8 does not have"), std::string::npos) << old.err;
}

}  // namespace
}  // namespace ouro::cli
