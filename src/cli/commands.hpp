// cli/commands.hpp -- the commands of `ouro`, one file each. argv[0] is the command's name; the answer is the exit
// status: 0, 1 for what went wrong, 2 for a command line that makes no sense.
#pragma once

namespace ouro::cli {

int record_command(int argc, char** argv);
int list_command(int argc, char** argv);
int enable_command(int argc, char** argv);
int disable_command(int argc, char** argv);
int print_command(int argc, char** argv);
int stats_command(int argc, char** argv);
int doctor_command(int argc, char** argv);
int bench_command(int argc, char** argv);

}  // namespace ouro::cli
