#include "base/textf.hpp"

#include <cstdio>

namespace ouro::base {

std::string textf(const char* format, ...) {
  va_list args;
  va_start(args, format);
  std::string out = vtextf(format, args);
  va_end(args);
  return out;
}

std::string vtextf(const char* format, va_list args) {
  char text[1024];
  const int n = std::vsnprintf(text, sizeof text, format, args);
  return n < 0 ? std::string(format) : std::string(text);
}

std::string printable(std::string text, char instead) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto at = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
    if (at(i) < 0x20 || at(i) == 0x7f) text[i] = instead;
    if (at(i) == 0xc2 && at(i + 1) >= 0x80 && at(i + 1) < 0xa0) text.replace(i, 2, 1, instead);
  }
  return text;
}

}  // namespace ouro::base
