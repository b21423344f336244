#include "record/event_counts.hpp"

#include <gtest/gtest.h>

#include <random>

#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using format::Field;
using format::test::Bytes;
using test::FakeProgram;
using test::small_session;
using test::TestFolder;

Field field(abi::FieldType type, abi::FieldShape shape = abi::FieldShape::scalar, std::uint32_t count = 0) {
  return {"f" + std::to_string(static_cast<int>(type)) + std::to_string(static_cast<int>(shape)),
          type,
          shape,
          false,
          count,
          {}};
}

// Events 0: {}, 1: {u64}, 2: {u8, string, u32}, 3: {f64[3], u16[], string}.
class EventCountsTest : public testing::Test {
 protected:
  EventCountsTest()
      : session_(std::move(*Session::create(folder_.runtime(), options()))),
        program_(session_),
        events_(session_),
        counts_(events_) {
    using abi::FieldShape;
    using abi::FieldType;
    program_.add_event(0, "test:empty", {});
    program_.add_event(1, "test:number", {field(FieldType::u64)});
    program_.add_event(2, "test:text", {field(FieldType::u8), field(FieldType::string), field(FieldType::u32)});
    program_.add_event(3, "test:all",
                       {field(FieldType::f64, FieldShape::array, 3), field(FieldType::u16, FieldShape::sequence),
                        field(FieldType::string)});
  }
  static SessionOptions options() {
    SessionOptions out = small_session();
    out.event_capacity = 2048;
    return out;
  }
  static Bytes empty() { return Bytes().compact(0, 1, 42); }
  static Bytes number() { return Bytes().compact(1, 1, 42).put(std::uint64_t{7}); }
  static Bytes text(const std::string& text) {
    return Bytes().compact(2, 1, 42).put(std::uint8_t{1}).text(text).put(std::uint32_t{2});
  }
  static Bytes all(std::uint32_t length) {
    Bytes out = Bytes().extended(3, 99, 42).put(1.0).put(2.0).put(3.0).put(length);
    for (std::uint32_t i = 0; i < length; ++i) out.put(static_cast<std::uint16_t>(0xffff));
    return out.text("end");
  }
  std::string counted() const {
    std::string out;
    for (std::uint32_t i = 0; i < 4; ++i) out += (i == 0 ? "" : " ") + std::to_string(counts_.of(i));
    return out;
  }

  TestFolder folder_;
  Session session_;
  FakeProgram program_;
  EventTable events_;
  EventCounts counts_;
};

TEST_F(EventCountsTest, EachRecordCountsForItsEvent) {
  EXPECT_EQ(counts_.add(Bytes()
                            .add(number())
                            .add(text(""))
                            .add(empty())
                            .add(all(0))
                            .add(text("abc"))
                            .add(all(5))
                            .add(number())
                            .get()),
            std::nullopt);
  EXPECT_EQ(counted(), "1 2 2 2");
  EXPECT_EQ(counts_.add({}), std::nullopt);
  EXPECT_EQ(counts_.add(number().get()), std::nullopt);
  EXPECT_EQ(counted(), "1 3 2 2");
}

TEST_F(EventCountsTest, AnEventMayJoinTheTableWhileRecordingGoesOn) {
  EXPECT_EQ(counts_.add(number().get()), std::nullopt);
  program_.add_event(4, "test:late", {field(abi::FieldType::u16)});
  EXPECT_EQ(counts_.add(Bytes().compact(4, 1, 42).put(std::uint16_t{1}).add(number()).get()), std::nullopt);
  EXPECT_EQ(counts_.of(4), 1u);
  EXPECT_EQ(counts_.of(1), 2u);
}

TEST_F(EventCountsTest, IdsBeyondTheCompactOnesHaveExtendedHeaders) {
  for (std::uint32_t row = 4; row < 1030; ++row) program_.event(row).state.store(abi::row_claimed);
  program_.add_event(1030, "test:far", {field(abi::FieldType::u64)});
  EXPECT_EQ(counts_.add(Bytes().extended(1030, 1, 42).put(std::uint64_t{1}).add(number()).get()), std::nullopt);
  EXPECT_EQ(counts_.of(1030), 1u);
  EXPECT_EQ(counts_.of(1), 1u);
}

