// cli/list_show.hpp -- what `ouro list` found, as text and as JSON.
#pragma once
#include <string>
#include <vector>

#include "cli/list_sources.hpp"

namespace ouro::cli {

void show_text(const std::vector<Listing>& listings);
void show_json(const std::vector<Listing>& listings);

// `ouro list --sessions`: those of the runtime folder whose names match one of `names`, or all. Answers with the exit status.
int show_sessions(const std::string& folder, const std::vector<std::string>& names, bool json);

}  // namespace ouro::cli
