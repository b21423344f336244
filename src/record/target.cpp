#include "record/target.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include <ouro/abi/registry_layout.hpp>

#include "base/glob.hpp"
#include "base/proc.hpp"
#include "record/registry_file.hpp"

namespace ouro::record {
namespace {

std::string proc(int pid, const char* what) { return "/proc/" + std::to_string(pid) + "/" + what; }

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string out;
  std::getline(in, out);
  return out;
}

// Of a process, as the kernel tells it in /proc/PID/status.
struct Identity {
  bool is_there = false;
  uid_t uid = 0;
  gid_t gid = 0;
  int inner_pid = 0;
};
Identity identity_of(int pid) {
  Identity out;
  std::ifstream in(proc(pid, "status"));
  for (std::string key, line; in >> key && std::getline(in, line);) {
    std::istringstream numbers(line);
    std::uint64_t n = 0, second = 0;
    if (key == "Uid:" && numbers >> n >> second) {
      out.uid = static_cast<uid_t>(second);
      out.is_there = true;
    }
    if (key == "Gid:" && numbers >> n >> second) out.gid = static_cast<gid_t>(second);
    if (key == "NSpid:")
      while (numbers >> n) out.inner_pid = static_cast<int>(n);
  }
  if (out.inner_pid == 0) out.inner_pid = pid;
  return out;
}

}  // namespace

std::vector<Mapped> mapped_registries(int pid) {
  std::vector<Mapped> out;
  std::ifstream in(proc(pid, "maps"));
  for (std::string line; std::getline(in, line);) {
    unsigned long long begin = 0, end = 0, offset = 0, inode = 0;
    unsigned major_number = 0, minor_number = 0;
    char rights[8] = {};
    int path_at = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx %7s %llx %x:%x %llu %n", &begin, &end, rights, &offset, &major_number, &minor_number, &inode, &path_at) < 7 ||
        path_at <= 0 || line[static_cast<std::size_t>(path_at)] != '/' || end - begin != abi::kRegistrySize || offset != 0)
      continue;
    Mapped mapped{makedev(major_number, minor_number), inode, line.substr(static_cast<std::size_t>(path_at)), false};
    constexpr const char* kDeleted = " (deleted)";
    if (mapped.path.ends_with(kDeleted)) {
      mapped.is_deleted = true;
      mapped.path.resize(mapped.path.size() - std::strlen(kDeleted));
    }
    if (is_registry_name(mapped.path.c_str() + mapped.path.rfind('/') + 1)) out.push_back(std::move(mapped));
  }
  return out;
}

