#include "trace/context_cache.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "trace/context_bytes.hpp"
#include "trace/text.hpp"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::uintptr_t kInUse = detail::kContextsInUse;
constexpr int kLooks = 4;   // caches that a claim looks at before it takes one that was never used
constexpr int kLastLooks = 16;  // where there is none of these

struct Table {
  std::atomic<std::uint32_t> used, hand;
  std::atomic<std::uint64_t> owner[kCaches];  // thread id 0: being claimed
  ContextCache cache[kCaches];
};
constinit std::atomic<Table*> the_table{nullptr};

// Null: none, and nothing is kept. A child must not have its parent's: its tids are others, and counters' pages are not there.
Table* table() noexcept {
  Table* present = the_table.load(std::memory_order_acquire);
  if (present != nullptr) return present;
  void* memory = mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  if (madvise(memory, sizeof(Table), MADV_WIPEONFORK) != 0) {  // before Linux 4.14; emulators
    munmap(memory, sizeof(Table));
    return nullptr;
  }
  // Acquire and release: whoever comes second uses the first one's.
  if (the_table.compare_exchange_strong(present, static_cast<Table*>(memory), std::memory_order_acq_rel)) return static_cast<Table*>(memory);
  munmap(memory, sizeof(Table));
  return present;
}

// Asked of the kernel: ThreadState has the parent's where somebody forked behind the C library's back.
bool is_dead(std::uint32_t tid) noexcept { return syscall(SYS_tgkill, getpid(), tid, 0) != 0 && errno == ESRCH; }

// The hand's next cache, if its owner is dead and nobody else was faster. The count of claims in its word rules out that its
// thread id came to life again in between and has claimed it.
ContextCache* take_of_the_dead(Table& t, const detail::ThreadState& thread) noexcept {
  const std::uint32_t used = t.used.load(relaxed);
  if (used == 0) return nullptr;
  const std::uint32_t i = t.hand.fetch_add(1, relaxed) % used;
  std::uint64_t owner = t.owner[i].load(relaxed);
  const auto tid = static_cast<std::uint32_t>(owner);
  if (tid == 0 || !is_dead(tid)) return nullptr;
  // Relaxed: what the dead one left is overwritten, but for its counters, and an end of a thread comes before its ESRCH.
  if (!t.owner[i].compare_exchange_strong(owner, ((owner >> 32) + 1) << 32 | thread.tid, relaxed)) return nullptr;
  ContextCache& cache = t.cache[i];
  for (const void* page : cache.counter)
    if (page != nullptr) base::close_counter(page);
  return &cache;
}

ContextCache* take_unused(Table& t, const detail::ThreadState& thread) noexcept {
  std::uint32_t i = t.used.load(relaxed);
  do {
    if (i >= kCaches) return nullptr;
  } while (!t.used.compare_exchange_weak(i, i + 1, relaxed));
  t.owner[i].store(std::uint64_t{1} << 32 | thread.tid, relaxed);
  return &t.cache[i];
}

ContextCache* claim(const detail::ThreadState& thread) noexcept {
  Table* const t = table();
  if (t == nullptr) return nullptr;
  ContextCache* cache = nullptr;
  for (int i = 0; i < kLooks && cache == nullptr; ++i) cache = take_of_the_dead(*t, thread);
  if (cache == nullptr) cache = take_unused(*t, thread);
  for (int i = 0; i < kLastLooks && cache == nullptr; ++i) cache = take_of_the_dead(*t, thread);
  if (cache == nullptr) return nullptr;
  std::memset(static_cast<void*>(cache), 0, sizeof *cache);
  cache->tid = thread.tid;
  cache->pid = thread.pid;
  return cache;
}

