// filter/compare.hpp -- numbers compared as numbers: i64 -1 is less than u64 5, and 2^53 + 1 is greater than 2^53 as a
// double, which no conversion to a common type would find.
#pragma once
#include <cstdint>

#include "filter/bound.hpp"

namespace ouro::filter {

struct Number {
  enum class Kind : std::uint8_t { natural, negative, real };
  Kind kind;
  std::uint64_t bits;  // of a negative one: as i64
  double real;

  static constexpr Number of(std::uint64_t value) { return {Kind::natural, value, 0}; }
  static constexpr Number of_signed(std::int64_t value) {
    return {value < 0 ? Kind::negative : Kind::natural, static_cast<std::uint64_t>(value), 0};
  }
  static constexpr Number of_real(double value) { return {Kind::real, 0, value}; }
};

template <class T>
constexpr Outcome order_of(T a, T b) {
  return a < b ? Outcome::less : a == b ? Outcome::equal : a > b ? Outcome::greater : Outcome::unordered;
}
constexpr Outcome mirrored(Outcome o) {
  return o == Outcome::less ? Outcome::greater : o == Outcome::greater ? Outcome::less : o;
}

inline constexpr double kTwo63 = 9223372036854775808.0, kTwo64 = 18446744073709551616.0;

// An integer and a double. The double is cut to an integer, which can be done without loss once it is known to be in
// range; if the integers are equal, what was cut off decides.
constexpr Outcome order_of_integer_and_real(Number n, double r) {
  if (r != r) return Outcome::unordered;
  if (n.kind == Number::Kind::natural) {
    if (r < 0) return Outcome::greater;
    if (r >= kTwo64) return Outcome::less;
    const auto whole = static_cast<std::uint64_t>(r);
    return n.bits != whole ? order_of(n.bits, whole) : order_of(static_cast<double>(whole), r);
  }
  if (r >= 0) return Outcome::less;
  if (r < -kTwo63) return Outcome::greater;
  const auto whole = static_cast<std::int64_t>(r);
  const auto value = static_cast<std::int64_t>(n.bits);
  return value != whole ? order_of(value, whole) : order_of(static_cast<double>(whole), r);
}

constexpr Outcome outcome_of(Number a, Number b) {
  using Kind = Number::Kind;
  if (a.kind == Kind::real)
    return b.kind == Kind::real ? order_of(a.real, b.real) : mirrored(order_of_integer_and_real(b, a.real));
  if (b.kind == Kind::real) return order_of_integer_and_real(a, b.real);
  if (a.kind != b.kind) return a.kind == Kind::negative ? Outcome::less : Outcome::greater;
  return order_of(a.bits, b.bits);  // two negative ones are in the same order as their bits
}

}  // namespace ouro::filter
