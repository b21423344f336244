// asked.cpp -- what the ring asks of libc and kernel, by the names that the checker's build gives to it: CPU and time.
#include <cstddef>
#include <cstdint>
#include <ctime>

#include "machine.hpp"

namespace {
alignas(32) std::uint32_t area[8];  // as the kernel's struct rseq: [1] is the CPU
}

// The sources declare these two as constant.
extern "C" {
extern std::ptrdiff_t ouro_checked_rseq_offset;
extern unsigned ouro_checked_rseq_size;
int ouro_checked_clock_gettime(clockid_t, timespec* now) noexcept;
int ouro_checked_getcpu() noexcept;

std::ptrdiff_t ouro_checked_rseq_offset = [] {
  ouro::checker::arrived = [](int cpu) { area[1] = static_cast<std::uint32_t>(cpu); };
  return reinterpret_cast<char*>(area) - static_cast<char*>(__builtin_thread_pointer());
}();
unsigned ouro_checked_rseq_size = sizeof area;

int ouro_checked_clock_gettime(clockid_t, timespec* now) noexcept {
  *now = {0, static_cast<long>(ouro::checker::tick())};
  return 0;
}
int ouro_checked_getcpu() noexcept { return ouro::checker::this_cpu(); }
}
