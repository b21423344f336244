// `ouro daemon`: keeps the sessions of a file, watches their triggers, clears up after them, and says how they are.
//
//   file --> sessions  --> a child beside each (DaemonChildren)      what is recorded lies in the sessions' memory: who of these is killed, and
//            metrics   --> GET /metrics (MetricsServer)              when, is no matter for it
//            retention --> old snapshots go
#include <poll.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/daemon_children.hpp"
#include "cli/daemon_config.hpp"
#include "cli/metrics.hpp"
#include "cli/retention.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/systemd.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kHelp = R"(ouro daemon keeps the flight recorders that a file names: their triggers are watched, their snapshots cleared up, their figures told.

Usage: ouro daemon [OPTIONS]

It stays in the foreground, as services do. Sessions that are there already go on with all that they hold: the daemon may end, be killed and
begin again, and nothing that memory held is lost. Beside each session runs an ouro record --flight --join; one that ends is started again, after
1 s at first and 60 s at most.

  SIGHUP             reads the file again: sessions that are no longer in it end, new ones begin, of changed ones events and triggers
                     change. What memory, contexts and clock a session has stays until ouro stop NAME, which begins it anew
  SIGTERM, SIGINT    ends the daemon. The sessions stay; ouro stop ends them

Options:
      --config FILE   (default: /etc/ouro/ouro.toml of root, $XDG_CONFIG_HOME/ouro/ouro.toml of others)
      --check         only says what is wrong with the file
  -h, --help          this text

The file is TOML (docs/daemon.md):

  [[session]]
  name = "flight"                          # all programs of the user: of the daemon's, or
  user = "shop"                            # of another, whom root may name
  events = ["shop:*", "!shop:sql*"]        # as -e; also filter, level, file, rate, sample, context, buffer_size ...
  [[session.trigger]]
  on = "span shop:checkout > 50ms"         # as --on; also times, delay, hold_off, per_day
  do = ["snapshot --last 10s", "run logger slow"]

  [retention]                              # of the snapshots in a folder, which is also the one in which triggers take theirs
  folder = "/var/lib/ouro/incidents"
  keep = "10G"
  age = "30d"

  [metrics]                                # GET /metrics, in Prometheus' text format
  listen = "127.0.0.1:9464"                # or "unix:/run/ouro/metrics.sock"; systemd's socket goes before it

Exit status: 0; 1 if the file makes no sense, or another daemon of this user runs; 2 if the command line makes no sense.
)";

struct Options {
  std::string config;
  bool check = false;
};

void define(CommandLine& line, Options& options) {
  line.add_option("--config", options.config, "FILE");
  line.add_flag("--check", options.check);
}

int refuse(const Error& error) {
  say("error: daemon: %s", error.text.c_str());
  return 1;
}

// None: what is wrong with it was said.
std::optional<DaemonConfig> load(const std::string& file) {
  const Result<std::string> text = read_daemon_config(file);
  if (!text) return refuse(text.error()), std::nullopt;
  std::vector<std::string> mistakes;
  DaemonConfig out = parse_daemon_config(*text, file, mistakes);
  for (const std::string& mistake : mistakes) say("error: daemon: %s", mistake.c_str());
  if (!mistakes.empty()) return std::nullopt;
  return out;
}

// As mkdir -p.
Status make_folder(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    if (::mkdir(path.substr(0, at).c_str(), 0755) != 0 && errno != EEXIST) return error_from_errno("retention: folder '%s'", path.c_str());
    if (at == std::string::npos) return Ok{};
  }
}

