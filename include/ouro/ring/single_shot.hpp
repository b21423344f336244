// ouro/ring/single_shot.hpp -- a record written in one restartable sequence: reserve, stamp, copy, commit. One file per
// architecture; where there is none, and where compilers do not optimise, every function here declines.
//
// They write a record if the route is for `tag` and for the CPU the thread is on, and the record fits and needs no extended
// header. False: nothing was written; the caller refreshes the route and takes the slow path.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/ring_layout.hpp>
#include <ouro/detail/rseq.hpp>

namespace ouro::ring {

inline constexpr std::size_t kCompactHeader = 4;
inline constexpr std::size_t kExtendedHeader = 16;
inline constexpr std::uint32_t kExtendedId = 1023;
inline constexpr std::uint32_t kPaddingId = 0xffffffff;  // in an extended header: the record was reserved, and discarded
inline constexpr int kStampBits = 22;

// Which word of the thread's rseq area says which ring is its own: kIndexAt, Channel::index_at.
inline constexpr std::uint32_t kByCpu = 4, kByConcurrency = 24;

// What a thread has looked up: the ring where its records of one channel go while it stays on its CPU, or keeps its concurrency id. One per thread and
// channel, or one per thread with a tag that says whose it is at the moment; in thread-local storage, where its members
// are one instruction away. Written by refresh() only.
struct Route {
  std::uint32_t tag = 0;  // 0: for no channel
  std::uint32_t index = 0;
  abi::RingHead* ring = nullptr;
#if OURO_HAS_RSEQ
  ouro::detail::RseqArea* rseq = &ouro::detail::no_rseq;
#endif
};

namespace detail {

// A record's body may begin with 4 bytes that are the thread's, not the record's: they are read inside the section, where the
// route that was found good vouches for them.
using Context = const std::uint32_t;
inline constinit Context no_context = 0;  // stands for none

}  // namespace detail
}  // namespace ouro::ring

#if OURO_INLINE_SECTIONS && defined(__x86_64__)
#include <ouro/ring/single_shot_x86_64.hpp>
#elif OURO_INLINE_SECTIONS
#include <ouro/ring/single_shot_aarch64.hpp>
#else
namespace ouro::ring::detail {

template <std::size_t kA, std::size_t kB, std::size_t kC, std::size_t kD, std::size_t kIndexAt = kByCpu>
inline bool shoot_fields(const Route&, std::uint32_t, std::uint32_t, Context&, std::uint64_t, std::uint64_t, std::uint64_t,
                         std::uint64_t) noexcept {
  return false;
}
template <std::size_t kSize, bool kContext, std::size_t kIndexAt = kByCpu>
inline bool shoot_fixed(const Route&, std::uint32_t, std::uint32_t, Context&, const std::uint64_t*) noexcept {
  return false;
}
template <std::size_t kSize, std::size_t kIndexAt = kByCpu>
inline bool shoot_unstamped(const Route&, std::uint32_t, const std::uint64_t*) noexcept {
  return false;
}
template <std::size_t kHead, std::size_t kTail, bool kText, bool kStamped, bool kContext, std::size_t kIndexAt = kByCpu, std::size_t kAfter = 0>
inline bool shoot_bytes(const Route&, std::uint32_t, std::uint32_t, Context&, const std::uint64_t*, const void*, std::size_t) noexcept {
  return false;
}

}  // namespace ouro::ring::detail
#endif
