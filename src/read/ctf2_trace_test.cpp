// Whole traces of CTF 2: packets and headers by their roles, and the same bytes under metadata of CTF 1.8.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "read/test_values.hpp"

namespace ouro::read {
namespace {

using format::test::Bytes;
using format::test::TestTrace;

std::string json(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return "\x1e" + text + "\n";
}

std::string bytes_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.get().data()), bytes.size()}; }

// Events, one line each, and what is wrong.
std::vector<std::string> read_all(const std::string& metadata, const Bytes& stream) {
  TestTrace folder(format::test::description({}));
  folder.write("metadata", metadata);
  folder.write("s", bytes_of(stream));
  Result<Trace> trace = Trace::open(folder.folder());
  if (!trace) return {trace.error().text.substr(trace.error().text.find("metadata"))};
  std::vector<std::string> out;
  while (const Event* event = trace->next()) {
    std::string line = std::to_string(event->time_ns) + " " + event->type->name + " cpu=" + std::to_string(event->cpu) + " tid=" + std::to_string(event->tid);
    for (const auto& values : {event->context(), event->fields()})
      for (const Value& value : values) line.append(" ").append(value.name()).append("=").append(test::text_of(value));
    out.push_back(line);
  }
  for (const Damage& damage : trace->damage()) out.push_back("damage: " + damage.text);
  for (const Stream& info : trace->streams())
    out.push_back("packets=" + std::to_string(info.packets) + " discarded=" + std::to_string(info.events_discarded) + " missing=" + std::to_string(info.packets_missing));
  return out;
}

// Names say nothing here: all is told by roles. The packet's stream class and instance are in LEB128, so are its sizes.
const std::string kByRoles =
    json("{'type': 'preamble', 'version': 2, 'uuid': [48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102]}") +
    json("{'type': 'field-class-alias', 'name': 'u32', 'field-class': {'type': 'fixed-length-unsigned-integer', 'length': 32, 'byte-order': 'little-endian', 'alignment': 8}}") +
    json("{'type': 'trace-class', 'packet-header-field-class': {'type': 'structure', 'member-classes': ["
         "{'name': 'the magic!', 'field-class': {'type': 'fixed-length-unsigned-integer', 'length': 32, 'byte-order': 'little-endian', 'roles': ['packet-magic-number']}},"
         "{'name': 'the UUID', 'field-class': {'type': 'static-length-blob', 'length': 16, 'roles': ['metadata-stream-uuid']}},"
         "{'name': 'my class', 'field-class': {'type': 'variable-length-unsigned-integer', 'roles': ['data-stream-class-id', 'of no meaning']}},"
         "{'name': 'my id', 'field-class': {'type': 'variable-length-unsigned-integer', 'roles': ['data-stream-id']}}]}}") +
    json("{'type': 'clock-class', 'id': 'c', 'frequency': 1000000000, 'origin': 'unix-epoch', 'offset-from-origin': {'seconds': 5}}") +
    json("{'type': 'data-stream-class', 'id': 200, 'default-clock-class-id': 'c', 'packet-context-field-class': {'type': 'structure', 'member-classes': ["
         "{'name': 'a', 'field-class': {'type': 'fixed-length-unsigned-integer', 'length': 64, 'byte-order': 'little-endian', 'roles': ['default-clock-timestamp']}},"
         "{'name': 'b', 'field-class': {'type': 'fixed-length-unsigned-integer', 'length': 64, 'byte-order': 'little-endian', 'roles': ['packet-end-default-clock-timestamp']}},"
         "{'name': 'timestamp_begin', 'field-class': 'u32'},"
         "{'name': 'c', 'field-class': {'type': 'fixed-length-unsigned-integer', 'length': 32, 'byte-order': 'big-endian', 'roles': ['packet-total-length']}},"
         "{'name': 'd', 'field-class': {'type': 'fixed-length-unsigned-integer', 'length': 32, 'byte-order': 'little-endian', 'roles': ['packet-content-length']}},"
         "{'name': 'e', 'field-class': {'type': 'variable-length-unsigned-integer', 'roles': ['packet-sequence-number']}},"
         "{'name': 'f', 'field-class': {'type': 'variable-length-unsigned-integer', 'roles': ['discarded-event-record-counter-snapshot']}},"
         "{'name': 'cpu_id', 'field-class': 'u32'}]},"
         "'event-record-header-field-class': {'type': 'structure', 'member-classes': ["
         "{'name': 'x', 'field-class': {'type': 'variable-length-unsigned-integer', 'roles': ['event-record-class-id']}},"
         "{'name': 'y', 'field-class': {'type': 'variable-length-unsigned-integer', 'roles': ['default-clock-timestamp']}}]},"
         "'event-record-common-context-field-class': {'type': 'structure', 'member-classes': [{'name': 'vtid', 'field-class': 'u32'}]}}") +
    json("{'type': 'event-record-class', 'id': 300, 'data-stream-class-id': 200, 'name': 'big', 'payload-field-class': {'type': 'structure', 'member-classes': [{'name': 'n', 'field-class': 'u32'}]}}") +
    json("{'type': 'event-record-class', 'id': 1, 'data-stream-class-id': 200, 'name': 'small'}");

