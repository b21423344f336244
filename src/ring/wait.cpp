#include "ring/wait.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include <ouro/clock/tsc.hpp>

#include "ring/writer_internal.hpp"

namespace ouro::ring {
namespace {

// linux/futex.h of 5.16 and later.
constexpr long kFutexWaitv = 449;
constexpr std::uint32_t kFutex32Bits = 2;  // and not private: others map the words too
struct FutexWaitv {
  std::uint64_t value, address;
  std::uint32_t flags, reserved;
};
constexpr std::size_t kMaxWords = 128;

// False: this kernel, or what it lets us do, cannot.
bool futex_waitv(std::span<const Sleep> sleeps, std::uint64_t until_ns) {
  std::array<FutexWaitv, kMaxWords> waiters{};
  for (std::size_t i = 0; i < sleeps.size(); ++i)
    waiters[i] = {sleeps[i].seen, reinterpret_cast<std::uintptr_t>(sleeps[i].word), kFutex32Bits, 0};
  const timespec until{static_cast<time_t>(until_ns / 1'000'000'000), static_cast<long>(until_ns % 1'000'000'000)};
  return syscall(kFutexWaitv, waiters.data(), static_cast<unsigned>(sleeps.size()), 0, &until, CLOCK_MONOTONIC) >= 0 || errno == EAGAIN || errno == EINTR ||
         errno == ETIMEDOUT;
}

}  // namespace

void sleep_on_any(std::span<const Sleep> sleeps, std::uint64_t patience_ns) {
  sleeps = sleeps.first(std::min(sleeps.size(), kMaxWords));
  if (sleeps.empty()) return;
  if (sleeps.size() == 1) return void(sleep_on(*sleeps[0].word, *sleeps[0].sleepers, sleeps[0].seen, patience_ns));
  const std::uint64_t now = clock::read_monotonic(), until = now + std::min<std::uint64_t>(patience_ns, INT64_MAX - now);
  const auto unchanged = [&] {
    return std::all_of(sleeps.begin(), sleeps.end(), [](const Sleep& s) { return s.word->load(std::memory_order_seq_cst) == s.seen; });
  };
  for (const Sleep& s : sleeps) s.sleepers->fetch_add(1, std::memory_order_seq_cst);  // ord(bell:B) pairs with bell:A
  if (unchanged() && !futex_waitv(sleeps, until)) {
    constexpr timespec kPause{0, 10'000'000};
    while (unchanged() && clock::read_monotonic() < until) nanosleep(&kPause, nullptr);
  }
  for (const Sleep& s : sleeps) s.sleepers->fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace ouro::ring
