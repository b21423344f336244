// record/registry_file.hpp -- registries of running programs as tools see them (ouro/abi/registry_layout.hpp): found
// in the runtime folder, mapped, checked. A registry was written by its program: nothing in it is trusted.
// registry_attach.cpp has what changes them: sessions that come, go, and want other events.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ouro/abi/registry_layout.hpp>
#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "base/runtime_dir.hpp"
#include "record/session.hpp"

namespace ouro::record {

class RegistryFile {
 public:
  enum class Access { read_only, read_write };
  // Checks size, owner, magic and version. A registry that its program is still making is an error (EAGAIN).
  static Result<RegistryFile> open(const std::string& path, Access access, uid_t owner = ::geteuid());
  RegistryFile(RegistryFile&& other) noexcept;
  RegistryFile& operator=(RegistryFile&&) = delete;
  ~RegistryFile();

  int pid() const { return pid_; }  // in the program's PID namespace
  std::uint64_t start_time() const { return start_time_; }
  std::uint64_t pid_namespace() const { return pid_namespace_; }  // inode; 0: unknown
  std::uint64_t inode() const { return inode_; }
  // What the program says of itself; ouro/abi/registry_layout.hpp.
  std::uint32_t seccomp_filters() const { return header().seccomp_filters; }
  int refused() const { return static_cast<int>(header().refused.load(std::memory_order_relaxed)); }
  std::uint32_t rows_refused() const { return header().rows_refused.load(std::memory_order_relaxed); }
  // By its pid; of another PID namespace by the lock that the kernel holds for it. Without such a lock nobody here can tell: yes.
  bool is_of_living_process() const;
  bool is_in_our_pid_namespace() const;
  std::string process_name() const;

  // Rows in use, read once and held to the table's size.
  std::uint32_t row_count() const;
  const abi::RegistryRow& row(std::uint32_t i) const;
  // A row's schema; empty if the row is not ready, or says a place outside the file's.
  std::vector<std::byte> schema(std::uint32_t i) const;

  // Which slot the session has. One whose program took its name from the environment has no generation yet.
  std::optional<std::uint32_t> slot_of(const SessionName& session) const;
  abi::SessionSlot& slot(std::uint32_t k) const;

  // read_write only; the three below, by who holds the lock. No descriptor: somebody did not let go of it for that long.
  base::Fd lock(std::chrono::milliseconds patience = kPatience) const;
  static constexpr std::chrono::milliseconds kPatience{2000};
  // Offers the session in a free slot, or the one that it has, and switches on what its rules (abi::RuleList) select, and nothing
  // else of it. Returns how many events that is. Error: no slot is free.
  Result<std::uint32_t> attach(const SessionName& session, std::span<const std::byte> rules);
  // Clears a session's bit from all rows and filter words, then frees its slot.
  void remove_session(std::uint32_t k, std::uint32_t generation);

 private:
  RegistryFile() = default;
  abi::RegistryHeader& header() const { return *reinterpret_cast<abi::RegistryHeader*>(base_); }
  abi::RegistryRow* rows() const { return reinterpret_cast<abi::RegistryRow*>(base_ + abi::kRegistryRowsOffset); }
  abi::Word32* filter() const { return reinterpret_cast<abi::Word32*>(base_ + abi::kRegistryFilterOffset); }
  std::optional<std::uint32_t> claim(const SessionName& session);
  void count_use(std::uint32_t k);
  void clear_bits(std::uint32_t k, std::uint32_t generation);
  bool is_selected(std::uint32_t row, std::span<const std::byte> rules) const;

  std::byte* base_ = nullptr;
  base::Fd fd_;
  int pid_ = 0;
  std::uint64_t start_time_ = 0, pid_namespace_ = 0, inode_ = 0;
  bool is_locked_ = false;
};

// Paths of the files in the folder that are named like a registry, PID.N, ordered by pid; of `pid`, if that is not 0. Of more than
// kMostRegistries, which no user has, some are left out.
inline constexpr std::size_t kMostRegistries = 16384;
std::vector<std::string> find_registries(const std::string& folder, int pid = 0);

// Has a program mapped the registry? For all PID namespaces, but as ouro/abi/registry_layout.hpp says not on all file systems.
bool is_held(const std::string& path);
// Ours; 0: unknown.
std::uint64_t own_pid_namespace();

// Has the program, as far as one can see from here, other filters than it began with?
bool has_new_seccomp_filters(const RegistryFile& registry);
// The most that any of a process's threads has; none if it cannot be told.
std::optional<std::uint32_t> seccomp_filters_of_process(int pid);

// "4711.0": is the file of this name a registry?
bool is_registry_name(const char* name);

// `registry`: what opening `path` gave. True: its process is dead, and the file, which it could not remove, is gone now, or as soon as
// somebody lets go of it. One that its program is still making has no contents yet, but a living program.
bool remove_if_dead(const std::string& path, const Result<RegistryFile>& registry);

}  // namespace ouro::record
