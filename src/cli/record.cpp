// `ouro record`: makes a session, runs the program in it, drains until all is over, says what came of it.
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/runtime_dir.hpp"
#include "cli/commands.hpp"
#include "cli/record_join.hpp"
#include "cli/record_options.hpp"
#include "cli/record_resume.hpp"
#include "cli/record_session.hpp"
#include "cli/record_targets.hpp"
#include "cli/report.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/triggers.hpp"
#include "record/attachment.hpp"
#include "record/compress.hpp"
#include "record/housekeeper.hpp"
#include "record/program.hpp"
#include "record/recorder.hpp"
#include "record/rotation.hpp"
#include "record/session.hpp"
#include "record/session_file.hpp"
#include "record/snapshot.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kGrace = 2s;

// Of the session that is recorded, and of those of the triggers.
class Attachments {
 public:
  // `triggers`: null if there is none.
  Attachments(const record::Session& session, const Triggers* triggers, const std::string& folder) : session_(session), file_names_(session.file()) {
    list_.emplace_back(session, folder);
    if (triggers == nullptr) return;
    for (const record::Session& watched : triggers->sessions()) {
      list_.emplace_back(watched, folder);
      file_names_ += " " + watched.file();
    }
  }

  Status add(const RecordOptions& options, const Targets& targets) {
    for (record::Attachment& one : list_) {
      if (options.seccomp_ok) one.ignore_seccomp();
      if (options.all)
        if (Status added = one.add_everyone(); !added) return added;
      for (const record::Target& target : targets.list)
        if (Status added = one.add(target); !added) return added;
    }
    return Ok{};
  }
  void step() {
    for (record::Attachment& one : list_) one.step();
    say_left_out();
  }
  void say_left_out() {
    for (const std::string& why : list_.front().take_left_out()) say("warning: not recorded: %s", why.c_str());
  }
  bool all_ended() const { return list_.front().all_ended(); }
  const record::Session& session() const { return session_; }
  const record::Attachment& main() const { return list_.front(); }
  // For OURO_SESSION.
  const std::string& file_names() const { return file_names_; }

 private:
  const record::Session& session_;
  std::deque<record::Attachment> list_;
  std::string file_names_;
};

// From the beginning to the moment at which recording is to end.
class Supervision {
 public:
  // `program`, `recorder`, `rotation`, `triggers`: null if there is none.
  Supervision(record::Program* program, record::Recorder* recorder, record::Rotation* rotation, Attachments& attachments, Triggers* triggers, int signals,
              std::optional<std::chrono::milliseconds> duration)
      : program_(program), recorder_(recorder), rotation_(rotation), attachments_(attachments), triggers_(triggers), signals_(signals) {
    if (duration) end_ = Clock::now() + *duration;
  }

  void run() {
    while (!is_over()) step();
    if (triggers_ == nullptr) return;
    signals_seen_ = 0;
    triggers_->finish([this] {
      wait_and_reap(0us);
      return signals_seen_ != 0;
    });
  }

 private:
  static constexpr std::chrono::microseconds kLookEvery = 100ms;

  void step() {
    std::chrono::microseconds pause = recorder_ != nullptr ? recorder_->step() : kLookEvery;
    if (rotation_ != nullptr) rotation_->step(*recorder_);
    if (triggers_ != nullptr) {
      if (recorder_ != nullptr) triggers_->on_buffer(recorder_->fullest());
      triggers_->step();
      if (triggers_->take_rotation() && rotation_ != nullptr)
        if (Status rotated = rotation_->rotate(*recorder_); !rotated) say("warning: %s", rotated.error().text.c_str());
      pause = std::min<std::chrono::microseconds>(pause, triggers_->until_next());
    }
    wait_and_reap(pause);
    if (Clock::now() >= next_look_) {
      attachments_.step();
      next_look_ = Clock::now() + kLookEvery;
    }
    if (recorder_ == nullptr && Clock::now() >= next_burial_) {
      record::bury_dead(attachments_.session());
      next_burial_ = Clock::now() + 1s;
    }
    say_who_remains();
  }

  bool is_over() const {
    if (end_ && Clock::now() >= *end_) return true;
    if (triggers_ != nullptr && triggers_->wants_end()) return true;
    if (const record::Session& session = attachments_.session(); session.options().is_kept && !session.is_open()) return true;  // ouro stop
    if (program_ == nullptr) return signals_seen_ != 0 || attachments_.all_ended();
    return program_->all_ended() || signals_seen_ > 1 || (signals_seen_ == 1 && Clock::now() >= deadline_);
  }

  void wait_and_reap(std::chrono::microseconds pause) {
    wait(pause);
    // Also without a signal: several SIGCHLD may come as one.
    if (program_ == nullptr) return;
    program_->reap([this](pid_t pid, int status) {
      if (triggers_ != nullptr) triggers_->on_child(pid, status);
    });
  }

