#include "base/runtime_dir.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/calls.hpp"
#include "base/proc.hpp"

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
  return calls::stat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == calls::geteuid();
}

// A number behind blanks; moves `p` behind it.
unsigned next_number(const char*& p) noexcept {
  unsigned out = 0;
  while (*p == ' ') ++p;
  for (; *p >= '0' && *p <= '9'; ++p) out = out * 10 + static_cast<unsigned>(*p - '0');
  return out;
}

// The user's number outside of the user namespace that we are in, if we are: in there, anybody may be 0.
unsigned outer_user() noexcept {
  constexpr std::uint64_t kInitial = 0xEFFFFFFD;  // of the namespace of all users, as the kernel fixes it
  const unsigned user = calls::geteuid();
  if (const std::uint64_t ours = own_namespace("user"); ours == 0 || ours == kInitial) return user;
  char text[4096];
  const int fd = calls::open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
  const ssize_t n = fd >= 0 ? calls::read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) calls::close(fd);
  if (n <= 0) return user;
  text[n] = '\0';
  for (const char* p = text; *p != '\0'; ++p) {  // each line: first inside, first outside, how many
    const unsigned inside = next_number(p), outside = next_number(p), count = next_number(p);
    if (user - inside < count) return outside + (user - inside);
    if (*p != '\n') break;
  }
  return user;
}

// For the folder of all users' folders. Not there, read-only, or of a user who keeps it for himself: no.
bool can_be_written_to(const char* path) noexcept {
  struct stat status;
  return calls::stat(path, &status) == 0 && S_ISDIR(status.st_mode) && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0;
}

void name_in(RuntimeDir& out, const char* folder, unsigned user) noexcept {
  std::size_t used = 0;
  append(out, used, folder);
  append(out, used, "/ouro-");
  append_number(out, used, user);
}

// One that is there is taken, so that a program and a tool that come at different times agree.
void choose_shared(RuntimeDir& out) noexcept {
  struct stat status;
  const unsigned user = outer_user();
  name_in(out, "/dev/shm", user);
  if (calls::lstat(out.path, &status) != 0 && !can_be_written_to("/dev/shm")) name_in(out, "/tmp", user);
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
  choose_shared(out);
  return 0;
}

// In a folder that others may write to and that is not sticky, they could put another in its place.
bool is_in_a_safe_place(const RuntimeDir& dir) noexcept {
  if (std::strncmp(dir.path, "/tmp/", 5) != 0 && std::strncmp(dir.path, "/dev/shm/", 9) != 0) return true;  // whoever named it answers for it
  struct stat status;
  return calls::stat(dir.path[1] == 't' ? "/tmp" : "/dev/shm", &status) == 0 && ((status.st_mode & 022) == 0 || (status.st_mode & S_ISVTX) != 0);
}

int find(RuntimeDir& out, bool create) noexcept {
  if (const int error = choose(out); error != 0) return error;
  struct stat status;
  if (calls::lstat(out.path, &status) != 0) {  // mostly it is there, and mkdir() takes three times as long to say so
    if (errno != ENOENT || !create) return errno;
    if ((mkdir(out.path, 0700) != 0 && errno != EEXIST) || calls::lstat(out.path, &status) != 0) return errno;
  }
  return S_ISDIR(status.st_mode) && status.st_uid == calls::geteuid() && (status.st_mode & 077) == 0 && is_in_a_safe_place(out) ? 0 : EPERM;
}

}  // namespace

int find_runtime_dir(RuntimeDir& out, bool create) noexcept {
  const int saved = errno;
  const int error = find(out, create);
  errno = saved;
  return error;
}

}  // namespace ouro::base
