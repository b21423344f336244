// `ouro completion`: the scripts that let shells complete ouro's command lines.
#include <cstdio>
#include <optional>
#include <string>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/completion_scripts.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro completion prints a script that lets a shell complete ouro's command lines.

Usage: ouro completion bash|zsh|fish

Commands, options and their values are completed, events and names of running programs, pids, sessions, files and traces.
`cmake --install` puts the scripts where shells look for them; otherwise they can be read at the shell's start, as below.

Options:
  -h, --help   this text

Exit status: 0; 2 if the command line makes no sense.

Examples:
  source <(ouro completion bash)                                      in ~/.bashrc
  source <(ouro completion zsh)                                       in ~/.zshrc, behind compinit
  ouro completion fish >~/.config/fish/completions/ouro.fish          once
)";

struct Options {
  std::string shell;
};

void define(CommandLine& line, Options& options) { line.add_argument("shell", options.shell, "bash|zsh|fish"); }

}  // namespace

const char* define_completion(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int completion_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  const char* const script = options.shell == "bash"   ? kBashCompletion
                             : options.shell == "zsh"  ? kZshCompletion
                             : options.shell == "fish" ? kFishCompletion
                                                       : nullptr;
  if (script == nullptr) return usage_error("completion", "shell is '" + options.shell + "', want bash, zsh or fish");
  std::fputs(script, stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace ouro::cli
