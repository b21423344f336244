// trace/context_cache.hpp -- what threads keep for contexts: names, namespaces, where the stack is, counters.
//
//   Table, mapped when a thread first needs it; a forked child sees zeroes instead (MADV_WIPEONFORK)
//   +------+------+---------------------------+----------------------------+
//   | used | hand | owner[kCaches]            | ContextCache[kCaches]      |
//   +------+------+---------------------------+----------------------------+
//                   {claims:32, thread id:32}   its owner alone
//
//   ThreadState::contexts   pointer to the thread's cache | 1 while some frame of the thread uses it, or ThreadState::known
//
// A thread claims a cache once; those of dead threads are found by the hand, which looks at a few at each claim, and
// claimed again. A signal handler that interrupts its thread in here finds the 1 and works with a spare on its stack: no
// value is ever seen half written, and nothing waits. A handler that leaves by siglongjmp leaves the 1 behind: that thread
// then asks the kernel at every event, and its hardware counters are 0.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/context_layout.hpp>
#include <ouro/detail/site.hpp>

#include "base/perf_counter.hpp"
#include "trace/callstack.hpp"

namespace ouro::trace {

inline constexpr std::uint32_t kCaches = 4096;
// What is asked once and then kept is asked again by an event that comes so much later.
inline constexpr std::uint64_t kFreshNs = 100'000'000;

inline constexpr std::uint32_t kNamespaces = 8;
constexpr std::uint64_t namespace_bits() {
  std::uint64_t bits = 0;
  for (std::uint32_t i = 0; i < kNamespaces; ++i) bits |= abi::bit(abi::Context::ns_cgroup) << i;
  return bits;
}
inline constexpr std::uint64_t kKeptContexts =
    abi::bit(abi::Context::thread) | abi::bit(abi::Context::comm) | abi::bit(abi::Context::cgroup) | namespace_bits();
constexpr std::uint64_t counter_bits() {
  std::uint64_t bits = 0;
  for (std::uint32_t i = 0; i < base::kCounters; ++i) bits |= abi::bit(abi::Context::cycles) << i;
  return bits;
}
// For these a thread has a cache.
inline constexpr std::uint64_t kCachedContexts = kKeptContexts | abi::bit(abi::Context::callstack) | counter_bits();

// No initialisers: a spare costs nothing until it is used.
struct alignas(64) ContextCache {
  std::uint32_t tid, pid;
  std::uint64_t asked_ns;   // of CLOCK_MONOTONIC_COARSE
  std::uint64_t asked_ticks;  // between that and the asking; 0: not read
  std::uint64_t known;      // contexts of which there is a value here
  StackBounds stack;
  const void* counter[base::kCounters];
  std::uint32_t tried;      // counters
  std::uint32_t name_space[kNamespaces];
  std::uint32_t thread_size, comm_size;  // with the NUL
  char thread[abi::kNameSize], comm[abi::kNameSize];
  char cgroup[abi::kCgroupSize];
};

// The calling thread's, with fresh values of those contexts that are kept. `contexts` has some of kCachedContexts.
class Borrowed {
 public:
  struct How {
    bool again = false;  // ask, whatever their age
    bool ticks = false;  // the counter may be read
  };
  Borrowed(detail::ThreadState& thread, std::uint64_t contexts, How how = {false, false}) noexcept;
  ~Borrowed();
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  ContextCache& operator*() const noexcept { return *cache_; }
  ContextCache* operator->() const noexcept { return cache_; }
  bool is_spare() const noexcept { return cache_ == &spare_; }

 private:
  void use_spare() noexcept;
  void freshen(std::uint64_t contexts, How how) noexcept;
  void start_over(How how) noexcept;

  detail::ThreadState& thread_;
  ContextCache* cache_;
  ContextCache spare_;
};

// Gives all of it back: no thread will ask again.
void release_caches() noexcept;

// Counts since the thread's first event with this context; 0 if it cannot be had.
std::uint64_t counter_of(ContextCache& cache, std::uint32_t counter) noexcept;

}  // namespace ouro::trace