TEST_F(EventCountsTest, WhatMakesNoSenseIsNamedAndEndsThePacketOnly) {
  const auto trouble = [&](const Bytes& bytes) { return counts_.add(bytes.get()).value_or("none"); };
  EXPECT_EQ(trouble(Bytes().add(number()).compact(77, 1, 42)),
            "byte 16 of a packet of 24: event 77 is not in the session's table");
  EXPECT_EQ(trouble(Bytes().extended(4'000'000'000, 1, 42)),
            "byte 0 of a packet of 20: event 4000000000 is not in the session's table");
  EXPECT_EQ(trouble(Bytes().compact(1, 1, 42).put(std::uint32_t{7})),
            "byte 0 of a packet of 12: event 1 does not end before the packet does");
  EXPECT_EQ(trouble(Bytes().compact(2, 1, 42).put(std::uint8_t{1}).put('a')),
            "byte 0 of a packet of 10: event 2 does not end before the packet does");
  EXPECT_EQ(trouble(Bytes().compact(3, 1, 42).put(1.0).put(2.0).put(3.0).put(0xffffffffu)),
            "byte 0 of a packet of 36: event 3 does not end before the packet does");
  EXPECT_EQ(trouble(Bytes().put(std::uint16_t{1})), "byte 0 of a packet of 2: no room for a record's header");
  EXPECT_EQ(trouble(Bytes().put(std::uint32_t{1023}).put(std::uint32_t{1})),
            "byte 0 of a packet of 8: no room for a record's extended header");
  EXPECT_EQ(counted(), "0 1 0 0");
  EXPECT_EQ(trouble(number()), "none");
}

TEST_F(EventCountsTest, NoBytesReadBeyondThePacketsEnd) {
  std::mt19937 random(1);
  const Bytes whole = Bytes().add(all(3)).add(text("some text")).add(number()).add(empty());
  for (std::size_t size = 0; size < whole.size(); ++size)  // exactly as large: a sanitizer sees what is beyond
    counts_.add(std::vector<std::byte>(whole.get().begin(), whole.get().begin() + static_cast<std::ptrdiff_t>(size)));
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> bytes = whole.get();
    for (int flips = 0; flips < 3; ++flips) bytes[random() % bytes.size()] ^= static_cast<std::byte>(1 << random() % 8);
    counts_.add(bytes);
  }
}

TEST_F(EventCountsTest, CountsAreInTheSessionsTable) {
  counts_.add(Bytes().add(number()).add(number()).add(empty()).get());
  EXPECT_EQ(session_.event(1).count.load(), 0u);
  counts_.publish(session_);
  EXPECT_EQ(session_.event(0).count.load(), 1u);
  EXPECT_EQ(session_.event(1).count.load(), 2u);
  EXPECT_EQ(session_.event(2).count.load(), 0u);
}

// Records at 100, 110, 120, 130, a dead writer's between the second and the third.
TEST_F(EventCountsTest, WithinATimeAreWholeRecordsOfItOnly) {
  const auto at = [](std::uint64_t stamp) { return Bytes().compact(1, stamp, 42).put(stamp); };
  const Bytes first = at(100), second = Bytes().compact(2, 110, 42).put(std::uint8_t{1}).text("text").put(std::uint32_t{2}), third = at(120);
  const Bytes fourth = Bytes().extended(1, 130, 42).put(std::uint64_t{130});
  const auto joined = [](std::initializer_list<const Bytes*> parts) {
    std::vector<std::byte> out;
    for (const Bytes* part : parts) out.insert(out.end(), part->get().begin(), part->get().end());
    return out;
  };
  const Bytes dead = Bytes().put(std::uint32_t{1u << 10 | 1023}).put(std::uint32_t{24}).put(std::uint64_t{0}).put(std::uint64_t{0});
  const std::vector<std::byte> packet = joined({&first, &second, &dead, &third, &fourth});
  const auto expect = [&](std::uint64_t from, std::uint64_t until, std::initializer_list<const Bytes*> parts, std::uint64_t before) {
    const EventCounts::Within part = counts_.within(packet, 100, from, until);
    EXPECT_EQ(std::vector<std::byte>(part.bytes.begin(), part.bytes.end()), joined(parts)) << from << " to " << until;
    EXPECT_EQ(part.records, parts.size());
    EXPECT_EQ(part.before, before);
    EXPECT_EQ(part.trouble, "");
  };
  expect(0, 1000, {&first, &second, &third, &fourth}, 0);
  expect(110, 120, {&second, &third}, 1);
  expect(111, 129, {&third}, 2);
  expect(0, 110, {&first, &second}, 0);
  expect(131, 1000, {}, 4);
  EXPECT_EQ(counts_.within(packet, 100, 110, 125).begin_stamp, 110u);
  EXPECT_EQ(counts_.within(packet, 100, 110, 125).end_stamp, 120u);
  EXPECT_EQ(counted(), "0 0 0 0") << "looking counts nothing";
}

TEST_F(EventCountsTest, WhatMakesNoSenseEndsATime) {
  Bytes packet = Bytes().compact(1, 100, 42).put(std::uint64_t{7});
  const std::size_t good = packet.get().size();
  packet.compact(9, 101, 42);
  const EventCounts::Within part = counts_.within(packet.get(), 100, 0, 1000);
  EXPECT_EQ(part.bytes.size(), good);
  EXPECT_EQ(part.records, 1u);
  EXPECT_NE(part.trouble.find("byte " + std::to_string(good)), std::string::npos) << part.trouble;
}

// A trace with such records would be damaged.
TEST_F(EventCountsTest, StampsThatGoBackEndATime) {
  Bytes packet = Bytes().extended(1, 110, 42).put(std::uint64_t{7});
  const std::size_t good = packet.get().size();
  packet.extended(1, 109, 42).put(std::uint64_t{8});
  const EventCounts::Within part = counts_.within(packet.get(), 100, 0, 1000);
  EXPECT_EQ(part.bytes.size(), good);
  EXPECT_EQ(part.trouble, "byte 28 of a packet of 56 begins a record of tick 109, want none before tick 110");
  EXPECT_EQ(counts_.within(packet.get(), 111, 0, 1000).records, 0u) << "before its packet";
  EXPECT_EQ(counts_.within(packet.get(), 100, 0, 1000, 111).records, 0u) << "before the end of the packet ahead of it";
}

}  // namespace
}  // namespace ouro::record
