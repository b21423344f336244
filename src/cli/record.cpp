// `ouro record`: makes a session, runs the program in it, drains until all is over, says what came of it.
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/runtime_dir.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/say.hpp"
#include "clock/calibrate.hpp"
#include "record/program.hpp"
#include "record/recorder.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro record runs a program and writes the events that it states to a trace.

Usage: ouro record [OPTIONS] [--] PROGRAM [ARGUMENTS]

Everything that PROGRAM forks and executes is recorded with it, daemons included; recording ends with the last of
them. Ctrl-C reaches the program through the terminal; SIGTERM and SIGHUP sent to ouro are passed on to it. Two seconds
later at most the trace is finished, and a program that still runs is left running. A second signal finishes at once.
The program's stdin, stdout, stderr and signals are its own; what ouro says goes to stderr. Sessions of recorders that
were killed are removed from the runtime folder and from the programs that still write to them.

Options:
  -o, --output DIR        the trace's folder, new or empty (default: ./ouro-trace-YYYYmmdd-HHMMSS)
  -e, --event GLOB        which events: a name or a pattern of *, ? and [set]; '!GLOB' leaves events out. May be
                          repeated; the last that matches decides (default: '*'; also if only '!' are given)
      --overwrite         keep the newest events in memory and write them at the end. Otherwise the trace is written
                          while the program runs, and what does not fit in the buffers is lost and counted
      --buffer-size SIZE  memory per CPU, with K, M or G; becomes a power of two (default: 4M, less on machines with
                          little memory for their CPUs). Only CPUs on which events happen use it
      --subbuf-count N    parts of a CPU's buffer, each written as one packet: 2 to 128 (default: 16)
      --clock tsc|monotonic
                          what events are stamped with (default: tsc where the kernel itself keeps time by it)
  -h, --help              this text

Exit status: the program's, 128 + N if signal N killed it, 0 if it was left running; 127 if it was not found, 126 if
it could not be run; 2 for a wrong command line; 1 if the program ended with 0 but the trace is not complete.

Examples:
  ouro record -- ./shop --threads 8
  ouro record -o trace -e 'shop:*' -e '!shop:sql*' -- ./shop
  ouro record --overwrite --buffer-size 64M -- ./shop       the last moments before a crash
)";

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kGrace = 2s;
constexpr std::uint64_t kDefaultBuffer = 4 << 20, kSmallestDefault = 256 << 10;
constexpr std::uint32_t kDefaultCount = 16;

struct Options {
  std::string output;
  std::vector<std::string> patterns;
  bool overwrite = false;
  std::string buffer_size_text, subbuf_count_text;
  std::optional<std::uint64_t> buffer_size;
  std::optional<std::uint32_t> subbuf_count;
  std::string clock;
  std::vector<std::string> program;
};

void define(CLI::App& app, Options& options) {
  app.prefix_command();  // the first argument that is no option of ours begins the program's
  app.add_option("-o,--output", options.output)->type_name("FOLDER");
  app.add_option("-e,--event", options.patterns)->expected(1)->take_all()->type_name("EVENT");
  app.add_flag("--overwrite", options.overwrite);
  app.add_option("--buffer-size", options.buffer_size_text)->type_name("SIZE");
  app.add_option("--subbuf-count", options.subbuf_count_text)->type_name("N");
  app.add_option("--clock", options.clock)->type_name("tsc|monotonic");
}

int usage_error(const std::string& text) { return cli::usage_error("record", text); }

// "4M"; nothing if it is no size.
std::optional<std::uint64_t> parse_size(const std::string& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits > 15 || text.size() > digits + 1) return std::nullopt;
  const std::uint64_t number = std::stoull(text.substr(0, digits));
  if (text.size() == digits) return number;
  const std::size_t unit =
      std::string("kmg").find(static_cast<char>(std::tolower(static_cast<unsigned char>(text[digits]))));
  if (unit == std::string::npos || number > (std::uint64_t{1} << 30)) return std::nullopt;
  return number << (10 * (unit + 1));
}

