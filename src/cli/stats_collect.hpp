// cli/stats_collect.hpp -- what `ouro stats` counts, event by event.
//
// Spans: a begin is put on its thread's stack, an end takes its begin from there.
//
//   thread 4712   A_begin   B_begin   B_end   A_end          stack: A, A B, A, (empty)
//                 A_begin   B_begin   A_end                  B is unmatched: its end was lost, or it never ended
//                 A_end                                      unmatched: its begin is not in the trace
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ouro/read.hpp>

#include "cli/print_losses.hpp"
#include "cli/stats_histogram.hpp"

namespace ouro::cli {

struct EventStats {
  std::uint64_t count = 0, bytes = 0;
};

struct SpanStats {
  Histogram durations_ns;
  std::uint64_t unmatched_begins = 0, unmatched_ends = 0;
};

// Long double holds every 64-bit integer exactly.
struct CounterStats {
  std::uint64_t count = 0;
  bool is_integer = true;
  long double last = 0, min = 0, max = 0, sum = 0;
  long double mean() const { return count == 0 ? 0 : sum / static_cast<long double>(count); }
};

struct ThreadStats {
  std::int32_t pid = -1, tid = -1;
  std::string name, process, command_line;  // the names it had last
  std::uint64_t events = 0;
};

class Stats {
 public:
  explicit Stats(const read::Trace& trace);

  void see(const read::Event& event);
  // After the last event: what is still open is unmatched; names are put to threads.
  void finish(const read::Trace& trace);

  std::uint64_t events() const { return events_; }
  std::int64_t first_ns() const { return first_ns_; }
  std::int64_t last_ns() const { return last_ns_; }
  double seconds() const { return static_cast<double>(last_ns_ - first_ns_) / 1e9; }
  // By name: places in a program that state the same event count as one.
  const std::map<std::string, EventStats>& by_event() const { return by_event_; }
  const std::map<std::string, SpanStats>& spans() const { return spans_; }
  const std::map<std::string, CounterStats>& counters() const { return counters_; }
  const std::vector<ThreadStats>& threads() const { return threads_; }  // most events first
  const Losses& losses() const { return losses_; }

 private:
  struct Class {  // per event class of the trace
    EventStats* events = nullptr;
    SpanStats* span = nullptr;
    CounterStats* counter = nullptr;
  };
  struct Open {
    SpanStats* span;
    std::int64_t since_ns;
  };
  struct PerThread {
    std::uint64_t events = 0;
    std::vector<Open> open;
  };
  using Key = std::pair<std::int32_t, std::int32_t>;  // pid, tid; pid -1 if the trace does not say

  PerThread& thread_of(const read::Event& event);
  static void end_span(PerThread& thread, SpanStats* span, std::int64_t now_ns);
  static void count(CounterStats& counter, const read::Event& event);

  std::vector<Class> classes_;
  std::map<std::string, EventStats> by_event_;
  std::map<std::string, SpanStats> spans_;
  std::map<std::string, CounterStats> counters_;
  std::map<Key, PerThread> per_thread_;
  std::vector<ThreadStats> threads_;
  Losses losses_;
  std::uint64_t events_ = 0;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
  Key last_key_{-2, -2};
  PerThread* last_thread_ = nullptr;
};

}  // namespace ouro::cli
