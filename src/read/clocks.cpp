// read/clocks.cpp -- see the header.
#include "read/clocks.hpp"

#include <algorithm>

#include "base/textf.hpp"

namespace ouro::read {
namespace {

// Each trace is held against one of each group: there are few groups.
constexpr std::size_t kMostGroups = 16;
constexpr std::string_view kEpoch = "unix-epoch";

struct Group {
  const Source* first;
  std::size_t others = 0;
};

bool is_of(const Source& a, const Source& b) {
  if (a.clocks.empty() || b.clocks.empty()) return a.clocks.empty() && b.clocks.empty() && a.folder == b.folder;
  for (const Clock& one : a.clocks)
    for (const Clock& other : b.clocks)
      if (relate(one, host_of(a), other, host_of(b)) != Relation::guessed) return true;
  return false;
}

std::string clock_of(const Source& source) {
  const std::string_view host = host_of(source);
  return source.clocks.front().name + " of " + (host.empty() ? "an unnamed machine" : std::string(host));
}

std::string warning(const Source& first, const Group& group) {
  const Source& other = *group.first;
  const std::string who = "'" + other.folder + "'" + (group.others != 0 ? " and " + std::to_string(group.others) + (group.others == 1 ? " more trace" : " more traces") : "");
  std::string out;
  if (other.clocks.empty() || first.clocks.empty())
    out = (other.clocks.empty() ? who : "'" + first.folder + "'") + ": no clock, so what is before what in '" + first.folder + "' and " + who + " is not known";
  else
    out = who + ": clock " + clock_of(other) + ", '" + first.folder + "': clock " + clock_of(first) + "; that they agree is a guess, as good as each was told the time of day";
  return base::printable(out);
}

}  // namespace

// That uids differ says that clocks do only where they name clocks: of an absolute one, as ours, each trace may make up one of its own.
Relation relate(const Clock& a, std::string_view host_a, const Clock& b, std::string_view host_b) {
  const bool have_uids = !a.uid.empty() && !b.uid.empty(), are_absolute = a.origin == kEpoch && b.origin == kEpoch;
  const bool one_host = !host_a.empty() && host_a == host_b, other_host = !host_a.empty() && !host_b.empty() && host_a != host_b;
  const bool one_clock = a.name == b.name && ((have_uids && a.uid == b.uid) || (one_host && (!have_uids || are_absolute)));
  if (one_clock) return is_same(a, b) ? Relation::same : Relation::measured;
  return are_absolute && !other_host ? Relation::stated : Relation::guessed;
}

std::string_view host_of(const Source& source) {
  for (const auto& [name, value] : source.environment)
    if (name == "hostname") return value;
  return {};
}

std::vector<std::string> clock_warnings(const std::vector<Source>& sources) {
  std::vector<Group> groups;
  for (const Source& source : sources) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return is_of(*g.first, source); });
    if (group != groups.end()) ++group->others;
    else if (groups.size() < kMostGroups) groups.push_back({&source});
    else ++groups.back().others;
  }
  std::vector<std::string> out;
  for (std::size_t i = 1; i < groups.size(); ++i) out.push_back(warning(*groups.front().first, groups[i]));
  return out;
}

}  // namespace ouro::read
