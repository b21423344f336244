#include "cli/print_choice.hpp"

#include <algorithm>
#include <map>

#include "cli/command_line.hpp"

namespace ouro::cli {

const char* const EventChoice::kHelp =
    R"(  -e, --events GLOB   only events whose name matches; may be repeated. '!GLOB' excludes; the last one that matches
                      decides. A span's name selects its begin and its end.
  -f, --filter EXPR   only events for which it holds, such as 'total > 100 && user == "eve*"': of the -e before it, or,
                      before the first, of all that have none. Names are the event's fields and contexts, or tid, pid,
                      cpu, thread, comm (docs/filters.md)
)";

void EventChoice::define(CommandLine& line) {
  line.add_option("-e,--events", "EVENT");
  line.add_option("-f,--filter", "EXPR");
}

Result<EventChoice> EventChoice::make(const CommandLine& line) {
  EventChoice out;
  std::vector<std::string> globs;
  for (const auto& [option, value] : line.given()) {
    if (option == "--events") {
      globs.push_back(value);
      out.own_.push_back(nullptr);
    } else if (option == "--filter") {
      Result<filter::Filter> compiled = filter::compile(value);
      if (!compiled) return compiled.error();
      std::unique_ptr<filter::Filter>& place = out.own_.empty() ? out.common_ : out.own_.back();
      if (place != nullptr) return errorf(EINVAL, "--filter is given twice for the same events, want it once (hint: put && between)");
      if (!globs.empty() && globs.back().starts_with('!'))
        return errorf(EINVAL, "--events is '%s' with --filter, want that for events that are shown", globs.back().c_str());
      place = std::make_unique<filter::Filter>(std::move(*compiled));
    }
  }
  out.globs_ = EventGlobs(std::move(globs));
  if (out.own_.size() < out.globs_.size()) out.own_.insert(out.own_.begin(), nullptr);
  return out;
}

namespace {

struct Use {
  std::size_t fits = 0, selected = 0;
  std::optional<filter::Mistake> mistake;
};

// Of several mistakes the one that says most: first of all not that the event has nothing like that at all.
bool says_more(const filter::Mistake& a, const filter::Mistake& b) {
  const auto rank = [](const filter::Mistake& m) { return m.text.find("is no field of") == std::string::npos ? 2 : m.text.find("(hint: ") != std::string::npos ? 1 : 0; };
  return rank(a) > rank(b);
}

}  // namespace

Status EventChoice::bind(const std::vector<read::EventClass>& classes, bool all, std::vector<std::string>& warnings) {
  chosen_.assign(classes.size(), false);
  filters_.clear();
  std::map<const filter::Filter*, Use> uses;
  for (const read::EventClass& type : classes) {
    const std::optional<std::size_t> glob = type.is_state && !all ? std::nullopt : globs_.find(type);
    if (!glob) continue;
    chosen_[type.index] = true;
    const filter::Filter* wanted = own_[*glob] != nullptr ? own_[*glob].get() : common_.get();
    if (wanted == nullptr) continue;
    filters_.resize(classes.size());
    auto bound = std::make_unique<TraceFilter>();
    std::optional<filter::Mistake> mistake = TraceFilter::bind(*wanted, type, *bound);
    Use& use = uses[wanted];
    ++use.selected;
    use.fits += !mistake;
    filters_[type.index] = std::move(bound);
    if (!mistake) continue;
    chosen_[type.index] = false;
    if (!use.mistake || says_more(*mistake, *use.mistake)) use.mistake = std::move(mistake);
  }
  for (const auto& [wanted, use] : uses) {
    if (use.fits == 0) return Error{EINVAL, filter::render(*use.mistake, wanted->text)};
    if (use.mistake && use.mistake->text.find("is no field of") == std::string::npos)
      warnings.push_back("of " + std::to_string(use.selected) + " events with this filter " + std::to_string(use.selected - use.fits) +
                         " have not what it asks for, and are left out: " + filter::render(*use.mistake, wanted->text));
  }
  return Ok{};
}

}  // namespace ouro::cli
