// filter/mistakes.hpp -- why a filter does not fit an event, for whoever binds it: to a program's events (check() in filter.hpp) or to
// those of a trace.
#pragma once
#include <string>
#include <vector>

#include "filter/bind.hpp"
#include "filter/filter.hpp"

namespace ouro::filter {

// A field or a context, as people are told of it.
struct Known {
  std::string name, type;  // "total", "u64"
  std::vector<std::string> labels;
};
struct KnownEvent {
  std::string name;
  std::vector<Known> fields, contexts;
};

// `result` is no success, and about the event, not the code.
Mistake mistake_of(const Filter& filter, const BindResult& result, const KnownEvent& event);

}  // namespace ouro::filter
