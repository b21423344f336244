// A small trace with every kind of type, cut off at every byte and with every bit flipped, metadata and stream: reading ends, stays within the bytes (seen by
// AddressSanitizer), gives values that hang together, in order of time, and says so if something is wrong.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "format/test_trace.hpp"
#include "read/stream_reader.hpp"

namespace ouro::read {
namespace {

using format::test::Bytes;

const std::string kMetadata = R"(/* CTF 1.8 */
trace { major = 1; minor = 8; byte_order = le; packet.header := struct { integer { size = 32; } magic; integer { size = 32; } stream_id; }; };
clock { name = c; freq = 1000000; };
typealias integer { size = 8; } := u8;
typealias integer { size = 16; byte_order = be; } := u16;
typealias integer { size = 32; align = 32; } := u32;
stream { id = 0;
  packet.context := struct { u32 content_size; u32 packet_size; integer { size = 64; map = clock.c.value; } timestamp_begin;
                             integer { size = 64; map = clock.c.value; } timestamp_end; u32 packet_seq_num; };
  event.header := struct { enum : u8 { few = 0 ... 9, many = 255 } id;
                           variant <id> { struct { integer { size = 24; map = clock.c.value; } stamp; } few;
                                          struct { u32 id; integer { size = 64; map = clock.c.value; } stamp; } many; } v; };
  event.context := struct { integer { size = 32; signed = true; } tid; }; };
event { name = fixed; id = 1; stream_id = 0;
  fields := struct { u16 a; u32 b; floating_point { exp_dig = 8; mant_dig = 24; } f; u8 three[3]; integer { size = 8; encoding = UTF8; } t[5]; }; };
event { name = bits; id = 2; stream_id = 0;
  fields := struct { integer { size = 3; align = 1; } x; integer { size = 13; align = 1; signed = true; } y; u8 z; }; };
event { name = texts; id = 3; stream_id = 0;
  fields := struct { string s; u8 n; integer { size = 8; encoding = UTF8; } t[n]; u16 numbers[n]; u32 m; }; };
event { name = nested; id = 4; stream_id = 0;
  fields := struct { enum : u8 { number = 0, pair = 1 ... 3, list = 4 } tag; u8 n;
                     variant <tag> { u32 number; struct { u16 a; string b; } pair; struct { u8 k; struct { u8 p; u16 q; } inner[k]; } list[n]; } v; u8 last; }; };
)";

constexpr std::size_t kHeader = 36;

Bytes packet(std::uint32_t number, std::uint64_t begin) {
  Bytes events;
  const auto header = [&](std::uint8_t id, std::uint32_t stamp) {
    events.put(id).put(static_cast<std::uint8_t>(stamp)).put(static_cast<std::uint8_t>(stamp >> 8)).put(static_cast<std::uint8_t>(stamp >> 16)).put(std::int32_t{77});
  };
  const auto pad = [&] { while ((kHeader + events.size()) % 4 != 0) events.put(std::uint8_t{0}); };
  auto stamp = static_cast<std::uint32_t>(begin);
  header(1, stamp++);
  pad();
  events.put(std::uint16_t{1});
  pad();
  events.put(std::uint32_t{2}).put(1.5F).put(std::uint8_t{1}).put(std::uint8_t{2}).put(std::uint8_t{3}).raw("ab\0cd", 5);
  header(2, stamp++);
  events.put(std::uint16_t{0x1234}).put(std::uint8_t{9});
  header(3, stamp++);
  pad();
  events.text("a text").put(std::uint8_t{2}).raw("hi", 2).put(std::uint16_t{1}).put(std::uint16_t{2});
  pad();
  events.put(std::uint32_t{5});
  header(4, stamp++);
  events.put(std::uint8_t{4}).put(std::uint8_t{2});
  for (const std::uint8_t k : {std::uint8_t{1}, std::uint8_t{2}}) {
    events.put(k);
    for (std::uint8_t i = 0; i < k; ++i) events.put(i).put(std::uint16_t{i});
  }
  events.put(std::uint8_t{1});
  header(4, stamp++);
  events.put(std::uint8_t{2}).put(std::uint8_t{0}).put(std::uint16_t{3}).text("b").put(std::uint8_t{1});
  const auto bits = static_cast<std::uint32_t>((kHeader + events.size()) * 8);
  Bytes out;
  out.put(std::uint32_t{0xc1fc1fc1}).put(std::uint32_t{0}).put(bits).put(bits).put(begin).put(begin + 50).put(number);
  return out.add(events);
}

struct Outcome {
  bool understood = false;
  std::uint64_t events = 0, damage = 0;
};

std::size_t check_values(std::span<const Value> values) {
  std::size_t sum = 0;
  for (std::size_t at = 0; at < values.size(); ++at) {
    const Value& value = values[at];
    EXPECT_GE(value.nodes, 1u);
    EXPECT_LE(at + value.nodes, values.size());
    if (value.kind() == Kind::string)
      for (const char c : value.text()) sum += static_cast<unsigned char>(c);
    if (value.kind() == Kind::enumeration) sum += value.label().size();
    for (std::uint32_t i = 0; value.is_packed() && i < value.count; ++i) sum += value.element(i).u != 0;
    if (value.nodes == 1) continue;
    std::size_t child = at + 1;
    for (std::uint32_t i = 0; i < value.count; ++i) child += values[child].nodes;
    EXPECT_EQ(child, at + value.nodes);
  }
  return sum;
}

Outcome read_all(std::string_view metadata_bytes, std::string_view stream_bytes) {
  Outcome out;
  const Result<Metadata> metadata = parse_metadata(metadata_bytes);
  if (!metadata) return out;
  out.understood = true;
  const std::unique_ptr<char[]> exact(new char[stream_bytes.size()]);
  std::memcpy(exact.get(), stream_bytes.data(), stream_bytes.size());
  Stream info;
  DamageLog log;
  StreamReader reader(*metadata, info, {exact.get(), stream_bytes.size()}, &log);
  std::uint64_t last = 0;
  while (reader.peek()) {
    const Event& event = reader.take();
    ++out.events;
    EXPECT_GE(event.ticks, last);
    last = event.ticks;
    check_values(event.context());
    check_values(event.fields());
  }
  out.damage = log.count();
  return out;
}

class Hostile : public testing::Test {
 protected:
  Hostile() {
    for (std::uint32_t i = 0; i < 3; ++i) {
      const Bytes bytes = packet(i, 100 + 100 * i);
      stream_.append(reinterpret_cast<const char*>(bytes.get().data()), bytes.size());
    }
  }
  std::string stream_;
};

TEST_F(Hostile, WhatIsSoundIsReadWhole) {
  const Outcome all = read_all(kMetadata, stream_);
  ASSERT_TRUE(all.understood) << parse_metadata(kMetadata).error().text;
  EXPECT_EQ(all.events, 15u);
  EXPECT_EQ(all.damage, 0u);
}

TEST_F(Hostile, StreamsCutOffAtEveryByte) {
  std::uint64_t before = 0;
  for (std::size_t size = 0; size < stream_.size(); ++size) {
    const Outcome out = read_all(kMetadata, std::string_view(stream_).substr(0, size));
    EXPECT_GE(out.events, before) << size;  // more bytes, no fewer events
    EXPECT_EQ(out.damage == 0, size % (stream_.size() / 3) == 0) << size;
    before = out.events;
  }
}

TEST_F(Hostile, StreamsWithEveryBitFlipped) {
  for (std::size_t bit = 0; bit < stream_.size() * 8; ++bit) {
    std::string flipped = stream_;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    const Outcome out = read_all(kMetadata, flipped);
    EXPECT_LE(out.events, 16u) << bit;
    EXPECT_GE(out.events, 9u) << bit;  // two packets of three are whole, or one and what it can tell
    EXPECT_TRUE(out.events == 15 || out.damage != 0) << bit;
  }
}

TEST_F(Hostile, MetadataCutOffAtEveryByte) {
  for (std::size_t size = 0; size < kMetadata.size(); ++size) read_all(kMetadata.substr(0, size), stream_);
}

TEST_F(Hostile, MetadataWithEveryBitFlipped) {
  for (std::size_t bit = 0; bit < kMetadata.size() * 8; ++bit) {
    std::string flipped = kMetadata;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    read_all(flipped, stream_);
  }
}

}  // namespace
}  // namespace ouro::read