// Fills `options`, or answers with the exit status.
std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app("ouro record");
  define(app, options);
  const std::string &buffer_size = options.buffer_size_text, &subbuf_count = options.subbuf_count_text;
  if (const std::optional<int> status = parse_command_line(app, argc, argv, kHelp)) return *status;
  options.program = app.remaining();
  // An option behind "--" is a program's name; before it, one that we do not know.
  const bool is_marked = !options.program.empty() && options.program.front() == "--";
  if (is_marked) options.program.erase(options.program.begin());
  if (options.program.empty()) return usage_error("no program, want one: ouro record [OPTIONS] -- PROGRAM [ARGUMENTS]");
  if (!is_marked && options.program.front().rfind('-', 0) == 0)
    return usage_error("unknown option '" + options.program.front() + "'");
  if (app.count("--output") != 0 && options.output.empty()) return usage_error("--output is '', want a folder's name");
  for (const std::string& pattern : options.patterns)
    if (pattern.empty() || pattern == "!")
      return usage_error("--event is '" + pattern + "', want a name or a pattern, such as 'shop:*'");
  if (app.count("--subbuf-count") != 0) {
    const std::optional<std::uint64_t> count = parse_size(subbuf_count);
    if (!count || *count < abi::kMinSubbufs || *count > abi::kMaxSubbufs)
      return usage_error("--subbuf-count is '" + subbuf_count + "', want a number from 2 to 128");
    options.subbuf_count = std::bit_ceil(static_cast<std::uint32_t>(*count));
  }
  if (app.count("--buffer-size") != 0) {
    options.buffer_size = parse_size(buffer_size);
    if (!options.buffer_size)
      return usage_error("--buffer-size is '" + buffer_size + "', want a number with K, M or G, such as 4M");
    const std::uint64_t least = options.subbuf_count.value_or(abi::kMinSubbufs) * abi::kMinSubbufSize;
    const std::uint64_t most = options.subbuf_count.value_or(abi::kMaxSubbufs) * abi::kMaxSubbufSize;
    if (*options.buffer_size > most || std::bit_ceil(*options.buffer_size) < least)
      return usage_error("--buffer-size is '" + buffer_size + "', want " + binary_size(least) + " to " + binary_size(most) +
                         (options.subbuf_count ? " for " + std::to_string(*options.subbuf_count) + " parts" : ""));
  }
  if (app.count("--clock") != 0 && options.clock != "tsc" && options.clock != "monotonic")
    return usage_error("--clock is '" + options.clock + "', want tsc or monotonic");
  if (std::all_of(options.patterns.begin(), options.patterns.end(), [](const std::string& p) { return p[0] == '!'; }))
    options.patterns.insert(options.patterns.begin(), "*");
  return std::nullopt;
}

std::uint64_t available_memory() {
  std::ifstream in("/proc/meminfo");
  std::string key;
  for (std::uint64_t kilobytes = 0; in >> key >> kilobytes; in.ignore(64, '\n'))
    if (key == "MemAvailable:") return kilobytes << 10;
  return ~std::uint64_t{0};
}

std::uint64_t free_space(const char* folder) {
  struct statvfs status;
  return ::statvfs(folder, &status) == 0 ? std::uint64_t{status.f_bavail} * status.f_frsize : ~std::uint64_t{0};
}

// All CPUs at once take at most half of the folder's free room and an eighth of the machine's free memory.
std::uint64_t default_buffer_size(const base::RuntimeDir& folder) {
  const auto cpus = static_cast<std::uint64_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  const std::uint64_t room = std::min(free_space(folder.path) / 2, available_memory() / 8);
  std::uint64_t size = kDefaultBuffer;
  while (size > kSmallestDefault && cpus * (size + size / kDefaultCount) > room) size /= 2;
  return size;
}

void set_geometry(const Options& options, const base::RuntimeDir& folder, record::SessionOptions& out) {
  out.subbuf_count = options.subbuf_count.value_or(kDefaultCount);
  const std::uint64_t size = options.buffer_size
                                 ? std::bit_ceil(*options.buffer_size)
                                 : std::max(default_buffer_size(folder), out.subbuf_count * abi::kMinSubbufSize);
  if (!options.subbuf_count) {
    while (out.subbuf_count < abi::kMaxSubbufs && size / out.subbuf_count > abi::kMaxSubbufSize) out.subbuf_count *= 2;
    while (out.subbuf_count > abi::kMinSubbufs && size / out.subbuf_count < abi::kMinSubbufSize) out.subbuf_count /= 2;
  }
  out.subbuf_size = size / out.subbuf_count;
}

Result<record::SessionOptions> session_options(const Options& options, const base::RuntimeDir& folder) {
  record::SessionOptions out;
  char name[64];
  std::snprintf(name, sizeof name, "%d-%08x", static_cast<int>(::getpid()), record::random_generation());
  out.name = name;
  out.mode = options.overwrite ? abi::FullMode::overwrite : abi::FullMode::discard;
  out.patterns = options.patterns;
  const clock::TscTrust tsc = clock::tsc_trust();
  if (options.clock == "tsc" && !tsc.trusted)
    return errorf(EINVAL,
                  "clock: the kernel keeps time by '%s' and constant_tsc, nonstop_tsc are %d, %d; want '%s', 1, 1 "
                  "(hint: without --clock ouro chooses what can be trusted)",
                  tsc.clocksource.c_str(), tsc.constant, tsc.nonstop, clock::kTrustedSource);
  out.clock = tsc.trusted && options.clock != "monotonic" ? abi::ClockKind::tsc : abi::ClockKind::monotonic;
  set_geometry(options, folder, out);
  return out;
}

