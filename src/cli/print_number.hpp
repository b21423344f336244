// cli/print_number.hpp -- numbers and texts as `printf` has them, at a tenth of its price.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cli/print_buffer.hpp"

namespace ouro::cli {

// As "%g" does in the C locale: six digits, rounded half to even.
void put_real(PrintBuffer& out, double value);

// As "%X".
inline void put_hex(PrintBuffer& out, std::uint64_t value) {
  static constexpr char hex[] = "0123456789ABCDEF";
  char* p = out.room();
  const int digits = value == 0 ? 1 : (67 - __builtin_clzll(value)) / 4;
  for (int i = digits; i-- > 0; value >>= 4) p[i] = hex[value & 15];
  out.used(p + digits);
}

// The first byte that is not plain; `end` if all are.
inline const char* find_special(const char* at, const char* end, const std::array<bool, 256>& plain) {
  while (at != end && plain[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

}  // namespace ouro::cli
