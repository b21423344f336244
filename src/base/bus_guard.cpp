#include "base/bus_guard.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

namespace ouro::base {
namespace {

struct Range {
  std::atomic<std::uintptr_t> begin{0}, end{0};  // end 0: not in use
  std::atomic<bool> cut{false};
};
constexpr std::size_t kRanges = 4096;
Range ranges[kRanges];
std::atomic<std::size_t> ranges_used{0};
std::mutex changing;
struct sigaction old_action;

Range* find(std::uintptr_t address) {
  for (std::size_t i = 0, n = ranges_used.load(std::memory_order_acquire); i < n; ++i)
    if (address >= ranges[i].begin.load(std::memory_order_relaxed) && address < ranges[i].end.load(std::memory_order_acquire)) return &ranges[i];
  return nullptr;
}

// Puts zeros where the file ends, from the page that was asked for to the mapping's end; then the load is tried again.
void on_bus_error(int, siginfo_t* info, void*) {
  const int saved = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  Range* range = find(address);
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t from = address & ~(page - 1);
  if (range == nullptr || ::mmap(reinterpret_cast<void*>(from), range->end.load(std::memory_order_relaxed) - from, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
    ::sigaction(SIGBUS, &old_action, nullptr);  // not ours: the next try is the end
  else
    range->cut.store(true, std::memory_order_relaxed);
  errno = saved;
}

}  // namespace

bool guard_mapping(void* memory, std::size_t size) {
  const std::lock_guard lock(changing);
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    return ::sigaction(SIGBUS, &action, &old_action) == 0;
  }();
  const std::size_t used = ranges_used.load(std::memory_order_relaxed);
  std::size_t i = 0;
  while (i < used && ranges[i].end.load(std::memory_order_relaxed) != 0) ++i;
  if (i == kRanges || !installed) return false;
  ranges[i].cut.store(false, std::memory_order_relaxed);
  ranges[i].begin.store(reinterpret_cast<std::uintptr_t>(memory), std::memory_order_relaxed);
  ranges[i].end.store(reinterpret_cast<std::uintptr_t>(memory) + size, std::memory_order_release);
  if (i == used) ranges_used.store(used + 1, std::memory_order_release);
  return true;
}

void unguard_mapping(void* memory) {
  const std::lock_guard lock(changing);
  if (Range* range = find(reinterpret_cast<std::uintptr_t>(memory))) range->end.store(0, std::memory_order_relaxed);
}

bool was_cut_short(const void* memory) {
  const Range* range = find(reinterpret_cast<std::uintptr_t>(memory));
  return range != nullptr && range->cut.load(std::memory_order_relaxed);
}

}  // namespace ouro::base
