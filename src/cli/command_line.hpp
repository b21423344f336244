// cli/command_line.hpp -- what the command lines of all commands have in common: --help, and errors that say what was
// seen, what is wanted, and where to read on.
#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace ouro::cli {

// argv[0] is the command's name. Fills what is bound to `app`; or answers with the exit status, if `help` was asked for
// and printed, or if the line makes no sense. What an app with prefix_command() leaves over is for its caller to look at;
// of others it is an error.
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv, const char* help);

// Says what is wrong and returns the exit status for that, 2.
int usage_error(const std::string& command, const std::string& text);

}  // namespace ouro::cli
