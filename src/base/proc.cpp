#include "base/proc.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace ouro::base {
namespace {

struct Stat {
  char state = '\0';  // '\0': no such process
  std::uint64_t start_time = 0;
};

void make_path(char (&path)[32], int pid) noexcept {
  char digits[12];
  char* p = digits + sizeof digits - 1;
  *p = '\0';
  for (unsigned n = static_cast<unsigned>(pid); n != 0; n /= 10) *--p = static_cast<char>('0' + n % 10);
  std::strcpy(path, "/proc/");
  std::strcat(path, p);
  std::strcat(path, "/stat");
}

// "4711 (a name) with ) in it) S 1 2 ...": the name ends at the last ')'. State is field 3, the start field 22.
Stat parse(const char* text) noexcept {
  Stat out;
  const char* p = std::strrchr(text, ')');
  if (p == nullptr || p[1] != ' ') return out;
  p += 2;
  out.state = *p;
  for (int field = 3; field < 22; ++field) {
    p = std::strchr(p, ' ');
    if (p == nullptr) return out;
    ++p;
  }
  for (; *p >= '0' && *p <= '9'; ++p) out.start_time = out.start_time * 10 + static_cast<std::uint64_t>(*p - '0');
  return out;
}

Stat read_stat(int pid) noexcept {
  if (pid <= 0) return {};
  const int saved = errno;
  char path[32];
  make_path(path, pid);
  char text[1024];  // about 50 numbers, and a name of at most 64
  ssize_t n = -1;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    n = read(fd, text, sizeof text - 1);
    close(fd);
  }
  errno = saved;
  if (n <= 0) return {};
  text[n] = '\0';
  return parse(text);
}

}  // namespace

std::uint64_t start_time_of(int pid) noexcept { return read_stat(pid).start_time; }

bool is_alive(int pid, std::uint64_t start_time) noexcept {
  const Stat stat = read_stat(pid);
  if (stat.state == '\0') {
    const int saved = errno;
    const bool is_there = access("/proc/self/stat", R_OK) != 0 && pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
    errno = saved;
    return is_there;  // as far as one can tell without /proc
  }
  return stat.state != 'Z' && stat.state != 'X' && (start_time == 0 || stat.start_time == start_time);
}

}  // namespace ouro::base
