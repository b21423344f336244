// cli/follow.hpp -- a recording's trace while it is being written: again and again opened, at the first event not given yet, up to where the recorder says
// that nothing is missing (format/live_mark.hpp).
//
//   Follow follow(folder);
//   while (follow.wait(stop)) {
//     Result<read::Trace> trace = follow.open();
//     while (const read::Event* event = trace->next()) {
//       if (follow.is_too_early(*event)) break;
//       if (follow.is_new(*event)) use(*event);
//     }
//   }
//
// Opening costs the metadata and one pass over the packets' headers, and happens once a second, for that often the recorder says how far it is.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include <ouro/read.hpp>

#include "base/fd.hpp"

namespace ouro::cli {

class Follow {
 public:
  explicit Follow(std::string folder) : folder_(std::move(folder)) {}

  // Until there is more, or all: true. False: all has been given, or `stop` says so, which is asked several times a second.
  bool wait(const std::function<bool()>& stop);
  Result<read::Trace> open();

  // Behind what is known to be complete.
  bool is_too_early(const read::Event& event) const { return event.ticks >= until_; }
  // Not given by what was opened before.
  bool is_new(const read::Event& event) {
    if (event.ticks < from_) return false;
    last_ns_ = event.time_ns;
    return true;
  }
  // Nobody writes the trace any more.
  bool is_over() const { return is_over_; }

 private:
  std::string folder_;
  std::uint64_t from_ = 0, until_ = 0;  // ticks: of what is open
  std::uint64_t given_ = 0;             // with what was opened before
  std::int64_t last_ns_ = INT64_MIN;
  bool is_over_ = false;
};

}  // namespace ouro::cli
