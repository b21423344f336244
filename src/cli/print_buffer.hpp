// cli/print_buffer.hpp -- text on its way to a file descriptor, in large writes. Numbers go straight into the
// buffer: this is what ten million lines are made of.
#pragma once
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace ouro::cli {

class PrintBuffer {
 public:
  explicit PrintBuffer(int fd) : fd_(fd), buffer_(new char[kSize]) {}
  // For text that stays here.
  explicit PrintBuffer(std::string& text) : text_(&text), buffer_(new char[kSize]) {}

  void put(char c) {
    if (used_ == kSize) flush();
    buffer_[used_++] = c;
  }
  void put(std::string_view text) {
    while (text.size() > kSize - used_) {
      const std::size_t n = kSize - used_;
      std::memcpy(buffer_.get() + used_, text.data(), n);
      used_ += n;
      text.remove_prefix(n);
      flush();
    }
    std::memcpy(buffer_.get() + used_, text.data(), text.size());
    used_ += text.size();
  }
  void pad(std::size_t count) {
    static constexpr std::string_view spaces = "                                ";
    for (; count > spaces.size(); count -= spaces.size()) put(spaces);
    put(spaces.substr(0, count));
  }
  template <class T>
  void number(T value) {
    make_room();
    used_ = static_cast<std::size_t>(std::to_chars(at(), end(), value).ptr - buffer_.get());
  }
  template <class T>
  void number(T value, int base) {
    make_room();
    used_ = static_cast<std::size_t>(std::to_chars(at(), end(), value, base).ptr - buffer_.get());
  }
  // With leading zeroes.
  void digits(std::uint64_t value, int count) {
    char text[20];
    for (int i = count - 1; i >= 0; --i, value /= 10) text[i] = static_cast<char>('0' + value % 10);
    put({text, static_cast<std::size_t>(count)});
  }

  // False once writing has failed; the errno value is in error(). What comes after is dropped.
  bool ok() const { return error_ == 0; }
  int error() const { return error_; }
  // Bytes so far, written or not.
  std::uint64_t size() const { return written_ + used_; }
  void flush();

 private:
  static constexpr std::size_t kSize = 1 << 18;
  static constexpr std::size_t kLongestNumber = 512;
  void make_room() {
    if (kSize - used_ < kLongestNumber) flush();
  }
  char* at() { return buffer_.get() + used_; }
  char* end() { return buffer_.get() + kSize; }

  int fd_ = -1;
  std::string* text_ = nullptr;
  int error_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::size_t used_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace ouro::cli
