// cli/print_choice.hpp -- which events of a trace a command line asks for:
//
//   -f 'tid != 7' -e 'shop:*' -f 'total > 100' -e '!shop:sql*'
//      ^ of every -e that has none of its own     ^ of the -e before it; the last pattern that matches decides
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <ouro/read.hpp>
#include <ouro/result.hpp>

#include "cli/event_globs.hpp"
#include "cli/trace_filter.hpp"

namespace ouro::cli {

class CommandLine;

class EventChoice {
 public:
  // What --help says of these options.
  static const char* const kHelp;
  static void define(CommandLine& line);

  // After the parsing; before a trace is there. Error: which option, what was seen and what is wanted.
  static Result<EventChoice> make(const CommandLine& line);
  // `all`: also the recorder's own events. An error if a filter fits none of the events that it is for; `warnings`: what fits some only.
  Status bind(const std::vector<read::EventClass>& classes, bool all, std::vector<std::string>& warnings);

  const std::vector<bool>& chosen() const { return chosen_; }  // by class; a filter may still refuse single events
  bool accepts(const read::Event& event) const {
    const std::size_t index = event.type->index;
    return chosen_[index] && (filters_.empty() || filters_[index] == nullptr || filters_[index]->accepts(event));
  }

 private:
  EventGlobs globs_{{}};
  std::vector<std::unique_ptr<filter::Filter>> own_;  // by glob; null: it has none of its own
  std::unique_ptr<filter::Filter> common_;
  std::vector<bool> chosen_;
  std::vector<std::unique_ptr<TraceFilter>> filters_;  // by class
};

}  // namespace ouro::cli
