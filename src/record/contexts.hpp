// record/contexts.hpp -- contexts by the names that people ask for them with, and whether they can be had here.
//
// A context that cannot be had is an error before the program starts: a trace that lacks what it was recorded for is worse
// than none. What the kernel says to this tool it says to a program that this user starts here.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ouro/abi/context_layout.hpp>
#include <ouro/result.hpp>

namespace ouro::record {

// Why it cannot be had; nothing if it can.
std::optional<std::string> unavailable(const abi::ContextInfo& info);

// The word for SessionOptions::contexts. `lists`: names, separated by commas; patterns of them ("ns.*"); "callstack:N" for N
// addresses at most. Fails if one is unknown (EINVAL) or cannot be had (ENOTSUP).
Result<std::uint64_t> parse_contexts(const std::vector<std::string>& lists);
// The other way: a list that would have said this word.
std::string context_names(std::uint64_t contexts);

}  // namespace ouro::record
