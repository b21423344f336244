// cli/traces_in.hpp -- which traces a folder stands for.
#pragma once
#include <string>
#include <vector>

#include <ouro/result.hpp>

namespace ouro::cli {

// Each by itself: the folder; or those in it, at any depth, in the order of their names. The folder, too, if there are none: who opens it says
// what is wrong with it.
std::vector<std::string> traces_in(const std::string& folder);

// What read::Trace opens as one: the folder, which may be a rotated recording; or the only trace in it, as in an LTTng session. Fails if there are several.
Result<std::string> one_trace_in(const std::string& folder);

}  // namespace ouro::cli
