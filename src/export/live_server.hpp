// export/live_server.hpp -- serves traces to viewers over TCP: one thread, poll(2), no viewer waits for another.
//
// A viewer's next request is read when the answer to the last one has gone: what a connection holds in memory is one answer.
#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "export/live_viewer.hpp"

namespace ouro::live {

// "127.0.0.1:5344", "[::1]:5344", "5344"; port 0: one that is free.
struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = kDefaultPort;
  bool is_loopback = true;
};
Result<Address> parse_address(const std::string& text);

class LiveServer {
 public:
  struct Options {
    ViewerOptions viewer;
    std::function<void(const std::string&)> say;  // one line, without prefix
  };
  // `sessions` must outlive it.
  static Result<LiveServer> listen(const Address& address, std::vector<LiveSession>& sessions, Options options);

  std::uint16_t port() const { return port_; }
  // Until all traces are over and the viewers have gone, or `stop` can be read. Who had traces that were over when he came waits for a
  // first viewer.
  void run(int stop);
  const Served& served() const { return served_; }
  std::uint64_t viewers() const { return attached_; }

 private:
  struct Connection {
    Connection(base::Fd fd_in, std::vector<LiveSession>& sessions, const ViewerOptions& options, std::uint64_t id) : fd(std::move(fd_in)), viewer(sessions, options, id) {}
    base::Fd fd;
    Viewer viewer;
    Bytes in, out;
    std::size_t sent = 0;
  };
  LiveServer(std::vector<LiveSession>& sessions, Options options) : sessions_(&sessions), options_(std::move(options)) {}
  bool all_over() const;
  bool is_over(bool wants_viewer) const;
  void accept();
  bool receive(Connection& connection);
  bool send(Connection& connection);
  void forget(std::list<Connection>::iterator connection);

  std::vector<LiveSession>* sessions_;
  Options options_;
  base::Fd listener_;
  std::uint16_t port_ = 0;
  std::list<Connection> connections_;
  std::uint64_t next_id_ = 1, attached_ = 0;
  Served served_;
};

}  // namespace ouro::live
