// cli/event_globs.hpp -- which events -e means: globs, the last one that matches decides, '!' excludes. A span's name means its begin and its end.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "base/glob.hpp"

namespace ouro::cli {

class EventGlobs {
 public:
  // None, or the first excludes: everything else is meant.
  explicit EventGlobs(std::vector<std::string> globs) : globs_(std::move(globs)) {
    if (globs_.empty() || is_exclusion(globs_.front())) globs_.insert(globs_.begin(), "*");
  }

  // Place of the glob for which the event is meant, the "*" that was put in front counted.
  std::optional<std::size_t> find(const read::EventClass& type) const {
    const std::size_t suffix = type.kind == abi::EventKind::span_begin ? 6 : type.kind == abi::EventKind::span_end ? 4 : 0;
    const std::string span = type.name.substr(0, type.name.size() - std::min(suffix, type.name.size()));
    for (std::size_t i = globs_.size(); i-- > 0;) {
      const char* const glob = globs_[i].c_str() + (is_exclusion(globs_[i]) ? 1 : 0);
      if (base::glob_match(glob, type.name.c_str()) || base::glob_match(glob, span.c_str())) return is_exclusion(globs_[i]) ? std::nullopt : std::optional(i);
    }
    return std::nullopt;
  }
  std::size_t size() const { return globs_.size(); }
  // By class; the recorder's own are always among them.
  std::vector<bool> chosen(const std::vector<read::EventClass>& classes) const {
    std::vector<bool> out;
    for (const read::EventClass& type : classes) out.push_back(type.is_state || find(type));
    return out;
  }

 private:
  static bool is_exclusion(const std::string& glob) { return glob.starts_with('!'); }

  std::vector<std::string> globs_;
};

}  // namespace ouro::cli