std::vector<std::pair<std::string, std::string>> environment(const Options& options) {
  utsname machine{};
  ::uname(&machine);
  std::string command;
  for (const std::string& argument : options.program) command += (command.empty() ? "" : " ") + argument;
  return {{"ouro_version", OURO_VERSION},
          {"hostname", machine.nodename},
          {"sysname", machine.sysname},
          {"kernel_release", machine.release},
          {"architecture", machine.machine},
          {"command", command},
          {"mode", options.overwrite ? "overwrite" : "discard"}};
}

Result<record::TraceFolder> make_folder(const Options& options) {
  if (!options.output.empty()) return record::TraceFolder::create(options.output);
  char name[64];
  const std::time_t now = std::time(nullptr);
  std::strftime(name, sizeof name, "./ouro-trace-%Y%m%d-%H%M%S", std::localtime(&now));
  for (int i = 2;; ++i) {  // a name in use: of this second
    Result<record::TraceFolder> made =
        record::TraceFolder::create(i == 2 ? name : name + ("-" + std::to_string(i - 1)));
    if (made || made.error().code != EEXIST || i > 100) return made;
  }
}

Result<base::RuntimeDir> runtime_dir() {
  base::RuntimeDir out;
  const int error = base::find_runtime_dir(out, true);
  if (error == 0) return out;
  if (error == EPERM)
    return errorf(error,
                  "runtime folder '%s': want a folder of this user's own with mode 0700 (hint: chmod 0700, or set "
                  "OURO_RUNTIME_DIR)",
                  out.path);
  return errorf(error, "runtime folder '%s': %s (hint: ouro doctor)", out.path, std::strerror(error));
}

// The session's file belongs to the user whose programs write to it, and could be cut short by one of them: then
// reading it raises SIGBUS. What is in the trace is whole at any time, so nothing is to be saved here.
char session_path[256];
void on_bus_error(int) {
  static constexpr char kText[] =
      "ouro: error: the session's memory was taken away (hint: a program truncated its file); the trace ends here\n";
  (void)!::write(STDERR_FILENO, kText, sizeof kText - 1);
  ::unlink(session_path);
  ::_exit(1);
}
void expect_bus_errors(const std::string& path) {
  std::snprintf(session_path, sizeof session_path, "%s", path.c_str());
  struct sigaction action {};
  action.sa_handler = on_bus_error;
  ::sigaction(SIGBUS, &action, nullptr);
}

// From the program's start to the moment at which recording is to end.
class Supervision {
 public:
  Supervision(record::Program& program, record::Recorder& recorder, int signals)
      : program_(program), recorder_(recorder), signals_(signals) {}

  void run() {
    while (!is_over()) {
      wait(recorder_.step());
      // Also without a signal: several SIGCHLD may come as one.
      program_.reap();
      say_who_remains();
    }
  }

 private:
  bool is_over() const {
    return program_.all_ended() || signals_seen_ > 1 || (signals_seen_ == 1 && Clock::now() >= deadline_);
  }

  void wait(std::chrono::microseconds pause) {
    pollfd on{signals_, POLLIN, 0};
    const timespec timeout{pause.count() / 1'000'000, pause.count() % 1'000'000 * 1000};
    if (::ppoll(&on, 1, &timeout, nullptr) <= 0) return;
    for (signalfd_siginfo info; ::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info);) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGCHLD) continue;
      ++signals_seen_;
      deadline_ = Clock::now() + kGrace;
      // A signal from the kernel is the terminal's: the program got it too.
      if (signal != SIGINT && info.ssi_code <= 0) program_.send(signal);
    }
  }

  void say_who_remains() {
    if (!program_.has_ended() || program_.all_ended()) return;
    if (ended_at_ == Clock::time_point{}) ended_at_ = Clock::now();
    if (said_ || Clock::now() - ended_at_ < 1s || signals_seen_ > 0) return;
    said_ = true;
    say("the program has ended, but processes that it started have not: recording them (hint: Ctrl-C ends it and "
        "leaves them running)");
  }

  record::Program& program_;
  record::Recorder& recorder_;
  int signals_;
  int signals_seen_ = 0;
  Clock::time_point deadline_, ended_at_;
  bool said_ = false;
};

