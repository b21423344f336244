#include "base/runtime_dir.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace ouro::base {
namespace {

// Appends to `out`, which holds `used` characters; false if it does not fit.
bool append(RuntimeDir& out, std::size_t& used, const char* text) noexcept {
  for (; *text != '\0'; ++text) {
    if (used + 1 >= sizeof out.path) return false;
    out.path[used++] = *text;
  }
  out.path[used] = '\0';
  return true;
}

bool append_number(RuntimeDir& out, std::size_t& used, unsigned number) noexcept {
  char digits[12];
  char* p = digits + sizeof digits - 1;
  *p = '\0';
  do *--p = static_cast<char>('0' + number % 10);
  while ((number /= 10) != 0);
  return append(out, used, p);
}

bool is_own_folder(const char* path) noexcept {
  struct stat status;
  return stat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

int choose(RuntimeDir& out) noexcept {
  std::size_t used = 0;
  out.path[0] = '\0';
  const char* ours = secure_getenv("OURO_RUNTIME_DIR");
  if (ours != nullptr && *ours != '\0') {
    if (!append(out, used, ours)) return ENAMETOOLONG;
    if (*ours != '/') return EINVAL;
    // "link/" would be looked up through the link.
    while (used > 1 && out.path[used - 1] == '/') out.path[--used] = '\0';
    return 0;
  }
  const char* desktop = secure_getenv("XDG_RUNTIME_DIR");
  if (desktop != nullptr && *desktop == '/' && is_own_folder(desktop))
    return append(out, used, desktop) && append(out, used, "/ouro") ? 0 : ENAMETOOLONG;
  append(out, used, "/dev/shm/ouro-");
  append_number(out, used, geteuid());
  return 0;
}

int find(RuntimeDir& out, bool create) noexcept {
  if (const int error = choose(out); error != 0) return error;
  if (create && mkdir(out.path, 0700) != 0 && errno != EEXIST) return errno;
  struct stat status;
  if (lstat(out.path, &status) != 0) return errno;
  return S_ISDIR(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & 077) == 0 ? 0 : EPERM;
}

}  // namespace

int find_runtime_dir(RuntimeDir& out, bool create) noexcept {
  const int saved = errno;
  const int error = find(out, create);
  errno = saved;
  return error;
}

}  // namespace ouro::base
