// base/cpus.hpp -- how many CPUs this machine may ever have: what is laid out per CPU has so many places.
// No allocation, no libstdc++; async-signal-safe; leaves errno alone.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ouro::base {

// The highest CPU number plus one; 0 if the kernel does not tell.
std::uint32_t possible_cpus() noexcept;

// The same from the kernel's text, such as "0-3,8-11\n"; 0 if it is none.
std::uint32_t parse_possible_cpus(const char* text, std::size_t size) noexcept;

}  // namespace ouro::base
