// base/linked_file.hpp -- a file of the runtime folder, or one on a disk that stands there by name.
//
//   RUNTIME/session-flight -> /var/lib/ouro/session-flight      a symbolic link: absolute, and what it names is no link itself
//
// The runtime folder is its user's alone, so a link there is his. Whoever is somebody else (root) follows none: it would lead him where the
// user cannot go. No allocation, no libstdc++; async-signal-safe.
#pragma once
#include <sys/types.h>

#include <cstddef>

namespace ouro::base {

// The longest name that a link may have, its NUL included.
inline constexpr std::size_t kMaxLinked = 512;

// As open(path, flags | O_NOFOLLOW), a link followed once. ELOOP: what it names is not absolute, too long, or a link again.
int open_linked(const char* path, int flags) noexcept;
// The same by one who works for `owner`: he follows links only if that is he.
int open_linked_of(const char* path, int flags, uid_t owner) noexcept;
// What the link at `path` names. False: there is no link, or none as above.
bool read_linked(const char* path, char (&to)[kMaxLinked]) noexcept;

}  // namespace ouro::base
