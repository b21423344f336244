// cli/diff_compare.hpp -- what differs between two traces by more than chance would explain.
//
// All is compared as a logarithm of a ratio, B to A:
//
//   rate of an event     log of (count + 1/2) / time. Its variance: 1 / count, as of a Poisson process, times the dispersion of the counts in windows of
//                        time where that is above 1 (quasi-Poisson; McCullagh and Nelder, Generalized Linear Models, 2nd ed. 1989, ch. 6). The half
//                        is Anscombe's, for counts that are small or 0.
//   mean, p50, p99       of a span's durations. Their standard errors by a bootstrap over blocks of values that follow each other (Kuensch, The jackknife
//   of a span            and the bootstrap for general stationary observations, Annals of Statistics 17, 1989), with the histograms' own 1/64 added.
//
// The difference is held against Student's t, with Welch's and Satterthwaite's degrees of freedom. A change of less than `least` is none: the test is whether it
// is larger than that. Over all comparisons, Holm's method (A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics
// 6, 1979) keeps the chance of any false alarm below 1 - `confidence`.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "cli/diff_samples.hpp"

namespace ouro::cli {

struct Comparison {
  enum class What : std::uint8_t { rate, mean, p50, p99 };
  std::string name;
  What what{};
  double a = 0, b = 0;              // per second; ns
  std::uint64_t count_a = 0, count_b = 0;
  double log_ratio = 0, error = 0;  // of B to A; its standard error
  double freedom = 1;               // degrees of
  double low = 0, high = 0;         // of the ratio, by itself
  double p = 1, adjusted_p = 1;     // of what is seen, if there were no change
  bool is_significant = false;
};

struct CompareOptions {
  double least = 0.05, confidence = 0.95;
};

struct Compared {
  std::vector<Comparison> all;  // the most significant first
  std::uint64_t left_out = 0;   // comparisons for which there were too few
  std::size_t significant() const;
};
Compared compare(const Samples& a, const Samples& b, const CompareOptions& options);

// How each of the above begins, for those who have durations without a trace.
Compared compare_spans(const std::vector<std::pair<const Blocks*, const Blocks*>>& pairs, const CompareOptions& options);

// The chance that Student's t with so many degrees of freedom is above `t`, and the t above which it is with a chance of `p`.
double student_tail(double t, double freedom);
double student_quantile(double p, double freedom);

}  // namespace ouro::cli
