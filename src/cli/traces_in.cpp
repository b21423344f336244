#include "cli/traces_in.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "format/pieces.hpp"

namespace ouro::cli {
namespace fs = std::filesystem;

std::vector<std::string> traces_in(const std::string& folder) {
  constexpr int kDeepest = 8;
  std::error_code error;
  std::vector<std::string> out;
  if (fs::exists(folder + "/metadata", error)) return {folder};
  for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end; !error && it != end; it.increment(error)) {
    if (it.depth() >= kDeepest) it.disable_recursion_pending();
    std::error_code ignored;
    if (it->is_directory(ignored) && fs::exists(it->path() / "metadata", ignored)) {
      out.push_back(it->path());
      it.disable_recursion_pending();
    }
  }
  std::sort(out.begin(), out.end());
  return out.empty() ? std::vector{folder} : out;
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
