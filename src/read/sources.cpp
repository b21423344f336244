// read/sources.cpp -- see the header.
#include "read/sources.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "format/pieces.hpp"

namespace ouro::read {
namespace {

// More than any tracer nests.
constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxTraces = 100'000;

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// Names in a folder but for those with a dot before them, sorted.
Result<std::vector<std::string>> names_in(const std::string& folder) {
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return error_from_errno("trace '%s' cannot be opened", folder.c_str());
  std::vector<std::string> out;
  while (const dirent* entry = ::readdir(dir))
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

bool is_folder(const std::string& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

class Search {
 public:
  void add(const std::string& folder, const std::string& prefix, int depth) {
    if (exists(folder + "/metadata")) return add_chain({{folder, prefix, 0}});
    const Result<std::vector<std::string>> names = names_in(folder);
    if (!names || depth > kMaxDepth) return;
    std::vector<TraceFolder> pieces;
    for (const std::string& name : *names)
      if (format::parse_piece_name(name) && exists(folder + "/" + name + "/metadata")) pieces.push_back({folder + "/" + name, prefix + name + "/", 0});
    if (!pieces.empty()) return add_chain(std::move(pieces));
    for (const std::string& name : *names)
      if (is_folder(folder + "/" + name)) add(folder + "/" + name, prefix + name + "/", depth + 1);
  }
  const std::vector<TraceFolder>& found() const { return found_; }

 private:
  void add_chain(std::vector<TraceFolder> traces) {
    if (found_.size() + traces.size() > kMaxTraces) return;
    for (TraceFolder& trace : traces) {
      trace.chain = chains_;
      found_.push_back(std::move(trace));
    }
    ++chains_;
  }

  std::vector<TraceFolder> found_;
  std::size_t chains_ = 0;
};

}  // namespace

Result<std::vector<TraceFolder>> find_traces(const std::vector<std::string>& roots) {
  Search search;
  for (const std::string& root : roots) {
    const std::size_t before = search.found().size();
    search.add(root, roots.size() > 1 ? root + (root.ends_with('/') ? "" : "/") : "", 0);
    if (search.found().size() != before) continue;
    const Result<std::vector<std::string>> names = names_in(root);
    if (!names) return names.error();
    return errorf(ENOENT, "trace '%s': neither it nor a folder below it has a file 'metadata' (is it the folder that 'ouro record' wrote?)", root.c_str());
  }
  return search.found();
}

bool is_compressed(std::string_view file) { return file.ends_with(format::kCompressedSuffix); }
std::string_view without_compressed_suffix(std::string_view file) { return file.substr(0, file.size() - (is_compressed(file) ? format::kCompressedSuffix.size() : 0)); }

Result<std::vector<std::string>> stream_files(const std::string& folder) {
  Result<std::vector<std::string>> out = names_in(folder);
  if (!out) return out;
  // Indexes and other folders are no streams.
  std::erase_if(*out, [&](const std::string& name) {
    struct stat about {};
    return name.starts_with("metadata") || (::stat((folder + "/" + name).c_str(), &about) == 0 && S_ISDIR(about.st_mode));
  });
  // One that was just being compressed when its recorder was killed is there twice.
  std::erase_if(*out, [&, all = *out](const std::string& name) {
    return is_compressed(name) && std::binary_search(all.begin(), all.end(), without_compressed_suffix(name));
  });
  return out;
}

}  // namespace ouro::read
