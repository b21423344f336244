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
      --all           also the recorder's own events: ouro:process, ouro:thread, ouro:lost
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
  std::string format = "columns", colour = "auto", begin, end, tail;
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
  line.add_flag("--all", options.all);
  line.add_option("--colour,--color", options.colour, "auto|always|never");
  line.add_argument("folder", options.folders, "TRACE");
}

using MakePrinter = std::unique_ptr<EventPrinter> (*)(const PrintStyle&, const read::Trace&, PrintBuffer&);
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

// What the command line asks for, understood.
struct Wanted {
  TimeRange range;
  std::optional<std::uint64_t> tail;
  EventChoice events;
};

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
  std::optional<std::uint64_t> tail;
  if (!options.tail.empty()) {
    std::uint64_t count = 0;
    const char* const last = options.tail.data() + options.tail.size();
    if (const auto [p, error] = std::from_chars(options.tail.data(), last, count); error != std::errc() || p != last)
      return errorf(EINVAL, "--tail is '%s', want a number of events", options.tail.c_str());
    tail = count;
  }
  Result<EventChoice> events = EventChoice::make(line);
  if (!events) return events.error();
  return Wanted{*range, tail, std::move(*events)};
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

// What was read and written; false if the output can take no more.
struct Counts {
  std::uint64_t events = 0, lines = 0;
};
bool print_events(read::Trace& trace, const Wanted& wanted, std::uint64_t skip, PrintStyle& style, EventPrinter& printer, PrintBuffer& out,
                  Losses& losses, Counts& counts) {
  bool is_first = wanted.range.begin_ns() == INT64_MIN;
  if (!is_first && style.relative) style.first_ns = trace.time_range().value_or(read::TimeRange{}).begin_ns;
  go_to_begin(wanted, trace);
  while (const read::Event* event = trace.next()) {
    losses.see(*event);
    const bool is_chosen = wanted.events.accepts(*event);
    if (is_first && (is_chosen || !event->type->is_state)) {
      style.first_ns = event->time_ns;
      is_first = false;
    }
    if (wanted.range.is_over(event->time_ns)) break;
    counts.events += !event->type->is_state;
    if (!is_chosen || !wanted.range.contains(event->time_ns)) continue;
    if (skip != 0) {
      --skip;
      continue;
    }
    printer.print(*event);
    ++counts.lines;
    if (!out.ok()) return false;
  }
  out.flush();
  return out.ok();
}

void say_summary(const read::Trace& trace, std::uint64_t lines, std::uint64_t events, const Losses& losses) {
  say("printed %llu of %llu events, %llu lost, %zu streams", static_cast<unsigned long long>(lines), static_cast<unsigned long long>(events),
      static_cast<unsigned long long>(losses.total(trace)), trace.event_streams());
  for (const auto& [cause, count] : losses.by_cause())
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
  Losses losses;
  std::uint64_t events = 0, chosen = 0;
  while (const read::Event* event = trace->next()) {
    losses.see(*event);
    events += !event->type->is_state;
    chosen += wanted.events.accepts(*event);
  }
  const int status = say_damage("print", *trace);
  if (chosen > lines) say("%llu events came too late to be printed", static_cast<unsigned long long>(chosen - lines));
  say_summary(*trace, lines, events, losses);
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

int print_trace(const Options& options, Wanted& wanted) {
  Result<read::Trace> trace = read::Trace::open(options.folders);
  if (!trace) {
    say("error: print: %s", trace.error().text.c_str());
    return 1;
  }
  std::vector<std::string> warnings;
  if (Status bound = wanted.events.bind(trace->classes(), options.all || options.format == "babeltrace", warnings); !bound) {
    say("error: print: %s", bound.error().text.c_str());
    return 2;
  }
  for (const std::string& warning : warnings) say("warning: print: %s", warning.c_str());
  wanted.range.resolve(*trace);
  const std::uint64_t skip = before_the_tail(wanted, *trace);
  PrintBuffer out(STDOUT_FILENO);
  PrintStyle style{options.relative, options.utc, has_colour(options.colour), 0, wanted.events.chosen()};
  const std::unique_ptr<EventPrinter> printer = printer_of(options.format)(style, *trace, out);
  Losses losses;
  Counts counts;
  if (!print_events(*trace, wanted, skip, style, *printer, out, losses, counts)) return say_output(out);
  const int status = say_damage("print", *trace);
  say_summary(*trace, counts.lines, counts.events, losses);
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
  return options.follow ? follow_trace(options, *wanted) : print_trace(options, *wanted);
}

}  // namespace ouro::cli
