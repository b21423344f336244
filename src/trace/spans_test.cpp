#include "trace/spans.hpp"

#include <gtest/gtest.h>

namespace ouro::trace {
namespace {

constexpr std::uint32_t kA = 7, kB = 8;

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

}  // namespace
}  // namespace ouro::trace
