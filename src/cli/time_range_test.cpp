// Times as people type them, against a trace that begins and ends at known ones.
#include "cli/time_range.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace ouro::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 1'577'836'800 * kSecond;  // 2020-01-01 00:00 UTC
constexpr std::int64_t kFirst = kDay + 50'000 * kSecond, kLast = kFirst + 60 * kSecond;  // 13:53:20 to 13:54:20

std::int64_t begin_at(const std::string& text, bool utc = true, std::int64_t first = kFirst, std::int64_t last = kLast) {
  Result<TimeRange> range = TimeRange::parse(text, "", utc);
  if (!range) return -1;
  range->resolve(first, last);
  return range->begin_ns();
}

TEST(TimeRange, ATimeOfDayIsOfTheDayOnWhichTheTraceBegins) {
  EXPECT_EQ(begin_at("13:53:30"), kFirst + 10 * kSecond);
  EXPECT_EQ(begin_at("13:54"), kFirst + 40 * kSecond);
  EXPECT_EQ(begin_at("13:53:30.25"), kFirst + 10'250'000'000);
  EXPECT_EQ(begin_at("9:00:00"), kDay + 9 * 3600 * kSecond);  // before the trace: still that day
}

TEST(TimeRange, ATimeBehindMidnightIsOfTheNextDayIfTheTraceLastsUntilThen) {
  EXPECT_EQ(begin_at("00:10:00", true, kFirst, kFirst + 86'000 * kSecond), kDay + 87'000 * kSecond);
  EXPECT_EQ(begin_at("00:10:00"), kDay + 600 * kSecond);
}

TEST(TimeRange, DatesAreLocalUnlessSaidOtherwise) {
  ::setenv("TZ", "UTC-2", 1);  // two hours east
  ::tzset();
  EXPECT_EQ(begin_at("2020-01-01T13:53:20"), kFirst);
  EXPECT_EQ(begin_at("2020-01-01 15:53:20.5", false), kFirst + kSecond / 2);
  EXPECT_EQ(begin_at("2020-01-01T13:53:20Z", false), kFirst);
  EXPECT_EQ(begin_at("2020-01-02"), kDay + 86'400 * kSecond);
  EXPECT_EQ(begin_at("15:53:20", false), kFirst);
  EXPECT_EQ(begin_at("13:53:20Z", false), kFirst);
  ::unsetenv("TZ");
  ::tzset();
}

TEST(TimeRange, SecondsSince1970StandWithoutATrace) {
  const Result<TimeRange> range = TimeRange::parse("1577886800.000000001", "1577886860");
  ASSERT_TRUE(range);
  EXPECT_FALSE(range->needs_begin() || range->needs_end());
  EXPECT_EQ(range->begin_ns(), kFirst + 1);
  EXPECT_EQ(range->end_ns(), kLast);
}

TEST(TimeRange, DistancesCountFromTheTracesEnds) {
  EXPECT_EQ(begin_at("+1.5s"), kFirst + 1'500'000'000);
  EXPECT_EQ(begin_at("+1.5"), kFirst + 1'500'000'000);
  EXPECT_EQ(begin_at("+300ms"), kFirst + 300'000'000);
  EXPECT_EQ(begin_at("+0.5m"), kFirst + 30 * kSecond);
  EXPECT_EQ(begin_at("-2s"), kLast - 2 * kSecond);
  EXPECT_EQ(begin_at("-7ns"), kLast - 7);
  EXPECT_TRUE(TimeRange::parse("-2s", "")->needs_end());
  EXPECT_FALSE(TimeRange::parse("+2s", "")->needs_end());
}

TEST(TimeRange, BothEndsBelongToIt) {
  Result<TimeRange> range = TimeRange::parse("+1s", "-1s");
  ASSERT_TRUE(range);
  range->resolve(kFirst, kLast);
  EXPECT_TRUE(range->contains(kFirst + kSecond));
  EXPECT_TRUE(range->contains(kLast - kSecond));
  EXPECT_FALSE(range->contains(kFirst + kSecond - 1));
  EXPECT_FALSE(range->contains(kLast - kSecond + 1));
  EXPECT_TRUE(range->is_over(kLast));
  EXPECT_TRUE(TimeRange::parse("", "")->is_open());
}

TEST(TimeRange, WhatIsNoTimeIsRefusedWithWhatIsWanted) {
  for (const char* text : {"yesterday", "25:00:00", "14:60:00", ":", "+", "-", "+1.s", "+1parsec", "+99999999999h", "2020-13-01", "2020-01-01T", "2020-01-01x",
                           "14:03:22.", "1577886800.", "14:03:22 ", "+1e9", "99999999999"}) {
    const Result<TimePoint> point = parse_time_point(text, true);
    ASSERT_FALSE(point) << text;
    EXPECT_NE(point.error().text.find("want as 14:03:22.5"), std::string::npos);
  }
}

}  // namespace
}  // namespace ouro::cli
