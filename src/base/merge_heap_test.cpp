#include <ouro/detail/merge_heap.hpp>

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ouro::detail {
namespace {

TEST(MergeHeap, HasTheLeastOnTopAndReplacesItInPlace) {
  MergeHeap<int> heap;
  EXPECT_TRUE(heap.empty());
  for (const int head : {5, 3, 9, 4}) heap.push(head);
  EXPECT_EQ(heap.top(), 3);
  heap.replace_top(10);
  EXPECT_EQ(heap.top(), 4);
  heap.replace_top(1);
  EXPECT_EQ(heap.top(), 1);
  heap.pop();
  EXPECT_EQ(heap.top(), 5);
  heap.clear();
  EXPECT_TRUE(heap.empty());
}

// Sequences that run dry and come back, against a plain sort.
TEST(MergeHeap, MergesSequencesSomeOfWhichRunDryForATime) {
  struct Head {
    int value, sequence;
    bool operator<(const Head& other) const { return value < other.value; }
  };
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<int>> sequences(1 + random() % 20);
    std::vector<int> all, merged;
    for (auto& sequence : sequences) {
      for (auto n = random() % 30; n != 0; --n) all.push_back(sequence.emplace_back(static_cast<int>(random() % 100)));
      std::sort(sequence.begin(), sequence.end());
    }
    std::vector<std::size_t> at(sequences.size(), 0);
    std::vector<int> dry;
    MergeHeap<Head> heap;
    for (int i = 0; i < static_cast<int>(sequences.size()); ++i) dry.push_back(i);
    // A dry sequence comes back before anything later than its head is taken: here, at once or at the next turn.
    while (!dry.empty() || !heap.empty()) {
      for (; !dry.empty(); dry.pop_back()) {
        const auto s = static_cast<std::size_t>(dry.back());
        if (at[s] < sequences[s].size()) heap.push({sequences[s][at[s]], dry.back()});
      }
      if (heap.empty()) break;
      const Head top = heap.top();
      merged.push_back(top.value);
      const auto s = static_cast<std::size_t>(top.sequence);
      if (++at[s] < sequences[s].size() && random() % 4 != 0) {
        heap.replace_top({sequences[s][at[s]], top.sequence});
      } else {
        heap.pop();
        dry.push_back(top.sequence);
      }
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(merged, all) << "round " << round;
  }
}

}  // namespace
}  // namespace ouro::detail
