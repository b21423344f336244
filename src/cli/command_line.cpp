#include "cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <string_view>

#include "cli/say.hpp"

namespace ouro::cli {
namespace {

std::vector<std::string> split_names(const std::string& names) {
  const std::size_t comma = names.find(',');
  if (comma == std::string::npos) return {names};
  return {names.substr(0, comma), names.substr(comma + 1)};
}

std::function<std::string()> always(const std::string& type) {
  return [type] { return type; };
}

void add(CLI::App& app, const CommandLine::Parameter& parameter) {
  const std::string& first = parameter.names.front();
  const std::string names = parameter.names.size() == 1 ? first : first + "," + parameter.names.back();
  if (parameter.flag != nullptr)
    app.add_flag(names, *parameter.flag)->disable_flag_override();  // --json=no would not say no
  else if (parameter.value != nullptr)
    app.add_option(names, *parameter.value);
  else if (parameter.is_argument)
    app.add_option(names, *parameter.values);
  else if (parameter.values != nullptr)
    app.add_option(names, *parameter.values)->expected(1)->take_all()->allow_extra_args(false);
  else
    app.add_option(names)->expected(1)->take_all();
}

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

bool CommandLine::Parameter::has_name(const std::string& name) const { return std::find(names.begin(), names.end(), name) != names.end(); }

void CommandLine::add_flag(const char* names, bool& flag) { parameters_.push_back({.names = split_names(names), .type = always(""), .flag = &flag}); }

void CommandLine::add_option(const char* names, std::string& value, const std::string& type) {
  parameters_.push_back({.names = split_names(names), .type = always(type), .value = &value});
}

void CommandLine::add_option(const char* names, std::vector<std::string>& values, const std::string& type) {
  parameters_.push_back({.names = split_names(names), .type = always(type), .values = &values});
}

void CommandLine::add_option(const char* names, const std::string& type) { parameters_.push_back({.names = split_names(names), .type = always(type)}); }

void CommandLine::add_argument(const char* name, std::string& value, const std::string& type) {
  parameters_.push_back({.names = {name}, .is_argument = true, .type = always(type), .value = &value});
}

void CommandLine::add_argument(const char* name, std::vector<std::string>& values, const std::string& type) { add_argument(name, values, always(type)); }

void CommandLine::add_argument(const char* name, std::vector<std::string>& values, std::function<std::string()> type) {
  parameters_.push_back({.names = {name}, .is_argument = true, .type = std::move(type), .values = &values});
}

std::optional<int> CommandLine::parse(int argc, char** argv, const char* help) {
  CLI::App app;
  bool help_wanted = false;
  for (const Parameter& parameter : parameters_) add(app, parameter);
  app.set_help_flag();
  app.add_flag("-h,--help", help_wanted)->disable_flag_override();
  app.prefix_command(has_program_);
  app.allow_extras(!has_program_);
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
  std::map<const CLI::Option*, std::size_t> seen;
  for (const CLI::Option* option : app.parse_order())
    if (!option->get_positional() && option->get_items_expected_max() != 0) given_.push_back({option->get_name(), option->results().at(seen[option]++)});
  rest_ = app.remaining();
  if (has_program_ || rest_.empty()) return std::nullopt;
  const std::string first = rest_.front();
  const bool is_option = first.size() > 1 && first[0] == '-';
  return usage_error(argv[0], (is_option ? "unknown option '" : "unexpected argument '") + first + "'");
}

void CommandLine::parse_part(const std::vector<std::string>& words) {
  CLI::App app;
  for (const Parameter& parameter : parameters_) add(app, parameter);
  app.prefix_command(has_program_);
  app.allow_extras();
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Error&) {
  }
}

std::size_t CommandLine::count(const std::string& option) const {
  return static_cast<std::size_t>(std::count_if(given_.begin(), given_.end(), [&](const Given& given) { return given.option == option; }));
}

int usage_error(const std::string& command, const std::string& text) {
  say("error: %s: %s (hint: ouro %s --help)", command.c_str(), text.c_str(), command.c_str());
  return 2;
}

}  // namespace ouro::cli