Bytes leb128(std::uint64_t value) {
  Bytes out;
  for (; value >= 0x80; value >>= 7) out.put(static_cast<std::uint8_t>(value | 0x80));
  return out.put(static_cast<std::uint8_t>(value));
}

Bytes packet_by_roles(std::uint8_t seq_num, std::uint8_t discarded, std::uint64_t begin, std::uint64_t end, const Bytes& events, const char* uuid = "0123456789abcdef") {
  const auto content = static_cast<std::uint32_t>(4 + 16 + 2 + 1 + 16 + 4 + 8 + 2 + 4 + events.size());
  return Bytes().put(std::uint32_t{0xc1fc1fc1}).raw(uuid, 16).add(leb128(200)).put(std::uint8_t{9}).put(begin).put(end).put(std::uint32_t{77}).put(__builtin_bswap32((content + 3) * 8)).put(content * 8)
      .put(seq_num).put(discarded).put(std::uint32_t{3}).add(events).raw("\xff\xff\xff", 3);
}

TEST(Ctf2Trace, RolesSayWhatNamesDoNot) {
  Bytes first, second;
  // Stamps are the low 7 or 14 bits of the clock: 1000, 1005, 1132 - one turn of the 7 bits - and 17000, a turn of the 14.
  first.add(leb128(300)).add(leb128(1000)).put(std::uint32_t{41}).put(std::uint32_t{7});
  first.put(std::uint8_t{1}).put(std::uint8_t{1005 & 127}).put(std::uint32_t{42});
  first.put(std::uint8_t{1}).put(std::uint8_t{1132 & 127}).put(std::uint32_t{42});
  second.put(std::uint8_t{1}).add(leb128(17000 & 16383)).put(std::uint32_t{43});
  const Bytes all = packet_by_roles(1, 2, 900, 1200, first).add(packet_by_roles(3, 5, 2000, 17001, second));
  EXPECT_EQ(read_all(kByRoles, all), (std::vector<std::string>{"5000001000 big cpu=3 tid=41 vtid=41 n=7", "5000001005 small cpu=3 tid=42 vtid=42", "5000001132 small cpu=3 tid=42 vtid=42",
                                                               "5000017000 small cpu=3 tid=43 vtid=43", "damage: s, byte 84: packet 3 follows packet 1: 1 missing", "packets=2 discarded=5 missing=1"}));
}

TEST(Ctf2Trace, PacketsOfOtherTracesAreNamed) {
  const std::vector<std::string> got = read_all(kByRoles, packet_by_roles(0, 0, 1, 2, Bytes(), "fedcba9876543210"));
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got[0], "damage: s, byte 0: packet has another trace's uuid; 60 bytes skipped");
}

// Whatever is cut off or changed: all that comes out is what was written, or is named.
TEST(Ctf2Trace, CutOffAnywhereItIsReadToThere) {
  Bytes events;
  for (int i = 0; i < 3; ++i) events.put(std::uint8_t{1}).add(leb128(static_cast<std::uint64_t>(1000 + i))).put(std::uint32_t{42});
  const std::string whole = bytes_of(packet_by_roles(0, 0, 900, 1200, events));
  std::size_t most = 0;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::vector<std::string> got = read_all(kByRoles, Bytes().raw(whole.data(), size));
    std::size_t count = 0;
    for (const std::string& line : got) count += line.find(" small ") != std::string::npos ? 1 : 0;
    EXPECT_GE(count, most) << size;
    most = std::max(most, count);
    const bool is_damaged = std::any_of(got.begin(), got.end(), [](const std::string& line) { return line.starts_with("damage:"); });
    EXPECT_EQ(is_damaged, size != 0 && size != whole.size()) << size;
  }
  EXPECT_EQ(most, 3u);
}

