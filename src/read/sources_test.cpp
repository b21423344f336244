// Traces below a folder, and several folders, are read as one; seeking finds the first event at a time without reading what is before.
#include <gtest/gtest.h>

#include <filesystem>

#include <ouro/read.hpp>

#include "format/pieces.hpp"
#include "format/test_trace.hpp"

namespace ouro::read {
namespace {

using format::test::Bytes;
using format::test::description;
using format::test::TestTrace;
using Numbers = std::vector<std::uint64_t>;

constexpr std::int64_t kBegin = 1'577'836'800'000'000'000;  // tick 0 of test traces

format::TraceDescription one_number(const char* event = "t:n") {
  format::EventClass type{event, abi::EventKind::point, abi::Level::info, "a.cpp", 7, {{"n", abi::FieldType::u32, abi::FieldShape::scalar, false, 0, {}}}};
  return description({{5, std::move(type)}});
}

class Sources : public testing::Test {
 protected:
  Sources() : folder_(one_number()) { std::filesystem::remove(folder_.file("metadata")); }

  void add_trace(const std::string& name, const char* event = "t:n") {
    std::filesystem::create_directories(folder_.file(name));
    folder_.write(name + "/metadata", format::metadata_text(one_number(event)));
  }
  // Events whose stamps are their numbers.
  void add_packet(const std::string& stream, const Numbers& stamps) {
    Bytes records;
    for (const std::uint64_t stamp : stamps) records.add(Bytes().compact(5, stamp, 1).put(static_cast<std::uint32_t>(stamp)));
    folder_.packet(stream, {.timestamp_begin = stamps.front(), .timestamp_end = stamps.back(), .packet_seq_num = packets_++}, records.get());
  }
  static Numbers rest(Trace& trace) {
    Numbers out;
    while (const Event* event = trace.next()) out.push_back(event->fields()[0].u);
    return out;
  }

