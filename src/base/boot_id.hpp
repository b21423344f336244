// base/boot_id.hpp -- which boot this is: what an earlier one left has pids, locks and ticks that mean nothing any more.
// No allocation, no libstdc++; async-signal-safe; leaves errno alone.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ouro::base {

struct BootId {
  std::uint8_t bytes[16];  // zeros: the kernel does not tell
};
BootId boot_id() noexcept;
// The same from the kernel's text: 32 hexadecimal digits with hyphens between.
BootId parse_boot_id(const char* text, std::size_t size) noexcept;
// Two boots, both known?
bool is_other_boot(const BootId& a, const std::uint8_t (&b)[16]) noexcept;

}  // namespace ouro::base
