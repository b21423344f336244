// trace/context.hpp -- contexts (ouro/abi/context_layout.hpp) as a program writes them. docs/contexts.md says when each is asked
// of the kernel and what it costs.
//
// Nothing here allocates from the heap, takes a lock, or leaves a descriptor open; all is async-signal-safe and keeps errno.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/context_layout.hpp>
#include <ouro/detail/site.hpp>

namespace ouro::trace {

struct SessionView;

// What any set of contexts takes at most.
inline constexpr std::size_t kMaxContexts = abi::max_context_size(abi::kAllContexts | abi::depth_bits(abi::kMaxDepth));

// Writes the contexts `mask`, all of them known (abi::knows_contexts), to where a record's thread id ends; returns their size. `thread` is the
// caller's, and knows its tid and pid. `room` is at least abi::max_context_size(mask), or nothing is written and 0 returned.
// `frame`: the frame pointer of the function that the event's code called (__builtin_frame_address(0) in it), whose return address
// is the callstack's first; null: that of put_contexts itself. `ticks`: the counter may be read (ouro/clock/tsc.hpp).
std::size_t put_contexts(std::uint64_t mask, detail::ThreadState& thread, std::byte* to, std::size_t room,
                         const void* frame = nullptr, bool ticks = false) noexcept;

// One context's value by itself, for filters: of those that are numbers, and of those that are texts (without the NUL, cut to
// `room`; returns the length). 0 for the others.
std::uint64_t context_number(abi::Context context, detail::ThreadState& thread) noexcept;
std::size_t context_text(abi::Context context, detail::ThreadState& thread, char* to, std::size_t room) noexcept;

// Writes `tid | contexts | payload` to a session that wants contexts. put(of, place) stores the payload's `size` bytes; it is called
// once, or not at all if the record is lost; with a tag, up to twice. `tag`: under which thread.route leads to this session; 0: it does not. True: it did so, and
// need not be refreshed.
bool write_with_contexts(const SessionView& view, std::uint32_t id, detail::ThreadState& thread, std::uint32_t tag, const void* frame,
                         std::size_t size, void (*put)(const void* of, std::byte* place), const void* of) noexcept;

}  // namespace ouro::trace
