// cli/units.hpp -- sizes and times as command lines have them, and times as people read them.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace ouro::cli {

// "4M", "256K", "1000"; nothing if it is no size.
std::optional<std::uint64_t> parse_size(const std::string& text);

// "10", "10s", "500ms", "5m", "2h"; nothing if it is no time, or none at all.
std::optional<std::chrono::milliseconds> parse_time(const std::string& text);
// The same, and "50us", "100ns".
std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text);

// "250 ns", "1.25 us", "3.00 ms", "1.500 s".
std::string duration(double ns);
inline std::string duration(std::uint64_t ns) { return duration(static_cast<double>(ns)); }

}  // namespace ouro::cli
