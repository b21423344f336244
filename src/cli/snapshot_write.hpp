// cli/snapshot_write.hpp -- a session's memory into a trace folder, and what is said of it: for `ouro snapshot` and `ouro recover`.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "record/session.hpp"

namespace ouro::cli {

// Is the trace complete? `output` empty: a folder named after `kind` and the time. Error: nothing could be written.
Result<bool> write_snapshot_of(const record::Session& session, const std::string& output, const char* kind, std::optional<std::chrono::nanoseconds> last);

}  // namespace ouro::cli
