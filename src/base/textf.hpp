// base/textf.hpp -- printf into a string, for lines that people read: what is longer than 1,023 bytes is cut off.
#pragma once
#include <cstdarg>
#include <string>

namespace ouro::base {

[[gnu::format(printf, 1, 2)]] std::string textf(const char* format, ...);
[[gnu::format(printf, 1, 0)]] std::string vtextf(const char* format, va_list args);

}  // namespace ouro::base
