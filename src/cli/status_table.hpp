// cli/status_table.hpp -- what sessions hold, as a table or as JSON: for `ouro status` and `ouro recover --list`.
#pragma once
#include <string>

#include "cli/sessions.hpp"

namespace ouro::cli {

// False: one of them could not be read; that was said.
bool show_status(const std::string& folder, const Sessions& sessions, bool json);

}  // namespace ouro::cli
