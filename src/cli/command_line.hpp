// cli/command_line.hpp -- a command's options and arguments, and the line that it was called with. What they all have in
// common: --help, and errors that say what was seen, what is wanted, and where to read on.
//
//   CommandLine line;
//   line.add_flag("--json", options.json);
//   line.add_option("-o,--output", options.output, "FOLDER");
//   if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
//
// What is bound must stay where it is until then. How lines are parsed (CLI11) is command_line.cpp's matter alone: each
// file that includes its headers takes seconds to compile.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ouro::cli {

class CommandLine {
 public:
  struct Parameter {
    std::vector<std::string> names;     // of an option: "-o", "--output"
    bool is_argument = false;
    std::function<std::string()> type;  // of what its value is (cli/complete.hpp)
    // What it is bound to: one of these; none if only given() has its values.
    bool* flag = nullptr;
    std::string* value = nullptr;
    std::vector<std::string>* values = nullptr;

    bool has_name(const std::string& name) const;
  };
  struct Given {
    std::string option, value;
  };

  // `names`: "--json" or "-o,--output". An option that is bound to several values, or to nothing, has one each time.
  void add_flag(const char* names, bool& flag);
  void add_option(const char* names, std::string& value, const std::string& type);
  void add_option(const char* names, std::vector<std::string>& values, const std::string& type);
  void add_option(const char* names, const std::string& type);
  // An argument that is bound to several values takes all that are left. Its type may depend on what is bound: it is asked
  // for when that is filled.
  void add_argument(const char* name, std::string& value, const std::string& type);
  void add_argument(const char* name, std::vector<std::string>& values, const std::string& type);
  void add_argument(const char* name, std::vector<std::string>& values, std::function<std::string()> type);
  // The first argument begins a program's command line: rest().
  void add_program() { has_program_ = true; }

  // argv[0] is the command's name. Fills what is bound; or answers with the exit status, if `help` was asked for and
  // printed, or if the line makes no sense.
  std::optional<int> parse(int argc, char** argv, const char* help);
  // For completion: `words` are not the whole line. Fills what is bound as far as they make sense.
  void parse_part(const std::vector<std::string>& words);

  std::size_t count(const std::string& option) const;  // how often an option that takes a value was given: "--output"
  const std::vector<Given>& given() const { return given_; }  // these, as they came
  // The program's, or an unknown option and what follows; "--" first, if it stands there.
  const std::vector<std::string>& rest() const { return rest_; }

  const std::vector<Parameter>& parameters() const { return parameters_; }
  bool has_program() const { return has_program_; }

 private:
  std::vector<Parameter> parameters_;
  bool has_program_ = false;
  std::vector<Given> given_;
  std::vector<std::string> rest_;
};

// Says what is wrong and returns the exit status for that, 2.
int usage_error(const std::string& command, const std::string& text);

}  // namespace ouro::cli
