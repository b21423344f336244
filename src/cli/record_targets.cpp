#include "cli/record_targets.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "record/program_file.hpp"
#include "record/registry_file.hpp"

namespace ouro::cli {
namespace {

// As execvp(3) finds it; empty: it does not.
std::string path_of(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/bin:/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const std::string file = (folder.empty() ? "." : folder) + "/" + program; ::access(file.c_str(), X_OK) == 0) return file;
  return {};
}

}  // namespace

namespace {

bool same_folder(const record::Target& a, dev_t device, ino_t inode) { return a.device == device && a.inode == inode; }

// All of this name, but for those that have the name only: other users' and other folders' programs, if there are some of our own.
Status add_named(const std::string& name, const struct stat* own, std::vector<record::Target>& targets) {
  std::vector<record::Target> found;
  std::optional<Error> failed;
  for (const int pid : record::find_pids(name)) {
    Result<record::Target> target = record::find_target(pid);
    if (target) found.push_back(std::move(*target));
    else failed = target.error();
  }
  if (found.empty() && failed) return *failed;
  if (found.empty())
    return errorf(ESRCH, "no process with events has the name '%s' (hint: ouro list shows those that have; a name has at most 15 characters)", name.c_str());
  const auto is_own = [&](const record::Target& t) { return own != nullptr && same_folder(t, own->st_dev, own->st_ino); };
  if (std::any_of(found.begin(), found.end(), is_own)) std::erase_if(found, [&](const record::Target& t) { return !is_own(t); });
  for (record::Target& target : found)
    if (std::none_of(targets.begin(), targets.end(), [&](const record::Target& t) { return t.pid == target.pid; })) targets.push_back(std::move(target));
  return Ok{};
}

}  // namespace

Result<Targets> find_targets(const RecordOptions& options, const Result<base::RuntimeDir>& own) {
  Targets out;
  struct stat status;
  const bool has_own = own && ::stat(own->path, &status) == 0;
  for (const int pid : options.pids) {
    Result<record::Target> target = record::find_target(pid);
    if (!target) return target.error();
    out.list.push_back(std::move(*target));
  }
  for (const std::string& name : options.names)
    if (Status added = add_named(name, has_own ? &status : nullptr, out.list); !added) return added.error();
  if (out.list.empty()) {
    if (!own) return own.error();
    out.folder = *own;
    return out;
  }
  const record::Target& first = out.list.front();
  for (const record::Target& target : out.list)
    if (!same_folder(target, first.device, first.inode))
      return errorf(EXDEV, "processes %d and %d have different runtime folders ('%s', '%s'), want one (hint: record them each by itself)", first.pid,
                    target.pid, first.shown_folder.c_str(), target.shown_folder.c_str());
  if (has_own && same_folder(first, status.st_dev, status.st_ino))
    out.folder = *own;
  else  // another's, or in another mount namespace
    std::snprintf(out.folder.path, sizeof out.folder.path, "%s", first.path().c_str());
  out.owner = first.uid;
  out.group = first.gid;
  return out;
}

std::vector<std::vector<std::byte>> known_events(const RecordOptions& options, const Targets& targets) {
  std::vector<std::vector<std::byte>> out;
  if (!options.attaches() || options.all)
    if (!options.program.empty())
      if (Result<record::ProgramFile> file = record::read_program_file(path_of(options.program[0]))) out = std::move(file->schemas);
  if (!options.attaches()) return out;
  for (const std::string& path : record::find_registries(targets.folder.path)) {
    const Result<record::RegistryFile> registry = record::RegistryFile::open(path, record::RegistryFile::Access::read_only, targets.owner);
    if (!registry || !(options.all || std::any_of(targets.list.begin(), targets.list.end(),
                                                  [&](const record::Target& t) { return t.owns(*registry); })))
      continue;
    for (std::uint32_t i = 0, n = registry->row_count(); i < n; ++i) out.push_back(registry->schema(i));
  }
  return out;
}

}  // namespace ouro::cli
