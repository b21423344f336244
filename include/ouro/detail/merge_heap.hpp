// ouro/detail/merge_heap.hpp -- merges sorted sequences: holds the head of each that has one, the least on top.
//
// Mostly the next element of a sequence comes before the heads of the others, so replacing the top costs two comparisons.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

namespace ouro::detail {

// Head: copied freely, ordered by <. A sequence that ran dry is popped, and pushed again when it has a head.
template <class Head>
class MergeHeap {
 public:
  bool empty() const { return heads_.empty(); }
  const Head& top() const { return heads_.front(); }
  void clear() { heads_.clear(); }
  void push(const Head& head) {
    heads_.push_back(head);
    std::push_heap(heads_.begin(), heads_.end(), [](const Head& a, const Head& b) { return b < a; });
  }
  void pop() {
    const Head last = heads_.back();
    heads_.pop_back();
    if (!heads_.empty()) replace_top(last);
  }
  void replace_top(const Head& head) {
    const std::size_t n = heads_.size();
    std::size_t at = 0;
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= n) break;
      if (child + 1 < n && heads_[child + 1] < heads_[child]) ++child;
      if (!(heads_[child] < head)) break;
      heads_[at] = heads_[child];
      at = child;
    }
    heads_[at] = head;
  }

 private:
  std::vector<Head> heads_;
};

}  // namespace ouro::detail
