#include "trace/crash_text.hpp"

#include <poll.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include <ouro/clock/tsc.hpp>

namespace ouro::trace {
namespace {

// A natural number of up to 1,280 bits: more than the least of doubles takes.
class Big {
 public:
  explicit Big(std::uint64_t n) noexcept : count_(2), word_{static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32)} { trim(); }
  void multiply(std::uint32_t by) noexcept {
    std::uint64_t carry = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      carry += std::uint64_t{word_[i]} * by;
      word_[i] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) word_[count_++] = static_cast<std::uint32_t>(carry);
  }
  void shift(std::uint32_t bits) noexcept {
    for (; bits >= 31; bits -= 31) multiply(std::uint32_t{1} << 31);
    multiply(std::uint32_t{1} << bits);
  }
  void power_of_ten(int n) noexcept {
    for (; n >= 9; n -= 9) multiply(1'000'000'000);
    for (; n > 0; --n) multiply(10);
  }
  void add(const Big& other) noexcept {
    std::uint64_t carry = 0;
    const std::uint32_t n = count_ > other.count_ ? count_ : other.count_;
    for (std::uint32_t i = 0; i < n; ++i) {
      carry += std::uint64_t{at(i)} + other.at(i);
      word_[i] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    count_ = n;
    if (carry != 0) word_[count_++] = 1;
  }
  void subtract(const Big& other) noexcept {  // which is not larger
    std::uint64_t borrow = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      const std::uint64_t less = std::uint64_t{other.at(i)} + borrow;
      borrow = word_[i] < less ? 1 : 0;
      word_[i] = static_cast<std::uint32_t>(word_[i] - less);
    }
    trim();
  }
  int compare(const Big& other) const noexcept {
    for (std::uint32_t i = count_ > other.count_ ? count_ : other.count_; i-- != 0;)
      if (at(i) != other.at(i)) return at(i) < other.at(i) ? -1 : 1;
    return 0;
  }

 private:
  std::uint32_t at(std::uint32_t i) const noexcept { return i < count_ ? word_[i] : 0; }
  void trim() noexcept {
    while (count_ != 0 && word_[count_ - 1] == 0) --count_;
  }
  std::uint32_t count_;
  std::uint32_t word_[40];
};

int compare_sum(Big a, const Big& b, const Big& c) noexcept {
  a.add(b);
  return a.compare(c);
}

// Digits of f * 2^e, f not 0, as few as tell it from its neighbours (Steele and White; Dybvig). The value is 0.DIGITS * 10^k.
int shortest_digits(std::uint64_t f, int e, bool is_power, bool is_least, char* digits, int& k) noexcept {
  const bool even = (f & 1) == 0, narrow = is_power && !is_least;  // narrow: the neighbour below is half as far away
  Big r(f), s(1), above(1), below(1);
  r.shift(narrow ? 2 : 1);
  s.shift(narrow ? 2 : 1);
  if (narrow) above.shift(1);
  if (e >= 0) r.shift(static_cast<std::uint32_t>(e)), above.shift(static_cast<std::uint32_t>(e)), below.shift(static_cast<std::uint32_t>(e));
  else s.shift(static_cast<std::uint32_t>(-e));
  // The decimal exponent, or one less.
  const double estimate = (e + static_cast<int>(std::bit_width(f)) - 1) * 0.30102999566398120 - 1e-10;
  k = static_cast<int>(estimate);
  if (estimate > k) ++k;
  if (k >= 0) s.power_of_ten(k);
  else r.power_of_ten(-k), above.power_of_ten(-k), below.power_of_ten(-k);
  if (compare_sum(r, above, s) >= (even ? 0 : 1)) ++k;
  else r.multiply(10), above.multiply(10), below.multiply(10);
  for (int n = 0;;) {
    int digit = 0;
    for (; r.compare(s) >= 0; ++digit) r.subtract(s);
    const bool low = r.compare(below) < (even ? 1 : 0), high = compare_sum(r, above, s) >= (even ? 0 : 1);
    if (low || high || n == 17) {
      const bool up = high && (!low || compare_sum(r, r, s) >= ((digit & 1) != 0 ? 0 : 1));
      digits[n++] = static_cast<char>('0' + digit + up);
      return n;
    }
    digits[n++] = static_cast<char>('0' + digit);
    r.multiply(10), above.multiply(10), below.multiply(10);
  }
}

// 0.DIGITS * 10^k in the shorter of two forms.
std::size_t lay_out(const char* digits, int n, int k, char* to) noexcept {
  char* const begin = to;
  const auto put = [&](const char* from, int count) { std::memcpy(to, from, static_cast<std::size_t>(count)), to += count; };
  const auto zeros = [&](int count) { std::memset(to, '0', static_cast<std::size_t>(count)), to += count; };
  const int exponent = k - 1, magnitude = exponent < 0 ? -exponent : exponent;
  const int scientific = n + (n > 1) + (magnitude >= 100 ? 5 : 4), fixed = k <= 0 ? 2 - k + n : k < n ? n + 1 : k;
  if (fixed <= scientific) {
    if (k <= 0) put("0.", 2), zeros(-k), put(digits, n);
    else if (k < n) put(digits, k), put(".", 1), put(digits + k, n - k);
    else put(digits, n), zeros(k - n);
    return static_cast<std::size_t>(to - begin);
  }
  put(digits, 1);
  if (n > 1) put(".", 1), put(digits + 1, n - 1);
  put(exponent < 0 ? "e-" : "e+", 2);
  if (magnitude >= 100) *to++ = static_cast<char>('0' + magnitude / 100);
  *to++ = static_cast<char>('0' + magnitude / 10 % 10);
  *to++ = static_cast<char>('0' + magnitude % 10);
  return static_cast<std::size_t>(to - begin);
}

// A float of `fraction_bits` and the bias of its exponent.
std::size_t text_of(bool is_negative, std::uint64_t fraction, int exponent, int fraction_bits, int most, char* to) noexcept {
  char* at = to;
  if (is_negative) *at++ = '-';
  const auto fixed = [&](const char* text) { return std::memcpy(at, text, std::strlen(text)), static_cast<std::size_t>(at - to) + std::strlen(text); };
  if (exponent == most) return fixed(fraction != 0 ? "nan" : "inf");
  if (exponent == 0 && fraction == 0) return fixed("0");
  const bool is_normal = exponent != 0;
  const std::uint64_t f = fraction | (is_normal ? std::uint64_t{1} << fraction_bits : 0);
  const int e = (is_normal ? exponent : 1) - most / 2 - fraction_bits;
  char digits[20];
  int k = 0;
  const int n = shortest_digits(f, e, fraction == 0, exponent <= 1, digits, k);
  return static_cast<std::size_t>(at - to) + lay_out(digits, n, k, at);
}

bool is_tail(const unsigned char* text, std::size_t size, std::size_t at) { return at < size && (text[at] & 0xc0) == 0x80; }

// Length of the printable UTF-8 sequence at the beginning; 0 if there is none. As in cli/print_value.cpp.
std::size_t printable_length(const unsigned char* text, std::size_t size) noexcept {
  const unsigned first = text[0];
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  if (first >= 0xc2 && first <= 0xdf && is_tail(text, size, 1)) return first == 0xc2 && text[1] < 0xa0 ? 0 : 2;
  if (first >= 0xe0 && first <= 0xef && is_tail(text, size, 1) && is_tail(text, size, 2)) {
    const bool overlong = first == 0xe0 && text[1] < 0xa0, surrogate = first == 0xed && text[1] > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4 && is_tail(text, size, 1) && is_tail(text, size, 2) && is_tail(text, size, 3)) {
    const bool overlong = first == 0xf0 && text[1] < 0x90, too_large = first == 0xf4 && text[1] > 0x8f;
    return overlong || too_large ? 0 : 4;
  }
  return 0;
}

constexpr char kHex[] = "0123456789abcdef";

}  // namespace

