// ring/numbers.hpp -- consecutive numbers that are reported as done in ranges, in any order, by their lower 32 bits.
#pragma once
#include <cstdint>
#include <vector>

namespace ouro::ring {

struct Numbers {
  std::uint64_t done = 0;  // all before it are
  // Those from `first` to `last`, none of them reported before.
  void add(std::uint32_t first, std::uint32_t last) {
    const std::uint64_t from = done + (first - static_cast<std::uint32_t>(done));
    early_.push_back({from, from + (last - first) + 1});
    for (std::size_t i = 0; i < early_.size();) {
      if (early_[i].from != done) {
        ++i;
        continue;
      }
      done = early_[i].behind;
      early_[i] = early_.back();
      early_.pop_back();
      i = 0;
    }
  }

 private:
  struct Range {
    std::uint64_t from, behind;
  };
  std::vector<Range> early_;  // behind a gap
};

}  // namespace ouro::ring
