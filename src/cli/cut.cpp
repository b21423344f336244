// `ouro cut`: a part of a trace, by time or by events, as a trace of its own.
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/rewrite.hpp"
#include "cli/say.hpp"
#include "cli/traces_in.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro cut writes a part of a trace, by time or by events, as a trace of its own.

Usage: ouro cut [OPTIONS] -o DIR TRACE

TRACE is any that ouro print reads. What is kept: times to the tick, CPUs, threads' and processes' names, contexts,
levels, places in the source, and what was lost within the part, as far as the packets tell. Losses by cause are of the
whole recording, and stay with it unless the time is the whole, too.

Options:
  -o, --output DIR    the new trace; must not be there yet
      --begin TIME    from there on, this moment included
      --end TIME      up to there, this moment included
  -e, --events GLOB   only events whose name matches; may be repeated. '!GLOB' excludes; the last one that matches
                      decides. A span's name selects its begin and its end.
      --utc           times of day are in UTC
  -h, --help          this text

TIME: 14:03:22.5 (of the day on which the trace begins), 2026-11-22T14:03:22, seconds since 1970, +1.5s behind the
trace's first event, or -2s before its last one. Units: ns, us, ms, s, m, h.

Exit status: 0; 1 if the trace is damaged (then what is sound is written) or cannot be read, or if the new one cannot be
written; 2 if the command line makes no sense.

Examples:
  ouro cut trace -o incident --begin 14:03:20 --end 14:03:25
  ouro cut trace -o last --begin -500ms
  ouro cut trace -o orders -e 'shop:*' -e '!shop:queue_depth'
)";

struct Options {
  std::string folder, output, begin, end;
  std::vector<std::string> events;
  bool utc = false;
};

void define(CommandLine& line, Options& options) {
  line.add_option("-o,--output", options.output, "FOLDER");
  line.add_option("--begin", options.begin, "TIME");
  line.add_option("--end", options.end, "TIME");
  line.add_option("-e,--events", options.events, "EVENT");
  line.add_flag("--utc", options.utc);
  line.add_argument("folder", options.folder, "TRACE");
}

}  // namespace

const char* define_cut(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int cut_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (options.folder.empty()) return usage_error("cut", "no trace given, want the one to cut from");
  if (options.output.empty()) return usage_error("cut", "no --output given, want the folder for the new trace");
  if (options.begin.empty() && options.end.empty() && options.events.empty()) return usage_error("cut", "nothing says what part, want --begin, --end or --events");
  Rewrite job{.command = "cut", .done = "cut", .folders = {}, .output = options.output, .events = EventGlobs(options.events), .range = {}, .options = {}};
  Result<TimeRange> range = TimeRange::parse(options.begin, options.end, options.utc);
  if (!range) return usage_error("cut", range.error().text);
  job.range = *range;
  const Result<std::string> folder = one_trace_in(options.folder);
  if (!folder) {
    say("error: cut: %s", folder.error().text.c_str());
    return 1;
  }
  job.folders = {*folder};
  return rewrite(std::move(job));
}

}  // namespace ouro::cli
