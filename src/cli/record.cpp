// `ouro record`: makes a session, runs the program in it, drains until all is over, says what came of it.
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/runtime_dir.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/event_options.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "clock/calibrate.hpp"
#include "record/attachment.hpp"
#include "record/contexts.hpp"
#include "record/program.hpp"
#include "record/program_file.hpp"
#include "record/recorder.hpp"
#include "record/registry_file.hpp"
#include "record/session.hpp"
#include "record/target.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro record writes the events that programs state to a trace: of a program that it runs, or of such as run already.

Usage: ouro record [OPTIONS] [--] PROGRAM [ARGUMENTS]
       ouro record [OPTIONS] -p PID | -P NAME | --all [-- PROGRAM [ARGUMENTS]]

Everything that PROGRAM forks and executes is recorded with it, daemons included; recording ends with the last of
them. Ctrl-C reaches the program through the terminal; SIGTERM and SIGHUP sent to ouro are passed on to it. Two seconds
later at most the trace is finished, and a program that still runs is left running. A second signal finishes at once.
The program's stdin, stdout, stderr and signals are its own; what ouro says goes to stderr. Sessions of recorders that
were killed are removed from the runtime folder and from the programs that still write to them.

Programs that run already are not stopped, signalled or told: a few words of memory that they look at change. With
them, recording ends with Ctrl-C, with the last of them, after --for, or with PROGRAM, whose own events then count with
--all only.

Options:
  -o, --output DIR        the trace's folder, new or empty (default: ./ouro-trace-YYYYmmdd-HHMMSS)
  -p, --pid PID           a running process, and what it forks from now on; may be repeated. Root may name other users'
                          processes and those in containers
  -P, --process NAME      the running processes of this name, a pattern of *, ? and [set]; may be repeated
      --all               all of this user's programs, those that start later included
      --for TIME          ends after this time: 10, 10s, 5m, 2h, 500ms
      --name NAME         of the session, by which ouro enable and disable know it (default: PID-RANDOM)
)";
constexpr const char* kHelpRest = R"(      --context LIST      what is recorded with each event, beside its fields and thread id; names with commas, may be
                          repeated: pid thread comm cpu uid gid cgroup callstack callstack:N ns.cgroup ns.ipc ns.mnt
                          ns.net ns.pid ns.time ns.user ns.uts ns.* perf.cycles perf.instructions perf.cache-misses
                          perf.branch-misses perf.page-faults perf.context-switches perf.cpu-clock perf.task-clock
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
  ouro record -p 4711 --for 10s                             ten seconds of a program that runs
  ouro record -P shop -e 'shop:order' --filter 'total > 100 && user == "eve*"'
  ouro record --all --level warning -- sleep 60             what goes wrong in all programs, for a minute
  ouro record --context pid,thread,callstack -- ./shop      who did it, and how it came there
)";

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kGrace = 2s;
constexpr std::uint64_t kDefaultBuffer = 4 << 20, kSmallestDefault = 256 << 10;
constexpr std::uint32_t kDefaultCount = 16;

struct Options {
  std::string output, name;
  std::vector<record::Rule> rules;
  std::vector<int> pids;
  std::vector<std::string> names;
  bool all = false;
  std::optional<std::chrono::milliseconds> duration;
  bool overwrite = false;
  std::optional<std::uint64_t> buffer_size;
  std::optional<std::uint32_t> subbuf_count;
  std::string clock;
  std::uint64_t contexts = 0;
  std::vector<std::string> program;

  bool attaches() const { return all || !pids.empty() || !names.empty(); }
};

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

