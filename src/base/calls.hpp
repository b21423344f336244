// base/calls.hpp -- system calls of a program's start, by way of syscall(2). Each function of the C library that is called costs a start a
// lookup of its name, and some a page of the library; nor are these points at which a thread can be cancelled.
// As the functions of the same name: -1 and errno, or what they return.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace ouro::base::calls {

inline int open(const char* path, int flags, mode_t mode = 0) noexcept { return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode)); }
inline ssize_t read(int fd, void* to, size_t size) noexcept { return syscall(SYS_read, fd, to, size); }
inline int close(int fd) noexcept { return static_cast<int>(syscall(SYS_close, fd)); }
inline int fstat(int fd, struct stat* out) noexcept { return static_cast<int>(syscall(SYS_fstat, fd, out)); }
inline int stat(const char* path, struct stat* out) noexcept { return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, out, 0)); }
inline int lstat(const char* path, struct stat* out) noexcept { return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW)); }
inline ssize_t readlink(const char* path, char* to, size_t size) noexcept { return syscall(SYS_readlinkat, AT_FDCWD, path, to, size); }
inline int fstatfs(int fd, struct statfs* out) noexcept { return static_cast<int>(syscall(SYS_fstatfs, fd, out)); }
inline int ftruncate(int fd, off_t size) noexcept { return static_cast<int>(syscall(SYS_ftruncate, fd, size)); }
inline int fallocate(int fd, int mode, off_t begin, off_t size) noexcept { return static_cast<int>(syscall(SYS_fallocate, fd, mode, begin, size)); }
inline int set_lock(int fd, struct flock* lock) noexcept { return static_cast<int>(syscall(SYS_fcntl, fd, F_OFD_SETLK, lock)); }
inline int getrlimit(int resource, struct rlimit* out) noexcept { return static_cast<int>(syscall(SYS_prlimit64, 0, resource, nullptr, out)); }
inline pid_t getpid() noexcept { return static_cast<pid_t>(syscall(SYS_getpid)); }
inline pid_t gettid() noexcept { return static_cast<pid_t>(syscall(SYS_gettid)); }
inline uid_t geteuid() noexcept { return static_cast<uid_t>(syscall(SYS_geteuid)); }
inline void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, fd, offset));
}

}  // namespace ouro::base::calls