std::size_t float_text(double value, char (&to)[kLongestFloat]) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  return text_of(bits >> 63 != 0, bits & ((std::uint64_t{1} << 52) - 1), static_cast<int>(bits >> 52 & 0x7ff), 52, 0x7ff, to);
}
std::size_t float_text(float value, char (&to)[kLongestFloat]) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return text_of(bits >> 31 != 0, bits & ((1u << 23) - 1), static_cast<int>(bits >> 23 & 0xff), 23, 0xff, to);
}

Line& Line::add(const char* text, std::size_t size) noexcept {
  const std::size_t n = is_full_ ? 0 : size < kRoom - used_ ? size : kRoom - used_;
  std::memcpy(text_ + used_, text, n);
  used_ += n;
  is_full_ = is_full_ || n < size;
  return *this;
}
Line& Line::add(const char* text) noexcept { return add(text, std::strlen(text)); }

Line& Line::digits(std::uint64_t n, int count) noexcept {
  char text[20];
  for (int i = count; i-- != 0; n /= 10) text[i] = static_cast<char>('0' + n % 10);
  return add(text, static_cast<std::size_t>(count));
}
Line& Line::number(std::uint64_t n) noexcept {
  int count = 1;
  for (std::uint64_t rest = n; rest >= 10; rest /= 10) ++count;
  return digits(n, count);
}
Line& Line::signed_number(std::int64_t n) noexcept {
  if (n < 0) add('-');
  return number(n < 0 ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n));
}
Line& Line::hex(std::uint64_t n) noexcept {
  char text[16];
  std::size_t at = sizeof text;
  do text[--at] = kHex[n & 15];
  while ((n >>= 4) != 0);
  return add("0x", 2).add(text + at, sizeof text - at);
}

