// record/rules.hpp -- which events a session wants, as tools have it: lists of rules, to the bytes in a session's memory and back
// (ouro/abi/rules_layout.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ouro/abi/rules_layout.hpp>
#include <ouro/result.hpp>

namespace ouro::record {

struct Rule {
  std::string name = "*";                // a glob
  std::string file = {};                 // a glob; empty: any
  bool excludes = false;
  std::uint8_t level = abi::kAnyLevel;   // no less grave
  std::uint32_t rate = 0;                // at most so many of a kind a second; 0: all
  std::uint32_t every = 0;               // one of so many; 0: all
  std::uint64_t longer = 0;              // spans that took so many ticks of the session's clock, as they end; 0: all events
  std::string filter = {};               // an expression; empty: none
  std::vector<std::byte> code = {};      // compiled

  friend bool operator==(const Rule&, const Rule&) = default;
};

// A list as it stands in one area, RuleList included. Error: it does not fit.
Result<std::vector<std::byte>> encode(std::span<const Rule> rules);
// What there is of a list; it ends where it makes no sense.
std::vector<Rule> decode(std::span<const std::byte> list);

// The list with `added` behind it, without those before it that it makes superfluous.
std::vector<Rule> with_rule(std::vector<Rule> rules, const Rule& added);

}  // namespace ouro::record