// "10", "10s", "500ms"; nothing if it is no time.
std::optional<std::chrono::milliseconds> parse_time(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(static_cast<const char*>(end), text.data() + text.size());
  if (error != std::errc() || number == 0 || number > 10'000'000) return std::nullopt;
  for (const auto& [name, factor] : {std::pair{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60'000}, {"h", 3'600'000}})
    if (unit == name) return std::chrono::milliseconds(number * static_cast<std::uint64_t>(factor));
  return std::nullopt;
}

// Which programs that run already: fills `options`, or answers with the exit status.
std::optional<int> parse_targets(const std::vector<std::string>& pids, Options& options) {
  for (const std::string& text : pids) {
    int pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid <= 0)
      return usage_error("--pid is '" + text + "', want a process's number");
    options.pids.push_back(pid);
  }
  if (options.all && (!options.pids.empty() || !options.names.empty()))
    return usage_error("--all with --pid or --process, want one or the other");
  return std::nullopt;
}

// Fills `options`, or answers with the exit status.
std::optional<int> parse(int argc, char** argv, Options& options) {
  CLI::App app("ouro record");
  app.prefix_command();  // the first argument that is no option of ours begins the program's
  std::string buffer_size, subbuf_count, duration;
  std::vector<std::string> pids, contexts;
  EventOptions events;
  const CLI::Option* const has_output = app.add_option("-o,--output", options.output);
  app.add_option("-p,--pid", pids)->expected(1)->take_all();
  app.add_option("-P,--process", options.names)->expected(1)->take_all();
  app.add_flag("--all", options.all);
  const CLI::Option* const has_duration = app.add_option("--for", duration);
  const CLI::Option* const has_name = app.add_option("--name", options.name);
  events.define(app, true);
  app.add_option("--context", contexts)->expected(1)->take_all();
  app.add_flag("--overwrite", options.overwrite);
  const CLI::Option* const has_buffer_size = app.add_option("--buffer-size", buffer_size);
  const CLI::Option* const has_subbuf_count = app.add_option("--subbuf-count", subbuf_count);
  const CLI::Option* const has_clock = app.add_option("--clock", options.clock);
  const std::string help = std::string(kHelp) + kEventOptionsHelp + kHelpRest;
  if (const std::optional<int> status = parse_command_line(app, argc, argv, help.c_str())) return *status;
  options.program = app.remaining();
  // An option behind "--" is a program's name; before it, one that we do not know.
  const bool is_marked = !options.program.empty() && options.program.front() == "--";
  if (is_marked) options.program.erase(options.program.begin());
  if (const std::optional<int> status = parse_targets(pids, options)) return *status;
  if (options.program.empty() && (is_marked || !options.attaches()))
    return usage_error("no program, want one: ouro record [OPTIONS] -- PROGRAM [ARGUMENTS], or one that runs: -p PID");
  if (!is_marked && !options.program.empty() && options.program.front().rfind('-', 0) == 0)
    return usage_error("unknown option '" + options.program.front() + "'");
  if (*has_output && options.output.empty()) return usage_error("--output is '', want a folder's name");
  if (*has_duration && !(options.duration = parse_time(duration)))
    return usage_error("--for is '" + duration + "', want a time such as 10s, 500ms, 5m or 2h");
  if (*has_name && (options.name.empty() || options.name.size() > 64 || options.name.find_first_of("/ \n") != std::string::npos))
    return usage_error("--name is '" + options.name + "', want up to 64 characters without '/' and blanks");
  Result<std::vector<record::Rule>> rules = events.rules(app);
  if (!rules) return usage_error(rules.error().text);
  options.rules = std::move(*rules);
  if (*has_subbuf_count) {
    const std::optional<std::uint64_t> count = parse_size(subbuf_count);
    if (!count || *count < abi::kMinSubbufs || *count > abi::kMaxSubbufs)
      return usage_error("--subbuf-count is '" + subbuf_count + "', want a number from 2 to 128");
    options.subbuf_count = std::bit_ceil(static_cast<std::uint32_t>(*count));
  }
  if (*has_buffer_size) {
    options.buffer_size = parse_size(buffer_size);
    if (!options.buffer_size)
      return usage_error("--buffer-size is '" + buffer_size + "', want a number with K, M or G, such as 4M");
    const std::uint64_t least = options.subbuf_count.value_or(abi::kMinSubbufs) * abi::kMinSubbufSize;
    const std::uint64_t most = options.subbuf_count.value_or(abi::kMaxSubbufs) * abi::kMaxSubbufSize;
    if (*options.buffer_size > most || std::bit_ceil(*options.buffer_size) < least)
      return usage_error("--buffer-size is '" + buffer_size + "', want " + binary_size(least) + " to " + binary_size(most) +
                         (options.subbuf_count ? " for " + std::to_string(*options.subbuf_count) + " parts" : ""));
  }
  if (*has_clock && options.clock != "tsc" && options.clock != "monotonic")
    return usage_error("--clock is '" + options.clock + "', want tsc or monotonic");
  const Result<std::uint64_t> known = record::parse_contexts(contexts);
  if (!known && known.error().code == EINVAL) return usage_error(known.error().text);
  if (!known) {
    say("error: record: %s", known.error().text.c_str());
    return 1;
  }
  options.contexts = *known;
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
  out.name = options.name.empty() ? name : options.name;
  out.mode = options.overwrite ? abi::FullMode::overwrite : abi::FullMode::discard;
  out.rules = options.rules;
  const clock::TscTrust tsc = clock::tsc_trust();
  if (options.clock == "tsc" && !tsc.trusted)
    return errorf(EINVAL,
                  "clock: the kernel keeps time by '%s' and constant_tsc, nonstop_tsc are %d, %d; want '%s', 1, 1 "
                  "(hint: without --clock ouro chooses what can be trusted)",
                  tsc.clocksource.c_str(), tsc.constant, tsc.nonstop, clock::kTrustedSource);
  out.clock = tsc.trusted && options.clock != "monotonic" ? abi::ClockKind::tsc : abi::ClockKind::monotonic;
  out.contexts = options.contexts;
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

// From the beginning to the moment at which recording is to end.
class Supervision {
 public:
  // `program`: null if there is none.
  Supervision(record::Program* program, record::Recorder& recorder, record::Attachment& attachment, int signals,
              std::optional<std::chrono::milliseconds> duration)
      : program_(program), recorder_(recorder), attachment_(attachment), signals_(signals) {
    if (duration) end_ = Clock::now() + *duration;
  }

  void run() {
    while (!is_over()) {
      wait(recorder_.step());
      // Also without a signal: several SIGCHLD may come as one.
      if (program_ != nullptr) program_->reap();
      if (Clock::now() >= next_look_) {
        attachment_.step();
        next_look_ = Clock::now() + kLookEvery;
      }
      say_who_remains();
    }
  }

 private:
  static constexpr auto kLookEvery = 100ms;

  bool is_over() const {
    if (end_ && Clock::now() >= *end_) return true;
    if (program_ == nullptr) return signals_seen_ != 0 || attachment_.all_ended();
    return program_->all_ended() || signals_seen_ > 1 || (signals_seen_ == 1 && Clock::now() >= deadline_);
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
      if (program_ != nullptr && signal != SIGINT && info.ssi_code <= 0) program_->send(signal);
    }
  }

  void say_who_remains() {
    if (program_ == nullptr || !program_->has_ended() || program_->all_ended()) return;
    if (ended_at_ == Clock::time_point{}) ended_at_ = Clock::now();
    if (said_ || Clock::now() - ended_at_ < 1s || signals_seen_ > 0) return;
    said_ = true;
    say("the program has ended, but processes that it started have not: recording them (hint: Ctrl-C ends it and "
        "leaves them running)");
  }

  record::Program* program_;
  record::Recorder& recorder_;
  record::Attachment& attachment_;
  int signals_;
  int signals_seen_ = 0;
  Clock::time_point deadline_, ended_at_, next_look_;
  std::optional<Clock::time_point> end_;
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
  if (summary.over_rate != 0) say("left out %llu events above --rate, as asked for (ouro stats says which)", number(summary.over_rate));
  if (summary.not_sampled != 0) say("left out %llu events that are not among the samples, as asked for (ouro stats says which)", number(summary.not_sampled));
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

int exit_status(const record::Program* program, const record::Summary& summary) {
  const int status = program != nullptr && program->has_ended() ? program->exit_status() : 0;
  return status == 0 && !summary.complete ? 1 : status;
}

// The running programs that are meant, and the folder in which they and the session find each other.
struct Targets {
  std::vector<record::Target> list;
  base::RuntimeDir folder;
  uid_t owner = ::geteuid();
  gid_t group = ::getegid();
};

Result<Targets> find_targets(const Options& options, const Result<base::RuntimeDir>& own) {
  Targets out;
  std::vector<int> pids = options.pids;
  for (const std::string& name : options.names) {
    const std::vector<int> found = record::find_pids(name);
    if (found.empty())
      return errorf(ESRCH, "no process with events has the name '%s' (hint: ouro list shows those that have; a name has at most 15 characters)", name.c_str());
    pids.insert(pids.end(), found.begin(), found.end());
  }
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  for (const int pid : pids) {
    Result<record::Target> target = record::find_target(pid);
    if (!target) return target.error();
    out.list.push_back(std::move(*target));
  }
  if (out.list.empty()) {
    if (!own) return own.error();
    out.folder = *own;
    return out;
  }
  const record::Target& first = out.list.front();
  for (const record::Target& target : out.list)
    if (target.device != first.device || target.inode != first.inode)
      return errorf(EXDEV, "processes %d and %d have different runtime folders ('%s', '%s'), want one (hint: record them each by itself)", first.pid,
                    target.pid, first.shown_folder.c_str(), target.shown_folder.c_str());
  struct stat status;
  if (own && ::stat(own->path, &status) == 0 && status.st_dev == first.device && status.st_ino == first.inode)
    out.folder = *own;
  else  // another's, or in another mount namespace
    std::snprintf(out.folder.path, sizeof out.folder.path, "/proc/self/fd/%d", first.folder.get());
  out.owner = first.uid;
  out.group = first.gid;
  return out;
}

// As execvp(3) finds it; empty: it does not.
std::string path_of(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/bin:/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const std::string file = (folder.empty() ? "." : folder) + "/" + program; ::access(file.c_str(), X_OK) == 0) return file;
  return {};
}

// Events that there are now, of programs that run and of the one that is about to: filters are tried on them before anything begins.
std::vector<std::vector<std::byte>> known_events(const Options& options, const Targets& targets) {
  std::vector<std::vector<std::byte>> out;
  if (!options.attaches() || options.all)
    if (!options.program.empty())
      if (Result<record::ProgramFile> file = record::read_program_file(path_of(options.program[0]))) out = std::move(file->schemas);
  if (!options.attaches()) return out;
  for (const std::string& path : record::find_registries(targets.folder.path)) {
    const Result<record::RegistryFile> registry = record::RegistryFile::open(path, record::RegistryFile::Access::read_only, targets.owner);
    if (!registry || !(options.all || std::any_of(targets.list.begin(), targets.list.end(),
                                                  [&](const record::Target& t) { return t.inner_pid == registry->pid(); })))
      continue;
    for (std::uint32_t i = 0, n = registry->row_count(); i < n; ++i) out.push_back(registry->schema(i));
  }
  return out;
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

  const Result<Targets> targets = find_targets(options, runtime_dir(true));
  if (!targets) return refuse(targets.error(), 1);
  const base::RuntimeDir& runtime = targets->folder;
  if (Status checked = check_filters(options.rules, known_events(options, *targets), say_line); !checked) return refuse(checked.error(), 2);
  Result<record::SessionOptions> wanted = session_options(options, runtime);
  if (!wanted) return refuse(wanted.error(), 1);
  wanted->owner = targets->owner;
  wanted->group = targets->group;
  record::remove_left_behind(runtime.path, targets->owner);  // before ours: there is more room then
  Result<record::Session> session = record::Session::create(runtime, *wanted);
  if (!session) return refuse(session.error(), 1);
  Result<record::TraceFolder> folder = make_folder(options);
  if (!folder) return refuse(folder.error(), 1);

  record::Recorder recorder(*session, *folder, {environment(options), say_line});
  record::Attachment attachment(*session, runtime.path);
  const auto give_up = [&](const Error& error, int status) {
    folder->discard();
    return refuse(error, status);
  };
  if (options.all)
    if (Status added = attachment.add_everyone(); !added) return give_up(added.error(), 1);
  for (const record::Target& target : targets->list)
    if (Status added = attachment.add(target); !added) return give_up(added.error(), 1);
  std::optional<record::Program> program;
  if (!options.program.empty()) {
    std::vector<std::pair<std::string, std::string>> environment;
    if (!options.attaches()) environment.emplace_back("OURO_SESSION", session->file());
    Result<record::Program> started = record::Program::start(options.program, environment, guard);
    if (!started) return give_up(started.error(), started.error().code == ENOENT ? 127 : 126);
    program = std::move(*started);
  }
  if (options.attaches())
    say("session %s: %u events of %u processes are on%s", session->file().c_str() + std::strlen("session-"), attachment.events(), attachment.processes(),
        options.program.empty() && !options.duration ? " (Ctrl-C ends it)" : "");
  record::prefer_short_turns();
  record::Program* const own = program ? &*program : nullptr;
  Supervision(own, recorder, attachment, signals.get(), options.duration).run();
  session->close();
  // Nobody begins a record any more; those who had begun one finish it meanwhile.
  if (own == nullptr || !own->all_ended() || options.attaches()) ::usleep(10'000);
  record::Summary summary = recorder.finish();
  if (session->was_cut_short()) {
    say("error: record: the session's memory was cut short (hint: a program truncated its file); the trace has what was read before");
    summary.complete = false;
  }
  if (own != nullptr && own->killed_by() != 0)
    say("the program was killed by signal %d (%s)", own->killed_by(), ::strsignal(own->killed_by()));
  if (own != nullptr && !own->has_ended()) say("the program (pid %d) is left running", static_cast<int>(own->pid()));
  report(summary, *wanted, *folder, runtime);
  return exit_status(own, summary);
}

}  // namespace

int record_command(int argc, char** argv) {
  Options options;
  if (const std::optional<int> status = parse(argc, argv, options)) return *status;
  return run(options);
}

}  // namespace ouro::cli
