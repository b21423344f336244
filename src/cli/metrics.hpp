// cli/metrics.hpp -- the daemon's figures in Prometheus' text format (version 0.0.4), and who answers GET /metrics with them.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "cli/retention.hpp"
#include "cli/session_figures.hpp"

struct MHD_Daemon;

namespace ouro::cli {

struct DaemonFigures {
  struct Session {
    std::string user;                // whose it is
    std::uint32_t generation = 0;    // 0: it is not there
    SessionFigures figures;
    bool is_of_the_file = false;     // and then:
    bool is_watched = false;         // its process runs
    std::uint64_t restarts = 0;
  };
  std::vector<Session> sessions;
  double started = 0;                // seconds since the epoch
  std::uint64_t reloads = 0;
  bool is_config_good = true;        // the file, when it was read last
  bool has_retention = false;
  Kept kept;                         // `removed`, `removed_bytes`: since the daemon began
};

class MetricsText {
 public:
  // Counters of the same session never go back, also where its memory was read in the middle of a change.
  std::string of(const DaemonFigures& figures);

 private:
  std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> events_;  // of each session's generation
};

// One thread, the caller's; at most a few callers at a time.
class MetricsServer {
 public:
  // "HOST:PORT" or "unix:/PATH", or `socket`, which listens already (-1: none).
  static Result<std::unique_ptr<MetricsServer>> create(const std::string& listen, int socket, std::function<std::string()> text);
  ~MetricsServer();

  int fd() const;                // poll it for reading
  int until_next_ms() const;     // -1: nothing is due
  void step();

  const std::string& text();     // for the answer

 private:
  MetricsServer() = default;
  MHD_Daemon* server_ = nullptr;
  std::function<std::string()> make_text_;
  std::string text_, path_;      // path_: of the socket, if it is ours
};

// Error: nobody can listen there.
Result<base::Fd> listen_on(const std::string& address);

}  // namespace ouro::cli
