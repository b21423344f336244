#include "base/linked_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace ouro::base {

bool read_linked(const char* path, char (&to)[kMaxLinked]) noexcept {
  const ssize_t n = readlink(path, to, sizeof to);
  if (n <= 0 || n == static_cast<ssize_t>(sizeof to) || to[0] != '/') return false;
  to[n] = '\0';
  return true;
}

int open_linked(const char* path, int flags) noexcept {
  const int fd = open(path, flags | O_NOFOLLOW);
  if (fd >= 0 || errno != ELOOP) return fd;
  char named[kMaxLinked];
  if (!read_linked(path, named)) {
    errno = ELOOP;
    return -1;
  }
  return open(named, flags | O_NOFOLLOW);
}

int open_linked_of(const char* path, int flags, uid_t owner) noexcept {
  return owner == geteuid() ? open_linked(path, flags) : open(path, flags | O_NOFOLLOW);
}

}  // namespace ouro::base