TEST(Ctf2Trace, MetadataCutOffOrChangedAnywhereIsRefusedOrRead) {
  const Bytes stream = packet_by_roles(0, 0, 900, 1200, Bytes().put(std::uint8_t{1}).add(leb128(1000)).put(std::uint32_t{42}));
  for (std::size_t size = 1; size < kByRoles.size(); size += 7) {
    const Result<Metadata> metadata = parse_metadata(std::string_view(kByRoles).substr(0, size));
    EXPECT_TRUE(metadata || metadata.error().text.starts_with("metadata line ")) << metadata.error().text;
  }
  std::string changed = kByRoles;
  for (std::size_t i = 0; i < changed.size(); i += 5) {
    for (const char c : {'\0', '"', '}', '9', '\x1e', '\xff'}) {
      changed[i] = c;
      const Result<Metadata> metadata = parse_metadata(changed);
      EXPECT_TRUE(metadata || !metadata.error().text.empty());
    }
    changed[i] = kByRoles[i];
  }
  EXPECT_EQ(read_all(kByRoles, stream).size(), 2u);
}

// Of half the metadata, what it says.
TEST(Ctf2Trace, CutOffMetadataGivesTheEventsItStillKnows) {
  Bytes events;
  events.add(leb128(300)).add(leb128(1000)).put(std::uint32_t{41}).put(std::uint32_t{7}).put(std::uint8_t{1}).put(std::uint8_t{1005 & 127}).put(std::uint32_t{42});
  const Bytes stream = packet_by_roles(0, 0, 900, 1200, events);
  const std::vector<std::string> got = read_all(kByRoles.substr(0, kByRoles.size() - 20), stream);
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[0], "5000001000 big cpu=3 tid=41 vtid=41 n=7");
  EXPECT_TRUE(got[1].starts_with("damage: metadata, byte 0: metadata line 7: no JSON at its byte ")) << got[1];
  EXPECT_TRUE(got[1].ends_with("; what stands ahead of it holds")) << got[1];
  EXPECT_TRUE(got[2].starts_with("damage: s, byte 69: event has id 1, which the metadata does not declare")) << got[2];

  const std::string tsdl = "/* CTF 1.8 */\ntrace { major = 1; minor = 8; byte_order = le; };\ntypealias integer { size = 8; } := u8;\nstream { event.header := struct { u8 id; }; };\n"
                           "event { id = 0; name = a; fields := struct { u8 x; }; };\nevent { id = 1; name = \"b";
  EXPECT_EQ(read_all(tsdl, Bytes().put(std::uint8_t{0}).put(std::uint8_t{5})),
            (std::vector<std::string>{"0 a cpu=-1 tid=-1 x=5", "damage: metadata, byte 0: metadata line 6: text does not end; what stands ahead of it holds", "packets=1 discarded=0 missing=0"}));
  // Without a stream nothing can be read.
  EXPECT_EQ(read_all(tsdl.substr(0, 30), Bytes()), (std::vector<std::string>{"metadata line 2: the end, want a value"}));
}

