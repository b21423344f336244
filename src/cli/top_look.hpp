// cli/top_look.hpp -- what a session is doing now, for `ouro top`.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "cli/sessions.hpp"
#include "cli/stats_collect.hpp"

namespace ouro::cli {

// The newest events of a session's memory, counted: of `window`, or less, so that they are at most about kMostEvents at this rate. By way of a
// trace in `scratch`, which is gone at the end. Error: the session or the trace cannot be read.
inline constexpr double kMostEvents = 200'000;
struct NewestEvents {
  std::optional<Stats> stats;
  double seconds = 0;  // how long back they go
};
Result<NewestEvents> newest_events(const std::string& folder, const record::SessionFile& session, std::chrono::nanoseconds window, double per_second,
                                   const std::string& scratch);

}  // namespace ouro::cli
