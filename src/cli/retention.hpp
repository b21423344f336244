// cli/retention.hpp -- how long snapshots stay: the oldest of a folder go when they are too old, or when all take too much room.
//
// A snapshot of ours is a folder ouro-snapshot-YYYYmmdd-HHMMSS[-N] with a file `metadata` and nothing but regular files in it, none of which was
// written to in the last minute. Nothing else is touched, no link is followed, and the newest goes for its age only.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "cli/daemon_config.hpp"

namespace ouro::cli {

struct Kept {
  std::uint64_t snapshots = 0, bytes = 0;  // that are left
  std::uint64_t removed = 0, removed_bytes = 0;
};

// `warn`: what cannot be looked at, or not be removed.
Kept apply_retention(const DaemonConfig::Retention& rules, std::chrono::system_clock::time_point now, const std::function<void(const std::string&)>& warn);

}  // namespace ouro::cli
