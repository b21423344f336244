// cli/event_options.hpp -- which events, as command lines say it: -e GLOB and what follows it.
//
//   -e 'shop:*' --filter 'total > 100' --rate 50 -e '!shop:sql*'
//    ^           ^ of the -e before it; before the first -e: of each that has none of its own
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "filter/filter.hpp"
#include "record/rules.hpp"

namespace ouro::cli {

class CommandLine;

// What --help says of them.
extern const char* const kEventOptionsHelp;

class EventOptions {
 public:
  // `with_events`: -e too; else the events are the command's arguments, and one set of the others is for all.
  void define(CommandLine& line, bool with_events);
  // After the parsing. Error: the text says which option, what was seen and what is wanted.
  Result<std::vector<record::Rule>> rules(const CommandLine& line, const std::vector<std::string>& events = {});

 private:
  struct Rest {  // of the options for one pattern
    std::optional<std::string> filter, level, file, rate, sample;
    std::optional<std::string>* of(const std::string& option);
  };
  Result<record::Rule> rule_of(const std::string& pattern, const Rest& rest, const Rest& common) const;
};

// The filters of `rules`, tried on events that there are: the schemas of those that a rule selects. An error if a filter fits none of
// them; what fits some only is said through `warn`.
Status check_filters(const std::vector<record::Rule>& rules, const std::vector<std::vector<std::byte>>& schemas,
                     void (*warn)(const std::string&));

}  // namespace ouro::cli
