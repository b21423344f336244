#include "twins.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <span>
#include <sstream>

#include "scenarios.hpp"

namespace ouro::checker {
namespace {

constexpr struct {
  const char *file, *name;
} kChecks[] = {
#include "mutants.inc"
};
constexpr const char* kSectionChecks[] = {"this CPU", "W", "the slot", "the newest stamp", "room", "the deadline"};
const std::string kSource = OURO_SOURCE_DIR;

std::vector<std::string> lines_of(const std::string& file) {
  for (const char* folder : {"/src/ring/", "/include/ouro/ring/", "/tests/checker/"}) {
    std::ifstream in(kSource + folder + file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    if (!lines.empty()) return lines;
  }
  return {};
}

std::string function_at(const std::vector<std::string>& lines, int line, bool header) {
  static const std::regex in_source(R"(^[A-Za-z\[].*?([\w:~]+)\(.*[{,]$)"), in_header(R"(^ {0,2}[A-Za-z\[].*?([\w:~]+)\(.*[{,]$)");
  std::smatch found;
  for (int i = line - 1; i > 0; --i)
    if (const std::string& text = lines[static_cast<std::size_t>(i - 1)]; std::regex_match(text, found, header ? in_header : in_source) && found[1] != "if" && found[1] != "for" && found[1] != "while" && found[1] != "asm" && found[1] != "switch")
      return found[1];
  return "?";
}

std::string trimmed(std::string text) {
  text = text.substr(0, text.find("  //"));
  text.erase(0, text.find_first_not_of(' '));
  for (char& c : text)
    if (c == '|' || c == '`') c = '/';
  return text.substr(0, 90);
}

Twin twin_of(const Site& site) {
  const auto lines = lines_of(site.file);
  Twin twin;
  twin.site = site;
  twin.where = site.file + " " + function_at(lines, site.line, site.file.ends_with(".hpp") || site.file == "sections.cpp");
  const std::string& text = lines.at(static_cast<std::size_t>(site.line) - 1);
  twin.code = trimmed(text);
  twin.what = name_of(site.what);
  std::smatch found;
  std::string statement = text;
  if (text.find(';') == std::string::npos && static_cast<std::size_t>(site.line) < lines.size()) statement += lines[static_cast<std::size_t>(site.line)];
  if (std::regex_search(statement, found, std::regex(R"(ord\(([^)]*)\))"))) twin.label = found[1];
  return twin;
}

void set(const Twin& twin) {
  weaken(twin.site);
  break_check(twin.check);
}
void set_none() { set({}); }

const Scenario* scenario_named(const std::string& name) {
  for (const Scenario& s : scenarios())
    if (s.name == name) return &s;
  return nullptr;
}

bool is_caught(const Outcome& outcome) { return !outcome.failure.empty() && !outcome.failure.starts_with("checker:"); }

void print(const Twin& twin, const Row& row) {
  std::printf("| %s | %s | %s | %s | ", twin.where.c_str(), twin.code.c_str(), twin.label.c_str(), twin.what.c_str());
  if (row.scenario.empty()) std::printf("survives: %s | | |\n", row.reason.c_str());
  else std::printf("%s | %d %d %d | %llu%s |\n", row.scenario.c_str(), row.bounds.switches, row.bounds.stale, row.bounds.interruptions, static_cast<unsigned long long>(row.executions), row.drawn ? " drawn" : "");
  std::fflush(stdout);
}

// Saves most of the search.
bool may_reach(const Twin& twin, const Scenario& s) {
  const auto says = [&](const char* word) { return s.name.find(word) != std::string::npos; };
  const bool dies = says("death") || says("die") || says("dead") || says("after reader") || says("entry of another");
  if (twin.where.starts_with("snapshot")) return says("snapshot");
  if (twin.where.starts_with("bury")) return dies;
  const bool wants_shared = twin.where.starts_with("writer_shared") || twin.code.starts_with("shared") || twin.code.starts_with("books");
  const bool wants_sections = twin.where.starts_with("sections") || twin.where.starts_with("writer.cpp");
  return (!wants_shared || says("shared")) && (!wants_sections || !says("shared"));
}

}  // namespace

std::vector<Twin> all_twins() {
  set_none();
  for (const Scenario& s : scenarios()) run(experiment_of(s), {2, 1, 2}, 1500, true), run(experiment_of(s), {0, 0, 2}, 1500, true);
  std::vector<Twin> twins;
  std::map<std::string, int> times;
  for (const Site& site : sites_seen()) {
    twins.push_back(twin_of(site));
    if (const int n = ++times[twins.back().key()]; n > 1) twins.back().code += " (" + std::to_string(n) + ")";
  }
  int number = 0;
  for (const auto& check : kChecks) twins.push_back({.where = check.file, .code = check.name, .label = {}, .what = "not checked", .site = {}, .check = ++number});
  number = section_index;
  for (const char* name : kSectionChecks) twins.push_back({.where = "sections", .code = name, .label = {}, .what = "not checked", .site = {}, .check = number++});
  return twins;
}

std::vector<Row> read_table() {
  std::ifstream in(kSource + "/tests/checker/README.md");
  std::vector<Row> rows;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line == "<!-- twins -->") inside = true;
    if (line == "<!-- end -->") inside = false;
    if (!inside || !line.starts_with("| ") || line.starts_with("| where")) continue;
    std::vector<std::string> cells;
    for (std::size_t at = 2; at < line.size();) {
      const std::size_t end = std::min(line.find(" |", at), line.size());
      cells.push_back(line.substr(at, end - at));
      at = end + 3;
    }
    if (cells.size() < 5) continue;
    Row row{.key = cells[0] + " | " + cells[1] + " | " + cells[3], .label = cells[2], .scenario = {}, .bounds = {}, .executions = 0, .drawn = false, .reason = {}};
    if (cells[4].starts_with("survives: ")) {
      row.reason = cells[4].substr(10);
    } else {
      row.scenario = cells[4];
      std::istringstream(cells.at(5)) >> row.bounds.switches >> row.bounds.stale >> row.bounds.interruptions;
      row.executions = std::stoull(cells.at(6));
      row.drawn = cells.at(6).ends_with(" drawn");
    }
    rows.push_back(row);
  }
  return rows;
}

