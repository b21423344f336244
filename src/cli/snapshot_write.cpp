#include "cli/snapshot_write.hpp"

#include <cstdio>
#include <string_view>
#include <utility>

#include "cli/report.hpp"
#include "cli/say.hpp"
#include "record/snapshot.hpp"

namespace ouro::cli {
namespace {

std::string human_time(std::chrono::nanoseconds time) {
  char text[32];
  const double seconds = std::chrono::duration<double>(time).count();
  std::snprintf(text, sizeof text, seconds < 0.1 ? "%.3f s" : "%.1f s", seconds);
  return text;
}

// What a power cut took.
void say_torn(record::SnapshotSummary& summary) {
  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  if (summary.torn != 0) say("torn: dropped %llu events that had not reached the disk, or not whole", number(summary.torn));
  if (summary.rings_newer != 0)
    say("torn: of %llu buffers the newest part is there, but not the word that says how much there was: how many more events are missing is unknown", number(summary.rings_newer));
  if (summary.rings_unknown != 0) say("torn: %llu buffers contradict themselves: how many of their events are missing is unknown", number(summary.rings_unknown));
  if (summary.rings_newer + summary.rings_unknown != 0) summary.complete = false;
}

}  // namespace

Result<bool> write_snapshot_of(const record::Session& session, const std::string& output, const char* kind, std::optional<std::chrono::nanoseconds> last) {
  if (!session.is_image()) record::bury_dead(session);
  Result<record::TraceFolder> folder = make_trace_folder(output, kind);
  if (!folder) return folder.error();
  const std::string& name = session.options().name;
  Result<record::SnapshotSummary> written =
      record::write_snapshot(session, *folder, {trace_environment("ouro " + std::string(kind) + " " + name, session.options().mode), say_line, last});
  if (!written) {
    folder->discard();
    return written.error();
  }
  if (session.was_cut_short()) {
    say("error: %s: the session's memory was cut short (hint: a program truncated its file); the trace has what was read before", kind);
    written->complete = false;
  }
  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  constexpr auto kLapped = static_cast<std::size_t>(abi::Loss::lapped);
  say("%s session %s: the last %s, copied in %.1f ms", std::string_view(kind) == "snapshot" ? "snapshot of" : kind, name.c_str(), human_time(written->covered).c_str(), std::chrono::duration<double, std::milli>(written->took).count());
  say_torn(*written);
  const std::uint64_t overwritten = std::exchange(written->lost[kLapped], 0);
  if (overwritten != 0) say("%llu older events were overwritten by newer ones (hint: a larger --buffer-size keeps more)", number(overwritten));
  if (written->older != 0) say("left out %llu events that are older than --last, as asked for", number(written->older));
  say_summary(*written, session.options(), folder->path(), session.path().substr(0, session.path().rfind('/')).c_str());
  return written->complete;
}

}  // namespace ouro::cli