std::string name_of(uid_t user) {
  std::vector<char> buffer(16384);
  struct passwd entry, *found = nullptr;
  if (::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return std::to_string(user);
  return entry.pw_name;
}

class Daemon {
 public:
  Daemon(std::string file, const record::SignalGuard& guard, int signals, std::string folder, std::optional<int> socket)
      : file_(std::move(file)), signals_(signals), folder_(std::move(folder)), socket_(socket), children_(guard, folder_) {
    figures_.started = static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count()) / 1000;
  }

  // Error: it cannot be had as it is. What was, goes on then.
  Status apply(DaemonConfig config) {
    if (config.retention)
      if (Status made = make_folder(config.retention->folder); !made) return made;
    if (!server_ || (config.listen != config_.listen && !socket_)) {
      const bool listens = socket_ || !config.listen.empty();
      server_.reset();
      if (listens) {
        Result<std::unique_ptr<MetricsServer>> made = MetricsServer::create(config.listen, socket_.value_or(-1), [this] { return metrics(); });
        if (!made) return config_.listen.clear(), made.error();
        server_ = std::move(*made);
      }
    }
    config_ = std::move(config);
    children_.set(config_.sessions, config_.retention ? config_.retention->folder : "");
    next_retention_ = Clock::now();
    return Ok{};
  }

  int run() {
    while (!ends_) {
      clear_up();
      tell_manager();
      wait();
      children_.step();
    }
    notify_manager("STOPPING=1");
    children_.stop();
    say("daemon: ends; its sessions stay (hint: ouro status, ouro stop)");
    return 0;
  }

 private:
  void wait() {
    std::vector<pollfd> on = {{signals_, POLLIN, 0}};
    auto pause = std::min<std::chrono::milliseconds>(children_.until_next(), std::chrono::ceil<std::chrono::milliseconds>(next_retention_ - Clock::now()));
    if (!is_ready_) pause = std::min(pause, 20ms);
    if (const auto period = watchdog_period()) pause = std::min(pause, std::chrono::duration_cast<std::chrono::milliseconds>(*period / 2));
    if (server_) {
      on.push_back({server_->fd(), POLLIN, 0});
      if (const int due = server_->until_next_ms(); due >= 0) pause = std::min(pause, std::chrono::milliseconds(due));
    }
    ::poll(on.data(), on.size(), static_cast<int>(std::max(pause, 0ms).count()));
    if (server_) server_->step();
    for (signalfd_siginfo info; ::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info);) {
      if (info.ssi_signo == SIGHUP) reload();
      else if (info.ssi_signo != SIGCHLD) ends_ = true;
    }
  }

  void reload() {
    notify_manager("RELOADING=1");
    ++figures_.reloads;
    std::optional<DaemonConfig> config = load(file_);
    Status applied = config ? apply(std::move(*config)) : errorf(EINVAL, "'%s' makes no sense", file_.c_str());
    figures_.is_config_good = static_cast<bool>(applied);
    if (applied) say("daemon: '%s' is in force, with %zu sessions", file_.c_str(), config_.sessions.size());
    else say("error: daemon: %s, and what was in force stays", applied.error().text.c_str());
    is_ready_ = false;
  }

  void tell_manager() {
    if (!is_ready_ && (children_.all_began() || Clock::now() > ready_by_)) {
      is_ready_ = true;
      notify_manager("READY=1\nSTATUS=" + std::to_string(config_.sessions.size()) + " sessions");
    }
    if (watchdog_period()) notify_manager("WATCHDOG=1");
  }

  void clear_up() {
    if (Clock::now() < next_retention_) return;
    next_retention_ = Clock::now() + kClearUpEvery;
    if (!config_.retention) return;
    const Kept kept = apply_retention(*config_.retention, std::chrono::system_clock::now(), [](const std::string& text) { say("warning: daemon: %s", text.c_str()); });
    if (kept.removed != 0)
      say("daemon: retention: removed %llu snapshots of %s, %llu of %s are left", static_cast<unsigned long long>(kept.removed), human_bytes(kept.removed_bytes).c_str(),
          static_cast<unsigned long long>(kept.snapshots), human_bytes(kept.bytes).c_str());
    Kept& sum = figures_.kept;
    sum = {kept.snapshots, kept.bytes, sum.removed + kept.removed, sum.removed_bytes + kept.removed_bytes};
  }

  // The file's sessions, whether they are there or not, and other flight recorders of our own folder. Of others' folders no more: they could hold
  // any number of files.
  std::string metrics() {
    figures_.sessions.clear();
    figures_.has_retention = config_.retention.has_value();
    std::set<std::string> ours;
    for (const DaemonChildren::Child& child : children_.list()) {
      if (child.fate == DaemonChildren::Child::Fate::is_removed) continue;
      const std::string file = record::kSessionPrefix + child.session.name;
      if (child.owner() == ::geteuid()) ours.insert(file);  // wherever: names are what tells them apart
      DaemonFigures::Session& out = add_session(child.runtime_folder, file, child.owner(), true);
      out.is_of_the_file = true;
      out.is_watched = child.pid != 0 && !child.ends_session;
      out.restarts = child.restarts;
    }
    for (const std::string& file : record::find_sessions(folder_))
      if (!ours.contains(file) && add_session(folder_, file, ::geteuid(), false).generation == 0) figures_.sessions.pop_back();
    return text_.of(figures_);
  }

  DaemonFigures::Session& add_session(const std::string& folder, const std::string& file, uid_t owner, bool is_of_the_file) {
    DaemonFigures::Session& out = figures_.sessions.emplace_back();
    out.user = name_of(owner);
    out.figures.name = file.substr(std::strlen(record::kSessionPrefix));
    const Result<record::SessionFile> session = record::SessionFile::open(folder, file, owner);
    if (!session || !(session->is_kept() || (is_of_the_file && session->is_open()))) return out;
    std::optional<Error> failed;
    out.figures = figures_of(folder, *session, failed, owner);
    out.figures.corrupt |= failed.has_value();
    out.generation = std::max(session->session_name().generation, 1u);
    return out;
  }

  static constexpr auto kClearUpEvery = 60s, kReadyWithin = 10s;

  const std::string file_;
  const int signals_;
  const std::string folder_;
  const std::optional<int> socket_;  // the manager's
  DaemonChildren children_;
  DaemonConfig config_;
  DaemonFigures figures_;
  MetricsText text_;
  std::unique_ptr<MetricsServer> server_;
  Clock::time_point next_retention_{}, ready_by_ = Clock::now() + kReadyWithin;
  bool ends_ = false, is_ready_ = false;
};

