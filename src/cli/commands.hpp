// cli/commands.hpp -- the commands of `ouro`, one file each. argv[0] is the command's name; the answer is the exit
// status: 0, 1 for what went wrong, 2 for a command line that makes no sense.
#pragma once
#include <span>


namespace ouro::cli {

class CommandLine;

int record_command(int argc, char** argv);
int list_command(int argc, char** argv);
int enable_command(int argc, char** argv);
int disable_command(int argc, char** argv);
int snapshot_command(int argc, char** argv);
int recover_command(int argc, char** argv);
int status_command(int argc, char** argv);
int stop_command(int argc, char** argv);
int top_command(int argc, char** argv);
int daemon_command(int argc, char** argv);
int print_command(int argc, char** argv);
int stats_command(int argc, char** argv);
int check_command(int argc, char** argv);
int cut_command(int argc, char** argv);
int merge_command(int argc, char** argv);
int convert_command(int argc, char** argv);
int diff_command(int argc, char** argv);
int live_command(int argc, char** argv);
int doctor_command(int argc, char** argv);
int bench_command(int argc, char** argv);
int completion_command(int argc, char** argv);

// Define a command's options and arguments as it does itself, for those who want to know what there is; what an option's
// value is, its type's name says (cli/complete.hpp). They return its help.
const char* define_record(CommandLine& line);
const char* define_list(CommandLine& line);
const char* define_enable(CommandLine& line);
const char* define_disable(CommandLine& line);
const char* define_snapshot(CommandLine& line);
const char* define_recover(CommandLine& line);
const char* define_status(CommandLine& line);
const char* define_stop(CommandLine& line);
const char* define_top(CommandLine& line);
const char* define_daemon(CommandLine& line);
const char* define_print(CommandLine& line);
const char* define_stats(CommandLine& line);
const char* define_check(CommandLine& line);
const char* define_cut(CommandLine& line);
const char* define_merge(CommandLine& line);
const char* define_convert(CommandLine& line);
const char* define_diff(CommandLine& line);
const char* define_live(CommandLine& line);
const char* define_doctor(CommandLine& line);
const char* define_bench(CommandLine& line);
const char* define_completion(CommandLine& line);

struct Command {
  const char* name;
  int (*run)(int argc, char** argv);
  const char* (*define)(CommandLine& line);
};

// `ouro __complete`, which the shells' scripts call: argv[0] is that word. `help`: that of `ouro`.
int complete_command(std::span<const Command> commands, const char* help, int argc, char** argv);

}  // namespace ouro::cli
