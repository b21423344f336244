#include "trace/context_bytes.hpp"

#include <atomic>
#include <cstring>

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constinit std::atomic<std::uint64_t> least{0};  // ticks in a millisecond; 0: not known. Relaxed: it is all that is passed on

}  // namespace

std::uint64_t ticks_that_stand() noexcept { return ticks_to_stand(least.load(relaxed)); }

void learned(std::uint64_t ticks, std::uint64_t coarse_ns) noexcept {
  // Of less it says too little; over more the machine may have slept, which the two clocks see differently.
  if (coarse_ns < kStandNs / 2 || coarse_ns > 10'000'000'000 || ticks >> 63 != 0) return;
  const std::uint64_t now = ticks_per_ms(ticks, coarse_ns);
  if (const std::uint64_t before = least.load(relaxed); before == 0 || now < before) least.store(now, relaxed);
}

void let_stand(detail::ThreadState& thread, std::uint64_t contexts, const std::byte* from, std::size_t size, std::uint32_t pid,
               std::uint64_t until) noexcept {
  detail::ContextBytes& known = thread.known;
  known.contexts = 0;
  if (until == 0 || size > sizeof known.bytes || thread.route.ring->writer.stamp_deadline.load(relaxed) > until) return;
  std::memcpy(known.bytes, from, size);
  known.size = static_cast<std::uint32_t>(size);
  known.pid = pid;
  known.until = until;
  known.contexts = contexts;
}

}  // namespace ouro::trace
