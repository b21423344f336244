#include "cli/runtime.hpp"

#include <cerrno>
#include <cstring>

namespace ouro::cli {

Result<base::RuntimeDir> runtime_dir(bool create) {
  base::RuntimeDir out;
  const int error = base::find_runtime_dir(out, create);
  if (error == 0) return out;
  if (error == EPERM)
    return errorf(error,
                  "runtime folder '%s': want a folder of this user's own with mode 0700 (hint: chmod 0700, or set "
                  "OURO_RUNTIME_DIR)",
                  out.path);
  if (error == ENOENT && !create)
    return errorf(error, "runtime folder '%s' is not there: no program of this user has events, and nobody records (hint: OURO_RUNTIME_DIR)", out.path);
  return errorf(error, "runtime folder '%s': %s (hint: ouro doctor)", out.path, std::strerror(error));
}

}  // namespace ouro::cli
