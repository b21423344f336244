// cli/time_range.hpp -- times as --begin and --end have them, and what of a trace lies between two of them.
//
//   14:03  14:03:22  14:03:22.5       of the day on which the trace begins; of the next one if only that is within the trace
//   2026-11-22T14:03:22.5             or with a blank in between, or without a time: local time, or UTC with --utc or a Z behind
//   1795356202.5                      seconds since 1970
//   +1.5s  +300ms                     behind the trace's first event; units as everywhere, none: seconds
//   -2s                               before its last one
//
// Both ends belong to the range. The recorder's own events are no first and no last ones.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <ouro/read.hpp>
#include <ouro/result.hpp>

namespace ouro::cli {

struct TimePoint {
  enum class Kind : std::uint8_t { absolute, time_of_day, after_begin, before_end };
  Kind kind = Kind::absolute;
  bool utc = false;
  std::int64_t ns = 0;  // since 1970; since midnight; the distance
};
Result<TimePoint> parse_time_point(const std::string& text, bool utc);

class TimeRange {
 public:
  // "" leaves that side open.
  static Result<TimeRange> parse(const std::string& begin, const std::string& end, bool utc = false);

  bool is_open() const { return !begin_ && !end_; }
  // What the trace has to tell before the range stands.
  bool needs_begin() const;
  bool needs_end() const;
  void resolve(std::int64_t first_ns, std::int64_t last_ns);
  // The same with what the trace says.
  void resolve(read::Trace& trace);

  bool contains(std::int64_t ns) const { return ns >= begin_ns_ && ns <= end_ns_; }
  bool is_over(std::int64_t ns) const { return ns > end_ns_; }
  std::int64_t begin_ns() const { return begin_ns_; }
  std::int64_t end_ns() const { return end_ns_; }

 private:
  std::optional<TimePoint> begin_, end_;
  std::int64_t begin_ns_ = INT64_MIN, end_ns_ = INT64_MAX;
};

}  // namespace ouro::cli
