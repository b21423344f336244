// base/proc.hpp -- which process a pid is: numbers come again, a pid with its start time does not.
// No allocation, no libstdc++; async-signal-safe; leaves errno alone.
#pragma once
#include <cstdint>

namespace ouro::base {

// In the kernel's clock ticks since boot (field 22 of /proc/PID/stat); 0 if there is no such process, or /proc does
// not tell.
std::uint64_t start_time_of(int pid) noexcept;
std::uint64_t start_time_of(int pid, char (&name)[16]) noexcept;  // and its name, from the same file

// Which namespace of a kind ("pid", "user") the process is in: the inode of /proc/self/ns/KIND. 0: /proc does not tell.
std::uint64_t own_namespace(const char* kind) noexcept;

// Is the process that had `pid` and began at `start_time` still there? A zombie is not: it will do nothing any more.
// Of an unknown start time (0) only the pid counts.
bool is_alive(int pid, std::uint64_t start_time) noexcept;

// How many seccomp filters the thread of this number has. Before Linux 5.9, which does not count them, 1 says that there are some.
// kUnknownFilters: /proc does not tell. kMainThread, of the calling process, costs less than kThisThread.
inline constexpr int kThisThread = 0, kMainThread = -1;
inline constexpr std::uint32_t kUnknownFilters = ~std::uint32_t{0};
std::uint32_t seccomp_filters_of(int pid) noexcept;

}  // namespace ouro::base
