#include "cli/top_look.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "record/session.hpp"
#include "record/snapshot.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {

Result<NewestEvents> newest_events(const std::string& folder, const record::SessionFile& file, std::chrono::nanoseconds window, double per_second,
                                   const std::string& scratch) {
  const Result<record::Session> session = record::Session::adopt(folder, file.session_name().file, record::Session::Adopt::look);
  if (!session) return session.error();
  if (per_second > 0) window = std::min(window, std::chrono::nanoseconds(static_cast<std::int64_t>(kMostEvents / per_second * 1e9)));
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
  Result<record::TraceFolder> trace_folder = record::TraceFolder::create(scratch);
  if (!trace_folder) return trace_folder.error();
  const Result<record::SnapshotSummary> written = record::write_snapshot(*session, *trace_folder, {{}, [](const std::string&) {}, window});
  Result<NewestEvents> out = NewestEvents{};
  if (written) {
    Result<read::Trace> trace = read::Trace::open(scratch);
    if (trace) {
      out->stats.emplace(*trace);
      while (const read::Event* event = trace->next()) out->stats->see(*event);
      out->stats->finish(*trace);
      out->seconds = std::chrono::duration<double>(window).count();
    } else {
      out = trace.error();
    }
  } else {
    out = written.error();
  }
  std::filesystem::remove_all(scratch, ignored);
  return out;
}

}  // namespace ouro::cli
