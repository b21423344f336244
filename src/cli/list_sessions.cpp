// `ouro list --sessions`: what sessions there are in the runtime folder, read from their files as they lie there.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/glob.hpp"
#include "cli/list_show.hpp"
#include "cli/say.hpp"
#include "cli/sessions.hpp"
#include "cli/table.hpp"
#include "record/session_file.hpp"

namespace ouro::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Row {
  std::string name;
  bool overwrite = false, open = false, left_behind = false, flight = false;
  int creator_pid = 0;
  std::uint64_t buffer_size = 0, memory = 0, processes = 0, events = 0, recorded = 0, lost = 0;

  const char* state() const { return flight ? "flight" : left_behind ? "left behind" : open ? "open" : "closed"; }
};

Row row_of(const std::string& folder, const record::SessionFile& session) {
  Row out;
  out.name = session.name();
  out.overwrite = session.mode() == abi::FullMode::overwrite;
  out.open = session.is_open();
  out.left_behind = session.is_left_behind();
  out.flight = session.is_kept();
  out.creator_pid = session.creator_pid();
  out.buffer_size = session.buffer_size();
  out.memory = session.memory();
  out.processes = count_processes(folder, session.session_name());
  for (const record::SessionFile::Event& event : session.events()) {
    ++out.events;
    out.recorded += event.count;
  }
  out.lost = session.lost();
  return out;
}

void print_text(const std::vector<Row>& rows) {
  Table table(
      {"Session", "mode", "state", "creator", "processes", "events", "recorded", "lost", "buffer/CPU", "memory"},
      "lllr");
  for (const Row& row : rows)
    table.add({printable(row.name), row.overwrite ? "overwrite" : "discard", row.state(),
               std::to_string(row.creator_pid), std::to_string(row.processes), std::to_string(row.events),
               row.overwrite ? "-" : std::to_string(row.recorded), std::to_string(row.lost),
               binary_size(row.buffer_size), human_bytes(row.memory)});
  if (!table.empty()) table.print();
}

void print_json(const std::vector<Row>& rows) {
  Json out = Json::array();
  for (const Row& row : rows)
    out.push_back({{"name", row.name},
                   {"mode", row.overwrite ? "overwrite" : "discard"},
                   {"open", row.open},
                   {"left_behind", row.left_behind},
                   {"flight", row.flight},
                   {"creator_pid", row.creator_pid},
                   {"processes", row.processes},
                   {"events", row.events},
                   {"recorded", row.overwrite ? Json(nullptr) : Json(row.recorded)},
                   {"lost", row.lost},
                   {"buffer_size", row.buffer_size},
                   {"memory", row.memory}});
  std::puts(out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

int show_sessions(const std::string& folder, const std::vector<std::string>& names, bool json) {
  std::vector<Row> rows;
  std::vector<bool> found(names.size());
  int status = 0;
  for (const std::string& file : record::find_sessions(folder)) {
    bool wanted = names.empty();
    for (std::size_t i = 0; i < names.size(); ++i)
      if (base::glob_match(names[i].c_str(), file.c_str() + std::string_view(record::kSessionPrefix).size()))
        wanted = found[i] = true;
    if (!wanted) continue;
    const Result<record::SessionFile> session = record::SessionFile::open(folder, file);
    if (session) {
      rows.push_back(row_of(folder, *session));
    } else if (session.error().code != ENOENT) {
      say("warning: list: %s", session.error().text.c_str());
      status = 1;
    }
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (found[i]) continue;
    say("error: list: session '%s' is not there, want one of the runtime folder %s (hint: ouro list --sessions shows "
        "all)",
        names[i].c_str(), folder.c_str());
    status = 1;
  }
  if (json)
    print_json(rows);
  else
    print_text(rows);
  if (!json && rows.empty() && names.empty()) say("there are no sessions (looked in %s)", folder.c_str());
  return status;
}

}  // namespace ouro::cli
