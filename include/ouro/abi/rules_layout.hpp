// ouro/abi/rules_layout.hpp -- which events a session wants, and how: a list of rules in the session's memory, that tools change while
// programs look at it. Version 2.
//
//   rules_offset                  + rules_size                  + 2 * rules_size
//   +-----------------------------+-----------------------------+
//   | RuleList | rule | rule | .. | RuleList | rule | rule | .. |      version v of the list stands in area v mod 2
//   +-----------------------------+-----------------------------+
//
//   rule:  RuleHeader | name glob \0 | file glob \0 | filter \0 | filter code     up to a multiple of 8 bytes
//
// A tool that changes the list holds a lock (record/session_rules.hpp), writes version v + 1 into the area of v - 1, and then stores v + 1
// (release). Whoever reads copies nothing that he uses before he has looked once more: while the version is still v, its area stood still.
//
// Of the rules whose globs and level an event matches, the last decides.
#pragma once
#include <cstdint>

namespace ouro::abi {

inline constexpr std::uint64_t kRulesSize = 64 << 10;  // of one area
inline constexpr std::uint32_t kMaxFilterCode = 4096;
inline constexpr std::uint8_t kAnyLevel = 255;

struct RuleList {
  std::uint32_t size;   // of all rules
  std::uint32_t count;
};

struct RuleHeader {
  std::uint32_t size;          // of the rule, this header included
  std::uint8_t excludes;       // 1: what it matches is off
  std::uint8_t level;          // no less grave than this one (abi::Level); kAnyLevel: all
  std::uint16_t filter_size;   // 0: none
  std::uint32_t rate;          // at most so many events of a kind a second; 0: all
  std::uint32_t every;         // one of so many; 0 and 1: all
  std::uint64_t longer;        // of spans that took so many ticks of the session's clock or more, the end, and of no others anything; 0: all
};
static_assert(sizeof(RuleList) == 8 && sizeof(RuleHeader) == 24);

}  // namespace ouro::abi