// Held as long as the daemon lives.
Result<base::Fd> be_the_only_one(const std::string& folder) {
  base::Fd out(::open((folder + "/daemon.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out) return error_from_errno("'%s/daemon.lock'", folder.c_str());
  for (int tries = 0; ::flock(out.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {  // one that is just ending
    if (tries == 100) return errorf(EBUSY, "another ouro daemon has the lock '%s/daemon.lock', want none beside it", folder.c_str());
    ::usleep(10'000);
  }
  return out;
}

int run(const std::string& file) {
  std::optional<DaemonConfig> config = load(file);
  if (!config) return 1;
  const record::SignalGuard guard({SIGCHLD, SIGINT, SIGTERM, SIGHUP});
  const base::Fd signals = guard.descriptor();
  if (!signals) return refuse(error_from_errno("no signalfd"));
  const Result<base::RuntimeDir> runtime = runtime_dir(true);
  if (!runtime) return refuse(runtime.error());
  const Result<base::Fd> lock = be_the_only_one(runtime->path);
  if (!lock) return refuse(lock.error());
  Daemon daemon(file, guard, signals.get(), runtime->path, take_listening_socket());
  const std::size_t sessions = config->sessions.size();
  if (Status applied = daemon.apply(std::move(*config)); !applied) return refuse(applied.error());
  say("daemon: '%s' is in force, with %zu sessions", file.c_str(), sessions);
  return daemon.run();
}

}  // namespace

const char* define_daemon(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int daemon_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  const std::string file = line.count("--config") != 0 ? options.config : default_daemon_config();
  if (!options.check) return run(file);
  const std::optional<DaemonConfig> config = load(file);
  if (config) say("daemon: '%s' makes sense, with %zu sessions", file.c_str(), config->sessions.size());
  return config ? 0 : 1;
}

}  // namespace ouro::cli
