// record/snapshot.hpp -- what a session's memory holds, as a trace, while programs go on writing. Takes nothing, stops nobody.
//
//   rings   ....|=======================|..... later         every record up to one instant, the same for all CPUs, that was not lapped:
//               ^ `last` before it      ^ the instant        it is taken before the first ring is looked at
//
// Threads and processes: those that said their names, as far as nobody has read them, and those that have the session now.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "record/recorder.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::record {

struct SnapshotOptions {
  std::vector<std::pair<std::string, std::string>> env;  // for the metadata
  std::function<void(const std::string&)> warn;          // one line, without prefix
  std::optional<std::chrono::nanoseconds> last;          // nothing that is older
};

struct SnapshotSummary : Summary {
  std::uint64_t torn = 0;               // of an image: events that the rings' books have and their memory has not any more
  std::uint64_t rings_newer = 0;        // ... whose memory is newer than their books: how much more there was then is unknown
  std::uint64_t rings_unknown = 0;      // ... whose books make no sense: how many events are missing is unknown
  std::uint64_t older = 0;              // events left out because they are older than `last`
  std::chrono::nanoseconds covered{0};  // from the first event to the instant
  std::chrono::nanoseconds took{0};     // to copy it out of the rings
};

// Of an image whose records prove themselves, those that do (record/salvage.hpp); of another, what its rings say.
// Error: the folder cannot be written to. What cannot be read of the memory is warned of, and the summary is not complete.
Result<SnapshotSummary> write_snapshot(const Session& session, TraceFolder& folder, const SnapshotOptions& options);

// Lets records go whose writers died, where nobody else does: in a session that is kept, and that no one else is at now. They would be in the
// way of what comes after them. Returns how many.
std::uint64_t bury_dead(const Session& session);

}  // namespace ouro::record
