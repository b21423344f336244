#include "cli/time_range.hpp"

#include <cerrno>
#include <ctime>
#include <string_view>
#include <utility>

namespace ouro::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000, kDay = 86'400 * kSecond;

// Takes times apart from their beginning.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Digits, `most` of them and at least one.
  std::optional<std::int64_t> number(std::size_t most) {
    std::int64_t out = 0;
    std::size_t n = 0;
    for (; n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9'; ++n) out = n < most ? out * 10 + (rest_[n] - '0') : out;
    if (n == 0 || n > most) return std::nullopt;
    rest_.remove_prefix(n);
    return out;
  }
  std::optional<std::int64_t> number(std::size_t most, std::int64_t largest) {
    const std::optional<std::int64_t> out = number(most);
    return out && *out <= largest ? out : std::nullopt;
  }
  // ".5" as a part of `unit`; none: 0. What is finer than a nanosecond is left out.
  std::optional<std::int64_t> fraction(std::int64_t unit) {
    if (!take('.')) return 0;
    std::int64_t out = 0;
    std::size_t n = 0;
    for (; n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9'; ++n) {
      unit /= 10;
      out += unit * (rest_[n] - '0');
    }
    rest_.remove_prefix(n);
    return n != 0 ? std::optional(out) : std::nullopt;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// "14:03[:22[.5]]" as nanoseconds of the day.
std::optional<std::int64_t> clock_time(Scanner& in) {
  const auto hour = in.number(2, 23);
  if (!hour || !in.take(':')) return std::nullopt;
  const auto minute = in.number(2, 59);
  if (!minute) return std::nullopt;
  std::int64_t out = (*hour * 60 + *minute) * 60 * kSecond;
  if (!in.take(':')) return out;
  const auto second = in.number(2, 60), fraction = second ? in.fraction(kSecond) : std::nullopt;
  if (!fraction) return std::nullopt;
  return out + *second * kSecond + *fraction;
}

// Nanoseconds of the day of `day`, a date, as nanoseconds since 1970.
std::int64_t at_day(std::tm day, std::int64_t ns, bool utc) {
  day.tm_hour = static_cast<int>(ns / (3600 * kSecond));
  day.tm_min = static_cast<int>(ns / (60 * kSecond) % 60);
  day.tm_sec = static_cast<int>(ns / kSecond % 60);
  if (ns >= kDay) day.tm_hour = 23, day.tm_min = 59, day.tm_sec = 60;  // a leap second
  day.tm_isdst = -1;
  const std::time_t second = utc ? ::timegm(&day) : std::mktime(&day);
  return static_cast<std::int64_t>(second) * kSecond + ns % kSecond;
}

std::optional<TimePoint> absolute(const std::string& text, bool utc) {
  Scanner in(text);
  std::tm day{};
  const auto year = in.number(4);
  if (!year || *year < 1970 || *year > 2200 || !in.take('-')) return std::nullopt;
  const auto month = in.number(2, 12);
  if (!month || *month == 0 || !in.take('-')) return std::nullopt;
  const auto date = in.number(2, 31);
  if (!date || *date == 0) return std::nullopt;
  std::optional<std::int64_t> time = 0;
  if (in.take('T') || in.take(' ')) time = clock_time(in);
  utc = in.take('Z') || utc;
  if (!time || !in.at_end()) return std::nullopt;
  day.tm_year = static_cast<int>(*year) - 1900;
  day.tm_mon = static_cast<int>(*month) - 1;
  day.tm_mday = static_cast<int>(*date);
  return TimePoint{TimePoint::Kind::absolute, utc, at_day(day, *time, utc)};
}

std::optional<TimePoint> distance(const std::string& text) {
  Scanner in(text);
  const auto kind = in.take('+') ? TimePoint::Kind::after_begin : TimePoint::Kind::before_end;
  if (kind == TimePoint::Kind::before_end) in.take('-');
  const Scanner at_number = in;
  if (!in.number(10)) return std::nullopt;
  in.fraction(kSecond);
  for (const auto& [name, unit] : {std::pair{"", kSecond}, {"s", kSecond}, {"ms", kSecond / 1000}, {"us", kSecond / 1'000'000}, {"ns", std::int64_t{1}},
                                   {"m", 60 * kSecond}, {"h", 3600 * kSecond}}) {
    if (in.rest() != name) continue;
    Scanner again = at_number;
    const auto whole = again.number(10), part = again.fraction(unit);
    if (!part || *whole > INT64_MAX / 4 / unit) return std::nullopt;
    return TimePoint{kind, false, *whole * unit + *part};
  }
  return std::nullopt;
}

std::optional<TimePoint> time_point(const std::string& text, bool utc) {
  if (text.starts_with('+') || text.starts_with('-')) return distance(text);
  if (text.size() > 4 && text[4] == '-') return absolute(text, utc);
  Scanner in(text);
  if (text.find(':') != std::string::npos) {
    const auto ns = clock_time(in);
    utc = in.take('Z') || utc;
    if (!ns || !in.at_end()) return std::nullopt;
    return TimePoint{TimePoint::Kind::time_of_day, utc, *ns};
  }
  const auto seconds = in.number(10, INT64_MAX / kSecond), part = in.fraction(kSecond);
  if (!seconds || !part || !in.at_end()) return std::nullopt;
  return TimePoint{TimePoint::Kind::absolute, true, *seconds * kSecond + *part};
}

std::int64_t resolved(const TimePoint& point, std::int64_t first_ns, std::int64_t last_ns) {
  switch (point.kind) {
    case TimePoint::Kind::absolute: return point.ns;
    case TimePoint::Kind::after_begin: return first_ns + point.ns;
    case TimePoint::Kind::before_end: return last_ns - point.ns;
    case TimePoint::Kind::time_of_day: break;
  }
  const auto begin = static_cast<std::time_t>(first_ns / kSecond);
  std::tm day{};
  if ((point.utc ? ::gmtime_r(&begin, &day) : ::localtime_r(&begin, &day)) == nullptr) return first_ns;
  const std::int64_t today = at_day(day, point.ns, point.utc);
  ++day.tm_mday;
  const std::int64_t tomorrow = at_day(day, point.ns, point.utc);
  return today < first_ns && tomorrow <= last_ns ? tomorrow : today;
}

bool is_of(const std::optional<TimePoint>& point, std::initializer_list<TimePoint::Kind> kinds) {
  for (const TimePoint::Kind kind : kinds)
    if (point && point->kind == kind) return true;
  return false;
}

}  // namespace

Result<TimePoint> parse_time_point(const std::string& text, bool utc) {
  if (const std::optional<TimePoint> point = time_point(text, utc)) return *point;
  return errorf(EINVAL, "time '%s' is none, want as 14:03:22.5, 2026-11-22T14:03:22, seconds since 1970, +1.5s (from the trace's begin) or -2s (before its end)",
                text.c_str());
}

Result<TimeRange> TimeRange::parse(const std::string& begin, const std::string& end, bool utc) {
  TimeRange out;
  for (const auto& [text, point] : {std::pair{&begin, &out.begin_}, {&end, &out.end_}}) {
    if (text->empty()) continue;
    Result<TimePoint> parsed = parse_time_point(*text, utc);
    if (!parsed) return parsed.error();
    *point = *parsed;
  }
  // What needs no trace stands at once.
  if (is_of(out.begin_, {TimePoint::Kind::absolute})) out.begin_ns_ = out.begin_->ns;
  if (is_of(out.end_, {TimePoint::Kind::absolute})) out.end_ns_ = out.end_->ns;
  return out;
}

bool TimeRange::needs_end() const {
  using Kind = TimePoint::Kind;
  return is_of(begin_, {Kind::time_of_day, Kind::before_end}) || is_of(end_, {Kind::time_of_day, Kind::before_end});
}
bool TimeRange::needs_begin() const {
  using Kind = TimePoint::Kind;
  return is_of(begin_, {Kind::time_of_day, Kind::after_begin}) || is_of(end_, {Kind::time_of_day, Kind::after_begin});
}

void TimeRange::resolve(std::int64_t first_ns, std::int64_t last_ns) {
  if (begin_) begin_ns_ = resolved(*begin_, first_ns, last_ns);
  if (end_) end_ns_ = resolved(*end_, first_ns, last_ns);
}

void TimeRange::resolve(read::Trace& trace) {
  if (!needs_begin() && !needs_end()) return;
  if (const auto all = trace.time_range()) resolve(all->begin_ns, all->end_ns);
}

}  // namespace ouro::cli