const char* hint_for(abi::Loss cause) {
  switch (cause) {
    case abi::Loss::full: return "the buffers were full (hint: a larger --buffer-size, or --overwrite)";
    case abi::Loss::too_large:
      return "larger than a part of the buffer (hint: a larger --buffer-size or fewer --subbuf-count)";
    case abi::Loss::busy:
      return "they could not be written where they happened (hint: too many large events at once on one CPU)";
    case abi::Loss::no_memory: return "no memory for a CPU's buffer";
    case abi::Loss::dead_writer: return "their thread was killed while it wrote them";
    case abi::Loss::lapped:
      return "overwritten by newer ones before they were read (hint: a larger --buffer-size keeps more)";
    case abi::Loss::table_full:
      return "the session's table had no room for their kinds of event (hint: fewer kinds, with -e)";
  }
  return "";
}

void report(const record::Summary& summary, const record::SessionOptions& session, const record::TraceFolder& folder,
            const base::RuntimeDir& runtime) {
  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  say("recorded %llu events, %llu lost, %llu streams, %s to %s", number(summary.events), number(summary.lost_total()),
      number(summary.streams), human_bytes(summary.bytes).c_str(), folder.path().c_str());
  for (std::size_t i = 0; i < abi::kLossCauses; ++i)
    if (summary.lost[i] != 0) say("lost %llu events: %s", number(summary.lost[i]), hint_for(static_cast<abi::Loss>(i)));
  if (summary.unwritten != 0)
    say("lost %llu events: they could not be written to %s", number(summary.unwritten), folder.path().c_str());
  if (summary.rings_refused != 0)
    say("warning: no memory for the buffers of %llu CPUs: %s free in %s, want %s for each CPU (hint: a smaller "
        "--buffer-size, a larger "
        "/dev/shm, or another OURO_RUNTIME_DIR)",
        number(summary.rings_refused), human_bytes(free_space(runtime.path)).c_str(), runtime.path,
        human_bytes((session.subbuf_count + std::uint64_t{1}) * session.subbuf_size).c_str());
  if (summary.threads_lost + summary.processes_lost != 0)
    say("warning: the names of %llu threads and %llu processes are not known: their tables were full, or they were killed while they said them",
        number(summary.threads_lost), number(summary.processes_lost));
  if (summary.processes == 0 && summary.events == 0)
    say("hint: no event came. Does the program state events (ouro::trace), do they match -e, and may it find the "
        "session? Setuid programs "
        "do not look for one, others must see %s",
        runtime.path);
}

int exit_status(const record::Program& program, const record::Summary& summary) {
  const int status = program.has_ended() ? program.exit_status() : 0;
  return status == 0 && !summary.complete ? 1 : status;
}

int run(const Options& options) {
  const auto refuse = [](const Error& error, int status) {
    say("error: record: %s", error.text.c_str());
    return status;
  };
  std::vector<int> blocked = {SIGCHLD, SIGINT, SIGTERM};
  struct sigaction hangup;
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
    blocked.push_back(SIGHUP);  // else: nohup
  const record::SignalGuard guard(blocked);
  sigset_t mask;
  ::sigemptyset(&mask);
  for (const int signal : blocked) ::sigaddset(&mask, signal);
  const base::Fd signals(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return refuse(error_from_errno("no signalfd"), 1);

  const Result<base::RuntimeDir> runtime = runtime_dir();
  if (!runtime) return refuse(runtime.error(), 1);
  const Result<record::SessionOptions> wanted = session_options(options, *runtime);
  if (!wanted) return refuse(wanted.error(), 1);
  record::remove_left_behind(runtime->path);  // before ours: there is more room then
  Result<record::Session> session = record::Session::create(*runtime, *wanted);
  if (!session) return refuse(session.error(), 1);
  expect_bus_errors(session->path());
  Result<record::TraceFolder> folder = make_folder(options);
  if (!folder) return refuse(folder.error(), 1);

  record::Recorder recorder(*session, *folder, {environment(options), say_line});
  Result<record::Program> program = record::Program::start(options.program, {{"OURO_SESSION", session->file()}}, guard);
  if (!program) {
    folder->discard();
    return refuse(program.error(), program.error().code == ENOENT ? 127 : 126);
  }
  record::prefer_short_turns();
  Supervision(*program, recorder, signals.get()).run();
  session->close();
  // Nobody begins a record any more; those who had begun one finish it meanwhile.
  if (!program->all_ended()) ::usleep(10'000);
  const record::Summary summary = recorder.finish();
  if (program->killed_by() != 0)
    say("the program was killed by signal %d (%s)", program->killed_by(), ::strsignal(program->killed_by()));
  if (!program->has_ended()) say("the program (pid %d) is left running", static_cast<int>(program->pid()));
  report(summary, *wanted, *folder, *runtime);
  return exit_status(*program, summary);
}

}  // namespace

const char* define_record(CLI::App& app) {
  static Options unread;
  define(app, unread);
  return kHelp;
}

int record_command(int argc, char** argv) {
  Options options;
  if (const std::optional<int> status = parse(argc, argv, options)) return *status;
  return run(options);
}

}  // namespace ouro::cli
