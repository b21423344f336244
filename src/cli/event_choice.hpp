// cli/event_choice.hpp -- which events -e means: globs, the last one that matches decides, '!' excludes. A span's name means its begin and its end.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "base/glob.hpp"

namespace ouro::cli {

class EventChoice {
 public:
  explicit EventChoice(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {}

  bool is_all() const { return patterns_.empty(); }
  // If the first pattern excludes, everything else is meant.
  bool has(const read::EventClass& type) const {
    if (patterns_.empty()) return true;
    const std::size_t suffix = type.kind == abi::EventKind::span_begin ? 6 : type.kind == abi::EventKind::span_end ? 4 : 0;
    const std::string span = type.name.substr(0, type.name.size() - std::min(suffix, type.name.size()));
    bool out = patterns_.front().starts_with('!');
    for (const std::string& pattern : patterns_) {
      const bool excludes = pattern.starts_with('!');
      const char* const glob = pattern.c_str() + (excludes ? 1 : 0);
      if (base::glob_match(glob, type.name.c_str()) || base::glob_match(glob, span.c_str())) out = !excludes;
    }
    return out;
  }

 private:
  std::vector<std::string> patterns_;
};

}  // namespace ouro::cli
