// `ouro diff`: what became slower or more frequent from one trace to another.
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/textf.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/diff_compare.hpp"
#include "cli/say.hpp"
#include "cli/table.hpp"
#include "cli/trace_part.hpp"
#include "cli/traces_in.hpp"
#include "cli/units.hpp"

namespace ouro::cli {
namespace {

using base::textf;

constexpr const char* kHelp = R"(ouro diff says what became slower, faster, more or less frequent from one trace to another of the same program.

Usage: ouro diff [OPTIONS] A B

Events are compared by how many there are in a second, spans also by the mean, the median and the 99th percentile of
their durations. What differs by more than chance explains is shown, the most significant first, with both values, the
change and its 95% interval. Nothing is shown that chance alone would show in one of twenty such comparisons of two
whole traces (docs/trace-tools.md: how). What one run differs from the next by is not known from two traces: take the
same program twice to see it, and raise --least above it.

Options:
      --least PERCENT   changes that may be smaller are none (default 5)
  -e, --events GLOB     only events whose name matches; may be repeated. '!GLOB' excludes; the last one that matches
                        decides. A span's name selects its begin and its end.
      --begin TIME      only what is from there on, in both: +2s leaves out what a program does when it starts
      --end TIME        only what is up to there, in both: as ouro cut --help has it
      --all             also what does not differ
      --json            the same as JSON, all comparisons: {"a", "b", "least_percent", "significant",
                        "comparisons": [{"name", "what", "a", "b", "change_percent", ...}], "left_out"}
  -h, --help            this text

Exit status: 0, whether something differs or not; 1 if a trace is damaged or cannot be read; 2 if the command line
makes no sense.

Examples:
  ouro diff before after
  ouro diff before after --begin +2s --least 10 -e 'shop:*'
)";

struct Options {
  std::vector<std::string> folders, events;
  std::string least, begin, end;
  bool all = false, json = false;
};

void define(CommandLine& line, Options& options) {
  line.add_option("--least", options.least, "PERCENT");
  line.add_option("-e,--events", options.events, "EVENT");
  line.add_option("--begin", options.begin, "TIME");
  line.add_option("--end", options.end, "TIME");
  line.add_flag("--all", options.all);
  line.add_flag("--json", options.json);
  line.add_argument("folders", options.folders, "TRACE");
}

struct Side {
  std::string folder;
  std::optional<Samples> samples;
  std::uint64_t lost = 0;
  int status = 0;
};

Result<Side> read_side(const std::string& given, const EventGlobs& events, const TimeRange& range) {
  const Result<std::string> folder = one_trace_in(given);
  if (!folder) return folder.error();
  Result<read::Trace> trace = read::Trace::open(*folder);
  if (!trace) return trace.error();
  Side out{*folder, Samples(*trace), 0, 0};
  see_part("diff", *trace, events, range, [&](const read::Event& event) { out.samples->see(event); });
  out.lost = out.samples->losses().total(*trace);
  out.status = say_damage("diff", *trace);
  return out;
}

const char* name_of(Comparison::What what) {
  static constexpr const char* names[] = {"rate", "mean", "p50", "p99"};
  return names[static_cast<std::size_t>(what)];
}

std::string value(Comparison::What what, double value) { return what == Comparison::What::rate ? textf("%.4g/s", value) : duration(value); }

// "+12.3%", "x 4.2".
std::string change(double ratio) {
  if (ratio >= 3) return textf("x %.3g", ratio);
  return textf("%+.1f%%", (ratio - 1) * 100);
}

void print_text(const Options& options, const Side& a, const Side& b, const Compared& compared) {
  for (const auto& [letter, side] : {std::pair{"A", &a}, {"B", &b}})
    std::printf("%s: %s, %s, %" PRIu64 " events, %" PRIu64 " lost\n", letter, printable(side->folder).c_str(), duration(side->samples->windows().seconds() * 1e9).c_str(),
                side->samples->events(), side->lost);
  std::puts("");
  Table table({"Event or span", "of", "A", "B", "change", "95% interval", "p", ""}, "llrrrrrl");
  for (const Comparison& c : compared.all) {
    if (!c.is_significant && !options.all) continue;
    const bool more = c.log_ratio > 0;
    const char* const word = !c.is_significant ? "" : c.what == Comparison::What::rate ? (more ? "more" : "fewer") : more ? "slower" : "faster";
    table.add({printable(c.name), name_of(c.what), value(c.what, c.a), value(c.what, c.b), change(std::exp(c.log_ratio)), change(c.low) + " to " + change(c.high), textf("%.2g", c.adjusted_p), word});
  }
  if (!table.empty()) table.print();
  const std::size_t significant = compared.significant();
  if (significant == 0)
    std::printf("Nothing differs by more than %s%% beyond chance", options.least.c_str());
  else
    std::printf("%zu differ by more than %s%% beyond chance", significant, options.least.c_str());
  std::printf(", of %zu comparisons; for %" PRIu64 " there are too few events.\n", compared.all.size(), compared.left_out);
  if (a.lost + b.lost != 0) std::puts("Events were lost: rates and durations are of those that were recorded.");
}

void print_json(double least, const Side& a, const Side& b, const Compared& compared) {
  using Json = nlohmann::ordered_json;
  const auto side = [](const Side& s) { return Json{{"trace", s.folder}, {"seconds", s.samples->windows().seconds()}, {"events", s.samples->events()}, {"lost", s.lost}}; };
  Json all = Json::array();
  for (const Comparison& c : compared.all)
    all.push_back({{"name", c.name},
                   {"what", name_of(c.what)},
                   {"unit", c.what == Comparison::What::rate ? "per_second" : "ns"},
                   {"a", c.a},
                   {"b", c.b},
                   {"count_a", c.count_a},
                   {"count_b", c.count_b},
                   {"change_percent", (std::exp(c.log_ratio) - 1) * 100},
                   {"low_percent", (c.low - 1) * 100},
                   {"high_percent", (c.high - 1) * 100},
                   {"p", c.p},
                   {"adjusted_p", c.adjusted_p},
                   {"significant", c.is_significant}});
  const Json out{{"a", side(a)}, {"b", side(b)}, {"least_percent", least}, {"significant", compared.significant()}, {"comparisons", all}, {"left_out", compared.left_out}};
  std::puts(out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

const char* define_diff(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int diff_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (options.folders.size() != 2) return usage_error("diff", textf("%zu traces given, want two", options.folders.size()));
  if (options.least.empty()) options.least = "5";
  char* end = nullptr;
  const double least = std::strtod(options.least.c_str(), &end);
  if (*end != '\0' || !(least >= 0 && least <= 10'000)) return usage_error("diff", "--least is '" + options.least + "', want percent, 0 to 10000");
  Result<TimeRange> range = TimeRange::parse(options.begin, options.end);
  if (!range) return usage_error("diff", range.error().text);
  std::vector<Side> sides;
  for (const std::string& folder : options.folders) {
    Result<Side> side = read_side(folder, EventGlobs(options.events), *range);
    if (!side) {
      say("error: diff: %s", side.error().text.c_str());
      return 1;
    }
    sides.push_back(std::move(*side));
  }
  const Compared compared = compare(*sides[0].samples, *sides[1].samples, {.least = least / 100, .confidence = 0.95});
  if (options.json)
    print_json(least, sides[0], sides[1], compared);
  else
    print_text(options, sides[0], sides[1], compared);
  if (std::fflush(stdout) != 0) {
    say("error: diff: standard output cannot be written");
    return 1;
  }
  return sides[0].status | sides[1].status;
}

}  // namespace ouro::cli
