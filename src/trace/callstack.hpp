// trace/callstack.hpp -- who called whom, by frame pointers, without ever touching memory that may not be there.
//
//   top        +-----------------+      a thread's own stack ends below what lies at its top and stays as long as the
//              | thread's block, |      thread: the block of its thread pointer, or, for the program's first thread,
//              | or AT_RANDOM    |      the bytes that the kernel put there at the program's start
//   frame 2    | fp 3 | return 3 |
//   frame 1    | fp 2 | return 2 |      on the own stack: each page between here and `top` was found readable once;
//   frame 0    | fp 1 | return 1 |      a frame lies above the one before, below `top`, or the walk ends
//   low        +-----------------+
//
// Anywhere else (alternate stacks, coroutines) memory may go at any moment: there the kernel copies, and says if it cannot.
// Code without frame pointers leaves other values in their place: the walk then ends early, or has addresses in it that are
// none. It never faults.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ouro::trace {

// What a thread found out about its own stack. Zeroes: nothing yet.
struct StackBounds {
  std::uintptr_t top;
  std::uintptr_t low;   // from here to `top` all is readable
  std::uintptr_t hole;  // this page was not; 0: none known
};

// Writes up to `depth` return addresses, 8 bytes each, and says how many. `frame`: the frame pointer of a function that
// is running in this thread. Async-signal-safe, errno is kept.
std::uint32_t walk_stack(const void* frame, StackBounds& bounds, std::byte* to, std::uint32_t depth) noexcept;

}  // namespace ouro::trace
