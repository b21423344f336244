#include <bit>

#include <ouro/ring/reader.hpp>

#include "ring/internal.hpp"

namespace ouro::ring {

Result<Geometry> check(const Geometry& g) {
  if (g.kind != abi::RingKind::per_cpu && g.kind != abi::RingKind::shared && g.kind != abi::RingKind::exclusive)
    return errorf(22, "ring: kind is %u, want 1 (per_cpu), 2 (shared) or 3 (exclusive)", static_cast<unsigned>(g.kind));
  if (g.mode != abi::FullMode::discard && g.mode != abi::FullMode::overwrite)
    return errorf(22, "ring: mode is %u, want 1 (discard) or 2 (overwrite)", static_cast<unsigned>(g.mode));
  if (!std::has_single_bit(g.subbuf_count) || g.subbuf_count < abi::kMinSubbufs || g.subbuf_count > abi::kMaxSubbufs)
    return errorf(22, "ring: %u sub-buffers, want a power of two from %zu to %zu", g.subbuf_count, abi::kMinSubbufs,
                  abi::kMaxSubbufs);
  if (!std::has_single_bit(g.subbuf_size) || g.subbuf_size < abi::kMinSubbufSize || g.subbuf_size > abi::kMaxSubbufSize)
    return errorf(22, "ring: sub-buffers of %llu bytes, want a power of two from %llu to %llu",
                  static_cast<unsigned long long>(g.subbuf_size), static_cast<unsigned long long>(abi::kMinSubbufSize),
                  static_cast<unsigned long long>(abi::kMaxSubbufSize));
  if (g.data_size() > abi::kMaxRingData)
    return errorf(22, "ring: %u + 1 sub-buffers of %llu bytes are more than 1 GiB (hint: a smaller --buffer-size)",
                  g.subbuf_count, static_cast<unsigned long long>(g.subbuf_size));
  return g;
}

}  // namespace ouro::ring
