// cli/event_options.hpp -- which events, as command lines say it: -e GLOB and what follows it.
//
//   -e 'shop:*' --filter 'total > 100' --rate 50 -e '!shop:sql*'
//    ^           ^ of the -e before it; before the first -e: of each that has none of its own
#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "filter/filter.hpp"
#include "record/rules.hpp"

namespace ouro::cli {

// What --help says of them.
extern const char* const kEventOptionsHelp;

class EventOptions {
 public:
  // `with_events`: -e too; else the events are the command's arguments, and one set of the others is for all.
  void define(CLI::App& app, bool with_events);
  // After the parsing. Error: the text says which option, what was seen and what is wanted.
  Result<std::vector<record::Rule>> rules(const CLI::App& app, const std::vector<std::string>& events = {});

 private:
  struct Rest {  // of the options for one pattern
    std::optional<std::string> filter, level, file, rate, sample;
  };
  Status set(Rest& rest, const CLI::Option* option, const std::string& value);
  Result<record::Rule> rule_of(const std::string& pattern, const Rest& rest, const Rest& common) const;

  CLI::Option *event_ = nullptr, *filter_ = nullptr, *level_ = nullptr, *file_ = nullptr, *rate_ = nullptr, *sample_ = nullptr;
};

// The filters of `rules`, tried on events that there are: the schemas of those that a rule selects. An error if a filter fits none of
// them; what fits some only is said through `warn`.
Status check_filters(const std::vector<record::Rule>& rules, const std::vector<std::vector<std::byte>>& schemas,
                     void (*warn)(const std::string&));

}  // namespace ouro::cli