  void wait(std::chrono::microseconds pause) {
    std::vector<pollfd> on = {{signals_, POLLIN, 0}};
    if (triggers_ != nullptr)
      for (const int fd : triggers_->fds()) on.push_back({fd, POLLIN, 0});
    const timespec timeout{pause.count() / 1'000'000, pause.count() % 1'000'000 * 1000};
    if (::ppoll(on.data(), on.size(), &timeout, nullptr) <= 0 || on.front().revents == 0) return;
    for (signalfd_siginfo info; ::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info);) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGCHLD) continue;
      if (signal != SIGINT && signal != SIGTERM && signal != SIGHUP) {
        triggers_->on_signal(signal);
        continue;
      }
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
  record::Rotation* rotation_;
  Attachments& attachments_;
  Triggers* triggers_;
  int signals_;
  int signals_seen_ = 0;
  Clock::time_point deadline_, ended_at_, next_look_, next_burial_;
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

// Those of the triggers, too.
Status check_filters(const RecordOptions& options, const std::vector<std::vector<std::byte>>& known) {
  if (Status checked = cli::check_filters(options.rules, known, say_line); !checked) return checked;
  for (const Trigger& trigger : options.triggers) {
    if (trigger.event.filter.empty()) continue;
    record::Rule rule;
    rule.name = trigger.event.event;
    rule.filter = trigger.event.filter;
    rule.code = trigger.event.code;
    if (Status checked = cli::check_filters({rule}, known, say_line); !checked) return checked;
  }
  return Ok{};
}

// The session's programs have it from here on. An exit status if one that was asked for has not.
std::optional<int> start(const RecordOptions& options, const Targets& targets, Attachments& attachments, const record::SignalGuard& guard,
                         std::optional<record::Program>& program) {
  if (Status added = attachments.add(options, targets); !added) return refuse(added.error(), 1);
  if (!options.program.empty()) {
    std::vector<std::pair<std::string, std::string>> environment;
    if (!options.attaches()) environment.emplace_back("OURO_SESSION", attachments.file_names());
    Result<record::Program> started = record::Program::start(options.program, environment, guard);
    if (!started) return refuse(started.error(), started.error().code == ENOENT ? 127 : 126);
    program = std::move(*started);
  }
  attachments.say_left_out();
  return std::nullopt;
}

// Goes on in the background, without a terminal; the caller has its prompt back. What is said goes to a log.
void detach(const std::string& log) {
  std::fflush(nullptr);
  if (::fork() != 0) ::_exit(0);  // nothing is ended: it is the child's
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC), out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  ::dup2(out >= 0 ? out : null, STDERR_FILENO);
}

// A flight recorder stays when we go.
int fly(const RecordOptions& options, record::Session& session, Attachments& attachments, Triggers* triggers, std::optional<record::Program>& program,
        int signals, const std::string& folder, bool joined) {
  const record::SessionOptions& made = session.options();
  const auto cpus = static_cast<std::uint64_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  const char* const name = made.name.c_str();
  say("flight recorder %s %s: %s of the newest events a CPU, %s of memory at most (hint: ouro snapshot %s, ouro stop %s)", name,
      joined ? "goes on" : "is on", binary_size(made.subbuf_count * made.subbuf_size).c_str(), human_bytes(session.memory(cpus)).c_str(), name, name);
  if (options.attaches() && !joined) say("%u events of %u processes are on", attachments.main().events(), attachments.main().processes());
  session.leave();
  if (triggers == nullptr && !options.join && (!program || options.detach)) return 0;
  const std::string log = folder + "/" + made.name + ".log";
  if (options.detach) {
    say("its triggers are watched in the background (hint: ouro stop %s ends that too; what happens stands in %s)", name, log.c_str());
    detach(log);
    program.reset();
  }
  Supervision(program ? &*program : nullptr, nullptr, nullptr, attachments, triggers, signals, options.duration).run();
  if (options.detach) ::unlink(log.c_str());
  if (program && program->killed_by() != 0)
    say("the program was killed by signal %d (%s): ouro recover %s writes what it did", program->killed_by(), ::strsignal(program->killed_by()), name);
  return program && program->has_ended() ? program->exit_status() : 0;
}

// One trace, or a folder of them.
struct Output {
  std::unique_ptr<record::TraceFolder> trace;
  std::unique_ptr<record::Rotation> rotation;

  record::TraceFolder& first() { return rotation ? rotation->current() : *trace; }
  const std::string& path() const { return rotation ? rotation->path() : trace->path(); }
  void discard() { rotation ? rotation->discard() : trace->discard(); }
};
Result<Output> make_output(const RecordOptions& options) {
  Output out;
  if (options.rotates()) {
    Result<std::unique_ptr<record::Rotation>> made = make_rotation(options.output, {options.rotate_size, options.rotate_time, options.keep, options.compress, say_line});
    if (!made) return made.error();
    out.rotation = std::move(*made);
  } else {
    Result<record::TraceFolder> made = make_trace_folder(options.output, "trace");
    if (!made) return made.error();
    out.trace = std::make_unique<record::TraceFolder>(std::move(*made));
  }
  return out;
}

// Returns how many bytes it saved.
std::uint64_t compress(const record::TraceFolder& trace, const record::Summary& summary, const std::function<bool()>& is_enough) {
  if (Status compressed = record::compress_trace(AT_FDCWD, trace.path(), is_enough); !compressed) say("warning: %s", compressed.error().text.c_str());
  const std::uint64_t bytes = record::bytes_of_trace(AT_FDCWD, trace.path());
  return summary.bytes - std::min(bytes, summary.bytes);
}

