#include "cli/session_figures.hpp"

#include <algorithm>

#include <ouro/ring/overview.hpp>

#include "base/linked_file.hpp"
#include "cli/sessions.hpp"
#include "clock/calibrate.hpp"
#include "record/session.hpp"
#include "record/snapshot.hpp"

namespace ouro::cli {
namespace {

void look_at_rings(const record::Session& session, SessionFigures& row) {
  const abi::ClockKind kind = session.options().clock;
  const double ticks_a_second = static_cast<double>(clock::calibrate(kind, session.begin(), clock::read_pair(kind), clock::read_realtime_offset()).frequency);
  std::uint64_t first = ~std::uint64_t{0}, complete_from = 0, last = 0;
  for (std::uint32_t i = 0; i < session.ring_count(); ++i) {
    const ring::Overview ring = ring::overview_of(session.ring(i), session.geometry(i));
    row.corrupt |= ring.corrupt;
    for (std::size_t cause = 0; cause < abi::kLossCauses; ++cause) row.lost[cause] += ring.lost[cause];
    if (ring.corrupt || ring.records == 0) continue;
    row.events += ring.records;
    first = std::min(first, ring.begin_stamp);
    last = std::max(last, ring.end_stamp);
    if (ring.lost[static_cast<std::size_t>(abi::Loss::lapped)] != 0) complete_from = std::max(complete_from, ring.begin_stamp);
  }
  if (row.events == 0 || ticks_a_second <= 0) return;
  row.seconds = static_cast<double>(last - std::min(last, first)) / ticks_a_second;
  row.covers = static_cast<double>(last - std::min(last, std::max(first, complete_from))) / ticks_a_second;
}

}  // namespace

const char* kind_of(const record::SessionFile& session) {
  if (session.is_kept()) return "flight";
  if (session.is_watched()) return "trigger";
  return session.is_left_behind() ? "left behind" : session.is_open() ? "recorded" : "closed";
}

SessionFigures figures_of(const std::string& folder, const record::SessionFile& one, std::optional<Error>& failed, uid_t owner) {
  SessionFigures out;
  out.name = one.name();
  out.kind = kind_of(one);
  out.mode = one.mode() == abi::FullMode::overwrite ? "overwrite" : "discard";
  out.processes = count_processes(folder, one.session_name(), owner);
  out.buffer = one.buffer_size();
  out.memory = one.memory();
  if (char file[base::kMaxLinked]; base::read_linked((folder + "/" + one.session_name().file).c_str(), file)) out.file = file;
  for (const record::SessionFile::Event& event : one.events()) out.taken += event.count;
  const Result<record::Session> session = record::Session::adopt(folder, one.session_name().file, record::Session::Adopt::look, owner);
  if (session) record::bury_dead(*session), look_at_rings(*session, out);
  else failed = session.error();
  return out;
}

}  // namespace ouro::cli