namespace {

// The folder as seen from `root`; none if a link leads out of there.
base::Fd open_beneath(const std::string& root, const std::string& folder) {
  const base::Fd base(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!base) return {};
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return base::Fd(static_cast<int>(::syscall(SYS_openat2, base.get(), folder.c_str(), &how, sizeof how)));
}

std::uint64_t pid_namespace_of(int pid) {
  struct stat status;
  return ::stat(proc(pid, "ns/pid").c_str(), &status) == 0 ? std::uint64_t{status.st_ino} : 0;
}

bool holds(const base::Fd& folder, const std::string& name, const Mapped& mapped) {
  struct stat status;
  return folder && ::fstatat(folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_ino == mapped.inode;
}

bool has_ended(const base::Fd& pidfd) {
  pollfd on{pidfd.get(), POLLIN, 0};
  return ::poll(&on, 1, 0) > 0;
}

Error not_traceable(int pid, const std::string& name, const std::vector<Mapped>& mapped, uid_t uid, const char* why) {
  if (::access(proc(pid, "maps").c_str(), R_OK) != 0 || (mapped.empty() && !std::ifstream(proc(pid, "maps")).good()))
    return uid == ::geteuid() ? errorf(EPERM, "process %d (%s) may not be looked into: it has changed its user or has other privileges (hint: as root)", pid, name.c_str())
                              : errorf(EPERM, "process %d (%s) is of user %u, want one of user %u (hint: as root)", pid, name.c_str(), uid, ::geteuid());
  return errorf(ESRCH, "process %d (%s) %s", pid, name.c_str(), why);
}

}  // namespace

Result<Target> find_target(int pid) {
  Target out;
  out.pid = pid;
  out.pidfd = base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const Identity status = identity_of(pid);
  if (!out.pidfd || !status.is_there)
    return errorf(ESRCH, "process %d is not there, want one that runs (hint: ouro list shows those with events)", pid);
  out.name = first_line(proc(pid, "comm"));
  out.uid = status.uid;
  out.gid = status.gid;
  out.inner_pid = status.inner_pid;
  out.pid_namespace = pid_namespace_of(pid);
  if (status.uid != ::geteuid() && ::geteuid() != 0)
    return errorf(EPERM, "process %d (%s) is of user %u, want one of user %u (hint: as root)", pid, out.name.c_str(), status.uid, ::geteuid());
  std::vector<Mapped> registries;
  const Mapped* found = nullptr;
  std::string name;
  // Several times: a library that is unloaded takes its own registry away.
  for (int tries = 0; tries < 5 && !out.folder; ++tries) {
    registries = mapped_registries(pid);
    found = nullptr;
    for (const Mapped& mapped : registries) {
      if (mapped.is_deleted) continue;
      found = &mapped;
      out.shown_folder = mapped.path.substr(0, mapped.path.rfind('/'));
      name = mapped.path.substr(mapped.path.rfind('/') + 1);
      out.folder = open_beneath(proc(pid, "root"), out.shown_folder);
      if (holds(out.folder, name, mapped)) break;
      out.folder.reset();
    }
    if (registries.empty()) break;
  }
  if (found == nullptr)
    return not_traceable(pid, out.name, registries, status.uid,
                         registries.empty() ? "has no events, want a program that links ouro::trace (hint: ouro doctor PID)"
                                            : "has lost its registry, which somebody removed: it cannot be traced any more (hint: start it anew)");
  // A program that changed its root since has its paths shown as ours.
  if (!out.folder && holds(open_beneath("/", out.shown_folder), name, *found) && !holds(open_beneath(proc(pid, "root"), out.shown_folder), name, *found))
    return errorf(ENOENT, "process %d (%s) has changed its root since it started, and its runtime folder '%s' is not in there (hint: recorded from its start on "
                  "it can be: ouro record -- PROGRAM)", pid, out.name.c_str(), out.shown_folder.c_str());
  struct stat folder;
  if (!out.folder || ::fstat(out.folder.get(), &folder) != 0)
    return not_traceable(pid, out.name, registries, status.uid, ("has its registry in '" + out.shown_folder + "', which cannot be reached").c_str());
  if (folder.st_uid != status.uid || (folder.st_mode & 077) != 0)
    return errorf(EPERM,
                  "process %d (%s): its runtime folder '%s' is of user %u with mode %04o, want user %u, as the process is now, and 0700 (hint: a "
                  "program that changed its user cannot open what is in there)",
                  pid, out.name.c_str(), out.shown_folder.c_str(), folder.st_uid, folder.st_mode & 07777, status.uid);
  out.device = folder.st_dev;
  out.inode = folder.st_ino;
  // All that was read of /proc/PID was of the process that the descriptor is of, if that is still there.
  if (has_ended(out.pidfd)) return errorf(ESRCH, "process %d (%s) has just ended", pid, out.name.c_str());
  return out;
}

bool Target::owns(const RegistryFile& registry) const {
  const std::uint64_t its = registry.pid_namespace();
  return registry.pid() == inner_pid && (its == pid_namespace || its == 0 || pid_namespace == 0);
}

int pid_here(const RegistryFile& registry) {
  const std::uint64_t its = registry.pid_namespace();
  if (its == own_pid_namespace() || its == 0) return registry.pid();
  DIR* dir = ::opendir("/proc");
  int out = registry.pid();
  while (const dirent* entry = dir != nullptr ? ::readdir(dir) : nullptr) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0 || pid_namespace_of(pid) != its || identity_of(pid).inner_pid != registry.pid()) continue;
    out = pid;
    break;
  }
  if (dir != nullptr) ::closedir(dir);
  return out;
}

std::vector<int> find_pids(const std::string& name) {
  std::vector<int> out;
  DIR* dir = ::opendir("/proc");
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0 || !base::glob_match(name.c_str(), first_line(proc(pid, "comm")).c_str())) continue;
    const std::vector<Mapped> mapped = mapped_registries(pid);
    if (std::any_of(mapped.begin(), mapped.end(), [](const Mapped& m) { return !m.is_deleted; })) out.push_back(pid);
  }
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace ouro::record
