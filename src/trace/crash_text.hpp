// trace/crash_text.hpp -- text from inside a crashing process: no allocation, no locks, no stdio, bounded in time and length.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ouro::trace {

// The shortest decimal number that is read back as the same value, as std::to_chars, which needs libstdc++, would write it: "0.1", "1e+100",
// "-inf". Not terminated; returns the length.
inline constexpr std::size_t kLongestFloat = 32;
std::size_t float_text(double value, char (&to)[kLongestFloat]) noexcept;
std::size_t float_text(float value, char (&to)[kLongestFloat]) noexcept;

// One line; what is too much becomes "...".
class Line {
 public:
  Line& add(const char* text, std::size_t size) noexcept;
  Line& add(const char* text) noexcept;
  Line& add(char c) noexcept { return add(&c, 1); }
  Line& number(std::uint64_t n) noexcept;
  Line& signed_number(std::int64_t n) noexcept;
  Line& hex(std::uint64_t n) noexcept;                  // with 0x
  Line& digits(std::uint64_t n, int count) noexcept;    // with leading zeros
  // Printable UTF-8 as it is, all else escaped, as ouro print does. `is_quoted`: quotes and backslashes as well.
  Line& escaped(const char* text, std::size_t size, bool is_quoted) noexcept;
  // Spaces up to this column.
  Line& column(std::size_t at) noexcept;
  bool is_full() const noexcept { return is_full_; }
  std::size_t size() const noexcept { return used_; }
  const char* text() const noexcept { return text_; }
  // Ends it with a newline; then it is to be cleared.
  void end() noexcept;
  void clear() noexcept { used_ = 0, is_full_ = false; }

 private:
  static constexpr std::size_t kRoom = 1000;  // and "...\n"
  std::size_t used_ = 0;
  bool is_full_ = false;
  char text_[kRoom + 4];
};

// Where lines go. Each is one write(2), of a size that a pipe takes whole; a descriptor that takes nothing until the deadline (a pipe that
// nobody reads) gets no more.
class CrashOutput {
 public:
  CrashOutput(int fd, std::uint64_t deadline_ns) noexcept : fd_(fd), deadline_ns_(deadline_ns) {}
  void write(Line& line) noexcept;  // ends and clears it

 private:
  int fd_;
  std::uint64_t deadline_ns_;  // of CLOCK_MONOTONIC
  bool is_broken_ = false;
};

}  // namespace ouro::trace
