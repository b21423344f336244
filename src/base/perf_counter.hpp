// base/perf_counter.hpp -- a hardware counter of the calling thread, read without a system call and held without a descriptor.
//
//   perf_event_open -> descriptor -> mmap of one page -> close      the mapping alone keeps the counter
//   read: lock, index, offset, rdpmc(index - 1), lock again         the page says which counter of the CPU is ours now
//
// A descriptor that stays open in a traced program would be closed by it sooner or later, and its number read as a
// counter when it is a socket. So a counter that only read(2) can give is refused. Counts are of user space alone: that is
// what kernel.perf_event_paranoid = 2, the kernel's own default, allows.
//
// Nothing here allocates from the heap; async-signal-safe; errno is kept.
#pragma once
#include <cstdint>

namespace ouro::base {

enum class Counter : std::uint8_t { cycles, instructions, cache_misses, branch_misses };
inline constexpr std::uint32_t kCounters = 4;

// Counts the calling thread from now on. Null: `error` says why; ENOTSUP: there is one, but only read(2) would give it.
// The page is not there in a forked child.
const void* open_counter(Counter counter, int& error) noexcept;
void close_counter(const void* page) noexcept;
// In the thread that opened it only. 0 if the kernel rewrites the page faster than it can be read.
std::uint64_t read_counter(const void* page) noexcept;

}  // namespace ouro::base
