// A stream that is not there, or that ends between two packets, looks whole by itself. Recorders say how many packets there were: ours in ouro_state, LTTng in its
// indexes.
#include <endian.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "format/test_trace.hpp"

namespace ouro::read {
namespace {

using format::test::Bytes;
using format::test::TestTrace;

class Missing : public testing::Test {
 protected:
  // Four packets of ten events in each of two files.
  Missing() : folder_(format::test::one_number()) {
    for (const char* name : {"stream_cpu0", "stream_cpu1"})
      for (std::uint64_t p = 0; p < 4; ++p) {
        Bytes events;
        for (std::uint32_t i = 0; i < 10; ++i) events.compact(5, 1000 + 100 * p + i, 1).put(i);
        size_ = format::kPacketHeaderSize + events.size();
        folder_.packet(name, {.timestamp_begin = 1000 + 100 * p, .timestamp_end = 1099 + 100 * p, .packet_seq_num = p}, events.get());
      }
  }
  void state_packets(std::uint64_t count) {
    std::vector<std::byte> state;
    format::append_stream(state, 2000, "stream_cpu0", count);
    format::append_stream(state, 2000, "stream_cpu1", count);
    folder_.packet("ouro_state", {.stream_id = 1, .timestamp_begin = 2000, .timestamp_end = 2000}, state);
  }
  // As LTTng's relayd and consumerd write it: all big endian.
  void index_packets(const std::string& name, std::uint64_t count) {
    Bytes index;
    for (const std::uint32_t word : {0xc1f1dcc1u, 1u, 1u, 72u}) index.put(htobe32(word));
    for (std::uint64_t p = 0; p < count; ++p)
      for (const std::uint64_t word : {p * size_, size_ * 8, size_ * 8, 1000 + 100 * p, 1099 + 100 * p, std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{0}, p}) index.put(htobe64(word));
    std::filesystem::create_directory(folder_.file("index"));
    folder_.write("index/" + name + ".idx", {reinterpret_cast<const char*>(index.get().data()), index.size()});
  }
  void cut(std::uint64_t packets) { std::filesystem::resize_file(folder_.file("stream_cpu1"), packets * size_); }

  Trace open() { return std::move(*Trace::open(folder_.folder())); }
  static std::uint64_t events_of(Trace& trace) {
    std::uint64_t out = 0;
    while (const Event* event = trace.next()) out += !event->type->is_state;
    return out;
  }
  static std::vector<std::string> damage_of(const Trace& trace) {
    std::vector<std::string> out;
    for (const Damage& damage : trace.damage()) out.push_back(damage.text);
    return out;
  }

  TestTrace folder_;
  std::uint64_t size_ = 0;
};

TEST_F(Missing, NothingIs) {
  state_packets(4);
  Trace trace = open();
  EXPECT_EQ(events_of(trace), 80u);
  EXPECT_TRUE(trace.complete());
  EXPECT_FALSE(trace.cuts(1).empty());
}

TEST_F(Missing, PacketsAtTheEndAreMissedOnceAndOnlyByThoseWhoReadFromTheBegin) {
  state_packets(4);
  cut(3);
  Trace trace = open();
  EXPECT_TRUE(trace.cuts(1).empty());
  trace.seek(INT64_MIN + 1);
  EXPECT_EQ(events_of(trace), 70u);
  EXPECT_TRUE(trace.complete());
  for (int round = 0; round < 2; ++round) {
    trace.rewind();
    EXPECT_EQ(events_of(trace), 70u);
    EXPECT_EQ(damage_of(trace), std::vector<std::string>{"stream_cpu1, byte " + std::to_string(3 * size_) + ": the file ends here; 1 of its 4 packets are missing"});
    for (const Stream& stream : trace.streams()) EXPECT_EQ(stream.packets_missing, stream.file == "stream_cpu1" ? 1u : 0u);
  }
}

TEST_F(Missing, AnEmptyFileAndNone) {
  state_packets(4);
  cut(0);
  Trace empty = open();
  EXPECT_EQ(events_of(empty), 40u);
  EXPECT_EQ(damage_of(empty), std::vector<std::string>{"stream_cpu1, byte 0: the file ends here; 4 of its 4 packets are missing"});
  std::filesystem::remove(folder_.file("stream_cpu1"));
  Trace none = open();
  EXPECT_EQ(events_of(none), 40u);
  EXPECT_EQ(damage_of(none), std::vector<std::string>{"stream_cpu1, byte 0: the file is not there; it had 4 packets"});
}

TEST_F(Missing, GapsAreNotMissedTwice) {
  state_packets(4);
  const std::string bytes = folder_.read("stream_cpu1");
  folder_.write("stream_cpu1", bytes.substr(0, size_) + bytes.substr(2 * size_));
  Trace trace = open();
  EXPECT_EQ(events_of(trace), 70u);
  EXPECT_EQ(trace.damage_count(), 1u);
  EXPECT_NE(trace.damage()[0].text.find("packet 2 follows packet 0: 1 missing"), std::string::npos) << trace.damage()[0].text;
}

TEST_F(Missing, LttngsIndexesKnowIt) {
  index_packets("stream_cpu0", 4);
  index_packets("stream_cpu1", 4);
  index_packets("stream_cpu2", 3);
  cut(1);
  Trace trace = open();
  EXPECT_EQ(events_of(trace), 50u);
  EXPECT_EQ(damage_of(trace), (std::vector<std::string>{"stream_cpu2, byte 0: the file is not there; it had 3 packets",
                                                        "stream_cpu1, byte " + std::to_string(size_) + ": the file ends here; 3 of its 4 packets are missing"}));
}

// As while a trace is being recorded: what is counted may be less than what is there.
TEST_F(Missing, NobodyMissesWhatIsThereAndNotYetCounted) {
  state_packets(2);
  Trace trace = open();
  EXPECT_EQ(events_of(trace), 80u);
  EXPECT_TRUE(trace.complete());
}

}  // namespace
}  // namespace ouro::read
