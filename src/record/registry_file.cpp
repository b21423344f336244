#include "record/registry_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <ouro/abi/schema.hpp>

#include "base/bus_guard.hpp"
#include "base/foreign.hpp"
#include "base/proc.hpp"

namespace ouro::record {
namespace {

struct flock first_byte(short kind) {
  struct flock out {};
  out.l_type = kind;
  out.l_whence = SEEK_SET;
  out.l_len = 1;
  return out;
}

bool set_lock(int fd, short kind) {
  struct flock lock = first_byte(kind);
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool is_held_fd(int fd) {
  struct flock lock = first_byte(F_WRLCK);
  return ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

// "4711.0": the pid; 0 if the name is no registry's.
long pid_in_name(const char* name) {
  char* end = nullptr;
  if (*name < '1' || *name > '9') return 0;
  errno = 0;
  const long pid = std::strtol(name, &end, 10);
  if (errno != 0 || *end != '.' || end[1] == '\0') return 0;
  return std::strspn(end + 1, "0123456789") == std::strlen(end + 1) ? pid : 0;
}

}  // namespace

bool is_registry_name(const char* name) { return pid_in_name(name) != 0; }

std::vector<std::string> find_registries(const std::string& folder, int wanted) {
  std::vector<std::pair<long, std::string>> found;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return {};
  while (const dirent* entry = ::readdir(dir))
    if (const long pid = pid_in_name(entry->d_name); pid != 0 && (wanted == 0 || pid == wanted) && found.size() < kMostRegistries)
      found.emplace_back(pid, folder + "/" + entry->d_name);
  ::closedir(dir);
  std::sort(found.begin(), found.end());
  std::vector<std::string> out;
  for (auto& [pid, path] : found) out.push_back(std::move(path));
  return out;
}

Result<RegistryFile> RegistryFile::open(const std::string& path, Access access, uid_t owner) {
  const bool write = access == Access::read_write;
  base::Fd fd(::open(path.c_str(), (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return error_from_errno("registry '%s'", path.c_str());
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return error_from_errno("registry '%s'", path.c_str());
  if (!S_ISREG(status.st_mode) || status.st_uid != owner)
    return errorf(EPERM, "registry '%s' is of user %u, want a regular file of user %u", path.c_str(), status.st_uid, owner);
  if (status.st_size != static_cast<off_t>(abi::kRegistrySize))
    return errorf(EAGAIN, "registry '%s' has %lld bytes, want %llu (is the program still starting?)", path.c_str(),
                  static_cast<long long>(status.st_size), static_cast<unsigned long long>(abi::kRegistrySize));
  void* memory =
      ::mmap(nullptr, abi::kRegistrySize, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return error_from_errno("registry '%s': cannot map it", path.c_str());
  RegistryFile out;
  out.base_ = static_cast<std::byte*>(memory);
  if (!base::guard_mapping(out.base_, abi::kRegistrySize))
    return errorf(ENOMEM, "registry '%s': too many are looked at at once", path.c_str());
  const abi::RegistryHeader& header = out.header();
  // Acquire; pairs with the program's store of the magic: the other fields are there.
  const std::uint64_t magic = header.magic.load(std::memory_order_acquire);
  if (magic != abi::kRegistryMagic)
    return errorf(EAGAIN, "registry '%s': magic is %#llx, want %#llx (is the program still starting?)", path.c_str(),
                  static_cast<unsigned long long>(magic), static_cast<unsigned long long>(abi::kRegistryMagic));
  const std::uint32_t version = base::read_once(header.version);
  if (version != abi::kRegistryVersion)
    return errorf(EINVAL, "registry '%s': version is %u, want %u (hint: the program was built with another Ouro)",
                  path.c_str(), version, abi::kRegistryVersion);
  out.pid_ = base::read_once(header.pid);
  out.start_time_ = base::read_once(header.start_time);
  out.pid_namespace_ = base::read_once(header.pid_namespace);
  out.is_locked_ = base::read_once(header.is_locked) == 1;
  out.inode_ = status.st_ino;
  out.fd_ = std::move(fd);
  return out;
}

RegistryFile::RegistryFile(RegistryFile&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      fd_(std::move(other.fd_)),
      pid_(other.pid_),
      start_time_(other.start_time_),
      pid_namespace_(other.pid_namespace_),
      inode_(other.inode_),
      is_locked_(other.is_locked_) {}

RegistryFile::~RegistryFile() {
  if (base_ == nullptr) return;
  base::unguard_mapping(base_);
  ::munmap(base_, abi::kRegistrySize);
}

bool RegistryFile::is_in_our_pid_namespace() const { return pid_namespace_ == 0 || pid_namespace_ == own_pid_namespace(); }

// In our namespace the lock does not count: between an exec and the start of what follows nothing is mapped, and its sessions stand here.
bool RegistryFile::is_of_living_process() const {
  if (is_locked_ && pid_namespace_ != own_pid_namespace()) return is_held_fd(fd_.get());
  return !is_in_our_pid_namespace() || base::is_alive(pid_, start_time_);
}

std::string RegistryFile::process_name() const {
  char name[sizeof header().name];
  std::memcpy(name, header().name, sizeof name);
  return {name, ::strnlen(name, sizeof name)};
}

std::uint32_t RegistryFile::row_count() const {
  // Acquire; pairs with the program's store as it adds a row.
  return std::min(header().row_count.load(std::memory_order_acquire), abi::kRegistryRows);
}

const abi::RegistryRow& RegistryFile::row(std::uint32_t i) const {
  return reinterpret_cast<const abi::RegistryRow*>(base_ + abi::kRegistryRowsOffset)[i];
}

std::vector<std::byte> RegistryFile::schema(std::uint32_t i) const {
  const abi::RegistryRow& r = row(i);
  if (r.state.load(std::memory_order_acquire) != abi::row_ready) return {};
  const std::uint32_t offset = base::read_once(r.blob_offset), size = base::read_once(r.blob_size);
  if (size > abi::kMaxSchemaSize || offset > abi::kRegistryBlobs || size > abi::kRegistryBlobs - offset) return {};
  const std::byte* begin = base_ + abi::kRegistryBlobsOffset + offset;
  return {begin, begin + size};
}

abi::SessionSlot& RegistryFile::slot(std::uint32_t k) const { return header().slot[k]; }

bool is_held(const std::string& path) {
  const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  return fd && is_held_fd(fd.get());
}

std::uint64_t own_pid_namespace() {
  static const std::uint64_t ours = [] {
    struct stat status;
    return ::stat("/proc/self/ns/pid", &status) == 0 ? std::uint64_t{status.st_ino} : 0;
  }();
  return ours;
}

bool remove_if_dead(const std::string& path, const Result<RegistryFile>& registry) {
  const auto pid_of = [&] { return static_cast<int>(pid_in_name(path.c_str() + path.rfind('/') + 1)); };
  if (registry ? registry->is_of_living_process() : registry.error().code == ENOENT) return false;
  // Half made ones say nothing of their namespace: alive if either the pid or the lock says so.
  if (!registry && (base::is_alive(pid_of(), 0) || is_held(path))) return false;
  // With the lock, so that it is nobody's who has just made it; what is no file nobody locks.
  const base::Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status;
  const bool is_file = fd && ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode);
  if (!is_file || (set_lock(fd.get(), F_WRLCK) && ::fstat(fd.get(), &status) == 0 && status.st_nlink != 0)) ::unlink(path.c_str());
  return true;
}

std::optional<std::uint32_t> seccomp_filters_of_process(int pid) {
  std::optional<std::uint32_t> most;
  DIR* dir = ::opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
  while (const dirent* entry = dir != nullptr ? ::readdir(dir) : nullptr) {
    const int tid = std::atoi(entry->d_name);
    const std::uint32_t n = tid > 0 ? base::seccomp_filters_of(tid) : base::kUnknownFilters;
    if (n != base::kUnknownFilters) most = std::max(most.value_or(0), n);
  }
  if (dir != nullptr) ::closedir(dir);
  return most;
}

bool has_new_seccomp_filters(const RegistryFile& registry) {
  if (!registry.is_in_our_pid_namespace()) return false;
  const std::optional<std::uint32_t> now = seccomp_filters_of_process(registry.pid());
  return now && *now != 0 && *now != registry.seccomp_filters();
}

}  // namespace ouro::record
