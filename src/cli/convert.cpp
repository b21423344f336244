// `ouro convert`: a trace in CTF's other version.
#include <optional>
#include <string>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/rewrite.hpp"
#include "cli/say.hpp"
#include "cli/traces_in.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro convert writes a trace in another version of CTF.

Usage: ouro convert --to VERSION -o DIR TRACE

All events are kept, with times to the tick, CPUs, names, contexts, levels, places in the source and losses. CTF 1.8 is
what babeltrace2 2.0 and Trace Compass read; CTF 2 is what LTTng writes from 2.15 on.

Options:
      --to VERSION   ctf1.8 or ctf2
  -o, --output DIR   the new trace; must not be there yet
  -h, --help         this text

Exit status: 0; 1 if the trace is damaged (then what is sound is written) or cannot be read, if the new one cannot be
written, or if it has what the version does not; 2 if the command line makes no sense.

Examples:
  ouro convert --to ctf2 -o trace2 trace
)";

struct Options {
  std::string folder, output, version;
};

void define(CommandLine& line, Options& options) {
  line.add_option("--to", options.version, "ctf1.8|ctf2");
  line.add_option("-o,--output", options.output, "FOLDER");
  line.add_argument("folder", options.folder, "TRACE");
}

}  // namespace

const char* define_convert(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int convert_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (options.folder.empty()) return usage_error("convert", "no trace given, want the one to convert");
  if (options.output.empty()) return usage_error("convert", "no --output given, want the folder for the new trace");
  if (options.version != "ctf1.8" && options.version != "ctf2") return usage_error("convert", "--to is '" + options.version + "', want ctf1.8 or ctf2");
  Rewrite job{.command = "convert", .done = "converted", .folders = {}, .output = options.output, .events = EventGlobs({}), .range = {}, .options = {}};
  job.options.version = options.version == "ctf2" ? ctf::Version::v2 : ctf::Version::v1_8;
  const Result<std::string> folder = one_trace_in(options.folder);
  if (!folder) {
    say("error: convert: %s", folder.error().text.c_str());
    return 1;
  }
  job.folders = {*folder};
  return rewrite(std::move(job));
}

}  // namespace ouro::cli
