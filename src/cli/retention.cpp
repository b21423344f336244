#include "cli/retention.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/fd.hpp"

namespace ouro::cli {
namespace {

using Time = std::chrono::system_clock::time_point;
constexpr std::chrono::seconds kBeingWritten{60};

struct Snapshot {
  std::string name;
  Time made{};
  std::uint64_t bytes = 0;
  std::vector<std::string> files;
};

// "ouro-snapshot-YYYYmmdd-HHMMSS", with -N behind it perhaps.
bool is_name(std::string_view name) {
  constexpr std::string_view kBegin = "ouro-snapshot-", kForm = "dddddddd-dddddd";
  if (!name.starts_with(kBegin)) return false;
  name.remove_prefix(kBegin.size());
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  if (name.size() < kForm.size()) return false;
  for (std::size_t i = 0; i < kForm.size(); ++i)
    if (kForm[i] == 'd' ? !is_digit(name[i]) : name[i] != '-') return false;
  name.remove_prefix(kForm.size());
  return name.empty() || (name.size() > 1 && name[0] == '-' && std::all_of(name.begin() + 1, name.end(), is_digit));
}

// What stands in a folder; `see` has its descriptor. False: it is no folder, or cannot be read.
bool for_each_entry(int at, const char* name, const std::function<void(int, const char*)>& see) {
  const int fd = ::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd), ::closedir);
  if (!dir) return ::close(fd), false;
  while (const dirent* entry = ::readdir(dir.get()))
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) see(::dirfd(dir.get()), entry->d_name);
  return true;
}

// None: it is none of ours.
std::optional<Snapshot> look_at(int folder, const std::string& name) {
  Snapshot out;
  out.name = name;
  bool is_ours = true, has_metadata = false;
  const bool was_read = for_each_entry(folder, name.c_str(), [&](int fd, const char* file) {
    struct stat status;
    if (::fstatat(fd, file, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) return void(is_ours = false);
    has_metadata |= std::strcmp(file, "metadata") == 0;
    out.bytes += static_cast<std::uint64_t>(status.st_size);
    out.made = std::max(out.made, std::chrono::system_clock::from_time_t(status.st_mtime));
    out.files.emplace_back(file);
  });
  if (!was_read || !is_ours || !has_metadata) return std::nullopt;
  return out;
}

bool remove(int folder, const Snapshot& snapshot) {
  const base::Fd fd(::openat(folder, snapshot.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return false;
  for (const std::string& file : snapshot.files)
    if (::unlinkat(fd.get(), file.c_str(), 0) != 0 && errno != ENOENT) return false;
  return ::unlinkat(folder, snapshot.name.c_str(), AT_REMOVEDIR) == 0;
}

}  // namespace

Kept apply_retention(const DaemonConfig::Retention& rules, Time now, const std::function<void(const std::string&)>& warn) {
  Kept out;
  const base::Fd folder(::open(rules.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<std::string> names;
  if (!folder || !for_each_entry(folder.get(), ".", [&](int, const char* name) {
        if (is_name(name)) names.emplace_back(name);
      })) {
    warn("retention: folder '" + rules.folder + "': " + std::strerror(errno));
    return out;
  }
  std::vector<Snapshot> all;
  for (const std::string& name : names)
    if (std::optional<Snapshot> snapshot = look_at(folder.get(), name)) {
      ++out.snapshots;
      out.bytes += snapshot->bytes;
      all.push_back(std::move(*snapshot));
    }
  std::sort(all.begin(), all.end(), [](const Snapshot& a, const Snapshot& b) { return std::tie(a.made, a.name) < std::tie(b.made, b.name); });
  for (const Snapshot& snapshot : all) {
    const auto age = now - snapshot.made;
    const bool is_old = rules.age && age > *rules.age, is_too_much = rules.keep && out.bytes > *rules.keep && &snapshot != &all.back();
    if (age < kBeingWritten || (!is_old && !is_too_much)) continue;
    if (!remove(folder.get(), snapshot)) {
      warn("retention: '" + rules.folder + "/" + snapshot.name + "': " + std::strerror(errno) + ", want it removed");
      continue;
    }
    --out.snapshots;
    ++out.removed;
    out.bytes -= snapshot.bytes;
    out.removed_bytes += snapshot.bytes;
  }
  return out;
}

}  // namespace ouro::cli
