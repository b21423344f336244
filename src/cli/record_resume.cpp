#include "cli/record_resume.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "cli/report.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/sessions.hpp"
#include "record/compress.hpp"
#include "record/journal.hpp"
#include "record/program.hpp"
#include "record/recorder.hpp"
#include "record/rotation.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLookEvery = 100ms;

int refuse(const Error& error) {
  say("error: record: %s", error.text.c_str());
  return 1;
}

// A trace, or a folder of them.
struct Found {
  std::unique_ptr<record::TraceFolder> trace;
  std::unique_ptr<record::Rotation> rotation;
  record::TraceFolder& folder() { return rotation ? rotation->current() : *trace; }
};
Result<Found> find(const RecordOptions& options) {
  Found out;
  if (::access((options.resume + "/" + record::kJournalFile).c_str(), F_OK) == 0 || ::access((options.resume + "/metadata").c_str(), F_OK) == 0) {
    if (options.rotates()) return errorf(EINVAL, "'%s' is one trace, want a folder of them for --rotate and --keep", options.resume.c_str());
    Result<record::TraceFolder> opened = record::TraceFolder::reopen(options.resume);
    if (!opened) return opened.error();
    out.trace = std::make_unique<record::TraceFolder>(std::move(*opened));
  } else {
    Result<std::unique_ptr<record::Rotation>> resumed =
        record::Rotation::resume(options.resume, {options.rotate_size, options.rotate_time, options.keep, options.compress, say_line});
    if (!resumed) return resumed.error();
    out.rotation = std::move(*resumed);
  }
  return out;
}

bool is_signalled(int signals) {
  signalfd_siginfo info;
  return ::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info);
}

void record(const RecordOptions& options, const char* runtime, const record::Session& session, record::Recorder& recorder, record::Rotation* rotation, int signals) {
  const auto begun = Clock::now();
  auto next_look = begun;
  for (;;) {
    const std::chrono::microseconds pause = recorder.step();
    if (rotation != nullptr) rotation->step(recorder);
    pollfd on{signals, POLLIN, 0};
    const timespec timeout{pause.count() / 1'000'000, pause.count() % 1'000'000 * 1000};
    if (::ppoll(&on, 1, &timeout, nullptr) > 0 && is_signalled(signals)) return;
    const auto now = Clock::now();
    if (options.duration && now - begun >= *options.duration) return;
    if (now < next_look) continue;
    next_look = now + kLookEvery;
    if (!options.all && count_processes(runtime, session.session_name()) == 0) return;
  }
}

}  // namespace

int resume_recording(const RecordOptions& options) {
  const record::SignalGuard guard({SIGINT, SIGTERM, SIGHUP});
  const base::Fd signals = guard.descriptor();
  if (!signals) return refuse(error_from_errno("no signalfd"));
  const Result<base::RuntimeDir> runtime = runtime_dir(false);
  if (!runtime) return refuse(runtime.error());
  Result<Found> found = find(options);
  if (!found) return refuse(found.error());
  const Result<record::Journal> journal = record::read_journal(found->folder().path());
  if (!journal) return refuse(journal.error());
  Result<record::Session> session = record::Session::adopt(runtime->path, journal->session.file, record::Session::Adopt::inherit);
  if (!session) {
    Error error = session.error();
    if (error.code == ENOENT) error.text += " (hint: it ended, or another ouro record removed it: what is in the trace is all there is)";
    return refuse(error);
  }
  if (session->generation() != journal->session.generation) {
    session->leave();
    return refuse(errorf(ENOENT, "session '%s' is another one than that of '%s'", session->options().name.c_str(), options.resume.c_str()));
  }
  if (!session->is_open()) {
    session->leave();
    return refuse(errorf(EINVAL, "session '%s' was just being ended when its recorder was killed (hint: ouro recover %s)", session->options().name.c_str(), session->options().name.c_str()));
  }
  record::Recorder recorder(*session, found->folder(), {trace_environment("ouro record --resume", session->options().mode), say_line});
  if (Status resumed = recorder.resume(); !resumed) {
    session->leave();
    return refuse(resumed.error());
  }
  say("session %s: resumed%s", session->options().name.c_str(), options.duration ? "" : " (Ctrl-C ends it)");
  record::prefer_short_turns();
  record::Rotation* const rotation = found->rotation.get();
  record(options, runtime->path, *session, recorder, rotation, signals.get());
  session->close();
  ::usleep(10'000);  // those who had begun a record finish it
  const record::Summary summary = recorder.finish();
  if (rotation != nullptr)
    rotation->finish(recorder, [&] { return is_signalled(signals.get()); });
  else if (options.compress)
    if (Status compressed = record::compress_trace(AT_FDCWD, options.resume, [&] { return is_signalled(signals.get()); }); !compressed) say("warning: %s", compressed.error().text.c_str());
  say_summary(summary, session->options(), options.resume, runtime->path);
  if (rotation != nullptr) say_rotation(*rotation);
  return summary.complete ? 0 : 1;
}

}  // namespace ouro::cli
