#include "cli/complete.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>
#include <sstream>
#include <string_view>

#include <ouro/read.hpp>

#include "base/runtime_dir.hpp"
#include "cli/command_line.hpp"
#include "cli/list_sources.hpp"
#include "record/session_file.hpp"

namespace ouro::cli {
namespace {

using Words = std::vector<std::string>;

bool is_lower(const std::string& word) {
  return !word.empty() && std::none_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

Words split(const std::string& text, char at) {
  Words out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) out.push_back(part);
  return out;
}

// ---- what there is

class Offers {
 public:
  // `words`: the whole line; a trace named in it says which events there are.
  Offers(std::string current, const Words& words) : current_(std::move(current)), words_(words) {}

  void add(const std::string& text, const std::string& what) {
    if (text.compare(0, current_.size(), current_) == 0 && seen_.insert(text).second)
      out_.push_back({prefix_ + text, what});
  }
  // The rest of the word is what is completed: a value behind "--option=".
  void keep(std::size_t length) {
    prefix_ = current_.substr(0, length);
    current_.erase(0, length);
  }
  void add_values(const std::string& type);
  std::vector<Candidate> take() { return std::move(out_); }

 private:
  void ask_shell(const char* what) { out_.push_back({what, {}}); }
  void add_events();
  void add_processes(bool by_pid);
  void add_sessions();
  const std::vector<Listing>& processes() {
    base::RuntimeDir folder{};
    if (!processes_)
      processes_ = base::find_runtime_dir(folder, false) == 0 ? list_processes(folder.path) : std::vector<Listing>{};
    return *processes_;
  }

  std::string current_, prefix_;
  const Words& words_;
  std::optional<std::vector<Listing>> processes_;
  std::set<std::string> seen_;
  std::vector<Candidate> out_;
};

// "EVENT", "tsc|monotonic".
void Offers::add_values(const std::string& type) {
  bool folders = false, files = false;
  for (const std::string& kind : split(type, '|')) {
    if (kind == "EVENT") add_events();
    if (kind == "PID") add_processes(true);
    if (kind == "NAME") add_processes(false);
    if (kind == "SESSION") add_sessions();
    if (kind == "PROGRAM") ask_shell(":commands");
    files |= kind == "FILE";
    folders |= kind == "FOLDER" || kind == "TRACE";
    if (is_lower(kind)) add(kind, {});
  }
  if (files || folders) ask_shell(files ? ":files" : ":folders");
}

// Of the trace that the line names, or else of the programs that run. "!shop:order" leaves it out.
void Offers::add_events() {
  if (current_.starts_with('!')) keep(1);
  bool has_trace = false;
  for (const std::string& word : words_) {
    struct stat status;
    if (word.empty() || ::stat((word + "/metadata").c_str(), &status) != 0) continue;
    const Result<read::Trace> trace = read::Trace::open(word);
    if (!trace) continue;
    has_trace = true;
    for (const read::EventClass& event : trace->classes())
      if (!event.is_state) add(event.name, event.file.empty() ? "" : event.file + ":" + std::to_string(event.line));
  }
  if (has_trace) return;
  for (const Listing& process : processes())
    for (const ListedEvent& event : process.events) add(event.name, process.name + ", " + event.kind);
}

void Offers::add_processes(bool by_pid) {
  for (const Listing& process : processes()) {
    const std::string pid = std::to_string(process.pid);
    if (by_pid)
      add(pid, process.name);
    else
      add(process.name, "pid " + pid);
  }
}

void Offers::add_sessions() {
  base::RuntimeDir folder{};
  if (base::find_runtime_dir(folder, false) != 0) return;
  for (const std::string& file : record::find_sessions(folder.path)) {
    const Result<record::SessionFile> session = record::SessionFile::open(folder.path, file);
    if (session)
      add(session->name(),
          session->is_kept() ? "flight recorder" : session->is_left_behind() ? "left behind" : "of process " + std::to_string(session->creator_pid()));
  }
}

// ---- where the cursor is

using Parameter = CommandLine::Parameter;

// The option of this name, if it takes a value.
const Parameter* option_with_value(const CommandLine& line, const std::string& name) {
  for (const Parameter& option : line.parameters())
    if (!option.is_argument && option.flag == nullptr && option.has_name(name)) return &option;
  return nullptr;
}

struct Place {
  const Parameter* value_of = nullptr;    // the word is this option's value
  bool only_arguments = false;            // behind "--"
  std::size_t arguments = 0;              // that stand before it
  bool in_program = false;                // the word is the recorded program's
};

// `before`: the words behind the command and before the cursor.
Place place_of(const CommandLine& line, const Words& before) {
  Place out;
  for (const std::string& word : before) {
    if (out.value_of != nullptr) {
      out.value_of = nullptr;
    } else if (out.only_arguments || word.size() < 2 || word[0] != '-') {
      ++out.arguments;
      out.only_arguments |= out.in_program = line.has_program();
    } else if (word == "--") {
      out.only_arguments = true;
    } else if (word.find('=') == std::string::npos) {
      out.value_of = option_with_value(line, word);
    }
  }
  return out;
}

void add_options(Offers& offers, const CommandLine& line, const char* help) {
  const auto add = [&](const std::string& name) { offers.add(name, description_in(help, name)); };
  for (const Parameter& option : line.parameters())
    if (!option.is_argument) std::for_each(option.names.rbegin(), option.names.rend(), add);
  add("--help");
  add("-h");
}

void add_argument(Offers& offers, const CommandLine& line, const Place& place) {
  if (line.has_program()) return offers.add_values(place.in_program ? "FILE" : "PROGRAM");
  std::size_t at = 0;
  for (const Parameter& argument : line.parameters()) {
    if (!argument.is_argument) continue;
    if (argument.values != nullptr || at == place.arguments) return offers.add_values(argument.type());
    ++at;
  }
}

}  // namespace

std::string description_in(const char* help, const std::string& name) {
  const Words lines = split(help, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with("  ")) continue;
    // "  -o, --output DIR   the folder": the names, then a gap, then what it is, there or in the next line.
    const std::size_t begin = std::min(lines[i].find_first_not_of(' '), lines[i].size());
    const std::size_t gap = std::min(lines[i].find("  ", begin), lines[i].size());
    std::istringstream names(lines[i].substr(begin, gap - begin));
    bool found = false;
    for (std::string word; names >> word;) found |= word == name || word == name + ",";
    if (!found) continue;
    const std::string rest = gap < lines[i].size() ? lines[i].substr(gap) : i + 1 < lines.size() ? lines[i + 1] : "";
    return rest.substr(std::min(rest.find_first_not_of(' '), rest.size()));
  }
  return {};
}

