// record/registry_file.hpp -- registries of running programs as tools see them (ouro/abi/registry_layout.hpp): found
// in the runtime folder, mapped, checked. A registry was written by its program: nothing in it is trusted.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ouro/abi/registry_layout.hpp>
#include <ouro/result.hpp>

#include "base/runtime_dir.hpp"

namespace ouro::record {

class RegistryFile {
 public:
  enum class Access { read_only, read_write };
  // Checks size, owner, magic and version. A registry that its program is still making is an error (EAGAIN).
  static Result<RegistryFile> open(const std::string& path, Access access);
  RegistryFile(RegistryFile&& other) noexcept;
  RegistryFile& operator=(RegistryFile&&) = delete;
  ~RegistryFile();

  int pid() const { return pid_; }
  std::uint64_t start_time() const { return start_time_; }
  bool is_of_living_process() const;
  std::string process_name() const;

  // Rows in use, read once and held to the table's size.
  std::uint32_t row_count() const;
  const abi::RegistryRow& row(std::uint32_t i) const;
  // A row's schema; empty if the row is not ready, or says a place outside the file's.
  std::vector<std::byte> schema(std::uint32_t i) const;

  // To be stored to with read_write only.
  abi::SessionSlot& slot(std::uint32_t k) const;
  // read_write only. Clears a session's bit from all rows and filter words, then frees its slot.
  void remove_session(std::uint32_t k, std::uint32_t generation);

 private:
  RegistryFile() = default;
  abi::RegistryHeader& header() const { return *reinterpret_cast<abi::RegistryHeader*>(base_); }
  std::byte* base_ = nullptr;
  int pid_ = 0;
  std::uint64_t start_time_ = 0;
};

// Paths of all files in the folder that are named like a registry, PID.N, ordered by pid.
std::vector<std::string> find_registries(const std::string& folder);

// `registry`: what opening `path` gave. True: its process is dead, and the file, which it could not remove, is gone now. One that its
// program is still making has no contents yet, but a living program.
bool remove_if_dead(const std::string& path, const Result<RegistryFile>& registry);

}  // namespace ouro::record
