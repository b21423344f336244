// search.hpp -- a walk through a tree of choices that is known only while one goes.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <random>
#include <vector>

namespace ouro::checker {

class Search {
 public:
  Search() { path_.reserve(kMost); }  // at once: within an execution nothing that stays may be allocated
  int choose(int alternatives) {
    if (alternatives <= 1) return 0;
    if (at_ == kMost) std::abort();
    if (at_ == path_.size()) path_.push_back({sampled_ != 0 ? sample(alternatives) : 0, alternatives});
    if (path_[at_].of != alternatives) std::abort();  // what is checked depends on something that is not chosen here
    return path_[at_++].chosen;
  }
  // To the next path. False: all were walked.
  bool next() {
    at_ = 0;
    while (!path_.empty() && path_.back().chosen + 1 == path_.back().of) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().chosen;
    return true;
  }
  // To a path at random, that takes up to `turns` turns; all have the same chance.
  void next_sample(int turns) {
    sampled_ = std::max(path_.size(), std::size_t{1});
    clear();
    for (turns_ = 0; turns_ < turns && turns_ < kMostTurns; ++turns_) turn_at_[turns_] = random_() % sampled_;
  }
  void again() { at_ = 0; }
  void clear() { path_.clear(), at_ = 0; }
  void begin() { clear(), sampled_ = 0, random_.seed(1); }

 private:
  int sample(int alternatives) {
    for (int i = 0; i < turns_; ++i)
      if (turn_at_[i] == at_) return 1 + static_cast<int>(random_() % static_cast<unsigned>(alternatives - 1));
    return 0;
  }

  static constexpr std::size_t kMost = 1 << 16;
  static constexpr int kMostTurns = 8;
  struct Choice {
    int chosen, of;
  };
  std::vector<Choice> path_;
  std::size_t at_ = 0, sampled_ = 0;  // sampled_: length of the path before; 0: all are walked
  std::size_t turn_at_[kMostTurns] = {};
  int turns_ = 0;
  std::minstd_rand random_{1};
};

}  // namespace ouro::checker