Line& Line::escaped(const char* text, std::size_t size, bool is_quoted) noexcept {
  for (std::size_t at = 0; at < size && !is_full_;) {
    const auto* const here = reinterpret_cast<const unsigned char*>(text) + at;
    const bool is_special = is_quoted && (*here == '"' || *here == '\\');
    const std::size_t n = is_special ? 0 : printable_length(here, size - at);
    if (n != 0) {
      add(text + at, n);
      at += n;
      continue;
    }
    ++at;
    const char* const named = *here == '\n' ? "\\n" : *here == '\t' ? "\\t" : *here == '\r' ? "\\r" : nullptr;
    if (is_special) add('\\').add(static_cast<char>(*here));
    else if (named != nullptr) add(named);
    else add("\\x", 2).add(kHex[*here >> 4]).add(kHex[*here & 15]);
  }
  return *this;
}

Line& Line::column(std::size_t at) noexcept {
  while (used_ < at && !is_full_) add(' ');
  return *this;
}

void Line::end() noexcept {
  if (is_full_) std::memcpy(text_ + used_, "...", 3), used_ += 3;
  text_[used_++] = '\n';
}

void CrashOutput::write(Line& line) noexcept {
  line.end();
  for (std::size_t at = 0; !is_broken_ && at < line.size();) {
    const std::uint64_t now = clock::read_monotonic();
    pollfd wait{fd_, POLLOUT, 0};
    const int ready = poll(&wait, 1, now < deadline_ns_ ? static_cast<int>((deadline_ns_ - now) / 1'000'000) : 0);
    if (ready < 0 && errno == EINTR) continue;
    is_broken_ = ready <= 0 || (wait.revents & POLLOUT) == 0;
    if (is_broken_) break;
    const ssize_t n = ::write(fd_, line.text() + at, line.size() - at);
    if (n < 0 && (errno == EINTR || errno == EAGAIN) && now < deadline_ns_) continue;
    is_broken_ = n <= 0;
    if (!is_broken_) at += static_cast<std::size_t>(n);
  }
  line.clear();
}

}  // namespace ouro::trace
