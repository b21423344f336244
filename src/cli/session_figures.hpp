// cli/session_figures.hpp -- what a session's memory holds and has lost, in numbers: for `ouro status`, `ouro recover --list`, `ouro top` and the daemon's metrics.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <ouro/abi/ring_layout.hpp>
#include <ouro/result.hpp>

#include "record/session_file.hpp"

namespace ouro::cli {

struct SessionFigures {
  std::string name;
  const char *kind = "", *mode = "";
  std::string file;           // on a disk, where its memory is kept; empty: nowhere
  std::uint64_t processes = 0, buffer = 0, memory = 0;
  std::uint64_t events = 0;   // in memory
  std::uint64_t taken = 0;    // out of it, by a recorder
  double seconds = 0;         // from the first of them to the last
  double covers = 0;          // from when on every ring has all, to the last
  std::array<std::uint64_t, abi::kLossCauses> lost{};
  bool corrupt = false;

  std::uint64_t lost_total() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < lost.size(); ++i) sum += i == static_cast<std::size_t>(abi::Loss::lapped) ? 0 : lost[i];
    return sum;
  }
  std::uint64_t overwritten() const { return lost[static_cast<std::size_t>(abi::Loss::lapped)]; }
  std::uint64_t written() const { return taken + events + overwritten(); }  // since it began
  double rate() const { return seconds > 0 ? static_cast<double>(events) / seconds : 0; }
};

// "flight", "trigger", "left behind", "recorded" or "closed".
const char* kind_of(const record::SessionFile& session);
// Buries records of dead writers. `failed`: why its memory could not be looked at; then only what its file says is there.
SessionFigures figures_of(const std::string& folder, const record::SessionFile& session, std::optional<Error>& failed, uid_t owner = ::geteuid());

}  // namespace ouro::cli
