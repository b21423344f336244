// The `ouro` command: finds the sub-command and hands over.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/say.hpp"

namespace {

constexpr const char* kHelp = R"(ouro records, reads and shows what programs did.

Usage: ouro COMMAND [OPTIONS]
       ouro COMMAND --help
       ouro --help | --version

Commands:
  record      write the events that programs state to a trace: of one that it runs, or of such as run already
  list        events of running programs, of programs' files and of traces; sessions
  enable      switch events on in a session that is being recorded
  disable     switch events off in it
  snapshot    what a flight recorder has in memory, as a trace; it goes on
  recover     what programs and recorders that were killed left in memory, as a trace
  status      flight recorders and other sessions: what they hold, rates, losses
  stop        end flight recorders
  top         what sessions are doing: rates, losses, the slowest spans
  daemon      keeps the flight recorders of a file: triggers, snapshots, metrics
  print       a trace's events as text, ordered by time
  stats       a trace's counts, rates, losses, and durations of spans
  diff        what became slower or more frequent from one trace to another
  check       whether a trace is sound: its packets' numbers, sizes, losses, times and clocks
  cut         a part of a trace, by time or by events, as a trace of its own
  merge       several traces as one
  convert     a trace in another version of CTF
  live        serves traces to viewers, as babeltrace2, while they are being written
  doctor      what this machine has, and lacks, for recording; why a process can be recorded, or not
  bench       what an event costs here, beside reading the clock
  completion  a script that lets bash, zsh or fish complete ouro's command lines

Programs state events with <ouro/trace.hpp> and need not run under `ouro record` to be listed. Traces are CTF 1.8:
babeltrace2 and Trace Compass read them too.

Environment:
  OURO_RUNTIME_DIR   folder in which programs and tools of a user find each other, instead of $XDG_RUNTIME_DIR/ouro
                     or, without that, /dev/shm/ouro-UID, or /tmp/ouro-UID where /dev/shm cannot be written to.
                     Programs and tools must agree on it.
  OURO_FLIGHT=1      of a program: it joins the flight recorder named flight, and makes it if it is not there
  OURO_ATTACH=0      of a program: nobody can record it
  OURO_CACHE=0       no index of large traces' packets is kept in $XDG_CACHE_HOME/ouro or ~/.cache/ouro

Exit status: 0; 1 if something went wrong or what was written is not complete; 2 if the command line makes no sense;
`ouro record` passes on the status of its program.

Examples:
  ouro record -o trace -- ./shop --threads 8     records all events of ./shop and of what it starts
  ouro stats trace                               what took how long, and how often
  ouro print trace | grep checkout
)";

using ouro::cli::Command;

constexpr std::array kCommands = {
    Command{"record", ouro::cli::record_command, ouro::cli::define_record},
    Command{"list", ouro::cli::list_command, ouro::cli::define_list},
    Command{"enable", ouro::cli::enable_command, ouro::cli::define_enable},
    Command{"disable", ouro::cli::disable_command, ouro::cli::define_disable},
    Command{"snapshot", ouro::cli::snapshot_command, ouro::cli::define_snapshot},
    Command{"recover", ouro::cli::recover_command, ouro::cli::define_recover},
    Command{"status", ouro::cli::status_command, ouro::cli::define_status},
    Command{"stop", ouro::cli::stop_command, ouro::cli::define_stop},
    Command{"top", ouro::cli::top_command, ouro::cli::define_top},
    Command{"daemon", ouro::cli::daemon_command, ouro::cli::define_daemon},
    Command{"print", ouro::cli::print_command, ouro::cli::define_print},
    Command{"stats", ouro::cli::stats_command, ouro::cli::define_stats},
    Command{"diff", ouro::cli::diff_command, ouro::cli::define_diff},
    Command{"check", ouro::cli::check_command, ouro::cli::define_check},
    Command{"cut", ouro::cli::cut_command, ouro::cli::define_cut},
    Command{"merge", ouro::cli::merge_command, ouro::cli::define_merge},
    Command{"convert", ouro::cli::convert_command, ouro::cli::define_convert},
    Command{"live", ouro::cli::live_command, ouro::cli::define_live},
    Command{"doctor", ouro::cli::doctor_command, ouro::cli::define_doctor},
    Command{"bench", ouro::cli::bench_command, ouro::cli::define_bench},
    Command{"completion", ouro::cli::completion_command, ouro::cli::define_completion},
};

// How many characters must be typed, removed, changed or exchanged with their neighbour to make `b` of `a`.
std::size_t edits_between(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

int unknown(const std::string& name) {
  const char* nearest = nullptr;
  std::size_t fewest = std::max<std::size_t>(name.size(), 2) / 2 + 1;
  for (const Command& command : kCommands) {
    const std::size_t edits = edits_between(name, command.name);
    if (edits >= fewest) continue;
    fewest = edits;
    nearest = command.name;
  }
  if (nearest != nullptr)
    ouro::cli::say("error: unknown command '%s' (did you mean '%s'?)", name.c_str(), nearest);
  else
    ouro::cli::say("error: unknown command '%s', want one of those in 'ouro --help'", name.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs(kHelp, stderr);
    return 2;
  }
  const std::string name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    std::fputs(kHelp, stdout);
    return 0;
  }
  if (name == "--version") {
    std::puts("ouro " OURO_VERSION);
    return 0;
  }
  if (name == "__complete") return ouro::cli::complete_command(kCommands, kHelp, argc - 1, argv + 1);
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    try {
      return command.run(argc - 1, argv + 1);
    } catch (const std::exception& exception) {  // memory, mostly: errors that are expected come as values
      ouro::cli::say("error: %s: %s", command.name, exception.what());
      return 1;
    }
  }
  return unknown(name);
}
