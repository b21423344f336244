#include "cli/event_options.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

#include <ouro/abi/schema.hpp>

#include "base/rules.hpp"
#include "cli/command_line.hpp"
#include "format/event_class.hpp"

namespace ouro::cli {

const char* const kEventOptionsHelp =
    R"(  -e, --event GLOB        which events: a name or a pattern of *, ? and [set]; '!GLOB' leaves events out. May be
                          repeated; the last that matches decides (default: '*'; also if only '!' are given).
                          What follows belongs to the -e before it, or, before the first, to all that have none:
      --filter EXPR       only those for which it holds, such as 'total > 100 && user == "eve*"': names are the event's
                          fields, or tid, pid, cpu, uid, gid, thread, comm (docs/filters.md)
      --level LEVEL       only those of this level or graver: emergency, alert, critical, error, warning, notice, info,
                          debug_system ... debug
      --file GLOB         only those that stand in such a source file; a name without '/' is the last part of a path
      --rate N            at most N events of a kind in a second, in all programs together; what is left out is counted
      --sample N          one of every N events of a kind; what is left out is counted
)";

void EventOptions::define(CommandLine& line, bool with_events) {
  std::string levels;
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(abi::Level::debug); ++i)
    levels += (i == 0 ? "" : "|") + std::string(format::to_string(static_cast<abi::Level>(i)));
  if (with_events) line.add_option("-e,--event", "EVENT");
  line.add_option("--filter", "EXPR");
  line.add_option("--level", levels);
  line.add_option("--file", "GLOB");
  line.add_option("--rate", "N");
  line.add_option("--sample", "N");
}

std::optional<std::string>* EventOptions::Rest::of(const std::string& option) {
  return option == "--filter"   ? &filter
         : option == "--level"  ? &level
         : option == "--file"   ? &file
         : option == "--rate"   ? &rate
         : option == "--sample" ? &sample
                                : nullptr;
}

namespace {

Result<std::uint32_t> number(const char* option, const std::string& text) {
  std::uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out == 0)
    return errorf(EINVAL, "%s is '%s', want a number above 0", option, text.c_str());
  return out;
}

Result<std::uint8_t> level_of(const std::string& text) {
  std::string all;
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(abi::Level::debug); ++i) {
    const char* name = format::to_string(static_cast<abi::Level>(i));
    if (text == name) return i;
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  return errorf(EINVAL, "--level is '%s', want one of %s", text.c_str(), all.c_str());
}

}  // namespace

Result<record::Rule> EventOptions::rule_of(const std::string& pattern, const Rest& rest, const Rest& common) const {
  record::Rule out;
  out.excludes = pattern.starts_with('!');
  out.name = pattern.substr(out.excludes ? 1 : 0);
  if (out.name.empty()) return errorf(EINVAL, "--event is '%s', want a name or a pattern, such as 'shop:*'", pattern.c_str());
  const auto value = [&](std::optional<std::string> Rest::*which) { return rest.*which || out.excludes ? rest.*which : common.*which; };
  if (const auto text = value(&Rest::level)) {
    const Result<std::uint8_t> level = level_of(*text);
    if (!level) return level.error();
    out.level = *level;
  }
  if (const auto text = value(&Rest::file)) out.file = *text;
  if (out.excludes && (rest.filter || rest.rate || rest.sample))
    return errorf(EINVAL, "--event is '%s' with --filter, --rate or --sample, want these for events that are recorded", pattern.c_str());
  if (const auto text = value(&Rest::rate)) {
    const Result<std::uint32_t> rate = number("--rate", *text);
    if (!rate) return rate.error();
    out.rate = *rate;
  }
  if (const auto text = value(&Rest::sample)) {
    const Result<std::uint32_t> every = number("--sample", *text);
    if (!every) return every.error();
    out.every = *every;
  }
  if (const auto text = value(&Rest::filter)) {
    Result<filter::Filter> compiled = filter::compile(*text);
    if (!compiled) return compiled.error();
    out.filter = *text;
    out.code = std::move(compiled->code);
  }
  return out;
}

Result<std::vector<record::Rule>> EventOptions::rules(const CommandLine& line, const std::vector<std::string>& events) {
  std::vector<std::pair<std::string, Rest>> patterns;
  Rest common;
  for (const auto& [option, value] : line.given()) {
    if (option == "--event") {
      patterns.emplace_back(value, Rest{});
      continue;
    }
    Rest& rest = patterns.empty() ? common : patterns.back().second;
    std::optional<std::string>* const place = rest.of(option);
    if (place == nullptr) continue;  // another option
    if (*place) return errorf(EINVAL, "%s is given twice for the same events, want it once", option.c_str());
    *place = value;
  }
  for (const std::string& event : events) patterns.emplace_back(event, Rest{});
  // Nothing but what is left out: of all.
  if (std::all_of(patterns.begin(), patterns.end(), [](const auto& p) { return p.first.starts_with('!'); }) && events.empty())
    patterns.insert(patterns.begin(), {"*", Rest{}});
  std::vector<record::Rule> out;
  for (const auto& [pattern, rest] : patterns) {
    Result<record::Rule> rule = rule_of(pattern, rest, common);
    if (!rule) return rule.error();
    out.push_back(std::move(*rule));
  }
  return out;
}

Status check_filters(const std::vector<record::Rule>& rules, const std::vector<std::vector<std::byte>>& schemas,
                     void (*warn)(const std::string&)) {
  const Result<std::vector<std::byte>> list = record::encode(rules);
  if (!list) return list.error();
  struct Use {
    std::size_t fits = 0, selected = 0;
    std::optional<filter::Mistake> mistake;
  };
  std::map<std::string, Use> uses;  // by filter
  for (const std::vector<std::byte>& schema : schemas) {
    const Result<format::EventClass> event = format::parse_schema(schema);
    if (!event) continue;
    char name[256];
    base::EventFacts facts;
    base::Rule rule;
    if (!base::facts_of(reinterpret_cast<const char*>(schema.data()), name, facts) || !base::find_rule(list->data(), list->size(), facts, rule) ||
        rule.header.filter_size == 0)
      continue;
    const std::string text(rule.text, rule.text_end);
    const Result<filter::Filter> compiled = filter::compile(text);
    if (!compiled) return compiled.error();
    Use& use = uses[text];
    ++use.selected;
    const std::optional<filter::Mistake> mistake = filter::check(*compiled, schema);
    use.fits += !mistake;
    if (mistake && !use.mistake) use.mistake = mistake;
  }
  for (const auto& [text, use] : uses) {
    if (use.fits == 0) return Error{EINVAL, filter::render(*use.mistake, text)};
    if (use.mistake)
      warn("warning: of " + std::to_string(use.selected) + " events with this filter " + std::to_string(use.selected - use.fits) +
           " have not what it asks for, and stay off: " + filter::render(*use.mistake, text));
  }
  return Ok{};
}

}  // namespace ouro::cli
