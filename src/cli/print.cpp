// `ouro print`: a trace's events as text. How they look is for print_columns.cpp and its neighbours.
#include <poll.h>
#include <unistd.h>

#include <csignal>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ouro/read.hpp>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/follow.hpp"
#include "cli/print_buffer.hpp"
#include "cli/print_choice.hpp"
#include "cli/print_format.hpp"
#include "cli/print_losses.hpp"
#include "cli/print_parts.hpp"
#include "cli/say.hpp"
#include "cli/time_range.hpp"
#include "record/program.hpp"

namespace ouro::cli {
namespace {

const std::string kHelp = std::string(R"(ouro print shows the events of a trace, one line each, in order of time.

Usage: ouro print [OPTIONS] DIR...

A line: time (local), time since the line before, CPU, process/thread and thread id, event, fields, and in braces the
contexts that were recorded with it. Lost events are always said on stderr at the end, also when there are none.
DIR is what `ouro record` wrote, or any trace of CTF 1.8 or 2, or a folder with traces at any depth; several are merged by time.

Options:
)") + EventChoice::kHelp + R"(      --begin TIME    from then on; --end TIME: up to then, that moment included. TIME is +1.5s (after the trace's
                      begin), -20ms (before its end), 14:03:22.5, '2026-11-22 14:03:22', or seconds since 1970
      --tail N        only the last N of these events
      --follow        of a trace that is being recorded: goes on until the recording ends, or Ctrl-C; a second late
      --format FORMAT columns (the default); babeltrace: as babeltrace2 2.0.4 writes it, with the recorder's own
                      events; json: an object a line, time in ns since 1970; csv: a head and rows, a column for each
                      field of the events, time in seconds since 1970
      --relative      time since the trace's first event, in seconds; of columns
      --utc           time of day in UTC; also in --begin and --end
      --jobs N        that many threads print parts of a long trace; 0, the default: one for each CPU. What comes out is the same
      --all           also the recorder's own events: ouro:process, ouro:thread, ouro:lost ...
      --colour WHEN   auto (the default: on a terminal, unless NO_COLOR is set), always, never; of columns
  -h, --help          this text

Exit status: 0; 1 if the trace is damaged or cannot be read; 2 if the command line makes no sense.

Examples:
  ouro print trace
  ouro print trace --relative -e 'shop:*' -e '!shop:queue_depth'
  ouro print trace -e shop:order -f 'total > 100 && user == "eve*"' --begin +2s --end +2500ms
  ouro print trace --tail 20
  ouro print trace --follow -e 'shop:*'
  ouro print trace --format json | jq -c 'select(.event == "shop:order") | .fields.total'
)";

struct Options {
  std::vector<std::string> folders;
  std::string format = "columns", colour = "auto", begin, end, tail, jobs;
  bool relative = false, utc = false, all = false, follow = false;
};

void define(CommandLine& line, Options& options) {
  EventChoice::define(line);
  line.add_option("--begin", options.begin, "TIME");
  line.add_option("--end", options.end, "TIME");
  line.add_option("--tail", options.tail, "N");
  line.add_flag("--follow", options.follow);
  line.add_option("--format", options.format, "columns|babeltrace|json|csv");
  line.add_flag("--relative", options.relative);
  line.add_flag("--utc", options.utc);
  line.add_option("--jobs", options.jobs, "N");
  line.add_flag("--all", options.all);
  line.add_option("--colour,--color", options.colour, "auto|always|never");
  line.add_argument("folder", options.folders, "TRACE");
}

constexpr std::pair<const char*, MakePrinter> kFormats[] = {
    {"columns", make_columns}, {"babeltrace", make_babeltrace}, {"json", make_json}, {"csv", make_csv}};

MakePrinter printer_of(const std::string& format) {
  for (const auto& [name, make] : kFormats)
    if (format == name) return make;
  return nullptr;
}

bool has_colour(const std::string& when) {
  const char *no = std::getenv("NO_COLOR"), *term = std::getenv("TERM");
  if (when != "auto") return when == "always";
  return (no == nullptr || *no == '\0') && term != nullptr && std::strcmp(term, "dumb") != 0 && ::isatty(STDOUT_FILENO) == 1;
}

constexpr std::size_t kMostThreads = 256;

// What the command line asks for, understood.
struct Wanted {
  TimeRange range;
  std::optional<std::uint64_t> tail;
  std::size_t threads = 1;
  EventChoice events;
};

Result<std::uint64_t> number_of(const char* option, const std::string& text, const char* what) {
  std::uint64_t out = 0;
  const char* const last = text.data() + text.size();
  if (const auto [p, error] = std::from_chars(text.data(), last, out); error != std::errc() || p != last)
    return errorf(EINVAL, "%s is '%s', want a number of %s", option, text.c_str(), what);
  return out;
}

Result<Wanted> understand(const CommandLine& line, const Options& options) {
  if (printer_of(options.format) == nullptr) return errorf(EINVAL, "--format is '%s', want columns, babeltrace, json or csv", options.format.c_str());
  if (options.colour != "auto" && options.colour != "always" && options.colour != "never")
    return errorf(EINVAL, "--colour is '%s', want auto, always or never", options.colour.c_str());
  if (options.follow && options.format != "columns" && options.format != "json")
    return errorf(EINVAL, "--format is '%s' with --follow, want columns or json", options.format.c_str());
  if (options.follow && (!options.begin.empty() || !options.end.empty() || !options.tail.empty()))
    return errorf(EINVAL, "--follow with --begin, --end or --tail, want it alone");
  if (options.follow && options.folders.size() > 1) return errorf(EINVAL, "--follow with %zu traces, want one", options.folders.size());
  Result<TimeRange> range = TimeRange::parse(options.begin, options.end, options.utc);
  if (!range) return range.error();
  const Result<std::uint64_t> tail = number_of("--tail", options.tail.empty() ? "0" : options.tail, "events");
  if (!tail) return tail.error();
  const Result<std::uint64_t> jobs = number_of("--jobs", options.jobs.empty() ? "0" : options.jobs, "threads");
  if (!jobs) return jobs.error();
  if (*jobs > kMostThreads) return errorf(EINVAL, "--jobs is %s, want at most %zu", options.jobs.c_str(), kMostThreads);
  Result<EventChoice> events = EventChoice::make(line);
  if (!events) return events.error();
  return Wanted{*range, options.tail.empty() ? std::nullopt : std::optional(*tail), *jobs != 0 ? *jobs : std::min(usable_cpus(), kMostThreads), std::move(*events)};
}

void go_to_begin(const Wanted& wanted, read::Trace& trace) {
  if (wanted.range.begin_ns() == INT64_MIN) trace.rewind();
  else trace.seek(wanted.range.begin_ns());
}

// How many of the wanted events are not among the last ones: to know that, the trace is read twice.
std::uint64_t before_the_tail(const Wanted& wanted, read::Trace& trace) {
  if (!wanted.tail) return 0;
  std::uint64_t count = 0;
  go_to_begin(wanted, trace);
  while (const read::Event* event = trace.next()) {
    if (wanted.range.is_over(event->time_ns)) break;
    count += wanted.range.contains(event->time_ns) && wanted.events.accepts(*event);
  }
  return count - std::min(count, *wanted.tail);
}

// Of the trace's first event that is a program's, or that is printed.
std::int64_t first_time(const Wanted& wanted, const PrintStyle& style, read::Trace& trace) {
  if (wanted.range.begin_ns() != INT64_MIN) return style.relative ? trace.time_range().value_or(read::TimeRange{}).begin_ns : 0;
  trace.rewind();
  while (const read::Event* event = trace.next())
    if (!event->type->is_state || wanted.events.accepts(*event)) return event->time_ns;
  return 0;
}

void say_summary(const read::Trace& trace, const Printed& printed, std::uint64_t lost) {
  say("printed %llu of %llu events, %llu lost, %zu streams", static_cast<unsigned long long>(printed.counts.lines), static_cast<unsigned long long>(printed.counts.events),
      static_cast<unsigned long long>(lost), trace.event_streams());
  for (const auto& [cause, count] : printed.losses.by_cause())
    if (count != 0) say("lost: %llu events: %s", static_cast<unsigned long long>(count), cause.c_str());
}

int say_output(const PrintBuffer& out) {
  if (out.error() == EPIPE) return 0;  // whoever read has seen enough
  say("error: print: standard output cannot be written: %s", std::strerror(out.error()));
  return 1;
}

// After the end of what was followed: what there is in all, damage and losses, by reading it once more.
int sum_up(const Options& options, const Wanted& wanted, std::uint64_t lines) {
  Result<read::Trace> trace = read::Trace::open(options.folders);
  if (!trace) {
    say("error: print: %s", trace.error().text.c_str());
    return 1;
  }
  Printed printed{{0, lines}, {}};
  std::uint64_t chosen = 0;
  while (const read::Event* event = trace->next()) {
    printed.losses.see(*event);
    const bool is_chosen = wanted.events.accepts(*event);
    printed.counts.events += !event->type->is_state || is_chosen;
    chosen += is_chosen;
  }
  say_warnings("print", trace->warnings());
  const int status = say_damage("print", *trace);
  if (chosen > lines) say("%llu events came too late to be printed", static_cast<unsigned long long>(chosen - lines));
  say_summary(*trace, printed, printed.losses.total(*trace));
  return status;
}

int follow_trace(const Options& options, Wanted& wanted) {
  const record::SignalGuard guard({SIGINT, SIGTERM, SIGHUP});
  const base::Fd signals = guard.descriptor();
  const auto stop = [&] {
    pollfd poll{signals.get(), POLLIN, 0};
    return ::poll(&poll, 1, 0) > 0;
  };
  PrintBuffer out(STDOUT_FILENO);
  PrintStyle style{options.relative, options.utc, has_colour(options.colour), 0, {}};
  std::uint64_t lines = 0;
  bool has_begun = false;
  Follow follow(options.folders.front());
  while (out.ok() && follow.wait(stop)) {
    Result<read::Trace> trace = follow.open();
    std::vector<std::string> warnings;
    Status good = trace ? wanted.events.bind(trace->classes(), options.all, warnings) : Status(trace.error());
    if (!good && !follow.is_over()) continue;  // it begins, or has no such event yet
    if (!good) {
      say("error: print: %s", good.error().text.c_str());
      return trace ? 2 : 1;
    }
    style.chosen = wanted.events.chosen();
    const std::unique_ptr<EventPrinter> printer = printer_of(options.format)(style, *trace, out);
    for (const read::Event* event; out.ok() && (event = trace->next()) != nullptr && !follow.is_too_early(*event);) {
      if (!follow.is_new(*event)) continue;
      if (!std::exchange(has_begun, true)) style.first_ns = event->time_ns;
      if (!wanted.events.accepts(*event)) continue;
      printer->print(*event);
      style.last_ns = event->time_ns;
      ++lines;
    }
    out.flush();
  }
  if (!out.ok()) return say_output(out);
  if (follow.is_over()) return sum_up(options, wanted, lines);
  say("printed %llu events; the recording goes on", static_cast<unsigned long long>(lines));
  return 0;
}

// Where a trace can be parted for several threads; nowhere if one does.
std::vector<std::int64_t> cuts_for(const Options& options, const Wanted& wanted, read::Trace& trace) {
  constexpr std::uint64_t kPart = 1 << 20;
  if (wanted.threads == 1 || wanted.tail) return {};
  // babeltrace2 writes times before 1970 in two ways, the first one in one of them; and events may have none.
  if (options.format == "babeltrace") {
    const bool has_times = std::all_of(trace.classes().begin(), trace.classes().end(), [](const read::EventClass& type) { return type.clock != nullptr; });
    if (!has_times || trace.time_range().value_or(read::TimeRange{-1, -1}).begin_ns < 0) return {};
  }
  std::vector<std::int64_t> cuts = trace.cuts(kPart);
  std::erase_if(cuts, [&](std::int64_t cut) { return cut <= wanted.range.begin_ns() || cut > wanted.range.end_ns(); });
  return cuts;
}

// The text of each part is in memory, four to six times what it takes in the trace; two more wait or are being written. So that all take no more than
// 200 MB, large parts have fewer threads.
std::size_t threads_for(const PartsPlan& plan, const read::Trace& trace) {
  constexpr std::uint64_t kAtOnce = 200'000'000 / 6;
  std::uint64_t bytes = 0;
  for (const read::Stream& stream : trace.streams()) bytes += stream.bytes;
  const std::uint64_t part = bytes / (plan.cuts.size() + 1) + 1, parts = kAtOnce / part;
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(parts, 3, plan.threads + 2) - 2);
}

Status choose_events(const Options& options, const read::Trace& trace, EventChoice& events, std::vector<std::string>& warnings) {
  return events.bind(trace.classes(), options.all || options.format == "babeltrace", warnings);
}

int print_parts(const Wanted& wanted, const PartsPlan& plan, read::Trace& trace, PrintBuffer& out) {
  PartsPrinter printer(plan);
  Progress progress("print", trace, Progress::beside_output());
  const Status ran = printer.run(out, progress);
  progress.clear();
  if (!ran) {
    say("error: print: %s", ran.error().text.c_str());
    return 1;
  }
  if (!out.ok()) return say_output(out);
  int status = 0;
  if (printer.saw_damage()) {
    go_to_begin(wanted, trace);
    while (const read::Event* event = trace.next())
      if (wanted.range.is_over(event->time_ns)) break;
    status = say_damage("print", trace);
  }
  say_summary(trace, printer.printed(), printer.printed().losses.total(printer.discarded()));
  return status;
}

int print_trace(const Options& options, const CommandLine& line, Wanted& wanted) {
  Result<read::Trace> trace = read::Trace::open(options.folders);
  if (!trace) {
    say("error: print: %s", trace.error().text.c_str());
    return 1;
  }
  std::vector<std::string> warnings;
  if (Status bound = choose_events(options, *trace, wanted.events, warnings); !bound) {
    say("error: print: %s", bound.error().text.c_str());
    return 2;
  }
  say_warnings("print", warnings);
  say_warnings("print", trace->warnings());
  wanted.range.resolve(*trace);
  PrintBuffer out(STDOUT_FILENO);
  PrintStyle style{options.relative, options.utc, has_colour(options.colour), 0, wanted.events.chosen()};
  style.first_ns = first_time(wanted, style, *trace);
  PartsPlan plan{options.folders, {}, wanted.threads, wanted.range, style, printer_of(options.format), {}};
  plan.cuts = cuts_for(options, wanted, *trace);
  plan.threads = threads_for(plan, *trace);
  plan.choose = [&](const read::Trace& of) -> Result<EventChoice> {
    Result<EventChoice> events = EventChoice::make(line);
    std::vector<std::string> said;
    if (!events) return events;
    if (Status bound = choose_events(options, of, *events, said); !bound) return bound.error();
    return events;
  };
  if (!plan.cuts.empty() && plan.threads > 1) return print_parts(wanted, plan, *trace, out);
  const std::uint64_t skip = before_the_tail(wanted, *trace);
  const std::unique_ptr<EventPrinter> printer = plan.make(style, *trace, out);
  go_to_begin(wanted, *trace);
  Progress progress("print", *trace, Progress::beside_output());
  const Printed printed = print_events(*trace, wanted.events, wanted.range, std::nullopt, skip, *printer, out, &progress);
  progress.clear();
  if (!out.ok()) return say_output(out);
  const int status = say_damage("print", *trace);
  say_summary(*trace, printed, printed.losses.total(*trace));
  return status;
}

}  // namespace

const char* define_print(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp.c_str();
}

int print_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp.c_str())) return *status;
  if (options.folders.empty()) return usage_error("print", "no trace given, want the folder that 'ouro record' wrote");
  Result<Wanted> wanted = understand(line, options);
  if (!wanted) return usage_error("print", wanted.error().text);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe comes as EPIPE
  return options.follow ? follow_trace(options, *wanted) : print_trace(options, line, *wanted);
}

}  // namespace ouro::cli
