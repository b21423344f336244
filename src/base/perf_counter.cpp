#include "base/perf_counter.hpp"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace ouro::base {
namespace {

constexpr std::size_t kPage = 4096;
constexpr int kTries = 64;

constexpr std::uint64_t kConfigs[kCounters] = {PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_CACHE_MISSES,
                                               PERF_COUNT_HW_BRANCH_MISSES};

// Raw system calls: open(2) and close(2) of the C library are places where a cancelled thread ends.
int open_event(Counter counter) noexcept {
  perf_event_attr attr;
  std::memset(&attr, 0, sizeof attr);
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_HARDWARE;
  attr.config = kConfigs[static_cast<std::size_t>(counter)];
  attr.exclude_kernel = 1;
  attr.exclude_hv = 1;
  return static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

#if defined(__x86_64__)
constexpr bool kHasInstruction = true;
std::uint64_t read_pmc(std::uint32_t index) noexcept {
  std::uint32_t low, high;
  asm volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(index));
  return low | std::uint64_t{high} << 32;
}
#else
constexpr bool kHasInstruction = false;
std::uint64_t read_pmc(std::uint32_t) noexcept { return 0; }
#endif

}  // namespace

const void* open_counter(Counter counter, int& error) noexcept {
  const int saved = errno;
  error = 0;
  void* page = MAP_FAILED;
  const int fd = open_event(counter);
  if (fd < 0) {
    error = errno;
  } else {
    page = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) error = errno;
    syscall(SYS_close, fd);
  }
  if (page != MAP_FAILED && !(kHasInstruction && static_cast<const perf_event_mmap_page*>(page)->cap_user_rdpmc)) {
    munmap(page, kPage);
    page = MAP_FAILED;
    error = ENOTSUP;
  }
  errno = saved;
  return page == MAP_FAILED ? nullptr : page;
}

void close_counter(const void* page) noexcept {
  const int saved = errno;
  munmap(const_cast<void*>(page), kPage);
  errno = saved;
}

// The kernel counts `lock` up before and after it rewrites the page, which it does only while this thread does not run on.
// Between the first load and the last, this thread may be switched out; then the two differ.
std::uint64_t read_counter(const void* page) noexcept {
  const auto* const p = static_cast<const volatile perf_event_mmap_page*>(page);
  for (int i = 0; i < kTries; ++i) {
    const std::uint32_t lock = p->lock;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const std::uint32_t index = p->index;
    std::uint64_t count = static_cast<std::uint64_t>(p->offset);
    const std::uint32_t width = p->pmc_width;
    if (index != 0 && p->cap_user_rdpmc && width != 0 && width <= 64) {  // 0: not on this CPU at the moment, `offset` is all
      const std::uint32_t rest = 64 - width;
      count += static_cast<std::uint64_t>(static_cast<std::int64_t>(read_pmc(index - 1) << rest) >> rest);
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (p->lock == lock) return count;
  }
  return 0;
}

}  // namespace ouro::base
