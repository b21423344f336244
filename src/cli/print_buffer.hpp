// cli/print_buffer.hpp -- text on its way to a file descriptor, in large writes. Numbers go straight into the
// buffer: this is what ten million lines are made of.
#pragma once
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

namespace ouro::cli {

namespace detail {

// "00" to "99".
inline constexpr auto kTwoDigits = [] {
  std::array<char, 200> out{};
  for (std::size_t i = 0; i < 100; ++i) {
    out[2 * i] = static_cast<char>('0' + i / 10);
    out[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return out;
}();

// Most texts are of a few bytes: without a call for them.
inline void copy(char* to, const char* from, std::size_t n) {
  if (n > 32) {
    std::memcpy(to, from, n);
  } else if (n >= 16) {
    std::memcpy(to, from, 16);
    std::memcpy(to + n - 16, from + n - 16, 16);
  } else if (n >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + n - 8, from + n - 8, 8);
  } else if (n >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + n - 4, from + n - 4, 4);
  } else if (n != 0) {
    to[0] = from[0];
    to[n / 2] = from[n / 2];
    to[n - 1] = from[n - 1];
  }
}

// Nine digits, in three parts that do not wait for each other.
inline char* put_nine(char* p, std::uint32_t value) {
  const std::uint32_t high = value / 100'000, low = value % 100'000;  // 4 and 5 digits
  std::memcpy(p, &kTwoDigits[high / 100 * 2], 2);
  std::memcpy(p + 2, &kTwoDigits[high % 100 * 2], 2);
  p[4] = static_cast<char>('0' + low / 10'000);
  std::memcpy(p + 5, &kTwoDigits[low / 100 % 100 * 2], 2);
  std::memcpy(p + 7, &kTwoDigits[low % 100 * 2], 2);
  return p + 9;
}

inline char* put_number(char* p, std::uint64_t value) {
  if (value < 10) {
    *p = static_cast<char>('0' + value);
    return p + 1;
  }
  const auto pair = [](char* to, std::uint32_t n) { std::memcpy(to, &kTwoDigits[n * 2], 2); };
  if (value < 10'000) {
    const auto n = static_cast<std::uint32_t>(value);
    char text[4];
    pair(text, n / 100);
    pair(text + 2, n % 100);
    const int skipped = n < 100 ? 2 : n < 1000 ? 1 : 0;
    std::uint32_t word;
    std::memcpy(&word, text, 4);
    word = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word >> skipped * 8 : word << skipped * 8;
    std::memcpy(p, &word, 4);
    return p + 4 - skipped;
  }
  const auto eight = [&pair](char* to, std::uint32_t n) {
    pair(to, n / 1'000'000);
    pair(to + 2, n / 10'000 % 100);
    pair(to + 4, n / 100 % 100);
    pair(to + 6, n % 100);
  };
  if (value < 100'000'000) {
    char text[16];
    const auto n = static_cast<std::uint32_t>(value);
    eight(text, n);
    const int skipped = n < 100'000 ? 3 : n < 1'000'000 ? 2 : n < 10'000'000 ? 1 : 0;
    std::memcpy(p, text + skipped, 8);
    return p + 8 - skipped;
  }
  if (value < 10'000'000'000'000'000) {
    p = put_number(p, value / 100'000'000);
    eight(p, static_cast<std::uint32_t>(value % 100'000'000));
    return p + 8;
  }
  return std::to_chars(p, p + 24, value).ptr;
}

}  // namespace detail

// A text that is put again and again: of up to 32 bytes it is copied without asking for its length.
class Lead {
 public:
  Lead() = default;
  explicit Lead(std::string_view text) : size_(text.size()) {
    if (size_ <= sizeof short_) std::memcpy(short_, text.data(), size_);
    else long_ = text;
  }
  std::size_t size() const { return size_; }
  bool is_short() const { return size_ <= sizeof short_; }
  const char* data() const { return short_; }
  std::string_view text() const { return is_short() ? std::string_view(short_, size_) : std::string_view(long_); }
  static constexpr std::size_t kShort = 32;

 private:
  char short_[kShort] = {};
  std::size_t size_ = 0;
  std::string long_;
};

class PrintBuffer {
 public:
  explicit PrintBuffer(int fd) : PrintBuffer(fd, nullptr, 1 << 18) {}
  // For text that stays here.
  explicit PrintBuffer(std::string& text, std::size_t size = 1 << 12) : PrintBuffer(-1, &text, size) {}

  void put(char c) {
    if (at_ == end()) flush();
    *at_++ = c;
  }
  void put(std::string_view text) {
    if (text.size() > left()) return put_long(text);
    detail::copy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void pad(std::size_t count) {
    static constexpr std::string_view spaces = "                                ";
    for (; count > spaces.size(); count -= spaces.size()) put(spaces);
    put(spaces.substr(0, count));
  }
  void put(const Lead& lead) {
    if (!lead.is_short()) return put(lead.text());
    make_room();
    std::memcpy(at_, lead.data(), Lead::kShort);
    at_ += lead.size();
  }
  template <class T>
  void number(T value) {
    make_room();
    if constexpr (std::is_integral_v<T>) {
      std::uint64_t size = static_cast<std::uint64_t>(value);
      if (value < T{0}) {
        *at_++ = '-';
        size = 0 - size;
      }
      at_ = detail::put_number(at_, size);
    } else {
      at_ = std::to_chars(at_, end(), value).ptr;
    }
  }
  template <class T>
  void number(T value, int base) {
    make_room();
    at_ = std::to_chars(at_, end(), value, base).ptr;
  }
  // Of nine digits, below 10^9.
  void nine_digits(std::uint64_t value) {
    make_room();
    at_ = detail::put_nine(at_, static_cast<std::uint32_t>(value));
  }

  // Room for at least kLongestNumber bytes, and how much of it was used.
  char* room() {
    make_room();
    return at_;
  }
  void used(char* end) { at_ = end; }
  static constexpr std::size_t kLongestNumber = 512;

  // False once writing has failed; the errno value is in error(). What comes after is dropped.
  bool ok() const { return error_ == 0; }
  int error() const { return error_; }
  // Bytes so far, written or not.
  std::uint64_t size() const { return written_ + static_cast<std::uint64_t>(at_ - buffer_.get()); }
  void flush();
  // What was put and is not written goes.
  void drop() { at_ = buffer_.get(); }
  // What was put since size() was `begin`, to be changed in place; null if some of it is written.
  bool is_half_full() const { return left() < size_ / 2; }
  char* since(std::uint64_t begin) { return begin >= written_ ? buffer_.get() + (begin - written_) : nullptr; }

 private:
  PrintBuffer(int fd, std::string* text, std::size_t size) : fd_(fd), text_(text), size_(size), buffer_(new char[size]), at_(buffer_.get()), end_(at_ + size), full_(end_ - kLongestNumber) {}
  void make_room() {
    if (at_ > full_) flush();
  }
  void put_long(std::string_view text);
  void write_out(std::string_view text);
  char* end() const { return end_; }
  std::size_t left() const { return static_cast<std::size_t>(end() - at_); }

  int fd_ = -1;
  std::string* text_ = nullptr;
  int error_ = 0;
  std::size_t size_;
  std::unique_ptr<char[]> buffer_;
  char *at_, *end_, *full_;  // behind full_ there may be no room for a number
  std::uint64_t written_ = 0;
};

}  // namespace ouro::cli
