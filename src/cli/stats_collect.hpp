// cli/stats_collect.hpp -- what `ouro stats` counts, event by event.
//
// Spans: a begin is put on its thread's stack, an end takes its begin from there.
//
//   thread 4712   A_begin   B_begin   B_end   A_end          stack: A, A B, A, (empty)
//                 A_begin   B_begin   A_end                  B is unmatched: its end was lost, or it never ended
//                 A_end                                      unmatched: its begin is not in the trace
//
// A span's own time is its duration less those of the spans directly inside it.
#pragma once
#include <compare>
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
  std::uint64_t self_ns = 0;
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
  std::uint64_t span_ns = 0;  // in spans, those inside others not counted again
};

// A time in which nothing happened.
struct Gap {
  std::int64_t begin_ns = 0, end_ns = 0;
  std::string before, after;  // the events at its ends
  std::int64_t size_ns() const { return end_ns - begin_ns; }
};

// An event's or span's name; and, if values of a field are told apart, which one.
struct StatsKey {
  std::string name, value;
  auto operator<=>(const StatsKey&) const = default;
};

class Stats {
 public:
  // `by`: "", or a field or context, or one of cpu, tid, thread, process, whose values are told apart.
  explicit Stats(const read::Trace& trace, std::string by = "");

  void see(const read::Event& event);
  // After the last event: what is still open is unmatched; names are put to threads.
  void finish(const read::Trace& trace);

  std::uint64_t events() const { return events_; }
  std::int64_t first_ns() const { return first_ns_; }
  std::int64_t last_ns() const { return last_ns_; }
  double seconds() const { return static_cast<double>(last_ns_ - first_ns_) / 1e9; }
  // By name: places in a program that state the same event count as one.
  const std::map<StatsKey, EventStats>& by_event() const { return by_event_; }
  const std::map<StatsKey, SpanStats>& spans() const { return spans_; }
  const std::map<std::string, CounterStats>& counters() const { return counters_; }
  const std::vector<ThreadStats>& threads() const { return threads_; }  // most time in spans first, then most events
  const std::vector<Gap>& gaps() const { return gaps_; }                // the longest, longest first
  static constexpr std::size_t kMaxGaps = 10, kMaxValues = 10'000;
  const Losses& losses() const { return losses_; }

 private:
  struct Class {  // per event class of the trace
    EventStats* events = nullptr;
    SpanStats* span = nullptr;  // of no value, if values are told apart
    std::string span_name;
    CounterStats* counter = nullptr;
  };
  struct Open {
    SpanStats* span;  // as Class has it
    std::int64_t since_ns;
    std::int64_t inside_ns = 0;  // of spans directly in it
    std::string value = "";
  };
  struct PerThread {
    std::uint64_t events = 0, span_ns = 0;
    std::vector<Open> open;
  };
  using Key = std::pair<std::int32_t, std::int32_t>;  // pid, tid; pid -1 if the trace does not say

  PerThread& thread_of(const read::Event& event);
  void end_span(PerThread& thread, const Class& type, const read::Event& event);
  void see_gap(const read::Event& event);
  std::string value_of(const read::Event& event);
  template <class T>
  T& of_value(std::map<StatsKey, T>& map, const std::string& name, const std::string& value);
  static void count(CounterStats& counter, const read::Event& event);

  std::vector<Class> classes_;
  std::string by_;
  std::map<StatsKey, EventStats> by_event_;
  std::map<StatsKey, SpanStats> spans_;
  std::map<std::string, CounterStats> counters_;
  std::map<Key, PerThread> per_thread_;
  std::vector<ThreadStats> threads_;
  std::vector<Gap> gaps_;
  const read::EventClass* last_class_ = nullptr;
  Losses losses_;
  std::uint64_t events_ = 0;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
  Key last_key_{-2, -2};
  PerThread* last_thread_ = nullptr;
};

}  // namespace ouro::cli
