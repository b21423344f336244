// cli/record_join.hpp -- `ouro record --join`: goes on with a flight recorder that is there, instead of making one.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/runtime_dir.hpp"
#include "cli/record_options.hpp"
#include "record/session.hpp"

namespace ouro::cli {

// The session of the name that is wanted, with the rules that are wanted, also in the programs that have it; none: there is none. What it cannot
// be as it is wanted (memory, contexts, clock), `warn` is told. Error: it is no flight recorder of the owner's.
Result<std::optional<record::Session>> join_session(const RecordOptions& options, const record::SessionOptions& wanted, const base::RuntimeDir& folder,
                                                    const std::function<void(const std::string&)>& warn);

}  // namespace ouro::cli
