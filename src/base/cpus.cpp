#include "base/cpus.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ouro::base {

std::uint32_t parse_possible_cpus(const char* text, std::size_t size) noexcept {
  std::uint32_t highest = 0, number = 0;
  bool any = false;
  for (const char* p = text; p != text + size; ++p) {
    if (*p >= '0' && *p <= '9') {
      number = std::min<std::uint32_t>(number * 10 + static_cast<std::uint32_t>(*p - '0'), 1 << 20);
      highest = std::max(highest, number);
      any = true;
    } else if (*p == '-' || *p == ',') {
      number = 0;
    } else {
      break;
    }
  }
  return any ? highest + 1 : 0;
}

std::uint32_t possible_cpus() noexcept {
  const int saved = errno;
  char text[1024];
  ssize_t n = -1;
  const int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    n = read(fd, text, sizeof text);
    close(fd);
  }
  errno = saved;
  // A text that fills all the room may go on.
  return n > 0 && n < static_cast<ssize_t>(sizeof text) ? parse_possible_cpus(text, static_cast<std::size_t>(n)) : 0;
}

}  // namespace ouro::base
