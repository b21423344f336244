#include "ring/retire.hpp"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>

namespace ouro::ring {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;

// linux/membarrier.h of 5.10 and later.
constexpr int kBarrierForSections = 1 << 7, kRegisterForSections = 1 << 8;

void restart_all_sections() noexcept { syscall(SYS_membarrier, kBarrierForSections, 0, 0); }

// True: W was exchanged. A section that had compared W before may still store its own over it.
bool poison(abi::RingHead& ring) noexcept {
  std::uint64_t w = ring.writer.write_word.load(acquire);
  if (w == abi::kRetiredWord) return true;
  ring.writer.final_word.store(w, release);  // he who sees an earlier attempt's retired W may find it
  return ring.writer.write_word.compare_exchange_strong(w, abi::kRetiredWord, std::memory_order_acq_rel, relaxed);  // ord(retire:A)
}

// Ends: no inline write is under way any more, and whoever takes the slow path finds W retired, unless it had compared W when that
// was exchanged; of those there is one per CPU at most, and it does not come again.
void retire_per_cpu(const Channel& old) noexcept {
  for (bool certain = false; !certain;) {
    for (std::uint32_t i = 0; i < old.cpus; ++i)
      while (!poison(*old.ring[i])) {
      }
    retire_reached(RetirePoint::poisoned);
    if (old.per_cpu) restart_all_sections();
    certain = true;
    for (std::uint32_t i = 0; i < old.cpus; ++i)
      certain = certain && old.ring[i]->writer.write_word.load(acquire) == abi::kRetiredWord;
  }
  retire_reached(RetirePoint::certain);
  for (std::uint32_t i = 0; i < old.cpus; ++i) old.ring[i]->writer.retired.store(1, release);  // ord(retire:B)
}

std::mutex resizing;
thread_local bool this_thread_resizes = false;  // and is interrupted by a handler that forks
std::atomic<std::uint64_t> forks{0};

}  // namespace

Status can_retire(const Channel& channel) {
  if (!channel.per_cpu || syscall(SYS_membarrier, kRegisterForSections, 0, 0) == 0) return Ok{};
  return errorf(ENOTSUP, "channel: resize: membarrier(2) for restartable sequences: errno %d, want Linux 5.10 or later, and no filter against it", errno);
}

void retire(Channel& old, const Channel& next) noexcept {
  old.successor.store(&next, release);
  const std::uint32_t rings = old.exclusive ? 1 : 2 * old.cpus;
  for (std::uint32_t i = 0; i < old.cpus; ++i) old.ring[i]->writer.mask.exchange(abi::kRetiredMask, release);
  if (old.per_cpu) restart_all_sections();
  retire_reached(RetirePoint::masked);
  retire_per_cpu(old);
  for (std::uint32_t i = old.cpus; i < rings; ++i) {
    abi::RingHead& ring = *old.ring[i];
    while (!poison(ring)) {
    }
    ring.writer.retired.store(1, release);  // ord(retire:B)
  }
  retire_reached(RetirePoint::shared);
}

std::uint64_t count_forks() {
  static const int registered = pthread_atfork([] { if (!this_thread_resizes) resizing.lock(); ++forks; }, [] { if (!this_thread_resizes) resizing.unlock(); },
                     [] { if (!this_thread_resizes) resizing.unlock(); });
  static_cast<void>(registered);
  return forks.load(relaxed);
}

NoForks::NoForks() {
  resizing.lock();
  this_thread_resizes = true;
}
NoForks::~NoForks() {
  this_thread_resizes = false;
  resizing.unlock();
}

}  // namespace ouro::ring
