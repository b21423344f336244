#include "record/foreign_processes.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "record/registry_file.hpp"
#include "ring/owner.hpp"

namespace ouro::record {
namespace {

constexpr std::size_t kMost = 1 << 16;

}  // namespace

void ForeignProcesses::add(std::int32_t pid, std::uint64_t pid_namespace, const std::string& registry) {
  if (pid <= 0 || pid_namespace == 0 || pid_namespace == own_pid_namespace() || registries_.size() >= kMost) return;
  std::vector<std::string>& of_pid = registries_[pid];
  if (is_registry_name(registry.c_str()) && of_pid.size() < kMost && std::find(of_pid.begin(), of_pid.end(), registry) == of_pid.end())
    of_pid.push_back(registry);
}

bool ForeignProcesses::are_gone(std::int32_t pid) const {
  const auto found = registries_.find(pid);
  if (found == registries_.end() || found->second.empty()) return false;  // nobody can tell
  const std::string folder = session_->path().substr(0, session_->path().rfind('/') + 1);
  return std::all_of(found->second.begin(), found->second.end(), [&](const std::string& name) {
    const Result<RegistryFile> registry = RegistryFile::open(folder + name, RegistryFile::Access::read_only, session_->options().owner);
    return registry ? !registry->is_of_living_process() : registry.error().code == ENOENT;
  });
}

bool ForeignProcesses::is_dead(std::uint64_t owner) const {
  const auto pid = static_cast<std::int32_t>(owner);
  return has(pid) ? are_gone(pid) : ring::kernel_says_dead(owner);
}

namespace {
thread_local const std::function<bool(std::uint64_t)>* asked = nullptr;
}

AskOwners::AskOwners(std::function<bool(std::uint64_t)> is_dead) : is_dead_(std::move(is_dead)), others_(ring::owner_is_dead) {
  asked = &is_dead_;
  if (others_ == ring::kernel_says_dead) ring::owner_is_dead = [](std::uint64_t owner) { return (*asked)(owner); };
}
AskOwners::~AskOwners() { ring::owner_is_dead = others_; }

}  // namespace ouro::record
