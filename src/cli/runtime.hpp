// cli/runtime.hpp -- the runtime folder, with an error that says what to do.
#pragma once
#include <ouro/result.hpp>

#include "base/runtime_dir.hpp"

namespace ouro::cli {

// `create`: makes it if it is not there.
Result<base::RuntimeDir> runtime_dir(bool create);

}  // namespace ouro::cli
