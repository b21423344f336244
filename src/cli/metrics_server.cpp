#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "cli/metrics.hpp"

namespace ouro::cli {
namespace {

constexpr unsigned kMostCallers = 32, kPatienceSeconds = 10;
constexpr char kUnix[] = "unix:";

MHD_Result answer(void* self, MHD_Connection* to, const char* url, const char* method, const char*, const char*, std::size_t*, void**) {
  const bool is_known = std::strcmp(method, MHD_HTTP_METHOD_GET) == 0 || std::strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
  const bool is_there = std::strcmp(url, "/metrics") == 0;
  const unsigned status = !is_known ? MHD_HTTP_METHOD_NOT_ALLOWED : !is_there ? MHD_HTTP_NOT_FOUND : MHD_HTTP_OK;
  const std::string text = status == MHD_HTTP_OK ? static_cast<MetricsServer*>(self)->text() : "want GET /metrics\n";
  MHD_Response* response = MHD_create_response_from_buffer(text.size(), const_cast<char*>(text.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, status == MHD_HTTP_OK ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain; charset=utf-8");
  if (!is_known) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const MHD_Result out = MHD_queue_response(to, status, response);
  MHD_destroy_response(response);
  return out;
}

Result<base::Fd> listen_at(const sockaddr* address, socklen_t size, const std::string& name) {
  base::Fd out(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  if (!out) return error_from_errno("metrics: listen '%s'", name.c_str());
  if (address->sa_family != AF_UNIX) ::setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(out.get(), address, size) != 0 || ::listen(out.get(), 16) != 0) return error_from_errno("metrics: listen '%s'", name.c_str());
  return out;
}

Result<base::Fd> listen_on_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return errorf(ENAMETOOLONG, "metrics: listen '%s%s', want a path of at most %zu bytes", kUnix, path.c_str(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  // One that a daemon left behind: nobody answers.
  struct stat status;
  if (::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
    const base::Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
  }
  const mode_t mask = ::umask(0117);
  Result<base::Fd> out = listen_at(reinterpret_cast<const sockaddr*>(&address), sizeof address, kUnix + path);
  ::umask(mask);
  return out;
}

}  // namespace

Result<base::Fd> listen_on(const std::string& text) {
  if (text.starts_with(kUnix)) return listen_on_path(text.substr(std::strlen(kUnix)));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return errorf(EINVAL, "metrics: listen '%s', want 'ADDRESS:PORT' or 'unix:/PATH'", text.c_str());
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  if (const int error = ::getaddrinfo(host.c_str(), text.c_str() + colon + 1, &hints, &found); error != 0)
    return errorf(EINVAL, "metrics: listen '%s': %s", text.c_str(), ::gai_strerror(error));
  Result<base::Fd> out = listen_at(found->ai_addr, found->ai_addrlen, text);
  ::freeaddrinfo(found);
  return out;
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::create(const std::string& listen, int socket, std::function<std::string()> text) {
  std::unique_ptr<MetricsServer> out(new MetricsServer);
  out->make_text_ = std::move(text);
  base::Fd fd(socket);
  if (!fd) {
    Result<base::Fd> made = listen_on(listen);
    if (!made) return made.error();
    fd = std::move(*made);
    if (listen.starts_with(kUnix)) out->path_ = listen.substr(std::strlen(kUnix));
  }
  out->server_ = MHD_start_daemon(MHD_USE_EPOLL, 0, nullptr, nullptr, answer, out.get(), MHD_OPTION_LISTEN_SOCKET, fd.get(), MHD_OPTION_CONNECTION_LIMIT, kMostCallers,
                                  MHD_OPTION_CONNECTION_TIMEOUT, kPatienceSeconds, MHD_OPTION_END);
  if (out->server_ == nullptr) return error_from_errno("metrics: listen '%s': no HTTP server", listen.c_str());
  fd.release();
  return out;
}

MetricsServer::~MetricsServer() {
  if (server_ != nullptr) MHD_stop_daemon(server_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

int MetricsServer::fd() const { return MHD_get_daemon_info(server_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd; }

int MetricsServer::until_next_ms() const {
  MHD_UNSIGNED_LONG_LONG ms = 0;
  return MHD_get_timeout(server_, &ms) == MHD_YES ? static_cast<int>(ms < 60'000 ? ms : 60'000) : -1;
}

void MetricsServer::step() { MHD_run(server_); }

const std::string& MetricsServer::text() { return text_ = make_text_(); }

}  // namespace ouro::cli
