// `ouro stats`: what a trace says in figures.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "base/textf.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/print_losses.hpp"
#include "cli/say.hpp"
#include "cli/stats_collect.hpp"
#include "cli/table.hpp"
#include "cli/trace_part.hpp"
#include "cli/units.hpp"

namespace ouro::cli {
namespace {

using base::textf;

constexpr const char* kHelp = R"(ouro stats shows a trace in figures.

Usage: ouro stats [OPTIONS] DIR

Time covered; per event its count, rate and bytes; per span (paired per thread, by nesting) count, total, own time
(without the spans directly inside it), mean, least, percentiles and largest duration, and how many halves found no
other half; per counter its last, least, largest and mean value; the longest times without an event; losses per stream
and by cause, also when there are none; threads with their processes, by the time that they spent in spans.
Percentiles are off by at most 1/64 of their value, all else is exact.

Options:
      --begin TIME    only what is from there on, this moment included
      --end TIME      only what is up to there, this moment included: as ouro cut --help has it
  -e, --events GLOB   only events whose name matches; may be repeated. '!GLOB' excludes; the last one that matches
                      decides. A span's name selects its begin and its end.
      --by FIELD      tells apart events and spans by a field's or context's value; also by cpu, tid, thread or process.
                      A span's value is that at its begin, or at its end if only that has the field
      --utc           times of day of --begin and --end are in UTC
      --json          the same as JSON: {"trace", "complete", "time": {...}, "by", "events": [...], "spans": [...],
                      "counters": [...], "gaps": [...], "streams": [...], "lost": {"total", "by_cause"},
                      "threads": [...]}; durations in ns
  -h, --help          this text

A span that begins or ends outside of the time given is half a span there; what is damaged ahead of it is not looked at.

Exit status: 0; 1 if the trace is damaged or cannot be read; 2 if the command line makes no sense.

Examples:
  ouro stats trace
  ouro stats trace --by path -e 'shop:request' --begin +10s
  ouro stats --json trace | jq '.spans[] | select(.p99_ns > 1000000) | .name'
)";

struct Options {
  std::string folder, begin, end, by;
  std::vector<std::string> events;
  bool json = false, utc = false;
};

void define(CommandLine& line, Options& options) {
  line.add_option("--begin", options.begin, "TIME");
  line.add_option("--end", options.end, "TIME");
  line.add_option("-e,--events", options.events, "EVENT");
  line.add_option("--by", options.by, "FIELD");
  line.add_flag("--utc", options.utc);
  line.add_flag("--json", options.json);
  line.add_argument("folder", options.folder, "TRACE");
}

constexpr double kParts[] = {0.5, 0.9, 0.99, 0.999};
constexpr const char* kPartNames[] = {"p50", "p90", "p99", "p99.9"};
constexpr const char* kPartKeys[] = {"p50_ns", "p90_ns", "p99_ns", "p99_9_ns"};
constexpr std::size_t kThreadsShown = 20, kValuesShown = 100, kGapsShown = 5;

std::string rate(std::uint64_t count, double seconds) {
  return seconds > 0 ? textf("%.1f", static_cast<double>(count) / seconds) : "-";
}

std::string number(long double value, bool is_integer) {
  return is_integer ? textf("%.0Lf", value) : textf("%.6Lg", value);
}

std::string local_time(std::int64_t ns) {
  const auto when = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm parts{};
  char text[40];
  if (::localtime_r(&when, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) == 0)
    return "?";
  return textf("%s.%06" PRId64, text, ns % 1'000'000'000 / 1000);
}

// By what they counted, most first.
template <class Map, class Weight>
auto sorted(const Map& map, Weight weight) {
  std::vector<const typename Map::value_type*> out;
  for (const auto& entry : map)
    if (weight(entry.second) != 0) out.push_back(&entry);
  std::stable_sort(out.begin(), out.end(), [&](auto* a, auto* b) { return weight(a->second) > weight(b->second); });
  return out;
}

std::uint64_t weight_of(const EventStats& e) { return e.count; }
std::uint64_t weight_of(const CounterStats& c) { return c.count; }
std::uint64_t weight_of(const SpanStats& s) {
  return s.durations_ns.total() + s.durations_ns.count() + s.unmatched_begins + s.unmatched_ends;
}
constexpr auto kWeight = [](const auto& stats) { return weight_of(stats); };

void print_head(const std::string& folder, const read::Trace& trace, const Stats& stats) {
  std::uint64_t bytes = 0;
  for (const read::Stream& stream : trace.streams()) bytes += stream.bytes;
  std::printf("%s: %" PRIu64 " events, %" PRIu64 " lost, %zu streams, %s%s\n", printable(folder).c_str(),
              stats.events(), stats.losses().total(trace), trace.event_streams(), human_bytes(bytes).c_str(),
              trace.complete() ? "" : ", damaged");
  if (stats.events() != 0)
    std::printf("%s to %s: %s\n", local_time(stats.first_ns()).c_str(), local_time(stats.last_ns()).c_str(),
                duration(static_cast<double>(stats.last_ns() - stats.first_ns())).c_str());
  std::puts("");
}

// "shop:request path="/cart"".
std::string shown(const StatsKey& key, const std::string& by) { return printable(key.value.empty() ? key.name : key.name + " " + by + "=" + key.value); }

// Tables of values may be long.
template <class Rows>
void cut_rows(Rows& rows, const std::string& by) {
  if (by.empty() || rows.size() <= kValuesShown) return;
  std::printf("The first %zu of %zu (--json has all):\n", kValuesShown, rows.size());
  rows.resize(kValuesShown);
}

void print_events(const Stats& stats, const std::string& by) {
  Table table({"Event", "count", "per second", "bytes"}, "lr");
  auto rows = sorted(stats.by_event(), kWeight);
  cut_rows(rows, by);
  for (const auto* entry : rows)
    table.add({shown(entry->first, by), std::to_string(entry->second.count), rate(entry->second.count, stats.seconds()),
               std::to_string(entry->second.bytes)});
  if (!table.empty()) table.print();
}

void print_spans(const Stats& stats, const std::string& by) {
  std::vector<std::string> head{"Span", "count", "total", "own", "mean", "min"};
  head.insert(head.end(), std::begin(kPartNames), std::end(kPartNames));
  head.insert(head.end(), {"max", "unmatched"});
  Table table(head, "lr");
  auto rows = sorted(stats.spans(), kWeight);
  cut_rows(rows, by);
  for (const auto* entry : rows) {
    const auto& [key, span] = *entry;
    const Histogram& h = span.durations_ns;
    std::vector<std::string> row{shown(key, by), std::to_string(h.count()), duration(h.total()), duration(span.self_ns), duration(h.mean()),
                                 duration(h.min())};
    for (const double part : kParts) row.push_back(duration(h.quantile(part)));
    row.push_back(duration(h.max()));
    row.push_back(std::to_string(span.unmatched_begins + span.unmatched_ends));
    table.add(std::move(row));
  }
  if (!table.empty()) table.print();
}

void print_counters(const Stats& stats) {
  Table table({"Counter", "count", "last", "min", "max", "mean"}, "lr");
  for (const auto* entry : sorted(stats.counters(), kWeight)) {
    const auto& [name, c] = *entry;
    table.add({printable(name), std::to_string(c.count), number(c.last, c.is_integer), number(c.min, c.is_integer),
               number(c.max, c.is_integer), number(c.mean(), false)});
  }
  if (!table.empty()) table.print();
}

void print_gaps(const Stats& stats) {
  Table table({"Longest silence", "from", "behind", "ahead of"}, "rlll");
  for (std::size_t i = 0; i < std::min(kGapsShown, stats.gaps().size()); ++i) {
    const Gap& gap = stats.gaps()[i];
    table.add({duration(static_cast<double>(gap.size_ns())), local_time(gap.begin_ns), printable(gap.before), printable(gap.after)});
  }
  if (!table.empty()) table.print();
}

void print_streams(const read::Trace& trace, const Stats& stats) {
  Table table({"Stream", "cpu", "events", "packets", "bytes", "lost"}, "lr");
  for (const read::Stream& s : trace.streams())
    table.add({printable(s.file), s.cpu >= 0 ? std::to_string(s.cpu) : "-", std::to_string(s.events),
               std::to_string(s.packets), std::to_string(s.bytes), std::to_string(s.events_discarded)});
  table.print();
  std::printf("Lost: %" PRIu64 " events", stats.losses().total(trace));
  const char* separator = ": ";
  for (const auto& [cause, count] : stats.losses().by_cause()) {
    std::printf("%s%" PRIu64 " %s", separator, count, cause.c_str());
    separator = ", ";
  }
  std::puts("");
  for (const auto& [event, out] : stats.losses().left_out())
    std::printf("Left out of %s, as asked for: %" PRIu64 " above the rate, %" PRIu64 " not sampled\n", printable(event).c_str(), out.over_rate,
                out.not_sampled);
  std::puts("");
}

void print_threads(const Stats& stats) {
  Table table({"Process", "pid", "Thread", "tid", "in spans", "events"}, "lrlr");
  std::size_t shown = 0;
  for (const ThreadStats& t : stats.threads()) {
    if (++shown > kThreadsShown) break;
    table.add({printable(t.process.empty() ? "?" : t.process), t.pid >= 0 ? std::to_string(t.pid) : "-",
               printable(t.name.empty() ? "?" : t.name), t.tid >= 0 ? std::to_string(t.tid) : "-",
               duration(t.span_ns), std::to_string(t.events)});
  }
  if (!table.empty()) table.print();
  if (stats.threads().size() > kThreadsShown)
    std::printf("... and %zu more threads (--json has all)\n", stats.threads().size() - kThreadsShown);
}

void print_text(const Options& options, const read::Trace& trace, const Stats& stats) {
  print_head(options.folder, trace, stats);
  print_events(stats, options.by);
  print_spans(stats, options.by);
  print_counters(stats);
  print_gaps(stats);
  print_streams(trace, stats);
  print_threads(stats);
}

// Integers stay integers, as far as JSON's readers can hold them.
nlohmann::ordered_json json_number(long double value, bool is_integer) {
  if (!is_integer) return static_cast<double>(value);
  if (value < 0) return static_cast<std::int64_t>(value);
  return static_cast<std::uint64_t>(value);
}

nlohmann::ordered_json json_key(const StatsKey& key, const std::string& by) {
  nlohmann::ordered_json out{{"name", key.name}};
  if (!by.empty()) out["value"] = key.value.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(key.value);
  return out;
}

nlohmann::ordered_json json_span(const StatsKey& key, const std::string& by, const SpanStats& span) {
  const Histogram& h = span.durations_ns;
  nlohmann::ordered_json out = json_key(key, by);
  out.update({{"count", h.count()}, {"total_ns", h.total()}, {"self_ns", span.self_ns}, {"mean_ns", h.mean()}, {"min_ns", h.min()}});
  for (std::size_t i = 0; i < std::size(kParts); ++i) out[kPartKeys[i]] = h.quantile(kParts[i]);
  out["max_ns"] = h.max();
  out["unmatched_begins"] = span.unmatched_begins;
  out["unmatched_ends"] = span.unmatched_ends;
  return out;
}

void print_json(const Options& options, const read::Trace& trace, const Stats& stats) {
  using Json = nlohmann::ordered_json;
  Json events = Json::array(), spans = Json::array(), counters = Json::array(), streams = Json::array(),
       threads = Json::array(), damage = Json::array(), causes = Json::object(), left_out = Json::object(), gaps = Json::array();
  for (const auto* e : sorted(stats.by_event(), kWeight)) {
    Json event = json_key(e->first, options.by);
    event.update({{"count", e->second.count}, {"bytes", e->second.bytes}});
    event["per_second"] =
        stats.seconds() > 0 ? Json(static_cast<double>(e->second.count) / stats.seconds()) : Json(nullptr);
    events.push_back(std::move(event));
  }
  for (const auto* s : sorted(stats.spans(), kWeight)) spans.push_back(json_span(s->first, options.by, s->second));
  for (const Gap& gap : stats.gaps())
    gaps.push_back({{"begin_ns", gap.begin_ns}, {"end_ns", gap.end_ns}, {"ns", gap.size_ns()}, {"behind", gap.before}, {"ahead_of", gap.after}});
  for (const auto* c : sorted(stats.counters(), kWeight)) {
    const auto& [name, v] = *c;
    counters.push_back({{"name", name},
                        {"count", v.count},
                        {"last", json_number(v.last, v.is_integer)},
                        {"min", json_number(v.min, v.is_integer)},
                        {"max", json_number(v.max, v.is_integer)},
                        {"mean", static_cast<double>(v.mean())}});
  }
  for (const read::Stream& s : trace.streams())
    streams.push_back({{"file", s.file},
                       {"is_state", s.is_state},
                       {"cpu", s.cpu >= 0 ? Json(s.cpu) : Json(nullptr)},
                       {"events", s.events},
                       {"packets", s.packets},
                       {"bytes", s.bytes},
                       {"lost", s.events_discarded},
                       {"packets_missing", s.packets_missing}});
  for (const ThreadStats& t : stats.threads())
    threads.push_back({{"pid", t.pid >= 0 ? Json(t.pid) : Json(nullptr)},
                       {"process", t.process},
                       {"command_line", t.command_line},
                       {"tid", t.tid >= 0 ? Json(t.tid) : Json(nullptr)},
                       {"name", t.name},
                       {"span_ns", t.span_ns},
                       {"events", t.events}});
  for (const auto& [cause, count] : stats.losses().by_cause()) causes[cause] = count;
  for (const read::Damage& d : trace.damage())
    damage.push_back({{"file", d.file}, {"offset", d.offset}, {"text", d.text}});
  for (const auto& [event, n] : stats.losses().left_out()) left_out[event] = {{"over_rate", n.over_rate}, {"not_sampled", n.not_sampled}};
  const Json out{{"trace", options.folder},
                 {"complete", trace.complete()},
                 {"time", {{"begin_ns", stats.first_ns()}, {"end_ns", stats.last_ns()}, {"seconds", stats.seconds()}}},
                 {"by", options.by.empty() ? Json(nullptr) : Json(options.by)},
                 {"event_count", stats.events()},
                 {"events", events},
                 {"spans", spans},
                 {"counters", counters},
                 {"gaps", gaps},
                 {"streams", streams},
                 {"lost", {{"total", stats.losses().total(trace)}, {"by_cause", causes}}},
                 {"left_out", left_out},
                 {"threads", threads},
                 {"damage", damage}};
  std::puts(out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

const char* define_stats(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int stats_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (options.folder.empty()) return usage_error("stats", "no trace given, want the folder that 'ouro record' wrote");
  Result<TimeRange> range = TimeRange::parse(options.begin, options.end, options.utc);
  if (!range) return usage_error("stats", range.error().text);
  Result<read::Trace> trace = read::Trace::open(options.folder);
  if (!trace) {
    say("error: stats: %s", trace.error().text.c_str());
    return 1;
  }
  say_warnings("stats", trace->warnings());
  Stats stats(*trace, options.by);
  see_part("stats", *trace, EventGlobs(options.events), *range, [&](const read::Event& event) { stats.see(event); });
  stats.finish(*trace);
  if (options.json)
    print_json(options, *trace, stats);
  else
    print_text(options, *trace, stats);
  if (std::fflush(stdout) != 0) {
    say("error: stats: standard output cannot be written");
    return 1;
  }
  return say_damage("stats", *trace);
}

}  // namespace ouro::cli
