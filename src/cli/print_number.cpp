// Of a double m * 2^e in the range that people use, the six digits are those of the integer nearest to m * 2^e * 10^k:
//
//   333656.3333   k = 0   333656 | .3333    ->  333656
//   0.1           k = 6   100000 | .0000..  ->  0.1
//
// m * 10^k fits in 128 bits if k is at most 22, so this is exact, ties included. What lies outside goes to std::to_chars.
#include "cli/print_number.hpp"

#include <bit>
#include <charconv>
#include <cmath>

namespace ouro::cli {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kPower[] = {1,
                                    10,
                                    100,
                                    1'000,
                                    10'000,
                                    100'000,
                                    1'000'000,
                                    10'000'000,
                                    100'000'000,
                                    1'000'000'000,
                                    10'000'000'000,
                                    100'000'000'000,
                                    1'000'000'000'000};
constexpr double kLeast = 1e-4, kMost = 1e6;  // from the one up to the other, without an exponent

// value * 10^k, rounded half to even; value in [kLeast, kMost), k in 0 ... 9.
std::uint64_t scaled(double value, unsigned k) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t mantissa = (bits & ((std::uint64_t{1} << 52) - 1)) | std::uint64_t{1} << 52;
  const auto shift = static_cast<unsigned>(1075 - static_cast<int>(bits >> 52));  // 33 ... 66: value = mantissa / 2^shift
  const Wide product = Wide{mantissa} * kPower[k];
  const auto whole = static_cast<std::uint64_t>(product >> shift);
  const Wide rest = product & ((Wide{1} << shift) - 1), half = Wide{1} << (shift - 1);
  return whole + (rest > half || (rest == half && whole % 2 != 0) ? 1 : 0);
}

}  // namespace

void put_real(PrintBuffer& out, double value) {
  const double size = std::fabs(value);
  char* p = out.room();
  if (!(size >= kLeast && size < kMost)) {
    if (size == 0) {
      if (std::signbit(value)) *p++ = '-';
      *p++ = '0';
    } else {
      p = std::to_chars(p, p + PrintBuffer::kLongestNumber, value, std::chars_format::general, 6).ptr;
    }
    return out.used(p);
  }
  // Digits in front of the point; 0 and less: zeros behind it.
  int before = 6;
  for (double limit = 1e5; size < limit && before > -3; --before) limit = before > 1 ? static_cast<double>(kPower[before - 2]) : before == 1 ? 0.1 : before == 0 ? 0.01 : 0.001;
  std::uint64_t digits = scaled(size, static_cast<unsigned>(6 - before));
  if (digits == 1'000'000) {  // rounded up to one digit more
    digits = 100'000;
    ++before;
  }
  if (before > 6) {
    p = std::to_chars(p, p + PrintBuffer::kLongestNumber, value, std::chars_format::general, 6).ptr;
    return out.used(p);
  }
  if (value < 0) *p++ = '-';
  int count = 6;
  for (; count > 1 && count > before && digits % 10 == 0; --count) digits /= 10;
  if (before <= 0) {
    *p++ = '0';
    *p++ = '.';
    for (int i = before; i < 0; ++i) *p++ = '0';
    p = std::to_chars(p, p + 8, digits).ptr;
  } else {
    char text[8];
    std::to_chars(text, text + sizeof text, digits);
    std::memcpy(p, text, static_cast<std::size_t>(before));
    p += before;
    if (count > before) {
      *p++ = '.';
      std::memcpy(p, text + before, static_cast<std::size_t>(count - before));
      p += count - before;
    }
  }
  out.used(p);
}

}  // namespace ouro::cli
