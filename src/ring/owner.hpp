// ring/owner.hpp -- is the owner of a two-phase record still there?
#pragma once
#include <cstdint>

namespace ouro::ring {

inline constexpr std::uint64_t kBurier = ~std::uint64_t{0};  // the state of an entry whose record a reader has buried
// How far: not yet marked; marked, and perhaps counted as committed; counted.
inline constexpr std::uint64_t kBegun = 0, kMarked = 2, kCounted = 1;

// {thread id:32, process id:32}. A zombie is dead: it will not run again. A thread of another PID namespace cannot
// be seen from here and counts as alive where /proc cannot tell.
bool kernel_says_dead(std::uint64_t owner);
// Tests put what others do meanwhile in its place.
inline bool (*owner_is_dead)(std::uint64_t owner) = kernel_says_dead;

}  // namespace ouro::ring
