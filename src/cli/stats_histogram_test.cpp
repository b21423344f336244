#include "cli/stats_histogram.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace ouro::cli {
namespace {

double error_of(std::uint64_t value) {
  const std::uint64_t shown = Histogram::middle_of(Histogram::index_of(value));
  const std::uint64_t distance = shown > value ? shown - value : value - shown;
  return value == 0 ? static_cast<double>(distance) : static_cast<double>(distance) / static_cast<double>(value);
}

TEST(Histogram, SmallValuesAreExact) {
  for (std::uint64_t value = 0; value < 128; ++value) EXPECT_EQ(error_of(value), 0) << value;
}

TEST(Histogram, NoValueIsOffByMoreThanOneIn64) {
  for (int bits = 7; bits < 64; ++bits) {
    const std::uint64_t power = std::uint64_t{1} << bits;
    for (const std::uint64_t value : {power - 1, power, power + 1, power + power / 2, power + (power - 1)})
      EXPECT_LE(error_of(value), 1.0 / 64) << value;
  }
  EXPECT_LT(Histogram::index_of(~std::uint64_t{0}), 3776u);
}

TEST(Histogram, BucketsFollowEachOtherWithoutAGap) {
  for (std::size_t index = 0; index < 3775; ++index) {
    EXPECT_EQ(Histogram::index_of(Histogram::middle_of(index)), index);
    EXPECT_LT(Histogram::middle_of(index), Histogram::middle_of(index + 1));
  }
}

TEST(Histogram, QuantilesAgreeWithASortedList) {
  std::mt19937_64 random(5);
  std::lognormal_distribution<double> latency(9, 2);
  Histogram histogram;
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 100000; ++i) {
    all.push_back(static_cast<std::uint64_t>(latency(random)));
    histogram.add(all.back());
  }
  std::sort(all.begin(), all.end());
  for (const double part : {0.001, 0.5, 0.9, 0.99, 0.999, 0.99999}) {
    const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(all.size())));
    const auto exact = static_cast<double>(all[rank - 1]);
    EXPECT_NEAR(static_cast<double>(histogram.quantile(part)), exact, exact / 64) << part;
  }
  EXPECT_EQ(histogram.min(), all.front());
  EXPECT_EQ(histogram.max(), all.back());
  EXPECT_EQ(histogram.quantile(1), all.back());
}

TEST(Histogram, OneValueIsEveryQuantile) {
  Histogram histogram;
  histogram.add(123456789);
  EXPECT_EQ(histogram.quantile(0), 123456789u);
  EXPECT_EQ(histogram.quantile(0.999), 123456789u);
}

TEST(Histogram, WithoutValuesThereIsNothing) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.quantile(0.5), 0u);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(Histogram, MergedItIsAsIfAllHadBeenAddedToOne) {
  Histogram one, other, all, empty;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const std::uint64_t value = i * i * 7919 % 1'000'003;
    (i % 3 == 0 ? one : other).add(value);
    all.add(value);
  }
  one.merge(other);
  one.merge(empty);
  empty.merge(all);
  for (const Histogram* merged : {&one, &empty}) {
    EXPECT_EQ(merged->count(), all.count());
    EXPECT_EQ(merged->total(), all.total());
    EXPECT_EQ(merged->min(), all.min());
    EXPECT_EQ(merged->max(), all.max());
    for (double part = 0; part <= 1; part += 0.001) EXPECT_EQ(merged->quantile(part), all.quantile(part)) << part;
  }
}

}  // namespace
}  // namespace ouro::cli
