// cli/completion_scripts.hpp -- the files of src/cli/completion, as texts: one script for each shell.
#pragma once

namespace ouro::cli {

extern const char* const kBashCompletion;
extern const char* const kZshCompletion;
extern const char* const kFishCompletion;

}  // namespace ouro::cli
