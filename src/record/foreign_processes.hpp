// record/foreign_processes.hpp -- a session's processes that live in PID namespaces other than ours: what their pids mean here is nobody's
// or somebody else's.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "record/session.hpp"

namespace ouro::record {

class ForeignProcesses {
 public:
  explicit ForeignProcesses(const Session& session) : session_(&session) {}

  // As a process says of itself; ignored if it is of our namespace, or says nothing that could be true.
  void add(std::int32_t pid, std::uint64_t pid_namespace, const std::string& registry);
  bool has(std::int32_t pid) const { return registries_.contains(pid); }
  // None of those with this pid is there any more, as the kernel's locks on their registries say (ouro/abi/registry_layout.hpp).
  bool are_gone(std::int32_t pid) const;
  // {thread id:32, process id:32}, as the owner of a record has them: in another PID namespace these are somebody else's here, or nobody's.
  bool is_dead(std::uint64_t owner) const;

 private:
  const Session* session_;
  std::map<std::int32_t, std::vector<std::string>> registries_;  // by pid; names in the runtime folder
};

// While it lives, ring::owner_is_dead asks `is_dead` in this thread; unless another one than the kernel is asked already.
class AskOwners {
 public:
  explicit AskOwners(std::function<bool(std::uint64_t owner)> is_dead);
  ~AskOwners();
  AskOwners(const AskOwners&) = delete;
  AskOwners& operator=(const AskOwners&) = delete;

 private:
  std::function<bool(std::uint64_t)> is_dead_;
  bool (*others_)(std::uint64_t);
};

}  // namespace ouro::record
