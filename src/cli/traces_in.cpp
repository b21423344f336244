#include "cli/traces_in.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "format/pieces.hpp"
#include "read/sources.hpp"

namespace ouro::cli {
namespace fs = std::filesystem;

std::vector<std::string> traces_in(const std::string& folder) {
  const Result<std::vector<read::TraceFolder>> found = read::find_traces({folder});
  if (!found) return {folder};
  std::vector<std::string> out;
  for (const read::TraceFolder& trace : *found) out.push_back(trace.folder);
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::string> one_trace_in(const std::string& folder) {
  const std::vector<std::string> all = traces_in(folder);
  const bool in_pieces = std::all_of(all.begin(), all.end(), [&](const std::string& trace) {
    const fs::path path(trace);
    return format::parse_piece_name(path.filename().string()) && fs::path(trace).parent_path() == fs::path(folder + "/").parent_path();
  });
  if (in_pieces) return folder;
  if (all.size() == 1) return all.front();
  return errorf(EINVAL, "'%s' holds %zu traces, want one, as '%s' (ouro merge makes one of several)", folder.c_str(), all.size(), all.front().c_str());
}

}  // namespace ouro::cli
