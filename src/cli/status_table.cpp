#include "cli/status_table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <ouro/ring/overview.hpp>

#include "cli/say.hpp"
#include "cli/table.hpp"
#include "clock/calibrate.hpp"
#include "record/ring_drain.hpp"
#include "record/session.hpp"
#include "record/snapshot.hpp"

namespace ouro::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Row {
  std::string name;
  const char *kind = "", *mode = "";
  std::uint64_t processes = 0, buffer = 0, memory = 0, most = 0;
  std::uint64_t events = 0;   // in memory
  double seconds = 0;         // from the first of them to the last
  double covers = 0;          // from when on every ring has all, to the last
  std::array<std::uint64_t, abi::kLossCauses> lost{};
  bool corrupt = false;

  std::uint64_t lost_total() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < lost.size(); ++i) sum += i == static_cast<std::size_t>(abi::Loss::lapped) ? 0 : lost[i];
    return sum;
  }
  std::uint64_t overwritten() const { return lost[static_cast<std::size_t>(abi::Loss::lapped)]; }
  double rate() const { return seconds > 0 ? static_cast<double>(events) / seconds : 0; }
};

void look_at_rings(const record::Session& session, Row& row) {
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

Row row_of(const std::string& folder, const record::SessionFile& one) {
  Row out;
  out.name = one.name();
  out.kind = one.is_kept() ? "flight" : one.is_watched() ? "trigger" : one.is_left_behind() ? "left behind" : one.is_open() ? "recorded" : "closed";
  out.mode = one.mode() == abi::FullMode::overwrite ? "overwrite" : "discard";
  out.processes = count_processes(folder, one.session_name());
  out.buffer = one.buffer_size();
  out.memory = one.memory();
  return out;
}

void print_text(const std::vector<Row>& rows) {
  Table table({"Session", "kind", "mode", "processes", "events", "covers", "events/s", "lost", "overwritten", "buffer/CPU", "memory"}, "lllr");
  for (const Row& row : rows) {
    char covers[32], rate[32];
    std::snprintf(covers, sizeof covers, "%.3g s", row.covers);
    std::snprintf(rate, sizeof rate, "%.3g", row.rate());
    table.add({printable(row.name), row.kind, row.mode, std::to_string(row.processes), std::to_string(row.events), covers, rate, std::to_string(row.lost_total()),
               std::to_string(row.overwritten()), binary_size(row.buffer), human_bytes(row.memory)});
  }
  if (!table.empty()) table.print();
}

void print_json(const std::vector<Row>& rows) {
  Json out = Json::array();
  for (const Row& row : rows) {
    Json lost = Json::object();
    for (std::size_t i = 0; i < row.lost.size(); ++i) lost[record::kLossNames[i]] = row.lost[i];
    out.push_back({{"name", row.name},
                   {"kind", row.kind},
                   {"mode", row.mode},
                   {"processes", row.processes},
                   {"events", row.events},
                   {"seconds", row.seconds},
                   {"covers_seconds", row.covers},
                   {"events_per_second", row.rate()},
                   {"lost", lost},
                   {"buffer_size", row.buffer},
                   {"memory", row.memory},
                   {"memory_makes_sense", !row.corrupt}});
  }
  std::puts(out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

bool show_status(const std::string& folder, const Sessions& sessions, bool json) {
  std::vector<Row> rows;
  bool all = true;
  for (const record::SessionFile& one : sessions) {
    Row row = row_of(folder, one);
    const Result<record::Session> session = record::Session::adopt(folder, one.session_name().file, record::Session::Adopt::look);
    if (session) record::bury_dead(*session), look_at_rings(*session, row);
    else say("warning: %s", session.error().text.c_str()), all = false;
    if (row.corrupt) say("warning: session %s: the memory of some rings contradicts itself (hint: a program wrote over it)", row.name.c_str()), all = false;
    rows.push_back(std::move(row));
  }
  if (json) print_json(rows);
  else print_text(rows);
  return all;
}

}  // namespace ouro::cli
