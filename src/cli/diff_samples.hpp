// cli/diff_samples.hpp -- what ouro diff keeps of a trace: not every value, but enough to know how much they vary.
//
//   Blocks    durations of a span, in the order in which they came:   [ block 0 ][ block 1 ] ... [ block n-1 ]     8 to 16 blocks, as many values in each
//   Windows   how often an event came in each part of the time:       [  1 ms  ][  1 ms  ] ...                     32 to 64 windows, as long each
//
// When there are too many, neighbours are merged, and each is twice as large: so nothing has to be known of the trace's length, and blocks are as long as
// can be. Values that stand near each other are alike (a cache that is cold, a burst of requests): blocks of them are nearly independent, values are not.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "cli/print_losses.hpp"
#include "cli/stats_histogram.hpp"

namespace ouro::cli {

class Blocks {
 public:
  static constexpr std::size_t kMost = 16;

  void add(std::uint64_t value) {
    if (blocks_.empty() || blocks_.back().count() == size_) next();
    blocks_.back().add(value);
    ++count_;
  }
  std::uint64_t count() const { return count_; }
  const std::vector<Histogram>& all() const { return blocks_; }  // the last one may have fewer values
  Histogram merged() const {
    Histogram out;
    for (const Histogram& block : blocks_) out.merge(block);
    return out;
  }

 private:
  void next() {
    if (blocks_.size() == kMost) {
      for (std::size_t i = 0; i < kMost / 2; ++i) {
        Histogram both = std::move(blocks_[2 * i]);
        both.merge(blocks_[2 * i + 1]);
        blocks_[i] = std::move(both);
      }
      blocks_.resize(kMost / 2);
      size_ *= 2;
    }
    blocks_.emplace_back();
  }
  std::vector<Histogram> blocks_;
  std::uint64_t size_ = 1, count_ = 0;
};

// Counts of many events, all in the same windows.
class Windows {
 public:
  static constexpr std::size_t kMost = 64;

  // Times never go back.
  void see(std::int64_t ns) {
    if (!begun_) begin_ns_ = ns;
    begun_ = true;
    last_ns_ = ns;
    while ((now_ = static_cast<std::size_t>((ns - begin_ns_) / length_ns_)) >= kMost) widen();
  }
  void count(std::size_t event) {
    if (event >= counts_.size()) counts_.resize(event + 1);
    std::vector<std::uint64_t>& counts = counts_[event];
    if (counts.size() <= now_) counts.resize(now_ + 1);
    ++counts[now_];
  }
  double seconds() const { return static_cast<double>(last_ns_ - begin_ns_) / 1e9; }
  // Of the windows that are over.
  std::vector<std::uint64_t> counts(std::size_t event) const {
    std::vector<std::uint64_t> out = event < counts_.size() ? counts_[event] : std::vector<std::uint64_t>();
    out.resize(now_);
    return out;
  }

 private:
  void widen() {
    length_ns_ *= 2;
    for (std::vector<std::uint64_t>& counts : counts_) {
      for (std::size_t i = 0; i < counts.size(); ++i) {
        const std::uint64_t n = counts[i];
        counts[i] = 0;
        counts[i / 2] += n;
      }
      counts.resize((counts.size() + 1) / 2);
    }
  }
  bool begun_ = false;
  std::int64_t begin_ns_ = 0, last_ns_ = 0, length_ns_ = 1000;
  std::size_t now_ = 0;
  std::vector<std::vector<std::uint64_t>> counts_;
};

// A trace, as far as another is to be compared with it.
class Samples {
 public:
  explicit Samples(const read::Trace& trace);
  void see(const read::Event& event);

  struct Rate {
    std::uint64_t count = 0;
    std::size_t index = 0;  // in windows()
  };
  // By name; a span's begin stands for the span.
  const std::map<std::string, Rate>& rates() const { return rates_; }
  const std::map<std::string, Blocks>& spans() const { return spans_; }
  const Windows& windows() const { return windows_; }
  std::uint64_t events() const { return events_; }
  const Losses& losses() const { return losses_; }

 private:
  struct Class {
    Rate* rate = nullptr;
    Blocks* span = nullptr;
    bool is_end = false;
  };
  struct Open {
    Blocks* span;
    std::int64_t since_ns;
  };
  std::vector<Class> classes_;
  std::map<std::string, Rate> rates_;
  std::map<std::string, Blocks> spans_;
  std::map<std::pair<std::int32_t, std::int32_t>, std::vector<Open>> open_;  // by process and thread
  Windows windows_;
  Losses losses_;
  std::uint64_t events_ = 0;
};

}  // namespace ouro::cli
