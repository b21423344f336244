// base/runtime_dir.hpp -- the folder in which programs, sessions and tools of one user find each other.
//
//   $OURO_RUNTIME_DIR        if set; must be absolute
//   $XDG_RUNTIME_DIR/ouro    if that folder is there and the user's own (under sudo it is somebody else's)
//   /dev/shm/ouro-UID        otherwise
//   /tmp/ouro-UID            where that is not there and cannot be made: without a /dev/shm that may be written to
//
// In a user namespace UID is the user's number outside (/proc/self/uid_map): in there he may be 0, whose folder is root's. /tmp is often
// on a disk, to which the kernel then writes what is recorded, in its own time.
//
// Programs with privileges that their caller lacks (setuid, capabilities) ignore the environment.
#pragma once

namespace ouro::base {

struct RuntimeDir {
  char path[200];
};

// Finds the folder and makes it if there is none and `create` says so (mode 0700). Returns 0 or an errno:
//   ENOENT  not there, and not to be made          ENAMETOOLONG, EINVAL  the environment names nothing usable
//   EPERM   a link, another user's, or accessible to others, or in a place where others could exchange it; `out` says which folder
// No allocation, no libstdc++; async-signal-safe but for reading the environment. Leaves errno alone.
int find_runtime_dir(RuntimeDir& out, bool create) noexcept;

}  // namespace ouro::base
