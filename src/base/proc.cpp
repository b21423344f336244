#include "base/proc.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/calls.hpp"

namespace ouro::base {
namespace {

struct Stat {
  char state = '\0';  // '\0': no such process
  std::uint64_t start_time = 0;
  char name[16] = {};
};

// A number, kThisThread or kMainThread.
void make_path(char (&path)[40], int pid, const char* what) noexcept {
  char digits[12];
  char* p = digits + sizeof digits - 1;
  *p = '\0';
  for (unsigned n = pid > 0 ? static_cast<unsigned>(pid) : 0; n != 0; n /= 10) *--p = static_cast<char>('0' + n % 10);
  std::strcpy(path, "/proc/");
  std::strcat(path, pid > 0 ? p : pid == kMainThread ? "self" : "thread-self");
  std::strcat(path, what);
}

// "4711 (a name) with ) in it) S 1 2 ...": the name ends at the last ')'. State is field 3, the start field 22.
Stat parse(const char* text) noexcept {
  Stat out;
  const char* p = std::strrchr(text, ')');
  const char* name = std::strchr(text, '(');
  if (p == nullptr || p[1] != ' ' || name == nullptr) return out;
  for (char* to = out.name; ++name < p && to < out.name + sizeof out.name - 1;) *to++ = *name;
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

// False: there is none, or nothing in it. What does not fit is cut off.
template <std::size_t N>
bool read_file(int pid, const char* what, char (&text)[N]) noexcept {
  const int saved = errno;
  char path[40];
  make_path(path, pid, what);
  ssize_t n = -1;
  const int fd = calls::open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    n = calls::read(fd, text, N - 1);
    calls::close(fd);
  }
  errno = saved;
  text[n > 0 ? n : 0] = '\0';
  return n > 0;
}

Stat read_stat(int pid) noexcept {
  char text[1024];  // about 50 numbers, and a name of at most 64
  return pid > 0 && read_file(pid, "/stat", text) ? parse(text) : Stat{};
}

// "Key:\t2": 2. False: no such line.
bool find_number(const char* text, const char* key, std::uint32_t& number) noexcept {
  const char* p = std::strstr(text, key);
  if (p == nullptr) return false;
  p += std::strlen(key);
  while (*p == ' ' || *p == '\t') ++p;
  if (*p < '0' || *p > '9') return false;
  for (number = 0; *p >= '0' && *p <= '9'; ++p) number = number * 10 + static_cast<std::uint32_t>(*p - '0');
  return true;
}

}  // namespace

std::uint64_t own_namespace(const char* kind) noexcept {
  const int saved = errno;
  char path[40], text[40];  // "pid:[4026531836]", which stat(2) would make an inode to say
  make_path(path, kMainThread, "/ns/");
  std::strncat(path, kind, sizeof path - std::strlen(path) - 1);
  const ssize_t n = calls::readlink(path, text, sizeof text - 1);
  errno = saved;
  text[n > 0 ? n : 0] = '\0';
  std::uint64_t inode = 0;
  const char* p = std::strchr(text, '[');
  while (p != nullptr && *++p >= '0' && *p <= '9') inode = inode * 10 + static_cast<std::uint64_t>(*p - '0');
  return inode;
}

std::uint64_t start_time_of(int pid) noexcept { return read_stat(pid).start_time; }

std::uint64_t start_time_of(int pid, char (&name)[16]) noexcept {
  const Stat stat = read_stat(pid);
  std::memcpy(name, stat.name, sizeof stat.name);
  return stat.start_time;
}

std::uint32_t seccomp_filters_of(int pid) noexcept {
  char text[4096];  // what is asked for stands behind a list of groups, which may be long: then it is not told
  std::uint32_t mode = 0, filters = 0;
  if (!read_file(pid, "/status", text) || !find_number(text, "\nSeccomp:", mode)) return kUnknownFilters;
  if (find_number(text, "\nSeccomp_filters:", filters) && filters != 0) return filters;
  return mode != 0 ? 1 : 0;
}

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