  TestTrace folder_;
  std::uint64_t packets_ = 0;
};

TEST_F(Sources, AtAnyDepthBelowAFolderAreReadAsOne) {
  add_trace("ust/uid/0/64-bit");
  add_packet("ust/uid/0/64-bit/c_0", {1, 4});
  add_trace("kernel", "t:other");
  add_packet("kernel/c_0", {2, 3, 5});
  std::filesystem::create_directories(folder_.file("kernel/index"));
  folder_.write("kernel/index/c_0.idx", "no stream");
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  ASSERT_EQ(trace->sources().size(), 2u);
  EXPECT_EQ(trace->sources()[0].folder, folder_.file("kernel"));
  EXPECT_EQ(trace->streams()[1].file, "ust/uid/0/64-bit/c_0");
  EXPECT_EQ(trace->streams()[1].source, 1u);
  for (int round = 0; round < 2; ++round, trace->rewind()) EXPECT_EQ(rest(*trace), (Numbers{1, 2, 3, 4, 5}));
  EXPECT_TRUE(trace->complete());
}

TEST_F(Sources, InSeveralFoldersAreReadAsOne) {
  add_trace("a");
  add_packet("a/stream_cpu0", {1, 4});
  add_trace("b");
  add_packet("b/stream_cpu0", {2, 3, 5});
  Result<Trace> trace = Trace::open({folder_.file("a"), folder_.file("b")});
  ASSERT_TRUE(trace) << trace.error().text;
  EXPECT_EQ(trace->streams()[0].file, folder_.file("a/stream_cpu0"));
  EXPECT_EQ(rest(*trace), (Numbers{1, 2, 3, 4, 5}));
}

// Two rotated recordings of the same time: each of them is a chain, and both go on side by side.
TEST_F(Sources, MayBeRotatedRecordingsSideBySide) {
  for (const std::uint64_t number : {1u, 2u, 3u})
    for (const std::string side : {"left", "right"}) {
      const std::string name = side + "/" + format::piece_name(1'577'836'800, number);
      add_trace(name);
      const std::uint64_t at = number * 10 + (side == "left" ? 0 : 1);
      add_packet(name + "/stream_cpu0", {at, at + 5});
    }
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  EXPECT_EQ(rest(*trace), (Numbers{10, 11, 15, 16, 20, 21, 25, 26, 30, 31, 35, 36}));
  trace->seek(kBegin + 26);
  EXPECT_EQ(rest(*trace), (Numbers{26, 30, 31, 35, 36}));
}

// As LTTng's snapshots of one session: the same uuid, and packets that are in both.
TEST_F(Sources, ThatOverlapGiveEachPacketOnce) {
  add_trace("first");
  add_trace("second");
  add_packet("first/c_0", {1, 2});
  for (const Numbers& stamps : {Numbers{3, 4}, Numbers{5, 6}}) {
    add_packet("first/c_0", stamps);
    --packets_;
    add_packet("second/c_0", stamps);
  }
  add_packet("second/c_0", {7, 8});
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  for (int round = 0; round < 2; ++round, trace->rewind()) EXPECT_EQ(rest(*trace), (Numbers{1, 2, 3, 4, 5, 6, 7, 8}));
  trace->seek(kBegin + 4);
  EXPECT_EQ(rest(*trace), (Numbers{4, 5, 6, 7, 8}));
  EXPECT_TRUE(trace->complete());
}

TEST_F(Sources, OfWhichOneCannotBeUnderstoodAreReadWithoutIt) {
  add_trace("a");
  add_packet("a/stream_cpu0", {1, 2});
  add_trace("b");
  folder_.write("b/metadata", "/* CTF 1.8 */ nonsense");
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  EXPECT_EQ(rest(*trace), (Numbers{1, 2}));
  ASSERT_FALSE(trace->complete());
  EXPECT_EQ(trace->damage()[0].file, "b/metadata");
}

TEST_F(Sources, ThatAreNotThereAreAnError) {
  std::filesystem::create_directory(folder_.file("empty"));
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_FALSE(trace);
  EXPECT_NE(trace.error().text.find("has a file 'metadata'"), std::string::npos) << trace.error().text;
  EXPECT_FALSE(Trace::open(std::vector<std::string>{}));
}

class Seeking : public Sources {
 protected:
  Seeking() {
    add_trace("t");
    add_packet("t/stream_cpu0", {1, 5, 9});
    packets_ = 0;
    for (const Numbers& stamps : {Numbers{2, 3}, Numbers{4, 6}, Numbers{8, 10, 12}}) add_packet("t/stream_cpu1", stamps);
  }
};

TEST_F(Seeking, GivesTheFirstEventAtOrAfterATime) {
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  const Numbers all = {1, 2, 3, 4, 5, 6, 8, 9, 10, 12};
  for (std::uint64_t from = 0; from < 14; ++from) {
    trace->seek(kBegin + static_cast<std::int64_t>(from));
    Numbers wanted;
    for (const std::uint64_t n : all)
      if (n >= from) wanted.push_back(n);
    EXPECT_EQ(rest(*trace), wanted) << from;
  }
  trace->rewind();
  EXPECT_EQ(rest(*trace), all);
  EXPECT_TRUE(trace->complete());
}

TEST_F(Seeking, DoesNotReadThePacketsBefore) {
  std::string bytes = folder_.read("t/stream_cpu1");
  bytes.replace(bytes.size() / 3 - 4, 4, "\xff\xff\xff\xff");  // inside the first packet
  folder_.write("t/stream_cpu1", bytes);
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  trace->seek(kBegin + 8);
  EXPECT_EQ(rest(*trace), (Numbers{8, 9, 10, 12}));
  EXPECT_EQ(trace->streams()[1].packets, 1u);
}

// The next packet begins at the time of the last event.
TEST_F(Seeking, APacketMayEndWhereTheNextOneBegins) {
  add_packet("t/stream_cpu1", {12, 13});
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  trace->seek(kBegin + 12);
  EXPECT_EQ(rest(*trace), (Numbers{12, 12, 13}));
}

// Each part is read with a trace of its own: all events, and each once.
TEST_F(Seeking, PartsAreTheWhole) {
  for (std::uint64_t n = 20; n < 400; n += 3) add_packet("t/stream_cpu1", {n, n + 1, n + 3});
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  const Numbers all = rest(*trace);
  std::vector<std::int64_t> cuts = trace->cuts(200);
  EXPECT_GT(cuts.size(), 10u);
  cuts.push_back(INT64_MAX);
  Numbers seen;
  std::int64_t begin = INT64_MIN;
  for (const std::int64_t end : cuts) {
    Result<Trace> part = Trace::open(folder_.folder());
    ASSERT_TRUE(part);
    part->seek(begin);
    for (const Event* event; (event = part->next()) != nullptr && event->time_ns < end;) seen.push_back(event->fields()[0].u);
    begin = end;
  }
  EXPECT_EQ(seen, all);
}

TEST_F(Seeking, WhatCannotBePartedIsNot) {
  const auto cuts = [&] { return Trace::open(folder_.folder())->cuts(1).size(); };
  EXPECT_GT(cuts(), 0u);
  EXPECT_EQ(Trace::open(folder_.folder())->cuts(1 << 20).size(), 0u);
  const std::string sound = folder_.read("t/stream_cpu1");
  folder_.write("t/stream_cpu1", sound + "garbage");
  EXPECT_EQ(cuts(), 0u);
  folder_.write("t/stream_cpu1", sound);
  add_packet("t/stream_cpu1", {11, 15});  // begins before the end of the one ahead of it
  EXPECT_EQ(cuts(), 0u);
}

TEST_F(Seeking, TheTimeRangeIsThatOfTheEvents) {
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace) << trace.error().text;
  EXPECT_EQ(trace->next()->fields()[0].u, 1u);
  const std::optional<TimeRange> range = trace->time_range();
  ASSERT_TRUE(range);
  EXPECT_EQ(range->begin_ns, kBegin + 1);
  EXPECT_EQ(range->end_ns, kBegin + 12);
  EXPECT_EQ(trace->next()->fields()[0].u, 2u);  // reading goes on where it was

  add_trace("none");
  Result<Trace> none = Trace::open(folder_.file("none"));
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->time_range());
}

}  // namespace
}  // namespace ouro::read
