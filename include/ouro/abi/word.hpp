// ouro/abi/word.hpp -- what shared memory is made of: words, fences, and plain bytes between them.
//
// Rings touch their memory through this header only. So tests/checker can run the very same functions in a memory of its own, by a
// header of this name that its build finds first.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ouro::abi {

using Word = std::atomic<std::uint64_t>;
using Word32 = std::atomic<std::uint32_t>;
static_assert(Word::is_always_lock_free && Word32::is_always_lock_free, "shared between processes");

[[gnu::always_inline]] inline void fence(std::memory_order order) noexcept { std::atomic_thread_fence(order); }

// What plain code has just done with bytes of a ring; nothing to a machine, all to the checker.
constexpr void stored(const void*, std::size_t) noexcept {}               // nobody else may store or load there meanwhile
constexpr void loaded(const void*, std::size_t) noexcept {}               // nobody else may store there meanwhile
constexpr void copied(void*, const void*, std::size_t) noexcept {}        // others may: the copy counts once that was ruled out

}  // namespace ouro::abi
