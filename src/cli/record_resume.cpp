#include "cli/record_resume.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/report.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/supervision.hpp"
#include "cli/triggers.hpp"
#include "record/compress.hpp"
#include "record/journal.hpp"
#include "record/program.hpp"
#include "record/recorder.hpp"
#include "record/registry_file.hpp"
#include "record/rotation.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {
namespace {

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
    if (options.rotates()) return errorf(EINVAL, "'%s' is one trace, want a folder of them for --rotate, --keep and --do rotate", options.resume.c_str());
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

// The session of the trace, whose recorder was killed.
Result<record::Session> adopt(const RecordOptions& options, const base::RuntimeDir& runtime, const std::string& trace) {
  const Result<record::Journal> journal = record::read_journal(trace);
  if (!journal) return journal.error();
  Result<record::Session> session = record::Session::adopt(runtime.path, journal->session.file, record::Session::Adopt::inherit);
  if (!session) {
    Error error = session.error();
    if (error.code == ENOENT) error.text += " (hint: it ended, or another ouro record removed it: what is in the trace is all there is)";
    return error;
  }
  if (session->generation() == journal->session.generation) return session;
  session->leave();
  return errorf(ENOENT, "session '%s' is another one than that of '%s'", session->options().name.c_str(), options.resume.c_str());
}

// Events of the programs that have it.
std::vector<std::vector<std::byte>> known_events(const base::RuntimeDir& runtime, const record::SessionName& session) {
  std::vector<std::vector<std::byte>> out;
  for (const std::string& path : record::find_registries(runtime.path)) {
    const Result<record::RegistryFile> registry = record::RegistryFile::open(path, record::RegistryFile::Access::read_only);
    if (!registry || !registry->slot_of(session)) continue;
    for (std::uint32_t i = 0, n = registry->row_count(); i < n; ++i) out.push_back(registry->schema(i));
  }
  return out;
}

// None: they are none. The killed recorder's are gone then.
Result<std::unique_ptr<Triggers>> make_triggers(const RecordOptions& options, const base::RuntimeDir& runtime, const record::Session& session, const record::SignalGuard& guard) {
  record::remove_left_behind(runtime.path, ::geteuid(), session.file() + ".on");
  if (options.triggers.empty() || !session.is_open()) return std::unique_ptr<Triggers>();
  if (Status checked = check_filters(options.triggers, known_events(runtime, session.session_name())); !checked) return checked.error();
  return Triggers::create(options.triggers, {runtime, session, guard});
}

}  // namespace

int resume_recording(const RecordOptions& options) {
  const record::SignalGuard guard(signals_of(options));
  const base::Fd signals = guard.descriptor();
  if (!signals) return refuse(error_from_errno("no signalfd"));
  const Result<base::RuntimeDir> runtime = runtime_dir(false);
  if (!runtime) return refuse(runtime.error());
  Result<Found> found = find(options);
  if (!found) return refuse(found.error());
  Result<record::Session> session = adopt(options, *runtime, found->folder().path());
  if (!session) return refuse(session.error());
  const auto leave = [&](const Error& error) { return session->leave(), refuse(error); };
  const Result<std::unique_ptr<Triggers>> triggers = make_triggers(options, *runtime, *session, guard);
  if (!triggers) return leave(triggers.error());
  Attachments attachments(*session, triggers->get(), runtime->path);
  record::Recorder recorder(*session, found->folder(), {trace_environment("ouro record --resume", session->options().mode), say_line});
  if (Status resumed = recorder.resume(); !resumed) return leave(resumed.error());
  record::Rotation* const rotation = found->rotation.get();
  if (session->is_open()) {
    if (Status gone_on = attachments.go_on(options.all); !gone_on) say("warning: triggers: %s", gone_on.error().text.c_str());
    say("session %s: resumed%s", session->options().name.c_str(), options.duration ? "" : " (Ctrl-C ends it)");
    record::prefer_short_turns();
    Supervision(nullptr, &recorder, rotation, attachments, triggers->get(), signals.get(), options.duration).run();
  } else {
    say("session %s: its recorder was killed as it ended; what it had not written yet is written now", session->options().name.c_str());
    recorder.step();  // takes over the killed one's mark, to be removed at the end
  }
  session->close();
  ::usleep(10'000);  // those who had begun a record finish it
  const record::Summary summary = recorder.finish();
  const auto enough = [&] { return is_enough(signals.get()); };
  if (rotation != nullptr)
    rotation->finish(recorder, enough);
  else if (options.compress)
    if (Status compressed = record::compress_trace(AT_FDCWD, options.resume, enough); !compressed) say("warning: %s", compressed.error().text.c_str());
  say_summary(summary, session->options(), options.resume, runtime->path);
  if (rotation != nullptr) say_rotation(*rotation);
  return summary.complete ? 0 : 1;
}

}  // namespace ouro::cli
