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
#include "cli/commands.hpp"
#include "cli/record_options.hpp"
#include "cli/record_targets.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "clock/calibrate.hpp"
#include "record/attachment.hpp"
#include "record/program.hpp"
#include "record/recorder.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kGrace = 2s;
constexpr std::uint64_t kDefaultBuffer = 4 << 20, kSmallestDefault = 256 << 10;
constexpr std::uint32_t kDefaultCount = 16;

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

void set_geometry(const RecordOptions& options, const base::RuntimeDir& folder, record::SessionOptions& out) {
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

Result<record::SessionOptions> session_options(const RecordOptions& options, const base::RuntimeDir& folder) {
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

std::vector<std::pair<std::string, std::string>> environment(const RecordOptions& options) {
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

Result<record::TraceFolder> make_folder(const RecordOptions& options) {
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

void say_left_out(record::Attachment& attachment) {
  for (const std::string& why : attachment.take_left_out()) say("warning: not recorded: %s", why.c_str());
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
        say_left_out(attachment_);
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

int run(const RecordOptions& options) {
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
  if (options.seccomp_ok) attachment.ignore_seccomp();
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
  say_left_out(attachment);
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
  RecordOptions options;
  if (const std::optional<int> status = parse_record_options(argc, argv, options)) return *status;
  return run(options);
}

}  // namespace ouro::cli
