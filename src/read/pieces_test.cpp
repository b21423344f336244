// Traces that follow each other in a folder are read as one; compressed streams as if they were not.
#include <gtest/gtest.h>
#include <zstd.h>

#include <filesystem>

#include <ouro/read.hpp>

#include "format/pieces.hpp"
#include "format/test_trace.hpp"

namespace ouro::read {
namespace {

using format::test::Bytes;
using format::test::description;
using format::test::TestTrace;

format::TraceDescription one_number(const char* event = "t:n") {
  format::EventClass type{event, abi::EventKind::point, abi::Level::info, "a.cpp", 7, {{"n", abi::FieldType::u32, abi::FieldShape::scalar, false, 0, {}}}};
  return description({{5, std::move(type)}});
}

class Pieces : public testing::Test {
 protected:
  Pieces() : folder_(one_number()) { std::filesystem::remove(folder_.file("metadata")); }

  // A trace with these events: their stamps are their numbers.
  std::string add(std::uint64_t number, const std::vector<std::uint32_t>& stamps, const char* event = "t:n", bool is_part = false) {
    const std::string name = format::piece_name(1'577'836'800, number) + (is_part ? ".part" : "");
    std::filesystem::create_directory(folder_.file(name));
    folder_.write(name + "/metadata", format::metadata_text(one_number(event)));
    add_stream(name + "/stream_cpu0", stamps);
    return name;
  }
  void add_stream(const std::string& name, const std::vector<std::uint32_t>& stamps) {
    Bytes records;
    for (const std::uint32_t stamp : stamps) records.add(Bytes().compact(5, stamp, 1).put(stamp));
    if (!stamps.empty()) folder_.packet(name, {.timestamp_begin = stamps.front(), .timestamp_end = stamps.back(), .events_discarded = 3}, records.get());
  }
  void compress(const std::string& name, std::size_t cut = 0) {
    const std::string bytes = folder_.read(name);
    std::string out(ZSTD_compressBound(bytes.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3) - cut);
    folder_.write(name + ".zst", out);
    std::filesystem::remove(folder_.file(name));
  }
  std::vector<std::uint64_t> numbers(Trace& trace) {
    std::vector<std::uint64_t> out;
    while (const Event* event = trace.next()) {
      EXPECT_EQ(&trace.classes()[event->type->index].name == &event->type->name || trace.classes()[event->type->index].name == event->type->name, true);
      out.push_back(event->fields()[0].u);
    }
    return out;
  }

  TestTrace folder_;
};
using Numbers = std::vector<std::uint64_t>;

//  000001   1 2 3     6
//  000002         4 5   7 8         around a seam, one ring ended earlier than the other
//  000003                   9
TEST_F(Pieces, AreReadAsOneInTheOrderOfTime) {
  add(1, {1, 2, 3, 6});
  add(2, {4, 5, 7, 8}, "t:other");
  add(3, {9}, "t:n", true);
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(numbers(*trace), (Numbers{1, 2, 3, 4, 5, 6, 7, 8, 9}));
    std::uint64_t events = 0, lost = 0;
    for (const Stream& stream : trace->streams()) events += stream.events, lost += stream.events_discarded;
    EXPECT_EQ(events, 9u);
    EXPECT_EQ(lost, 9u);
    trace->rewind();
  }
  EXPECT_TRUE(trace->complete());
  EXPECT_EQ(trace->event_streams(), 1u);  // one ring
  EXPECT_EQ(trace->streams()[0].file, "20200101T000000Z-000001/stream_cpu0");
}

TEST_F(Pieces, ThatWereRemovedOrAreEmptyAreNoDamage) {
  add(1, {1});
  std::filesystem::create_directory(folder_.file("20200101T000000Z-000002"));
  add(3, {});
  add(4, {2, 3});
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  EXPECT_EQ(numbers(*trace), (Numbers{1, 2, 3}));
  EXPECT_TRUE(trace->complete());
}

TEST_F(Pieces, DamageIsNamedWithItsTrace) {
  add(1, {1, 2});
  const std::string name = add(2, {3, 4});
  folder_.write(name + "/stream_cpu0", folder_.read(name + "/stream_cpu0").substr(0, 100));
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  EXPECT_EQ(numbers(*trace), (Numbers{1, 2, 3}));
  ASSERT_FALSE(trace->complete());
  EXPECT_EQ(trace->damage()[0].file, name + "/stream_cpu0");
}

TEST_F(Pieces, CompressedStreamsAreReadAsTheyWere) {
  for (std::uint64_t i = 1; i < 6; ++i) compress(add(i, {static_cast<std::uint32_t>(i)}) + "/stream_cpu0");
  const std::string plain = add(6, {6});
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  for (int round = 0; round < 2; ++round, trace->rewind()) EXPECT_EQ(numbers(*trace), (Numbers{1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(trace->complete());
  EXPECT_EQ(trace->event_streams(), 1u);
}

// Its recorder was killed before the first was removed.
TEST_F(Pieces, AStreamThatIsThereTwiceIsReadOnce) {
  const std::string name = add(1, {1, 2});
  const std::string bytes = folder_.read(name + "/stream_cpu0");
  compress(name + "/stream_cpu0");
  folder_.write(name + "/stream_cpu0", bytes);
  folder_.write(name + "/.stream_cpu1.zst.new", "half of");
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  EXPECT_EQ(numbers(*trace), (Numbers{1, 2}));
  EXPECT_TRUE(trace->complete());
}

TEST_F(Pieces, OfADamagedCompressedStreamWhatIsSoundIsRead) {
  const std::string name = add(1, {});
  std::vector<std::uint32_t> stamps;
  for (std::uint32_t n = 0; n < 300'000; ++n) stamps.push_back(n * 7);
  for (std::size_t i = 0; i < 30; ++i)
    add_stream(name + "/stream_cpu0", {stamps.begin() + static_cast<std::ptrdiff_t>(i * 10'000), stamps.begin() + static_cast<std::ptrdiff_t>((i + 1) * 10'000)});
  compress(name + "/stream_cpu0", 100);
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  const Numbers seen = numbers(*trace);
  EXPECT_GT(seen.size(), 100'000u);
  EXPECT_LT(seen.size(), 300'000u);
  ASSERT_FALSE(trace->complete());
  EXPECT_NE(trace->damage()[0].text.find("it is cut off; of "), std::string::npos) << trace->damage()[0].text;
}

TEST_F(Pieces, WhatIsNoZstdIsDamage) {
  const std::string name = add(1, {1});
  for (const std::string& text : {std::string(), std::string("hello"), std::string("\x28\xb5\x2f\xfd", 4), std::string("\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", 14)}) {
    folder_.write(name + "/stream_cpu1.zst", text);
    Result<Trace> trace = Trace::open(folder_.folder());
    ASSERT_TRUE(trace) << trace.error().text;
    EXPECT_EQ(numbers(*trace), Numbers{1});
    EXPECT_EQ(trace->damage_count(), 1u) << text;
  }
}

}  // namespace
}  // namespace ouro::read
