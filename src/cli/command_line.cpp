#include "cli/command_line.hpp"

#include <cstdio>
#include <string_view>

#include "cli/say.hpp"

namespace ouro::cli {
namespace {

// CLI11 speaks of types and of how many it received.
std::string text_of(const CLI::ParseError& error) {
  const std::string text = error.what();
  const auto ends_with = [&](std::string_view part) { return text.ends_with(part); };
  const std::string option = text.substr(0, text.find_first_of(": "));
  if (ends_with(" missing")) return option + " has no value, want one";
  if (text.find(": At Most 1 required") != std::string::npos) return option + " is given more than once, want it once";
  if (ends_with(" was given a disallowed flag override")) return "--" + option + " has a value, want none";
  return text;
}

}  // namespace

int usage_error(const std::string& command, const std::string& text) {
  say("error: %s: %s (hint: ouro %s --help)", command.c_str(), text.c_str(), command.c_str());
  return 2;
}

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv, const char* help) {
  bool help_wanted = false;
  app.set_help_flag();
  app.add_flag("-h,--help", help_wanted);
  app.allow_extras(!app.get_prefix_command());
  for (CLI::Option* option : app.get_options())
    if (option->get_items_expected_max() == 0) option->disable_flag_override();  // --json=no would not say no
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(argv[0], text_of(error));
  }
  for (const CLI::Option* option : app.get_options())  // CLI11 takes the mark that ends the options for a value
    for (const std::string& value : option->results())
      if (value == "--") return usage_error(argv[0], option->get_name() + " has no value, want one");
  if (help_wanted) {
    std::fputs(help, stdout);
    return 0;
  }
  if (app.get_prefix_command() || app.remaining().empty()) return std::nullopt;
  const std::string first = app.remaining().front();
  const bool is_option = first.size() > 1 && first[0] == '-';
  return usage_error(argv[0], (is_option ? "unknown option '" : "unexpected argument '") + first + "'");
}

}  // namespace ouro::cli
