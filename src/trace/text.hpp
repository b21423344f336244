// trace/text.hpp -- putting short texts together without allocation.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ouro::trace {

class Text {
 public:
  template <std::size_t N>
  explicit Text(char (&to)[N]) : to_(to), end_(to + N - 1) {
    *to_ = '\0';
  }
  Text& add(const char* s) {
    while (*s != '\0' && to_ < end_) *to_++ = *s++;
    *to_ = '\0';
    return *this;
  }
  Text& number(std::uint64_t n) {
    char digits[21];
    char* p = digits + sizeof digits - 1;
    *p = '\0';
    do *--p = static_cast<char>('0' + n % 10);
    while ((n /= 10) != 0);
    return add(p);
  }

 private:
  char* to_;
  char* end_;
};

}  // namespace ouro::trace
