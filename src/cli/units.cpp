#include "cli/units.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace ouro::cli {

std::optional<std::uint64_t> parse_size(const std::string& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits > 15 || text.size() > digits + 1) return std::nullopt;
  const std::uint64_t number = std::stoull(text.substr(0, digits));
  if (text.size() == digits) return number;
  const std::size_t unit =
      std::string("kmg").find(static_cast<char>(std::tolower(static_cast<unsigned char>(text[digits]))));
  if (unit == std::string::npos || number > (std::uint64_t{1} << 30)) return std::nullopt;
  return number << (10 * (unit + 1));
}

std::optional<std::chrono::milliseconds> parse_time(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(static_cast<const char*>(end), text.data() + text.size());
  if (error != std::errc() || number == 0 || number > 10'000'000) return std::nullopt;
  constexpr std::uint64_t kMost = 10ull * 365 * 24 * 3'600'000;  // in nanoseconds it is a number still
  for (const auto& [name, factor] : {std::pair{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60'000}, {"h", 3'600'000}})
    if (unit == name && number * static_cast<std::uint64_t>(factor) <= kMost) return std::chrono::milliseconds(number * static_cast<std::uint64_t>(factor));
  return std::nullopt;
}

}  // namespace ouro::cli
