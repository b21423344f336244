#include "cli/status_table.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/say.hpp"
#include "cli/session_figures.hpp"
#include "cli/table.hpp"
#include "record/ring_drain.hpp"

namespace ouro::cli {
namespace {

using Json = nlohmann::ordered_json;

void print_text(const std::vector<SessionFigures>& rows) {
  std::vector<std::string> head = {"Session", "kind", "mode", "processes", "events", "covers", "events/s", "lost", "overwritten", "buffer/CPU", "memory"};
  const bool any_file = std::any_of(rows.begin(), rows.end(), [](const SessionFigures& row) { return !row.file.empty(); });
  if (any_file) head.emplace_back("file");
  Table table(std::move(head), "lllrrrrrrrrl");
  for (const SessionFigures& row : rows) {
    char covers[32], rate[32];
    std::snprintf(covers, sizeof covers, "%.3g s", row.covers);
    std::snprintf(rate, sizeof rate, "%.3g", row.rate());
    std::vector<std::string> cells = {printable(row.name), row.kind, row.mode, std::to_string(row.processes), std::to_string(row.events), covers, rate, std::to_string(row.lost_total()),
                                      std::to_string(row.overwritten()), binary_size(row.buffer), human_bytes(row.memory)};
    if (any_file) cells.push_back(printable(row.file));
    table.add(std::move(cells));
  }
  if (!table.empty()) table.print();
}

void print_json(const std::vector<SessionFigures>& rows) {
  Json out = Json::array();
  for (const SessionFigures& row : rows) {
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
                   {"file", row.file.empty() ? Json() : Json(row.file)},
                   {"memory_makes_sense", !row.corrupt}});
  }
  std::puts(out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

bool show_status(const std::string& folder, const Sessions& sessions, bool json) {
  std::vector<SessionFigures> rows;
  bool all = true;
  for (const record::SessionFile& one : sessions) {
    std::optional<Error> failed;
    SessionFigures row = figures_of(folder, one, failed);
    if (failed && failed->code == ENOENT) continue;  // it has just ended
    if (failed) say("warning: %s", failed->text.c_str()), all = false;
    if (row.corrupt) say("warning: session %s: the memory of some rings contradicts itself (hint: a program wrote over it)", row.name.c_str()), all = false;
    rows.push_back(std::move(row));
  }
  if (json) print_json(rows);
  else print_text(rows);
  return all;
}

}  // namespace ouro::cli
