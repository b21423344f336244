#include "cli/systemd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/fd.hpp"

namespace ouro::cli {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START

std::optional<long long> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  long long out = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, out);
  return error == std::errc() && stop == end ? std::optional(out) : std::nullopt;
}

bool is_meant_for_us(const char* pid_variable) { return number_in(pid_variable).value_or(::getpid()) == ::getpid(); }

}  // namespace

void notify_manager(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof address.sun_path) return;
  const std::size_t length = std::strlen(path);
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // abstract
  const base::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  (void)!::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&address), size);
}

std::optional<std::chrono::microseconds> watchdog_period() {
  const auto period = number_in("WATCHDOG_USEC");
  if (!period || *period <= 0 || !is_meant_for_us("WATCHDOG_PID")) return std::nullopt;
  return std::chrono::microseconds(*period);
}

std::optional<int> take_listening_socket() {
  const auto count = number_in("LISTEN_FDS");
  if (!count || *count < 1 || !number_in("LISTEN_PID") || !is_meant_for_us("LISTEN_PID")) return std::nullopt;
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(kFirstPassed, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) return std::nullopt;
  ::fcntl(kFirstPassed, F_SETFD, FD_CLOEXEC);
  ::fcntl(kFirstPassed, F_SETFL, ::fcntl(kFirstPassed, F_GETFL) | O_NONBLOCK);
  return kFirstPassed;
}

void forget_manager() {
  for (const char* variable : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
}

}  // namespace ouro::cli
