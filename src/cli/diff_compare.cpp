#include "cli/diff_compare.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace ouro::cli {
namespace {

using What = Comparison::What;

constexpr std::uint64_t kFewestEvents = 10;     // in both together
constexpr std::uint64_t kFewestSpans = 16, kFewestForP99 = 500;
constexpr int kResamples = 200;
constexpr double kResolution = 1.0 / 64 / 3.4641016;  // of a histogram: of a uniform error that wide

// The same each time: who asks twice gets one answer (splitmix64).
class Random {
 public:
  std::size_t below(std::size_t n) {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<std::size_t>((z ^ (z >> 31)) % n);
  }

 private:
  std::uint64_t state_ = 1;
};

// A logarithm, and how far it may be off.
struct Estimate {
  double log = 0, variance = 0, freedom = 1;
};

// ---- rates

double dispersion(const std::vector<std::uint64_t>& counts) {
  if (counts.size() < 2) return 1;
  double sum = 0, squares = 0;
  for (const std::uint64_t n : counts) sum += static_cast<double>(n);
  const double n = static_cast<double>(counts.size()), mean = sum / n;
  if (mean == 0) return 1;
  for (const std::uint64_t count : counts) squares += (static_cast<double>(count) - mean) * (static_cast<double>(count) - mean);
  return std::max(1.0, squares / (n - 1) / mean);
}

Estimate rate_of(const Samples& samples, const Samples::Rate* rate) {
  const double count = rate != nullptr ? static_cast<double>(rate->count) : 0;
  const std::vector<std::uint64_t> counts = rate != nullptr ? samples.windows().counts(rate->index) : std::vector<std::uint64_t>();
  Estimate out;
  out.log = std::log((count + 0.5) / samples.windows().seconds());
  out.variance = dispersion(counts) / (count + 0.5);
  out.freedom = std::max<double>(static_cast<double>(counts.size()) - 1, 1);
  return out;
}

// ---- durations

// The mean and two quantiles of each of many resamples of one span's blocks.
class Bootstrap {
 public:
  explicit Bootstrap(const Blocks& blocks) : blocks_(blocks.all()) {
    // The last block may be a short one: it goes with the one ahead.
    if (blocks_.size() > 1 && blocks_.back().count() < blocks_.front().count()) {
      blocks_[blocks_.size() - 2].merge(blocks_.back());
      blocks_.pop_back();
    }
    Random random;
    for (int i = 0; i < kResamples; ++i) {
      Histogram resample;
      for (std::size_t n = 0; n < blocks_.size(); ++n) resample.merge(blocks_[random.below(blocks_.size())]);
      means_.push_back(logarithm(resample.mean()));
      p50_.push_back(logarithm(static_cast<double>(resample.quantile(0.5))));
      p99_.push_back(logarithm(static_cast<double>(resample.quantile(0.99))));
    }
  }

  Estimate estimate(What what, double value) const {
    const std::vector<double>& logs = what == What::mean ? means_ : what == What::p50 ? p50_ : p99_;
    const double n = static_cast<double>(blocks_.size());
    double sum = 0, squares = 0;
    for (const double log : logs) sum += log;
    for (const double log : logs) squares += (log - sum / kResamples) * (log - sum / kResamples);
    Estimate out;
    out.log = logarithm(value);
    out.variance = squares / (kResamples - 1) * (n / std::max(n - 1, 1.0)) + kResolution * kResolution;
    out.freedom = std::max(n - 1, 1.0);
    return out;
  }

 private:
  // A duration of less than the clock's tick is of half of one.
  static double logarithm(double ns) { return std::log(std::max(ns, 0.5)); }