// LTTng's compact header, sequences, enumerations and variants, told in both languages.
TEST(Ctf2Trace, TheSameBytesAreTheSameEventsInBothLanguages) {
  const std::string tsdl = R"(/* CTF 1.8 */
typealias integer { size = 8; align = 8; } := u8;
typealias integer { size = 32; align = 8; } := u32;
typealias integer { size = 64; align = 8; } := u64;
trace { major = 1; minor = 8; byte_order = le; uuid = "30313233-3435-3637-3839-616263646566";
  packet.header := struct { u32 magic; u8 uuid[16]; u32 stream_id; }; };
clock { name = c; freq = 1000000000; offset_s = 5; };
typealias integer { size = 27; align = 1; map = clock.c.value; } := u27c;
typealias integer { size = 64; align = 8; map = clock.c.value; } := u64c;
stream { id = 2;
  packet.context := struct { u64c timestamp_begin; u64c timestamp_end; u64 content_size; u64 packet_size; u64 packet_seq_num; u64 events_discarded; u32 cpu_id; };
  event.header := struct {
    enum : integer { size = 5; } { compact = 0 ... 30, extended = 31 } id;
    variant <id> { struct { u27c timestamp; } compact; struct { u32 id; u64c timestamp; } extended; } v;
  } align(8);
  event.context := struct { integer { size = 32; align = 8; signed = true; } _vtid; }; };
event { id = 1; stream_id = 2; name = "first"; fields := struct {
  enum : integer { size = 8; signed = true; } { cold = -10 ... -1, warm = 5, both = 5 ... 6 } _t;
  u8 _n; u32 _v[_n]; integer { size = 8; encoding = UTF8; } _s[4]; string _w; floating_point { exp_dig = 8; mant_dig = 24; byte_order = be; } _f;
  enum : u8 { number = 0, word = 1 } _tag; variant <_tag> { u32 number; string word; } _x; }; };
event { id = 40; stream_id = 2; name = "second"; fields := struct { integer { size = 3; byte_order = be; } _a; integer { size = 13; byte_order = be; } _b; struct { u8 _c; } _d[2]; }; };
)";
  const std::string u8 = "{'type': 'fixed-length-unsigned-integer', 'length': 8, 'byte-order': 'little-endian', 'alignment': 8}";
  const auto number = [](int bits, int align, const std::string& more) {
    return "{'type': 'fixed-length-unsigned-integer', 'length': " + std::to_string(bits) + ", 'byte-order': 'little-endian', 'alignment': " + std::to_string(align) + more + "}";
  };
  const auto role = [](const std::string& name) { return ", 'roles': ['" + name + "']"; };
  const auto member = [](const std::string& name, const std::string& fc) { return "{'name': '" + name + "', 'field-class': " + fc + "}"; };
  const auto structure = [](const std::string& members, const std::string& more = "") { return "{'type': 'structure', 'member-classes': [" + members + "]" + more + "}"; };
  const std::string ctf2 =
      json("{'type': 'preamble', 'version': 2, 'uuid': [48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102]}") +
      json("{'type': 'trace-class', 'packet-header-field-class': " +
           structure(member("magic", number(32, 8, role("packet-magic-number"))) + "," + member("uuid", "{'type': 'static-length-blob', 'length': 16, 'roles': ['metadata-stream-uuid']}") + "," +
                     member("stream_id", number(32, 8, role("data-stream-class-id")))) + "}") +
      json("{'type': 'clock-class', 'id': 'c', 'frequency': 1000000000, 'offset-from-origin': {'seconds': 5}}") +
      json("{'type': 'data-stream-class', 'id': 2, 'default-clock-class-id': 'c', 'packet-context-field-class': " +
           structure(member("b", number(64, 8, role("default-clock-timestamp"))) + "," + member("e", number(64, 8, role("packet-end-default-clock-timestamp"))) + "," +
                     member("c", number(64, 8, role("packet-content-length"))) + "," + member("p", number(64, 8, role("packet-total-length"))) + "," +
                     member("s", number(64, 8, role("packet-sequence-number"))) + "," + member("d", number(64, 8, role("discarded-event-record-counter-snapshot"))) + "," +
                     member("cpu_id", number(32, 8, ""))) +
           ", 'event-record-header-field-class': " +
           structure(member("id", number(5, 1, ", 'mappings': {'compact': [[0, 30]], 'extended': [[31, 31]]}" + role("event-record-class-id"))) + "," +
                         member("v", "{'type': 'variant', 'selector-field-location': {'origin': 'event-record-header', 'path': ['id']}, 'options': ["
                                     "{'name': 'compact', 'selector-field-ranges': [[0, 30]], 'field-class': " + structure(member("timestamp", number(27, 1, role("default-clock-timestamp")))) + "},"
                                     "{'name': 'extended', 'selector-field-ranges': [[31, 31]], 'field-class': " +
                                         structure(member("id", number(32, 8, role("event-record-class-id"))) + "," + member("timestamp", number(64, 8, role("default-clock-timestamp")))) + "}]}"),
                     ", 'minimum-alignment': 8") +
           ", 'event-record-common-context-field-class': " +
           structure(member("vtid", "{'type': 'fixed-length-signed-integer', 'length': 32, 'byte-order': 'little-endian', 'alignment': 8}")) + "}") +
      json("{'type': 'event-record-class', 'id': 1, 'data-stream-class-id': 2, 'name': 'first', 'payload-field-class': " +
           structure(member("t", "{'type': 'fixed-length-signed-integer', 'length': 8, 'byte-order': 'little-endian', 'mappings': {'cold': [[-10, -1]], 'warm': [[5, 5]], 'both': [[5, 6]]}}") + "," + member("n", u8) + "," +
                     member("v", "{'type': 'dynamic-length-array', 'length-field-location': {'path': ['n']}, 'element-field-class': " + number(32, 8, "") + "}") + "," +
                     member("s", "{'type': 'static-length-string', 'length': 4}") + "," + member("w", "{'type': 'null-terminated-string'}") + "," +
                     member("f", "{'type': 'fixed-length-floating-point-number', 'length': 32, 'byte-order': 'big-endian'}") + "," + member("tag", number(8, 8, ", 'mappings': {'number': [[0, 0]], 'word': [[1, 1]]}")) + "," +
                     member("x", "{'type': 'variant', 'selector-field-location': {'path': ['tag']}, 'options': [{'name': 'number', 'selector-field-ranges': [[0, 0]], 'field-class': " + number(32, 8, "") +
                                     "}, {'name': 'word', 'selector-field-ranges': [[1, 1]], 'field-class': {'type': 'null-terminated-string'}}]}")) + "}") +
      json("{'type': 'event-record-class', 'id': 40, 'data-stream-class-id': 2, 'name': 'second', 'payload-field-class': " +
           structure(member("a", "{'type': 'fixed-length-unsigned-integer', 'length': 3, 'byte-order': 'big-endian'}") + "," + member("b", "{'type': 'fixed-length-unsigned-integer', 'length': 13, 'byte-order': 'big-endian'}") + "," +
                     member("d", "{'type': 'static-length-array', 'length': 2, 'element-field-class': " + structure(member("c", u8)) + "}")) + "}");
  Bytes events;
  const auto first = [&](std::uint32_t stamp, std::int8_t t, std::uint8_t tag) {
    events.put(1u | stamp << 5).put(std::int32_t{77}).put(t).put(std::uint8_t{2}).put(std::uint32_t{8}).put(std::uint32_t{9}).raw("ab\0d", 4).text("word").put(__builtin_bswap32(0x3f800000)).put(tag);
  };
  first(1000, -3, 0);
  events.put(std::uint32_t{123456});
  first(1001, 5, 1);
  events.text("hello");
  events.put(std::uint8_t{31}).put(std::uint32_t{40}).put(std::uint64_t{2000}).put(std::int32_t{-1}).put(std::uint8_t{0xa1}).put(std::uint8_t{0x02}).put(std::uint8_t{1}).put(std::uint8_t{2});
  first(2001, 0, 1);
  events.text("");
  const std::uint64_t bits = (4 + 16 + 4 + 6 * 8 + 4 + events.size()) * 8;
  const Bytes stream = Bytes().put(std::uint32_t{0xc1fc1fc1}).raw("0123456789abcdef", 16).put(std::uint32_t{2}).put(std::uint64_t{900}).put(std::uint64_t{3000}).put(bits).put(bits).put(std::uint64_t{0}).put(std::uint64_t{0})
                           .put(std::uint32_t{1}).add(events);
  const std::vector<std::string> old_way = read_all(tsdl, stream), new_way = read_all(ctf2, stream);
  EXPECT_EQ(old_way, (std::vector<std::string>{"5000001000 first cpu=1 tid=77 vtid=77 t=cold n=2 v=[2]:8:9 s=ab w=word f=1.000000 tag=number x=| number=123456",
                                               "5000001001 first cpu=1 tid=77 vtid=77 t=warm/both n=2 v=[2]:8:9 s=ab w=word f=1.000000 tag=word x=| word=hello",
                                               "5000002000 second cpu=1 tid=-1 vtid=-1 a=5 b=258 d=[2] ={1} c=1 ={1} c=2",
                                               "5000002001 first cpu=1 tid=77 vtid=77 t= n=2 v=[2]:8:9 s=ab w=word f=1.000000 tag=word x=| word=", "packets=1 discarded=0 missing=0"}));
  EXPECT_EQ(new_way, old_way);
  // The header is taken by a load in both.
  EXPECT_NE(parse_metadata(ctf2)->streams[0].compact.bits, 0u);
}

}  // namespace
}  // namespace ouro::read
