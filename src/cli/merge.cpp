// `ouro merge`: several traces as one.
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/rewrite.hpp"
#include "cli/traces_in.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro merge writes several traces as one.

Usage: ouro merge -o DIR TRACE...

A stream stays a stream; its file has its trace's name in front. If all traces have the same clock with the same offset
it is kept, and all times to the tick; else times become nanoseconds since 1970, as good as each trace knows them
(ouro check TRACE... says how good). What all traces say of where they were made stands once; where they differ, the
second's is called NAME_2 and so on. A folder that holds several traces, an LTTng session, stands for them. Threads' names
are known by thread ids: of traces of different machines they may be mixed up.

Options:
  -o, --output DIR   the new trace; must not be there yet
  -h, --help         this text

Exit status: 0; 1 if a trace is damaged (then what is sound is written) or cannot be read, or if the new one cannot be
written; 2 if the command line makes no sense.

Examples:
  ouro merge client server -o both
  ouro merge ~/lttng-traces/auto-20261122 ouro-trace -o both
)";

struct Options {
  std::vector<std::string> folders;
  std::string output;
};

void define(CommandLine& line, Options& options) {
  line.add_option("-o,--output", options.output, "FOLDER");
  line.add_argument("folders", options.folders, "TRACE");
}

}  // namespace

const char* define_merge(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int merge_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (options.folders.empty()) return usage_error("merge", "no traces given, want those to merge");
  if (options.output.empty()) return usage_error("merge", "no --output given, want the folder for the new trace");
  Rewrite job{.command = "merge", .done = "merged", .folders = {}, .output = options.output, .events = EventGlobs({}), .range = {}, .options = {}};
  for (const std::string& folder : options.folders) {
    if (const Result<std::string> one = one_trace_in(folder)) job.folders.push_back(*one);
    else
      for (const std::string& each : traces_in(folder)) job.folders.push_back(each);
  }
  return rewrite(std::move(job));
}

}  // namespace ouro::cli
