// cli/sessions.hpp -- sessions of the runtime folder, named on the command line or found.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "record/session_file.hpp"

namespace ouro::cli {

using Sessions = std::vector<record::SessionFile>;

// All that can be read, ordered by name; the others are warned of, as `command`'s, and `is_all`, if it is given, becomes false.
Sessions all_sessions(const std::string& folder, const char* command, bool* is_all = nullptr);

// Of these, the ones with the names. Error: there is none of a name.
Result<Sessions> named_sessions(Sessions all, const std::vector<std::string>& names, const std::string& folder);

// Running programs that have the session.
std::uint64_t count_processes(const std::string& folder, const record::SessionName& session, uid_t owner = ::geteuid());

}  // namespace ouro::cli