// A page of it at most; a raw system call each, for open(2) and its like are places where a cancelled thread ends.
std::size_t read_file(const char* path, char* to, std::size_t room) noexcept {
  const long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const long n = syscall(SYS_read, fd, to, room);
  syscall(SYS_close, fd);
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

void ask_comm(ContextCache& cache) noexcept {
  const std::size_t n = read_file("/proc/self/comm", cache.comm, sizeof cache.comm - 1);
  cache.comm[n] = '\0';
  if (n != 0 && cache.comm[n - 1] == '\n') cache.comm[n - 1] = '\0';
  cache.comm_size = static_cast<std::uint32_t>(std::strlen(cache.comm)) + 1;
}

void ask_thread(ContextCache& cache) noexcept {
  prctl(PR_GET_NAME, cache.thread);
  cache.thread[sizeof cache.thread - 1] = '\0';
  cache.thread_size = static_cast<std::uint32_t>(std::strlen(cache.thread)) + 1;
}

void ask_namespaces(ContextCache& cache, std::uint64_t missing) noexcept {
  static constexpr const char* kNames[kNamespaces] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
  for (std::uint32_t i = 0; i < kNamespaces; ++i) {
    if ((missing & abi::bit(abi::Context::ns_cgroup) << i) == 0) continue;
    char path[40];
    struct stat status;
    Text(path).add("/proc/thread-self/ns/").add(kNames[i]);
    cache.name_space[i] = stat(path, &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
  }
}

// "0::/path" is that of version 2; where there is only version 1, the first line's is taken. The text may be cut.
void ask_cgroup(ContextCache& cache) noexcept {
  char text[2048];
  const std::size_t n = read_file("/proc/thread-self/cgroup", text, sizeof text - 1);
  text[n] = '\0';
  const char* line = std::strstr(text, "\n0::");
  line = line != nullptr ? line + 1 : text;
  const char* path = std::strchr(line, ':');
  if (path != nullptr) path = std::strchr(path + 1, ':');
  cache.cgroup[0] = '\0';
  if (path == nullptr) return;
  ++path;
  std::size_t length = std::strcspn(path, "\n");
  if (length >= sizeof cache.cgroup) {  // its end says most
    path += length - (sizeof cache.cgroup - 1);
    length = sizeof cache.cgroup - 1;
  }
  std::memcpy(cache.cgroup, path, length);
  cache.cgroup[length] = '\0';
}

std::uint64_t coarse_now() noexcept {
  timespec t;
  if (clock_gettime(CLOCK_MONOTONIC_COARSE, &t) != 0) return 0;
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

[[gnu::cold]] void ask(ContextCache& cache, std::uint64_t missing) noexcept {
  using abi::Context;
  const int saved = errno;
  if ((missing & abi::bit(Context::thread)) != 0) ask_thread(cache);
  if ((missing & abi::bit(Context::comm)) != 0) ask_comm(cache);
  if ((missing & namespace_bits()) != 0) ask_namespaces(cache, missing);
  if ((missing & abi::bit(Context::cgroup)) != 0) ask_cgroup(cache);
  cache.known |= missing;
  errno = saved;
}

std::uintptr_t load_word(const detail::ThreadState& thread) noexcept {
  return *const_cast<const volatile std::uintptr_t*>(&thread.contexts);
}
void store_word(detail::ThreadState& thread, std::uintptr_t word) noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  *const_cast<volatile std::uintptr_t*>(&thread.contexts) = word;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace

Borrowed::Borrowed(detail::ThreadState& thread, std::uint64_t contexts, How how) noexcept : thread_(thread) {
  const std::uintptr_t word = load_word(thread);
  cache_ = reinterpret_cast<ContextCache*>(word & ~kInUse);
  if ((word & kInUse) != 0) {
    use_spare();
  } else {
    store_word(thread, word | kInUse);
    if (cache_ == nullptr || cache_->tid != thread.tid || cache_->pid != thread.pid) [[unlikely]] {
      const int saved = errno;
      cache_ = claim(thread);
      errno = saved;
      if (cache_ == nullptr) {
        store_word(thread, 0);
        use_spare();
      }
    }
  }
  freshen(contexts, how);
}

Borrowed::~Borrowed() {
  if (cache_ != &spare_) store_word(thread_, reinterpret_cast<std::uintptr_t>(cache_));
}

void Borrowed::use_spare() noexcept {
  std::memset(static_cast<void*>(&spare_), 0, sizeof spare_);
  spare_.tried = ~std::uint32_t{0};
  cache_ = &spare_;
}

[[gnu::cold]] void Borrowed::start_over(How how) noexcept {
  cache_->known = 0;
  cache_->stack.hole = 0;
  // Ticks on either side of the coarse time, so that whatever comes in between makes more ticks seem to be fewer.
  const std::uint64_t ticks = how.ticks ? clock::read_unordered(true) : 0;
  const std::uint64_t now = coarse_now();
  if (ticks != 0 && cache_->asked_ticks != 0) learned(ticks - cache_->asked_ticks, now - cache_->asked_ns);
  cache_->asked_ns = now;
  cache_->asked_ticks = how.ticks ? clock::read_unordered(true) : 0;
}

void Borrowed::freshen(std::uint64_t contexts, How how) noexcept {
  if (how.again || coarse_now() - cache_->asked_ns >= kFreshNs) [[unlikely]]
    start_over(how);
  if (const std::uint64_t missing = contexts & kKeptContexts & ~cache_->known; missing != 0) [[unlikely]]
    ask(*cache_, missing);
}

void release_caches() noexcept {
  Table* const t = the_table.exchange(nullptr, std::memory_order_acq_rel);
  if (t == nullptr) return;
  for (std::uint32_t i = 0, n = t->used.load(relaxed); i < n && i < kCaches; ++i)
    for (const void* page : t->cache[i].counter)
      if (page != nullptr) base::close_counter(page);
  munmap(static_cast<void*>(t), sizeof(Table));
}

std::uint64_t counter_of(ContextCache& cache, std::uint32_t counter) noexcept {
  if ((cache.tried >> counter & 1) == 0) [[unlikely]] {
    cache.tried |= std::uint32_t{1} << counter;
    int error;
    cache.counter[counter] = base::open_counter(static_cast<base::Counter>(counter), error);
  }
  return cache.counter[counter] != nullptr ? base::read_counter(cache.counter[counter]) : 0;
}

}  // namespace ouro::trace