// Walks where that ends within `limit`, else draws. False: not caught.
bool is_caught_in(const Scenario& s, Bounds bounds, std::uint64_t limit, Row& row) {
  Outcome outcome = run(experiment_of(s), bounds, limit);
  row.drawn = !is_caught(outcome) && !outcome.complete;
  if (row.drawn) outcome = run(experiment_of(s), bounds, limit, true);
  if (!is_caught(outcome)) return false;
  row.scenario = s.name;
  row.bounds = bounds;
  row.executions = outcome.executions;
  return true;
}

void find_twins(int part, int parts, std::uint64_t limit, const std::string& again) {
  std::map<std::string, Row> known;
  for (const Row& row : read_table()) known[row.key] = row;
  int number = 0;
  for (const Twin& twin : all_twins()) {
    if (number++ % parts != part) continue;
    Row row = known[twin.key()];
    const bool open = row.scenario.empty() && (row.reason.empty() || row.reason == "not found" || again.find(row.reason) != std::string::npos);
    if (open) {
      set(twin);
      const bool of_memory = twin.what.starts_with("not ") && twin.check == 0;
      const Bounds memory[] = {{0, 1, 0}, {1, 1, 0}, {1, 2, 0}, {2, 1, 0}, {1, 1, 1}, {2, 2, 0}, {2, 2, 1}}, logic[] = {{0, 1, 0}, {1, 0, 0}, {0, 0, 1}, {2, 0, 0}, {1, 1, 0}, {1, 0, 1}, {1, 0, 2}, {3, 0, 0}, {2, 1, 0}, {2, 1, 2}};
      for (const Bounds bounds : of_memory ? std::span<const Bounds>(memory) : logic)
        for (const Scenario& s : scenarios())
          if (row.scenario.empty() && may_reach(twin, s) && (s.is_small || again.empty())) is_caught_in(s, bounds, limit, row);
      set_none();
      if (row.scenario.empty() && row.reason.empty()) row.reason = "not found";
    }
    print(twin, row);
  }
}

void try_twins(const std::string& what, const std::string& where, Bounds bounds) {
  for (const Twin& twin : all_twins()) {
    if (twin.key().find(what) == std::string::npos) continue;
    Row row;
    row.reason = "not found";
    set(twin);
    for (const Scenario& s : scenarios()) {
      if (s.name.find(where) == std::string::npos) continue;
      const Outcome outcome = run(experiment_of(s), bounds);
      if (!is_caught(outcome)) continue;
      row = {.key = {}, .label = {}, .scenario = s.name, .bounds = bounds, .executions = outcome.executions, .drawn = false, .reason = {}};
      break;
    }
    print(twin, row);
  }
  set_none();
}

bool table_is_complete() {
  std::set<std::string> there, named;
  for (const Twin& twin : all_twins()) there.insert(twin.key());
  for (const Row& row : read_table()) {
    named.insert(row.key);
    if (row.scenario.empty() && row.reason.empty()) std::printf("survives, and nothing says why: %s\n", row.key.c_str()), named.erase(row.key);
  }
  bool complete = true;
  for (const std::string& key : there)
    if (!named.contains(key)) std::printf("not in the table: %s\n", key.c_str()), complete = false;
  for (const std::string& key : named)
    if (!there.contains(key)) std::printf("in the table only: %s\n", key.c_str()), complete = false;
  std::printf("%zu twins\n", there.size());
  return complete && !there.empty();
}

bool twins_are_caught(int part, int parts) {
  std::map<std::string, Twin> twins;
  for (const Twin& twin : all_twins()) twins[twin.key()] = twin;
  bool good = true;
  int number = 0, caught = 0;
  std::uint64_t executions = 0;
  for (const Row& row : read_table()) {
    if (number++ % parts != part || row.scenario.empty() || !twins.contains(row.key)) continue;
    const Scenario* const s = scenario_named(row.scenario);
    if (s == nullptr) {
      std::printf("no such scenario: %s\n", row.scenario.c_str());
      good = false;
      continue;
    }
    set(twins[row.key]);
    // Another compiler may evaluate in another order, and so find it later.
    const Outcome outcome = run(experiment_of(*s), row.bounds, 10 * row.executions + 10000, row.drawn);
    executions += outcome.executions;
    caught += is_caught(outcome) ? 1 : 0;
    if (!is_caught(outcome)) std::printf("survives: %s in %s\n", row.key.c_str(), s->name.c_str()), good = false;
  }
  set_none();
  std::printf("%d twins caught in %llu executions\n", caught, static_cast<unsigned long long>(executions));
  return good;
}

}  // namespace ouro::checker