  std::vector<Histogram> blocks_;
  std::vector<double> means_, p50_, p99_;
};

double value_of(const Histogram& all, What what) {
  return what == What::mean ? all.mean() : static_cast<double>(all.quantile(what == What::p50 ? 0.5 : 0.99));
}

// ---- both

void hold_against(Comparison& out, const Estimate& a, const Estimate& b, const CompareOptions& options) {
  out.log_ratio = b.log - a.log;
  const double variance = a.variance + b.variance;
  out.error = std::sqrt(variance);
  out.freedom = std::max(1.0, variance * variance / (a.variance * a.variance / a.freedom + b.variance * b.variance / b.freedom));
  const double half = student_quantile((1 - options.confidence) / 2, out.freedom) * out.error;
  out.low = std::exp(out.log_ratio - half);
  out.high = std::exp(out.log_ratio + half);
  const double beyond = std::fabs(out.log_ratio) - std::log1p(options.least);
  out.p = beyond <= 0 ? 1 : std::min(1.0, 2 * student_tail(beyond / out.error, out.freedom));
}

void add_span(Compared& out, const std::string& name, const Blocks& a, const Blocks& b, const CompareOptions& options) {
  if (std::min(a.count(), b.count()) < kFewestSpans) {
    out.left_out += 3;
    return;
  }
  const Bootstrap of_a(a), of_b(b);
  const Histogram all_a = a.merged(), all_b = b.merged();
  for (const What what : {What::mean, What::p50, What::p99}) {
    if (what == What::p99 && std::min(a.count(), b.count()) < kFewestForP99) {
      ++out.left_out;
      continue;
    }
    Comparison made;
    made.name = name;
    made.what = what;
    made.a = value_of(all_a, what);
    made.b = value_of(all_b, what);
    made.count_a = a.count();
    made.count_b = b.count();
    hold_against(made, of_a.estimate(what, made.a), of_b.estimate(what, made.b), options);
    out.all.push_back(std::move(made));
  }
}

void add_rate(Compared& out, const std::string& name, const Samples& a, const Samples& b, const CompareOptions& options) {
  const auto of = [&](const Samples& samples) {
    const auto it = samples.rates().find(name);
    return it != samples.rates().end() ? &it->second : nullptr;
  };
  const Samples::Rate *in_a = of(a), *in_b = of(b);
  Comparison made;
  made.name = name;
  made.count_a = in_a != nullptr ? in_a->count : 0;
  made.count_b = in_b != nullptr ? in_b->count : 0;
  if (made.count_a + made.count_b == 0) return;
  if (made.count_a + made.count_b < kFewestEvents || a.windows().seconds() <= 0 || b.windows().seconds() <= 0) {
    ++out.left_out;
    return;
  }
  made.a = static_cast<double>(made.count_a) / a.windows().seconds();
  made.b = static_cast<double>(made.count_b) / b.windows().seconds();
  hold_against(made, rate_of(a, in_a), rate_of(b, in_b), options);
  out.all.push_back(std::move(made));
}

// Holm: the smallest p times how many there are, the next one times one less, and so on; none below the one ahead.
void adjust(Compared& out, const CompareOptions& options) {
  std::stable_sort(out.all.begin(), out.all.end(), [](const Comparison& a, const Comparison& b) {
    return a.p != b.p ? a.p < b.p : std::fabs(a.log_ratio) / a.error > std::fabs(b.log_ratio) / b.error;
  });
  double least = 0;
  for (std::size_t i = 0; i < out.all.size(); ++i) {
    Comparison& c = out.all[i];
    least = c.adjusted_p = std::max(least, std::min(1.0, c.p * static_cast<double>(out.all.size() - i)));
    c.is_significant = c.adjusted_p < 1 - options.confidence;
  }
}

// The incomplete beta function's continued fraction (Abramowitz and Stegun 26.5.8), by Lentz's method.
double beta_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  const auto whole = [](double v) { return std::fabs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / whole(1 - (a + b) * x / (a + 1)), out = d;
  for (int m = 1; m < 500; ++m) {
    for (const double factor : {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))}) {
      d = 1 / whole(1 + factor * d);
      c = whole(1 + factor / c);
      out *= d * c;
    }
    if (std::fabs(d * c - 1) < 1e-14) break;
  }
  return out;
}

double beta_part(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(x, a, b) / a : 1 - front * beta_fraction(1 - x, b, a) / b;
}

}  // namespace

double student_tail(double t, double freedom) {
  const double upper = beta_part(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
  return t >= 0 ? upper : 1 - upper;
}

double student_quantile(double p, double freedom) {
  double low = 0, high = 1;
  while (student_tail(high, freedom) > p && high < 1e9) high *= 2;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (student_tail(middle, freedom) > p ? low : high) = middle;
  }
  return high;
}

std::size_t Compared::significant() const {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const Comparison& c) { return c.is_significant; }));
}

Compared compare(const Samples& a, const Samples& b, const CompareOptions& options) {
  Compared out;
  std::set<std::string> names;
  for (const Samples* samples : {&a, &b})
    for (const auto& [name, rate] : samples->rates()) names.insert(name);
  for (const std::string& name : names) add_rate(out, name, a, b, options);
  for (const auto& [name, blocks] : a.spans())
    if (const auto it = b.spans().find(name); it != b.spans().end() && (blocks.count() != 0 || it->second.count() != 0)) add_span(out, name, blocks, it->second, options);
  adjust(out, options);
  return out;
}

Compared compare_spans(const std::vector<std::pair<const Blocks*, const Blocks*>>& pairs, const CompareOptions& options) {
  Compared out;
  for (std::size_t i = 0; i < pairs.size(); ++i) add_span(out, std::to_string(i), *pairs[i].first, *pairs[i].second, options);
  adjust(out, options);
  return out;
}

}  // namespace ouro::cli
