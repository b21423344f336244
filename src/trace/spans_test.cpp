#include "trace/spans.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace ouro::trace {
namespace {

constexpr std::uint32_t kA = 7, kB = 8;

bool end_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t& begin) {
  std::uint32_t place;
  return trace::end_span(open, span, begin, place);
}

TEST(Spans, AnEndFindsItsBegin) {
  detail::OpenSpans open;
  std::uint64_t begin = 0;
  begin_span(open, kA, 100);
  begin_span(open, kB, 200);
  ASSERT_TRUE(end_span(open, kB, begin));
  EXPECT_EQ(begin, 200u);
  ASSERT_TRUE(end_span(open, kA, begin));
  EXPECT_EQ(begin, 100u);
  EXPECT_FALSE(end_span(open, kA, begin));
}

TEST(Spans, OneInItselfEndsFirst) {
  detail::OpenSpans open;
  std::uint64_t begin = 0;
  for (const std::uint64_t at : {1u, 2u, 3u}) begin_span(open, kA, at);
  for (const std::uint64_t at : {3u, 2u, 1u}) {
    ASSERT_TRUE(end_span(open, kA, begin));
    EXPECT_EQ(begin, at);
  }
}

TEST(Spans, WhatWasLeftAboveIsForgotten) {
  detail::OpenSpans open;
  std::uint64_t begin = 0;
  begin_span(open, kA, 1);
  for (int i = 0; i < 5; ++i) begin_span(open, kB, 2);
  ASSERT_TRUE(end_span(open, kA, begin));
  EXPECT_EQ(begin, 1u);
  EXPECT_FALSE(end_span(open, kB, begin));
}

TEST(Spans, OfTooManyTheOldestAreNotKnown) {
  detail::OpenSpans open;
  std::uint64_t begin = 0;
  for (std::uint64_t at = 0; at < 20; ++at) begin_span(open, kA, at);
  for (std::uint64_t at = 20; at-- > 20 - detail::kOpenSpans;) {
    ASSERT_TRUE(end_span(open, kA, begin));
    EXPECT_EQ(begin, at);
  }
  EXPECT_FALSE(end_span(open, kA, begin));
  begin_span(open, kA, 99);
  ASSERT_TRUE(end_span(open, kA, begin));
  EXPECT_EQ(begin, 99u);
}

TEST(Spans, AHandlersSpansLeaveNoTrace) {
  detail::OpenSpans open;
  std::uint64_t begin = 0;
  open.begun = ~std::uint32_t{0} - 2;  // it wraps around
  begin_span(open, kA, 1);
  for (int i = 0; i < 100; ++i) {
    begin_span(open, kB, 2);
    ASSERT_TRUE(end_span(open, kB, begin));
  }
  ASSERT_TRUE(end_span(open, kA, begin));
  EXPECT_EQ(begin, 1u);
}

// What a begin had, as its end finds it; "-": nothing.
class Kept {
 public:
  void keep(const OpenSpan& open, const std::string& payload, std::uint32_t id = 0) {
    keep_begin(places_.get(), open, id, reinterpret_cast<const std::byte*>(payload.data()), payload.size());
  }
  std::string find(const OpenSpan& open) const {
    std::uint32_t id = 0;
    return find(open, id);
  }
  std::string find(const OpenSpan& open, std::uint32_t& id) const {
    std::array<std::byte, kKeptBytes> bytes;
    std::size_t size = 0;
    if (!find_begin(places_.get(), open, id, bytes.data(), size)) return "-";
    return {reinterpret_cast<const char*>(bytes.data()), size};
  }

 private:
  std::unique_ptr<KeptBegin[]> places_ = std::make_unique<KeptBegin[]>(kKeptBegins);
};

TEST(KeptBegins, AreFoundByTheirOwnEnd) {
  detail::OpenSpans open;
  Kept kept;
  const OpenSpan outer{4711, begin_span(open, kA, 100), kA, 100}, inner{4711, begin_span(open, kA, 200), kA, 200}, other{4712, 0, kA, 100};
  kept.keep(outer, "the outer one's fields", 5);
  kept.keep(inner, "");
  kept.keep(other, std::string(kKeptBytes + 1, 'x'));
  EXPECT_EQ(kept.find(inner), "");
  std::uint32_t id = 0;
  EXPECT_EQ(kept.find(outer, id), "the outer one's fields");
  EXPECT_EQ(id, 5u);
  EXPECT_EQ(kept.find(other), std::string(kKeptBytes, 'x'));
  EXPECT_EQ(kept.find({4711, outer.place, kB, 100}), "-") << "another span";
  EXPECT_EQ(kept.find({4711, outer.place, kA, 101}), "-") << "an earlier one";
  EXPECT_EQ(kept.find({4713, outer.place, kA, 100}), "-") << "another thread's";
  std::uint64_t begin = 0;
  std::uint32_t place = 9;
  ASSERT_TRUE(trace::end_span(open, kA, begin, place));
  EXPECT_EQ(place, inner.place);
  ASSERT_TRUE(trace::end_span(open, kA, begin, place));
  EXPECT_EQ(place, outer.place);
}

TEST(KeptBegins, AThreadOnTheSamePlaceTakesIt) {
  Kept kept;
  const OpenSpan first{1, 0, kA, 100}, second{1 + kKeptBegins / detail::kOpenSpans, 0, kA, 100};
  kept.keep(first, "first");
  kept.keep(second, "second");
  EXPECT_EQ(kept.find(first), "-");
  EXPECT_EQ(kept.find(second), "second");
}

// Two threads on one place: each finds its own bytes, whole, or nothing.
TEST(KeptBegins, AreNeverMixed) {
  Kept kept;
  std::atomic<std::uint64_t> found = 0, mixed = 0;
  const auto run = [&](std::uint32_t tid, char letter) {
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const OpenSpan open{tid, 0, kA, i};
      const std::string payload(100 + i % 100, letter);
      kept.keep(open, payload);
      const std::string there = kept.find(open);
      found += there == payload;
      mixed += there != payload && there != "-";
    }
  };
  std::thread other(run, 1 + kKeptBegins / detail::kOpenSpans, 'b');
  run(1, 'a');
  other.join();
  EXPECT_EQ(mixed, 0u);
  EXPECT_GT(found, 0u);
}

}  // namespace
}  // namespace ouro::trace
