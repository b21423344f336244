#include "base/boot_id.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ouro::base {

BootId parse_boot_id(const char* text, std::size_t size) noexcept {
  BootId out{};
  unsigned digits = 0;
  for (std::size_t i = 0; i < size && digits < 32; ++i) {
    const char c = text[i];
    if (c == '-') continue;
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0) break;
    out.bytes[digits / 2] = static_cast<std::uint8_t>(out.bytes[digits / 2] << 4 | value);
    ++digits;
  }
  return digits == 32 ? out : BootId{};
}

BootId boot_id() noexcept {
  const int saved = errno;
  char text[64];
  ssize_t size = -1;
  if (const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC); fd >= 0) {
    size = read(fd, text, sizeof text);
    close(fd);
  }
  errno = saved;
  return parse_boot_id(text, size > 0 ? static_cast<std::size_t>(size) : 0);
}

bool is_other_boot(const BootId& a, const std::uint8_t (&b)[16]) noexcept {
  constexpr std::uint8_t unknown[16] = {};
  return std::memcmp(a.bytes, unknown, 16) != 0 && std::memcmp(b, unknown, 16) != 0 && std::memcmp(a.bytes, b, 16) != 0;
}

}  // namespace ouro::base
