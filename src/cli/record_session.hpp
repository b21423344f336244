// cli/record_session.hpp -- the session that `ouro record`'s options ask for.
#pragma once
#include "base/runtime_dir.hpp"
#include "cli/record_options.hpp"
#include "record/session.hpp"

namespace ouro::cli {

// Error: the clock that was asked for is none to be trusted.
Result<record::SessionOptions> session_options(const RecordOptions& options, const base::RuntimeDir& folder);

}  // namespace ouro::cli
