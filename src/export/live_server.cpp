#include "export/live_server.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>

namespace ouro::live {
namespace {

constexpr std::size_t kMostConnections = 64;
constexpr int kLookEveryMs = 100;

struct Freed {
  void operator()(addrinfo* info) const { ::freeaddrinfo(info); }
};
using AddressInfo = std::unique_ptr<addrinfo, Freed>;

// Numbers and localhost only: a name that a server somewhere resolves is no address to listen on.
Result<AddressInfo> resolve(const Address& address) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found); error != 0)
    return errorf(EINVAL, "address '%s': %s, want one as 127.0.0.1 or [::1]", address.host.c_str(), ::gai_strerror(error));
  return AddressInfo(found);
}

bool is_loopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24 == 127;
  return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

std::uint16_t port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

bool is_for_later() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Result<Address> parse_address(const std::string& text) {
  Address out;
  const std::size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  if (colon != std::string::npos) out.host = text.substr(0, colon);
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') out.host = out.host.substr(1, out.host.size() - 2);
  else if (out.host == "localhost") out.host = "127.0.0.1";
  else if (out.host.empty() || out.host.find(':') != std::string::npos) out.host = "?";  // is refused below
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (out.host == "?" || error != std::errc{} || end != port.data() + port.size())
    return errorf(EINVAL, "'%s', want ADDRESS:PORT or PORT, as 127.0.0.1:%u, [::1]:%u or %u", text.c_str(), kDefaultPort, kDefaultPort, kDefaultPort);
  const Result<AddressInfo> info = resolve(out);
  if (!info) return info.error();
  out.is_loopback = is_loopback((*info)->ai_addr);
  return out;
}

Result<LiveServer> LiveServer::listen(const Address& address, std::vector<LiveSession>& sessions, Options options) {
  LiveServer out(sessions, std::move(options));
  const Result<AddressInfo> info = resolve(address);
  if (!info) return info.error();
  out.listener_ = base::Fd(::socket((*info)->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!out.listener_ || ::setsockopt(out.listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(out.listener_.get(), (*info)->ai_addr, (*info)->ai_addrlen) != 0 || ::listen(out.listener_.get(), 16) != 0) {
    Error error = error_from_errno("address %s, port %u", address.host.c_str(), address.port);
    if (error.code == EADDRINUSE) error.text += " (hint: another `ouro live` or lttng-relayd is there; -l takes another port, 0 one that is free)";
    return error;
  }
  out.port_ = port_of(out.listener_.get());
  return out;
}

bool LiveServer::all_over() const {
  return std::all_of(sessions_->begin(), sessions_->end(), [](const LiveSession& session) { return session.trace.is_over(); });
}

// Viewers that are still there wait for another session of that name (babeltrace2 does so unless it was told not to); none will come.
bool LiveServer::is_over(bool wants_viewer) const {
  if (!all_over() || std::any_of(connections_.begin(), connections_.end(), [](const Connection& connection) { return connection.viewer.is_attached(); })) return false;
  const bool had_one = attached_ != 0 || std::any_of(connections_.begin(), connections_.end(), [](const Connection& connection) { return connection.viewer.has_attached(); });
  return had_one || (!wants_viewer && connections_.empty());
}

void LiveServer::run(int stop) {
  const bool wants_viewer = all_over();
  std::vector<pollfd> on;
  while (!is_over(wants_viewer)) {
    on = {{stop, POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Connection& connection : connections_) on.push_back({connection.fd.get(), static_cast<short>(connection.out.empty() ? POLLIN : POLLOUT), 0});
    if (::poll(on.data(), on.size(), all_over() ? -1 : kLookEveryMs) < 0 && errno != EINTR) break;
    if (on[0].revents != 0) break;
    std::size_t i = 2;
    for (auto next = connections_.begin(); next != connections_.end(); ++i) {
      const auto connection = next++;
      if (on[i].revents == 0) continue;
      if (!(connection->out.empty() ? receive(*connection) : send(*connection))) forget(connection);
    }
    if (on[1].revents != 0) accept();
    for (LiveSession& session : *sessions_) session.trace.look();
  }
  while (!connections_.empty()) forget(connections_.begin());
}

void LiveServer::accept() {
  base::Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  if (connections_.size() == kMostConnections) return options_.say("warning: a viewer is refused: there are " + std::to_string(kMostConnections) + " already");
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connections_.emplace_back(std::move(fd), *sessions_, options_.viewer, next_id_++);
}

// What has come, and the answer to the first request in it. False: hang up.
bool LiveServer::receive(Connection& connection) {
  std::array<std::byte, kMostPayload + 256> buffer;
  const ssize_t n = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (n == 0 || (n < 0 && !is_for_later())) return false;
  if (n > 0) connection.in.insert(connection.in.end(), buffer.begin(), buffer.begin() + n);
  return send(connection);
}

// The answer, and those to further requests that have come meanwhile, as far as the socket takes them.
bool LiveServer::send(Connection& connection) {
  for (;;) {
    while (connection.sent < connection.out.size()) {
      const ssize_t n = ::send(connection.fd.get(), connection.out.data() + connection.sent, connection.out.size() - connection.sent, MSG_NOSIGNAL);
      if (n < 0) return is_for_later();
      connection.sent += static_cast<std::size_t>(n);
    }
    connection.out.clear();
    connection.sent = 0;
    const Result<Parsed> parsed = parse_request(connection.in);
    if (parsed && parsed->bytes == 0) return true;
    const Status answered = parsed ? connection.viewer.answer(parsed->request, connection.out) : Status(parsed.error());
    if (!answered) {
      options_.say("warning: a viewer is hung up on: " + answered.error().text);
      [[maybe_unused]] const ssize_t last = ::send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
      return false;
    }
    connection.in.erase(connection.in.begin(), connection.in.begin() + static_cast<std::ptrdiff_t>(parsed->bytes));
  }
}

void LiveServer::forget(std::list<Connection>::iterator connection) {
  const Served& served = connection->viewer.served();
  served_.packets += served.packets;
  served_.bytes += served.bytes;
  served_.late += served.late;
  attached_ += connection->viewer.has_attached();
  connections_.erase(connection);
}

}  // namespace ouro::live
