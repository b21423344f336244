// cli/record_resume.hpp -- `ouro record --resume`: goes on where a recorder was killed.
#pragma once
#include "cli/record_options.hpp"

namespace ouro::cli {

// Until nobody has the session any more, or it is enough. Returns the exit status.
int resume_recording(const RecordOptions& options);

}  // namespace ouro::cli
