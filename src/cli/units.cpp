#include "cli/units.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
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

std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(static_cast<const char*>(end), text.data() + text.size());
  if (error != std::errc() || number == 0 || number > 1'000'000'000) return std::nullopt;
  constexpr std::uint64_t kSecond = 1'000'000'000, kMost = 10ull * 365 * 24 * 3600 * kSecond;  // it fits into 63 bits
  for (const auto& [name, factor] : {std::pair{"", kSecond}, {"s", kSecond}, {"ms", kSecond / 1000}, {"us", kSecond / 1'000'000}, {"ns", std::uint64_t{1}},
                                     {"m", 60 * kSecond}, {"h", 3600 * kSecond}})
    if (unit == name && number <= kMost / factor) return std::chrono::nanoseconds(static_cast<std::int64_t>(number * factor));
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> parse_time(const std::string& text) {
  const std::optional<std::chrono::nanoseconds> time = parse_duration(text);
  const bool is_fine = text.ends_with("us") || text.ends_with("ns");
  if (!time || is_fine) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(*time);
}

std::string duration(double ns) {
  const auto text = [](const char* unit, int digits, double value) {
    char out[48];
    std::snprintf(out, sizeof out, "%.*f %s", digits, value, unit);
    return std::string(out);
  };
  if (ns < 1e3) return text("ns", 0, ns);
  if (ns < 1e6) return text("us", 2, ns / 1e3);
  if (ns < 1e9) return text("ms", 2, ns / 1e6);
  return text("s", 3, ns / 1e9);
}

}  // namespace ouro::cli
