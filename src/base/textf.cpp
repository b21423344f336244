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

}  // namespace ouro::base
