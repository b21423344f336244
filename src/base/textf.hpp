// base/textf.hpp -- lines that people read: printf into a string, of which more than 1,023 bytes are cut off; and texts of others, without what a terminal obeys.
#pragma once
#include <cstdarg>
#include <string>

namespace ouro::base {

[[gnu::format(printf, 1, 2)]] std::string textf(const char* format, ...);
[[gnu::format(printf, 1, 0)]] std::string vtextf(const char* format, va_list args);

// Control characters, those of UTF-8's second block too, are `instead`.
std::string printable(std::string text, char instead = '?');

}  // namespace ouro::base
