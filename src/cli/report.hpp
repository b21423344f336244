// cli/report.hpp -- what commands that write traces have in common: the folder, what stands in the metadata, what is said at the end.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "record/recorder.hpp"
#include "record/rotation.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::cli {

// "ouro-KIND-YYYYmmdd-HHMMSS": what a trace is called that nobody has named.
std::string dated_name(const std::string& kind);

// `path` empty: ./ouro-KIND-YYYYmmdd-HHMMSS, or with -2 and so on behind it.
Result<record::TraceFolder> make_trace_folder(const std::string& path, const std::string& kind);
Result<std::unique_ptr<record::Rotation>> make_rotation(const std::string& path, const record::RotationOptions& options);

std::vector<std::pair<std::string, std::string>> trace_environment(const std::string& command, abi::FullMode mode);

std::uint64_t free_space(const char* folder);

// One line a cause that is not zero.
void say_losses(const record::Summary& summary);
// All of it: what was recorded, what not and why, and what one can do. `runtime`: the session's folder.
void say_summary(const record::Summary& summary, const record::SessionOptions& session, const std::string& folder, const char* runtime);
void say_rotation(const record::Rotation& rotation);

}  // namespace ouro::cli
