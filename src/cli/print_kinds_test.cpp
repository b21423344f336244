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

}  // namespace
}  // namespace ouro::cli
