#include "cli/print_losses.hpp"

#include <algorithm>

#include "base/textf.hpp"
#include "cli/say.hpp"

namespace ouro::cli {

void Losses::see_state(const read::Event& event) {
  if (event.type->name == "ouro:left_out") {
    std::string name;
    LeftOut out;
    for (const read::Value& value : event.fields()) {
      if (value.name() == "event" && value.kind() == read::Kind::string) name = value.text();
      if (value.name() == "over_rate" && value.kind() == read::Kind::unsigned_integer) out.over_rate = value.u;
      if (value.name() == "not_sampled" && value.kind() == read::Kind::unsigned_integer) out.not_sampled = value.u;
    }
    left_out_[name] = out;
    return;
  }
  if (event.type->name != "ouro:lost") return;
  std::string cause = "unknown";
  std::uint64_t count = 0;
  for (const read::Value& value : event.fields()) {
    if (value.name() == "cause" && value.kind() == read::Kind::string) cause = value.text();
    if (value.name() == "count" && value.kind() == read::Kind::unsigned_integer) count = value.u;
  }
  by_cause_[base::printable(cause)] += count;
}

void Losses::add(const Losses& later) {
  for (const auto& [cause, count] : later.by_cause_) by_cause_[cause] += count;
  for (const auto& [name, what] : later.left_out_) left_out_[name] = what;
}

std::uint64_t Losses::total(const read::Trace& trace) const {
  std::uint64_t by_stream = 0;
  for (const read::Stream& stream : trace.streams()) by_stream += stream.events_discarded;
  return total(by_stream);
}

std::uint64_t Losses::total(std::uint64_t by_stream) const {
  std::uint64_t by_cause = 0;
  for (const auto& [cause, count] : by_cause_) by_cause += count;
  return std::max(by_stream, by_cause);
}

void say_warnings(const char* command, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) say("warning: %s: %s", command, warning.c_str());
}

int say_damage(const char* command, const read::Trace& trace) {
  constexpr std::size_t kShown = 20;
  if (trace.complete()) return 0;
  const auto& damage = trace.damage();
  for (std::size_t i = 0; i < std::min(kShown, damage.size()); ++i)
    say("warning: %s: %s", command, damage[i].text.c_str());
  if (trace.damage_count() > kShown)
    say("warning: %s: %llu more damaged places", command,
        static_cast<unsigned long long>(trace.damage_count() - kShown));
  say("error: %s: the trace is damaged in %llu places; everything sound in it was read", command,
      static_cast<unsigned long long>(trace.damage_count()));
  return 1;
}

}  // namespace ouro::cli
