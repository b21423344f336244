// cli/stats_histogram.hpp -- durations counted in buckets whose width grows with their values, so that a quantile is
// off by at most 1/64 of itself, whatever the range. As HdrHistogram does it.
//
//   value v, e = bits of v above the lowest 7
//   e = 0:  v < 128                 a bucket per value
//   e > 0:  v >> e in [64, 128)     64 buckets per power of two, each 2^e wide, at index 64 * e + (v >> e)
//
//   index   0 .. 127 | 128 .. 191 | 192 .. 255 | ...            57 powers of two from 128 on: 3776 buckets
//   width       1    |     2      |     4      |
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace ouro::cli {

class Histogram {
 public:
  void add(std::uint64_t value) {
    const std::size_t index = index_of(value);
    if (index >= buckets_.size()) buckets_.resize(index + 1);
    ++buckets_[index];
    min_ = count_ == 0 ? value : std::min(min_, value);
    max_ = std::max(max_, value);
    ++count_;
    total_ += value;
  }

  // As if all of the other's had been added here, one by one.
  void merge(const Histogram& other) {
    if (other.count_ == 0) return;
    if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size());
    std::uint64_t* const to = buckets_.data();  // a loop over plain memory: where nothing is optimised, a vector's operator[] takes five times as long
    const std::uint64_t* const from = other.buckets_.data();
    for (std::size_t i = 0, count = other.buckets_.size(); i < count; ++i) to[i] += from[i];
    min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    count_ += other.count_;
    total_ += other.total_;
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t total() const { return total_; }
  std::uint64_t min() const { return min_; }  // exact, as is the largest
  std::uint64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : static_cast<double>(total_) / static_cast<double>(count_); }

  // The smallest value that at least `part` (0 to 1) of all do not exceed, as the middle of its bucket; 0 without
  // values.
  std::uint64_t quantile(double part) const {
    if (count_ == 0) return 0;
    const double wanted = part * static_cast<double>(count_);
    auto rank = static_cast<std::uint64_t>(wanted);
    if (static_cast<double>(rank) < wanted) ++rank;
    rank = std::clamp<std::uint64_t>(rank, 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank) return std::clamp(middle_of(i), min_, max_);
    }
    return max_;
  }

  static std::size_t index_of(std::uint64_t value) {
    const int e = std::max(static_cast<int>(std::bit_width(value)) - 7, 0);
    return static_cast<std::size_t>(64 * e) + static_cast<std::size_t>(value >> e);
  }
  static std::uint64_t middle_of(std::size_t index) {
    if (index < 128) return index;
    const std::size_t e = index / 64 - 1;
    const std::uint64_t low = static_cast<std::uint64_t>(index - 64 * e) << e;
    return low + (std::uint64_t{1} << e) / 2;
  }

 private:
  std::vector<std::uint64_t> buckets_;  // as far as the largest value needs
  std::uint64_t count_ = 0, total_ = 0, min_ = 0, max_ = 0;
};

}  // namespace ouro::cli
