// cli/recorded_folder.hpp -- where a session's recorder writes its trace.
#pragma once
#include <string>

#include <ouro/result.hpp>

#include "record/session_file.hpp"

namespace ouro::cli {

// From the files that the recorder has open: it holds its trace's mark (format/live_mark.hpp). Waits a moment for one that has just begun.
// Error: it writes none, or is not ours to look at.
Result<std::string> recorded_folder(const record::SessionFile& session);

// Whether somebody is recording it into a trace.
bool is_being_recorded(const record::SessionFile& session);

}  // namespace ouro::cli
