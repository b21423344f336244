#include "cli/record_options.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <iterator>

#include <ouro/abi/context_layout.hpp>
#include <ouro/abi/ring_layout.hpp>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/say.hpp"
#include "cli/units.hpp"
#include "record/contexts.hpp"

namespace ouro::cli {
namespace {

constexpr std::uint64_t kSmallestTrace = 64 << 10;  // of those that are rotated

constexpr const char* kHelp = R"(ouro record writes the events that programs state to a trace: of a program that it runs, or of such as run already.

Usage: ouro record [OPTIONS] [--] PROGRAM [ARGUMENTS]
       ouro record [OPTIONS] -p PID | -P NAME | --all [-- PROGRAM [ARGUMENTS]]

Everything that PROGRAM forks and executes is recorded with it, daemons included; recording ends with the last of
them. Ctrl-C reaches the program through the terminal; SIGTERM and SIGHUP sent to ouro are passed on to it. Two seconds
later at most the trace is finished, and a program that still runs is left running. A second signal finishes at once.
The program's stdin, stdout, stderr and signals are its own; what ouro says goes to stderr. Sessions of recorders that
were killed are removed from the runtime folder and from the programs that still write to them.

Programs that run already are not stopped, signalled or told: a few words of memory that they look at change. With
them, recording ends with Ctrl-C, with the last of them, after --for, or with PROGRAM, whose own events then count with
--all only.

Options:
  -o, --output DIR        the trace's folder, new or empty (default: ./ouro-trace-YYYYmmdd-HHMMSS)
  -p, --pid PID           a running process, and what it forks from now on; may be repeated. Root may name other users'
                          processes and those in containers. What it becomes by exec stays in the session, what it
                          starts by vfork or posix_spawn is not in it
  -P, --process NAME      the running processes of this name, a pattern of *, ? and [set]; may be repeated
      --all               all of this user's programs, those that start later included
      --seccomp-ok        with -p, -P and --all: also programs that took a seccomp filter since they started. One that
                          kills who calls what it forbids would kill them; ouro doctor PID lists what is called
      --for TIME          ends after this time: 10, 10s, 5m, 2h, 500ms
      --rotate SIZE|TIME  a new trace now and then: DIR becomes a folder of traces, each whole by itself and readable while
                          the next one is written. SIZE with K, M or G, TIME with s, m or h; twice for one of each. DIR
                          may hold traces of earlier recordings
      --keep SIZE         removes the oldest of them, so that all together take no more (without --rotate SIZE a trace is
                          an eighth of it)
      --compress          zstd: the streams of each trace become .zst files when it is whole, beside the recording. ouro
                          reads them as they are; zstd -d --rm DIR/*.zst makes them readable to others
      --resume DIR        goes on with what a recorder wrote that was killed while its programs ran on: nothing that memory
                          still holds is lost, nothing is twice. With --rotate, --keep, --compress and --on as before, --for, or
                          --all: then also when no process is left. No program
      --name NAME         of the session, by which ouro enable and disable know it (default: PID-RANDOM)
)";
constexpr const char* kHelpRest = R"(      --context LIST      what is recorded with each event, beside its fields and thread id; names with commas, may be
                          repeated: pid thread comm cpu uid gid cgroup callstack callstack:N ns.cgroup ns.ipc ns.mnt
                          ns.net ns.pid ns.time ns.user ns.uts ns.* perf.cycles perf.instructions perf.cache-misses
                          perf.branch-misses perf.page-faults perf.context-switches perf.cpu-clock perf.task-clock
      --overwrite         keep the newest events in memory and write them at the end. Otherwise the trace is written
                          while the program runs, and what does not fit in the buffers is lost and counted
      --flight            a flight recorder: the newest events stay in memory, and so does the session, also when ouro has
                          ended or was killed, until ouro stop. ouro snapshot writes them; ouro recover, when the
                          program was killed. No trace is written meanwhile. With -p, -P and --all ouro is done at once,
                          unless there are triggers
      --join              with --flight and --all: a session of this name that is there goes on, with what it holds, its memory
                          and contexts; its events are those that are asked for now. Stays until ouro stop, SIGTERM or
                          Ctrl-C, which leaves the session as it is (ouro daemon)
      --backing DIR       with --flight: its memory is a file in DIR, on a disk (ext4, xfs), which is still there when the
                          machine was started anew: ouro recover --backing DIR. Events take longer, and 20 bytes more each
  -d, --detach            with --flight: does not wait for PROGRAM either, and watches triggers in the background
      --buffer-size SIZE  memory per CPU, with K, M or G; becomes a power of two (default: 4M, less on machines with
                          little memory for their CPUs). Only CPUs on which events happen use it
      --subbuf-count N    parts of a CPU's buffer, each written as one packet: 2 to 128 (default: 16)
      --clock tsc|monotonic
                          what events are stamped with (default: tsc where the kernel itself keeps time by it)
)";
constexpr const char* kHelpEnd = R"(  -h, --help              this text

Exit status: the program's, 128 + N if signal N killed it, 0 if it was left running; 127 if it was not found, 126 if
it could not be run; 2 for a wrong command line; 1 if the program ended with 0 but the trace is not complete.

Examples:
  ouro record -- ./shop --threads 8
  ouro record -o trace -e 'shop:*' -e '!shop:sql*' -- ./shop
  ouro record --overwrite --buffer-size 64M -- ./shop       the last moments before a crash
  ouro record -p 4711 --for 10s                             ten seconds of a program that runs
  ouro record -P shop -e 'shop:order' --filter 'total > 100 && user == "eve*"'
  ouro record --flight -d -- ./shop                         always on; ouro snapshot when something happened
  ouro record --flight --all -d --on 'span shop:checkout > 50ms' --do 'snapshot --last 10s /var/tmp'
  ouro record --resume trace                                its recorder was killed, the programs were not
  ouro record --all --rotate 100M --rotate 1h --keep 10G -o /var/tmp/traces     the newest 10 GB of all programs
  ouro record --all --level warning -- sleep 60             what goes wrong in all programs, for a minute
  ouro record --context pid,thread,callstack -- ./shop      who did it, and how it came there
)";

const std::string& record_help() {
  static const std::string help = std::string(kHelp) + kEventOptionsHelp + kHelpRest + kTriggerOptionsHelp + kHelpEnd;
  return help;
}

void define(CommandLine& line, RecordOptions& options) {
  std::string contexts;
  for (const abi::ContextInfo& info : abi::kContexts)
    if (abi::is_for_users(info.context)) contexts += (contexts.empty() ? "" : "|") + std::string(info.name);
  line.add_program();
  line.add_option("-o,--output", options.output, "FOLDER");
  line.add_option("-p,--pid", options.pid_texts, "PID");
  line.add_option("-P,--process", options.names, "NAME");
  line.add_flag("--all", options.all);
  line.add_flag("--seccomp-ok", options.seccomp_ok);
  line.add_option("--for", options.duration_text, "TIME");
  line.add_option("--rotate", options.rotate_texts, "SIZE");
  line.add_option("--keep", options.keep_text, "SIZE");
  line.add_flag("--compress", options.compress);
  line.add_option("--resume", options.resume, "FOLDER");
  line.add_option("--name", options.name, "TEXT");
  options.events.define(line, true);
  line.add_option("--context", options.context_lists, contexts);
  line.add_flag("--overwrite", options.overwrite);
  line.add_flag("--flight", options.flight);
  line.add_flag("--join", options.join);
  line.add_flag("-d,--detach", options.detach);
  line.add_option("--backing", options.backing, "FOLDER");
  line.add_option("--buffer-size", options.buffer_size_text, "SIZE");
  line.add_option("--subbuf-count", options.subbuf_count_text, "N");
  line.add_option("--clock", options.clock, "tsc|monotonic");
  define_triggers(line);
}

int usage_error(const std::string& text) { return cli::usage_error("record", text); }

// Which programs that run already: fills `options`, or answers with the exit status.
std::optional<int> parse_targets(RecordOptions& options) {
  for (const std::string& text : options.pid_texts) {
    int pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid <= 0)
      return usage_error("--pid is '" + text + "', want a process's number");
    options.pids.push_back(pid);
  }
  if (options.all && (!options.pids.empty() || !options.names.empty()))
    return usage_error("--all with --pid or --process, want one or the other");
  return std::nullopt;
}

std::optional<int> parse_rotation(const CommandLine& line, RecordOptions& options) {
  for (const std::string& text : options.rotate_texts) {
    // 5m is five minutes, here as elsewhere, and 5M a size; 5 alone is neither.
    const char unit = text.empty() ? ' ' : text.back();
    bool is_good = false;
    if (unit == 's' || unit == 'm' || unit == 'h') is_good = !options.rotate_time && (options.rotate_time = parse_time(text));
    else if (std::isdigit(static_cast<unsigned char>(unit)) == 0) is_good = !options.rotate_size && (options.rotate_size = parse_size(text));
    if (!is_good) return usage_error("--rotate is '" + text + "', want a size such as 100M or a time such as 1h, or both, each once");
  }
  if (line.count("--keep") != 0 && !(options.keep = parse_size(options.keep_text)))
    return usage_error("--keep is '" + options.keep_text + "', want a size such as 10G");
  if (options.rotate_size && *options.rotate_size < kSmallestTrace) return usage_error("--rotate is " + binary_size(*options.rotate_size) + ", want " + binary_size(kSmallestTrace) + " or more");
  if (const std::uint64_t least = options.rotate_size ? 2 * *options.rotate_size : 8 * kSmallestTrace; options.keep && *options.keep < least)
    return usage_error("--keep is '" + options.keep_text + "', want " + binary_size(least) + " or more" + (options.rotate_size ? ": two traces of --rotate" : ""));
  if (options.compress && options.flight) return usage_error("--compress with --flight, want one of them: no trace is written");
  if (options.rotates() && (options.overwrite || options.flight))
    return usage_error("--rotate, --keep or --do rotate with --overwrite or --flight, want none of them: what is kept in memory is no trace yet");
  return std::nullopt;
}

// What is recorded, and how, the session says.
std::optional<int> parse_resume(const CommandLine& line, RecordOptions& options, bool is_marked) {
  if (options.resume.empty()) return usage_error("--resume is '', want a folder's name");
  static constexpr const char* kTaken[] = {"--resume", "--for", "--rotate", "--keep", "--on", "--do", "--times", "--delay", "--hold-off", "--per-day"};
  for (const CommandLine::Given& given : line.given())
    if (std::find(std::begin(kTaken), std::end(kTaken), given.option) == std::end(kTaken))
      return usage_error(given.option + " with --resume, want one of them: what is recorded, the session says");
  if (is_marked || !options.program.empty()) return usage_error("a program with --resume, want one of them");
  if (options.overwrite || options.flight || options.detach || options.seccomp_ok) return usage_error("--overwrite, --flight, --detach or --seccomp-ok with --resume, want none of them");
  if (line.count("--for") != 0 && !(options.duration = parse_time(options.duration_text)))
    return usage_error("--for is '" + options.duration_text + "', want a time such as 10s, 500ms, 5m or 2h");
  Result<std::vector<Trigger>> triggers = triggers_of(line);
  if (!triggers) return usage_error(triggers.error().text);
  options.triggers = std::move(*triggers);
  return parse_rotation(line, options);
}

}  // namespace

const char* define_record(CommandLine& line) {
  static RecordOptions unread;
  define(line, unread);
  return record_help().c_str();
}

std::optional<int> parse_record_options(int argc, char** argv, RecordOptions& options) {
  CommandLine line;
  define(line, options);
  const std::string &buffer_size = options.buffer_size_text, &subbuf_count = options.subbuf_count_text;
  const std::string help = record_help();
  if (const std::optional<int> status = line.parse(argc, argv, help.c_str())) return *status;
  options.program = line.rest();
  // An option behind "--" is a program's name; before it, one that we do not know.
  const bool is_marked = !options.program.empty() && options.program.front() == "--";
  if (is_marked) options.program.erase(options.program.begin());
  if (const std::optional<int> status = parse_targets(options)) return *status;
  if (line.count("--resume") != 0) return parse_resume(line, options, is_marked);
  if (options.program.empty() && (is_marked || !options.attaches()))
    return usage_error("no program, want one: ouro record [OPTIONS] -- PROGRAM [ARGUMENTS], or one that runs: -p PID");
  if (!is_marked && !options.program.empty() && options.program.front().rfind('-', 0) == 0)
    return usage_error("unknown option '" + options.program.front() + "'");
  if (options.flight && !options.output.empty()) return usage_error("--output with --flight, want one of them (hint: ouro snapshot writes a trace)");
  if (options.flight && options.duration_text.size() + options.overwrite != 0) return usage_error("--for or --overwrite with --flight, want none of them: it keeps the newest until ouro stop");
  if (options.detach && !options.flight) return usage_error("--detach without --flight, want both: somebody has to write the trace");
  if (options.join && (!options.flight || !options.all || options.detach || !options.program.empty()))
    return usage_error("--join without --flight and --all, or with --detach or a program, want --flight --join --all");
  if (line.count("--backing") != 0 && !options.flight) return usage_error("--backing without --flight, want both: a trace is a file anyway");
  if (line.count("--backing") != 0 && options.backing.empty()) return usage_error("--backing is '', want a folder's name");
  if (line.count("--output") != 0 && options.output.empty()) return usage_error("--output is '', want a folder's name");
  if (line.count("--for") != 0 && !(options.duration = parse_time(options.duration_text)))
    return usage_error("--for is '" + options.duration_text + "', want a time such as 10s, 500ms, 5m or 2h");
  Result<std::vector<Trigger>> triggers = triggers_of(line);
  if (!triggers) return usage_error(triggers.error().text);
  options.triggers = std::move(*triggers);
  if (const std::optional<int> status = parse_rotation(line, options)) return *status;
  if (line.count("--name") != 0 && (options.name.empty() || options.name.size() > 64 || options.name.find_first_of("/ \n") != std::string::npos))
    return usage_error("--name is '" + options.name + "', want up to 64 characters without '/' and blanks");
  Result<std::vector<record::Rule>> rules = options.events.rules(line);
  if (!rules) return usage_error(rules.error().text);
  options.rules = std::move(*rules);
  if (line.count("--subbuf-count") != 0) {
    const std::optional<std::uint64_t> count = parse_size(subbuf_count);
    if (!count || *count < abi::kMinSubbufs || *count > abi::kMaxSubbufs)
      return usage_error("--subbuf-count is '" + subbuf_count + "', want a number from 2 to 128");
    options.subbuf_count = std::bit_ceil(static_cast<std::uint32_t>(*count));
  }
  if (line.count("--buffer-size") != 0) {
    options.buffer_size = parse_size(buffer_size);
    if (!options.buffer_size)
      return usage_error("--buffer-size is '" + buffer_size + "', want a number with K, M or G, such as 4M");
    const std::uint64_t least = options.subbuf_count.value_or(abi::kMinSubbufs) * abi::kMinSubbufSize;
    const std::uint64_t most = options.subbuf_count.value_or(abi::kMaxSubbufs) * abi::kMaxSubbufSize;
    if (*options.buffer_size > most || std::bit_ceil(*options.buffer_size) < least)
      return usage_error("--buffer-size is '" + buffer_size + "', want " + binary_size(least) + " to " + binary_size(most) +
                         (options.subbuf_count ? " for " + std::to_string(*options.subbuf_count) + " parts" : ""));
  }
  if (line.count("--clock") != 0 && options.clock != "tsc" && options.clock != "monotonic")
    return usage_error("--clock is '" + options.clock + "', want tsc or monotonic");
  const Result<std::uint64_t> known = record::parse_contexts(options.context_lists);
  if (!known && known.error().code == EINVAL) return usage_error(known.error().text);
  if (!known) {
    say("error: record: %s", known.error().text.c_str());
    return 1;
  }
  options.contexts = *known;
  return std::nullopt;
}

}  // namespace ouro::cli
