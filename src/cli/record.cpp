// `ouro record`: makes a session, runs the program in it, drains until all is over, says what came of it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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
#include "cli/supervision.hpp"
#include "cli/triggers.hpp"
#include "record/compress.hpp"
#include "record/housekeeper.hpp"
#include "record/program.hpp"
#include "record/recorder.hpp"
#include "record/rotation.hpp"
#include "record/session.hpp"
#include "record/session_file.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {
namespace {

int exit_status(const record::Program* program, const record::Summary& summary) {
  const int status = program != nullptr && program->has_ended() ? program->exit_status() : 0;
  return status == 0 && !summary.complete ? 1 : status;
}

int refuse(const Error& error, int status) {
  say("error: record: %s", error.text.c_str());
  return status;
}

struct Opened {
  record::Session session;
  record::SessionOptions wanted;  // `session`'s, if it was not joined
  bool is_joined;
};
Result<Opened> open_session(const RecordOptions& options, const Targets& targets) {
  const base::RuntimeDir& runtime = targets.folder;
  Result<record::SessionOptions> wanted = session_options(options, runtime);
  if (!wanted) return wanted.error();
  wanted->owner = targets.owner;
  wanted->group = targets.group;
  // Before ours: there is more room then. Who joins takes away what was of the same session's triggers only: others may be about to be resumed.
  record::remove_left_behind(runtime.path, targets.owner, record::kSessionPrefix + (options.join ? wanted->name + ".on" : ""));
  if (options.join) {
    Result<std::optional<record::Session>> there = join_session(options, *wanted, runtime, say_line);
    if (!there) return there.error();
    if (*there) return Opened{std::move(**there), std::move(*wanted), true};
  }
  Result<record::Session> made = record::Session::create(runtime, *wanted);
  if (!made) return made.error();
  return Opened{std::move(*made), std::move(*wanted), false};
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
int fly(const RecordOptions& options, Opened& opened, Attachments& attachments, Triggers* triggers, std::optional<record::Program>& program, int signals,
        const std::string& folder) {
  record::Session& session = opened.session;
  const bool joined = opened.is_joined;
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

std::string command_line_of(const std::vector<std::string>& program) {
  std::string out;
  for (const std::string& argument : program) out += (out.empty() ? "" : " ") + argument;
  return out;
}

void say_how_it_ended(const record::Program& program) {
  if (program.killed_by() != 0) say("the program was killed by signal %d (%s)", program.killed_by(), ::strsignal(program.killed_by()));
  if (!program.has_ended()) say("the program (pid %d) is left running", static_cast<int>(program.pid()));
}

// To a trace, while it happens.
int write_traces(const RecordOptions& options, const Targets& targets, Opened& opened, Attachments& attachments, Triggers* triggers, const record::SignalGuard& guard, int signals) {
  record::Session& session = opened.session;
  Result<Output> output = make_output(options);
  if (!output) return refuse(output.error(), 1);
  record::Rotation* const rotation = output->rotation.get();
  record::Recorder recorder(session, output->first(), {trace_environment(command_line_of(options.program), opened.wanted.mode), say_line});
  std::optional<record::Program> program;
  if (const std::optional<int> status = start(options, targets, attachments, guard, program)) {
    output->discard();
    return *status;
  }
  if (options.attaches())
    say("session %s: %u events of %u processes are on%s", session.options().name.c_str(), attachments.main().events(), attachments.main().processes(),
        options.program.empty() && !options.duration ? " (Ctrl-C ends it)" : "");
  record::prefer_short_turns();
  record::Program* const own = program ? &*program : nullptr;
  Supervision(own, &recorder, rotation, attachments, triggers, signals, options.duration).run();
  session.close();
  // Nobody begins a record any more; those who had begun one finish it meanwhile.
  if (own == nullptr || !own->all_ended() || options.attaches()) ::usleep(10'000);
  record::Summary summary = recorder.finish();
  const auto enough = [&] { return is_enough(signals); };
  std::uint64_t saved = 0;
  if (rotation != nullptr) rotation->finish(recorder, enough), saved = rotation->saved_bytes();
  else if (options.compress) saved = compress(*output->trace, summary, enough);
  if (session.was_cut_short()) {
    say("error: record: the session's memory was cut short (hint: a program truncated its file); the trace has what was read before");
    summary.complete = false;
  }
  if (own != nullptr) say_how_it_ended(*own);
  say_summary(summary, opened.wanted, output->path(), targets.folder.path);
  if (rotation != nullptr) say_rotation(*rotation);
  if (saved != 0) say("compressed: %s less", human_bytes(saved).c_str());
  return exit_status(own, summary);
}

int run(const RecordOptions& options) {
  const record::SignalGuard guard(signals_of(options));
  const base::Fd signals = guard.descriptor();
  if (!signals) return refuse(error_from_errno("no signalfd"), 1);
  const Result<Targets> targets = find_targets(options, runtime_dir(true));
  if (!targets) return refuse(targets.error(), 1);
  const std::vector<std::vector<std::byte>> known = known_events(options, *targets);
  for (const Status& checked : {check_filters(options.rules, known, say_line), check_filters(options.triggers, known)})
    if (!checked) return refuse(checked.error(), 2);
  Result<Opened> opened = open_session(options, *targets);
  if (!opened) return refuse(opened.error(), 1);
  std::unique_ptr<Triggers> triggers;
  if (!options.triggers.empty()) {
    Result<std::unique_ptr<Triggers>> made = Triggers::create(options.triggers, {targets->folder, opened->session, guard});
    if (!made) return refuse(made.error(), 1);
    triggers = std::move(*made);
  }
  Attachments attachments(opened->session, triggers.get(), targets->folder.path);
  if (!options.flight) return write_traces(options, *targets, *opened, attachments, triggers.get(), guard, signals.get());
  std::optional<record::Program> program;
  if (const std::optional<int> status = start(options, *targets, attachments, guard, program)) return *status;
  return fly(options, *opened, attachments, triggers.get(), program, signals.get(), targets->folder.path);
}

}  // namespace

int record_command(int argc, char** argv) {
  RecordOptions options;
  if (const std::optional<int> status = parse_record_options(argc, argv, options)) return *status;
  return options.resume.empty() ? run(options) : resume_recording(options);
}

}  // namespace ouro::cli
