// `ouro record`: makes a session, runs the program in it, drains until all is over, says what came of it.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/runtime_dir.hpp"
#include "cli/commands.hpp"
#include "cli/record_options.hpp"
#include "cli/record_session.hpp"
#include "cli/record_targets.hpp"
#include "cli/report.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
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

void say_left_out(record::Attachment& attachment) {
  for (const std::string& why : attachment.take_left_out()) say("warning: not recorded: %s", why.c_str());
}

// From the beginning to the moment at which recording is to end.
class Supervision {
 public:
  // `program`, `recorder`: null if there is none.
  Supervision(record::Program* program, record::Recorder* recorder, record::Attachment& attachment, int signals,
              std::optional<std::chrono::milliseconds> duration)
      : program_(program), recorder_(recorder), attachment_(attachment), signals_(signals) {
    if (duration) end_ = Clock::now() + *duration;
  }

  void run() {
    while (!is_over()) {
      wait(recorder_ != nullptr ? recorder_->step() : kLookEvery);
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
  static constexpr std::chrono::microseconds kLookEvery = 100ms;

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
  record::Recorder* recorder_;
  record::Attachment& attachment_;
  int signals_;
  int signals_seen_ = 0;
  Clock::time_point deadline_, ended_at_, next_look_;
  std::optional<Clock::time_point> end_;
  bool said_ = false;
};

int exit_status(const record::Program* program, const record::Summary& summary) {
  const int status = program != nullptr && program->has_ended() ? program->exit_status() : 0;
  return status == 0 && !summary.complete ? 1 : status;
}

int refuse(const Error& error, int status) {
  say("error: record: %s", error.text.c_str());
  return status;
}

// The session's programs have it from here on. An exit status if one that was asked for has not.
std::optional<int> start(const RecordOptions& options, const Targets& targets, const record::Session& session, record::Attachment& attachment,
                         const record::SignalGuard& guard, std::optional<record::Program>& program) {
  if (options.seccomp_ok) attachment.ignore_seccomp();
  if (options.all)
    if (Status added = attachment.add_everyone(); !added) return refuse(added.error(), 1);
  for (const record::Target& target : targets.list)
    if (Status added = attachment.add(target); !added) return refuse(added.error(), 1);
  if (!options.program.empty()) {
    std::vector<std::pair<std::string, std::string>> environment;
    if (!options.attaches()) environment.emplace_back("OURO_SESSION", session.file());
    Result<record::Program> started = record::Program::start(options.program, environment, guard);
    if (!started) return refuse(started.error(), started.error().code == ENOENT ? 127 : 126);
    program = std::move(*started);
  }
  say_left_out(attachment);
  return std::nullopt;
}

// A flight recorder stays when we go.
int fly(const RecordOptions& options, record::Session& session, record::Attachment& attachment, std::optional<record::Program>& program, int signals) {
  const record::SessionOptions& made = session.options();
  const auto cpus = static_cast<std::uint64_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  const char* const name = made.name.c_str();
  say("flight recorder %s is on: %s of the newest events a CPU, %s of memory at most (hint: ouro snapshot %s, ouro stop %s)", name,
      binary_size(made.subbuf_count * made.subbuf_size).c_str(), human_bytes(session.memory(cpus)).c_str(), name, name);
  if (options.attaches()) say("%u events of %u processes are on", attachment.events(), attachment.processes());
  session.leave();
  if (!program || options.detach) return 0;
  Supervision(&*program, nullptr, attachment, signals, options.duration).run();
  if (program->killed_by() != 0)
    say("the program was killed by signal %d (%s): ouro recover %s writes what it did", program->killed_by(), ::strsignal(program->killed_by()), name);
  return program->has_ended() ? program->exit_status() : 0;
}

int run(const RecordOptions& options) {
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
  record::Attachment attachment(*session, runtime.path);
  std::optional<record::Program> program;
  if (options.flight) {
    if (const std::optional<int> status = start(options, *targets, *session, attachment, guard, program)) return *status;
    return fly(options, *session, attachment, program, signals.get());
  }
  Result<record::TraceFolder> folder = make_trace_folder(options.output, "trace");
  if (!folder) return refuse(folder.error(), 1);
  std::string command;
  for (const std::string& argument : options.program) command += (command.empty() ? "" : " ") + argument;
  record::Recorder recorder(*session, *folder, {trace_environment(command, wanted->mode), say_line});
  if (const std::optional<int> status = start(options, *targets, *session, attachment, guard, program)) {
    folder->discard();
    return *status;
  }
  if (options.attaches())
    say("session %s: %u events of %u processes are on%s", session->options().name.c_str(), attachment.events(), attachment.processes(),
        options.program.empty() && !options.duration ? " (Ctrl-C ends it)" : "");
  record::prefer_short_turns();
  record::Program* const own = program ? &*program : nullptr;
  Supervision(own, &recorder, attachment, signals.get(), options.duration).run();
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
  say_summary(summary, *wanted, *folder, runtime.path);
  return exit_status(own, summary);
}

}  // namespace

int record_command(int argc, char** argv) {
  RecordOptions options;
  if (const std::optional<int> status = parse_record_options(argc, argv, options)) return *status;
  return run(options);
}

}  // namespace ouro::cli