SplitLine split_line(const std::string& line, const std::string& breaks) {
  SplitLine out;
  Words words;
  std::string word;
  std::size_t kept = 0;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
      kept = 0;
      continue;
    }
    in_word = true;
    if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      word += line[++i];
    } else if (quote == 0 ? c == '\'' || c == '"' : c == quote) {
      quote = quote == 0 ? c : 0;
      kept = quote == 0 ? kept : word.size();
    } else {
      word += c;
      if (quote == 0 && (c == ':' || c == '=') && breaks.find(c) != std::string::npos) kept = word.size();
    }
  }
  words.push_back(word);
  out.words.assign(words.begin() + (words.size() > 1 ? 1 : 0), words.end());
  out.kept = kept;
  return out;
}

std::vector<Candidate> candidates(std::span<const Command> commands, const char* help, const Words& words) {
  if (words.empty()) return {};
  const std::string& current = words.back();
  Offers offers(current, words);
  if (words.size() == 1) {
    for (const Command& command : commands) offers.add(command.name, description_in(help, command.name));
    if (current.starts_with('-')) offers.add("--help", {}), offers.add("--version", {});
    return offers.take();
  }
  const auto command =
      std::find_if(commands.begin(), commands.end(), [&](const Command& c) { return words.front() == c.name; });
  if (command == commands.end() || command->define == nullptr) return {};
  CommandLine line;
  const char* of_command = command->define(line);
  const Words before(words.begin() + 1, words.end() - 1);
  const Place place = place_of(line, before);
  // For the sake of types that depend on options.
  if (!place.in_program) line.parse_part(place.value_of != nullptr ? Words(before.begin(), before.end() - 1) : before);

  if (place.value_of != nullptr) {
    offers.add_values(place.value_of->type());
  } else if (const std::size_t equals = current.find('=');
             !place.only_arguments && current.starts_with("--") && equals != std::string::npos) {
    const Parameter* option = option_with_value(line, current.substr(0, equals));
    offers.keep(equals + 1);
    if (option != nullptr) offers.add_values(option->type());
  } else if (!place.only_arguments && current.starts_with('-')) {
    add_options(offers, line, of_command);
  } else {
    add_argument(offers, line, place);
  }
  return offers.take();
}

int complete_command(std::span<const Command> commands, const char* help, int argc, char** argv) {
  SplitLine line;
  if (argc == 4 && std::strcmp(argv[1], "--line") == 0)
    line = split_line(argv[3], argv[2]);
  else if (argc > 2 && std::strcmp(argv[1], "--") == 0)
    line.words.assign(argv + 2, argv + argc);
  else
    return 2;
  for (const Candidate& candidate : candidates(commands, help, line.words)) {
    const bool asks_shell = candidate.text.starts_with(':');
    const std::string text =
        asks_shell ? candidate.text : candidate.text.substr(std::min(line.kept, candidate.text.size()));
    std::printf("%s%s%s\n", text.c_str(), candidate.what.empty() ? "" : "\t", candidate.what.c_str());
  }
  return 0;
}

}  // namespace ouro::cli
