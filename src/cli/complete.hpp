// cli/complete.hpp -- what may stand where the cursor is on a command line of `ouro`: asked by the shells' scripts
// (src/cli/completion/), answered from the commands' own definitions and from what runs.
//
//   ouro __complete -- WORD...               the words behind `ouro`, as they mean, up to the cursor; the last one may be empty
//   ouro __complete --line BREAKS LINE       the line up to the cursor as it was typed, `ouro` included; BREAKS: the characters at
//                                            which the shell breaks words (bash's COMP_WORDBREAKS): only what is behind the last
//                                            one is to be replaced
//
// Answers, a line each: CANDIDATE, or CANDIDATE <tab> what it is; or one that asks the shell for its own:
//
//   :files  :folders  :commands
//
// What an option or argument takes is the name of its type in its definition, one or more of these with '|' between: EVENT, PID, NAME,
// SESSION, FILE, TRACE, FOLDER, PROGRAM. Lower-case words there are taken as they stand. Others: nothing is known.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace ouro::cli {

struct Candidate {
  std::string text, what;
  bool operator==(const Candidate&) const = default;
};

// `words` as of __complete.
std::vector<Candidate> candidates(std::span<const Command> commands, const char* help,
                                  const std::vector<std::string>& words);

// A line as a shell reads it: quotes and backslashes taken off, the first word left out, the last one perhaps empty.
struct SplitLine {
  std::vector<std::string> words;
  std::size_t kept = 0;  // how much of the last word stands before the last break
};
SplitLine split_line(const std::string& line, const std::string& breaks);

// What a help text says of an option or command: "" if nothing.
std::string description_in(const char* help, const std::string& name);

}  // namespace ouro::cli