int run(const RecordOptions& options) {
  std::vector<int> blocked = {SIGCHLD, SIGINT, SIGTERM};
  struct sigaction hangup;
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
    blocked.push_back(SIGHUP);  // else: nohup
  for (const Trigger& trigger : options.triggers)
    if (trigger.when == Trigger::When::signal) blocked.push_back(trigger.signal);
  const record::SignalGuard guard(blocked);
  const base::Fd signals = guard.descriptor();
  if (!signals) return refuse(error_from_errno("no signalfd"), 1);

  const Result<Targets> targets = find_targets(options, runtime_dir(true));
  if (!targets) return refuse(targets.error(), 1);
  const base::RuntimeDir& runtime = targets->folder;
  if (Status checked = check_filters(options, known_events(options, *targets)); !checked) return refuse(checked.error(), 2);
  Result<record::SessionOptions> wanted = session_options(options, runtime);
  if (!wanted) return refuse(wanted.error(), 1);
  wanted->owner = targets->owner;
  wanted->group = targets->group;
  // Before ours: there is more room then. Who joins takes away what was of the same session's triggers only: others may be about to be resumed.
  record::remove_left_behind(runtime.path, targets->owner, record::kSessionPrefix + (options.join ? wanted->name + ".on" : ""));
  std::optional<record::Session> joined;
  if (options.join) {
    Result<std::optional<record::Session>> there = join_session(options, *wanted, runtime, say_line);
    if (!there) return refuse(there.error(), 1);
    if (*there) joined.emplace(std::move(**there));
  }
  const bool is_joined = joined.has_value();
  Result<record::Session> session = is_joined ? Result<record::Session>(std::move(*joined)) : record::Session::create(runtime, *wanted);
  if (!session) return refuse(session.error(), 1);
  std::unique_ptr<Triggers> triggers;
  if (!options.triggers.empty()) {
    Result<std::unique_ptr<Triggers>> made = Triggers::create(options.triggers, {runtime, *session, guard});
    if (!made) return refuse(made.error(), 1);
    triggers = std::move(*made);
  }
  Attachments attachments(*session, triggers.get(), runtime.path);
  std::optional<record::Program> program;
  if (options.flight) {
    if (const std::optional<int> status = start(options, *targets, attachments, guard, program)) return *status;
    return fly(options, *session, attachments, triggers.get(), program, signals.get(), runtime.path, is_joined);
  }
  Result<Output> output = make_output(options);
  if (!output) return refuse(output.error(), 1);
  record::Rotation* const rotation = output->rotation.get();
  std::string command;
  for (const std::string& argument : options.program) command += (command.empty() ? "" : " ") + argument;
  record::Recorder recorder(*session, output->first(), {trace_environment(command, wanted->mode), say_line});
  if (const std::optional<int> status = start(options, *targets, attachments, guard, program)) {
    output->discard();
    return *status;
  }
  if (options.attaches())
    say("session %s: %u events of %u processes are on%s", session->options().name.c_str(), attachments.main().events(), attachments.main().processes(),
        options.program.empty() && !options.duration ? " (Ctrl-C ends it)" : "");
  record::prefer_short_turns();
  record::Program* const own = program ? &*program : nullptr;
  Supervision(own, &recorder, rotation, attachments, triggers.get(), signals.get(), options.duration).run();
  session->close();
  // Nobody begins a record any more; those who had begun one finish it meanwhile.
  if (own == nullptr || !own->all_ended() || options.attaches()) ::usleep(10'000);
  record::Summary summary = recorder.finish();
  // Compressing may take a while: a signal ends it.
  const auto is_enough = [&] {
    signalfd_siginfo info;
    return ::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info) && info.ssi_signo != SIGCHLD;
  };
  std::uint64_t saved = 0;
  if (rotation != nullptr) rotation->finish(recorder, is_enough), saved = rotation->saved_bytes();
  else if (options.compress) saved = compress(*output->trace, summary, is_enough);
  if (session->was_cut_short()) {
    say("error: record: the session's memory was cut short (hint: a program truncated its file); the trace has what was read before");
    summary.complete = false;
  }
  if (own != nullptr && own->killed_by() != 0)
    say("the program was killed by signal %d (%s)", own->killed_by(), ::strsignal(own->killed_by()));
  if (own != nullptr && !own->has_ended()) say("the program (pid %d) is left running", static_cast<int>(own->pid()));
  say_summary(summary, *wanted, output->path(), runtime.path);
  if (rotation != nullptr) say_rotation(*rotation);
  if (saved != 0) say("compressed: %s less", human_bytes(saved).c_str());
  return exit_status(own, summary);
}

}  // namespace

int record_command(int argc, char** argv) {
  RecordOptions options;
  if (const std::optional<int> status = parse_record_options(argc, argv, options)) return *status;
  return options.resume.empty() ? run(options) : resume_recording(options);
}

}  // namespace ouro::cli
