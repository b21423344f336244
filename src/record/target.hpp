// record/target.hpp -- a process that somebody wants to trace, named by its pid as we see it: where its registry is, whose it is.
//
//   /proc/PID/maps   a program has its registry mapped, under the name PID.N as its own namespaces show it
//   /proc/PID/root   the folder that it lies in, as the program sees it: also in a container
//
// Nothing that the program says of itself is believed: user and pid come from the kernel, a registry is what the program has mapped (same
// inode), and its folder is entered without following a link out of the program's root.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "base/fd.hpp"

namespace ouro::record {

class RegistryFile;

struct Target {
  int pid = 0;                          // in our PID namespace
  int inner_pid = 0;                    // in its own, which is
  std::uint64_t pid_namespace = 0;      // this one (inode); 0: unknown
  uid_t uid = 0;                        // effective
  gid_t gid = 0;
  std::string name;                     // of the process
  base::Fd pidfd;                       // readable once it has ended
  base::Fd folder;                      // its runtime folder
  dev_t device = 0;                     // the folder's
  ino_t inode = 0;
  std::string shown_folder;             // as it sees it

  // As we reach it, for as long as this lives.
  std::string path() const { return "/proc/self/fd/" + std::to_string(folder.get()); }
  // Is the registry its? Processes of other PID namespaces that share the folder may have its pid.
  bool owns(const RegistryFile& registry) const;
};

// Error: no such process, not ours to trace, no events, or no way to its folder; the text says which, and what to do.
Result<Target> find_target(int pid);

// What the program has mapped of files that are named like registries.
struct Mapped {
  dev_t device;
  ino_t inode;
  std::string path;  // as it sees it
  bool is_deleted;
};
std::vector<Mapped> mapped_registries(int pid);
// The pid that a registry's process has in our PID namespace; its own where it cannot be seen from here.
int pid_here(const RegistryFile& registry);

// Processes whose name matches the glob: those that have a registry mapped where we may look.
std::vector<int> find_pids(const std::string& name);

}  // namespace ouro::record
