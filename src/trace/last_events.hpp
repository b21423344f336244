// trace/last_events.hpp -- the newest events of a session, over all its rings, from inside a process that is crashing while other threads, and
// other processes, go on writing.
//
//   ring 0  [ .. | s-1 | s ]   each ring's newest part first, then those before, until no older record can be among the newest
//   ring 1  [ .. | t-1 | t ]   a part is read forwards, its last records are noted, copied into a heap by time, and kept if the part was
//   ...                        not overwritten meanwhile
//
// Records under way (Pending) are stepped over and counted; those of the thread that crashed are named: it was in the midst of writing them.
// Nothing is allocated, nothing in shared memory is believed, and time is limited.
#pragma once
#include <cstddef>
#include <cstdint>

#include "trace/event_text.hpp"

namespace ouro::trace {

inline constexpr std::uint32_t kMostEvents = 1024;
inline constexpr std::uint32_t kMostRings = 16384;
inline constexpr std::size_t kKeptBytes = 1000;  // of a record
inline constexpr std::uint32_t kMostOpen = 8;

struct LastEvent {
  std::uint64_t stamp;
  std::uint64_t part;        // the number of the part of a ring where it was found
  const EventType* type;
  std::uint32_t cpu, tid;
  std::uint32_t size;        // of what is kept
  std::byte bytes[kKeptBytes + 4];
};

struct LastEventsMemory {  // mapped; zeros; used as far as needed
  std::byte types[EventTypes::kRoom];
  LastEvent event[kMostEvents];
  std::uint32_t heap[kMostEvents];  // of events' numbers, the oldest on top; in the end by time
  struct {
    std::uint64_t stamp;
    const EventType* type;
    std::uint32_t at, size, tid;
  } noted[kMostEvents];
  struct {
    std::uint64_t current, oldest;  // sequence numbers; the stamp that nothing left in the ring is younger than
    std::uint64_t w;
    bool is_done;
  } ring[kMostRings];
  struct {
    std::uint32_t tid;
    bool is_known, is_own;
  } thread[4096];
};

struct LastEventsWish {
  std::uint32_t events = 32;    // at most; 1 to kMostEvents
  bool all_processes = false;   // else of this one
  std::uint32_t tid = 0;        // who crashed
  std::uint64_t deadline_ns = ~std::uint64_t{0};  // of CLOCK_MONOTONIC
};

struct LastEvents {
  std::uint32_t count = 0;             // memory.event[memory.heap[i]], the oldest first
  std::uint64_t lost = 0;              // counted in the session, by causes other than being overwritten
  std::uint32_t unreadable = 0;        // parts of rings that make no sense from some point on
  std::uint32_t under_way = 0;         // records of others that were stepped over
  std::uint32_t open_count = 0;        // records that the thread which crashed was writing, the outermost first
  const EventType* open[kMostOpen] = {};  // null: unknown
  bool is_late = false;                // the time was not enough to look at all
};

// `types`: of the same session, in memory.types.
LastEvents find_last_events(const SessionView& view, EventTypes& types, const LastEventsWish& wish, LastEventsMemory& memory) noexcept;

// Tests put what others do meanwhile in its place: a part was read, and is about to be checked.
inline void (*part_was_read)() noexcept = nullptr;

}  // namespace ouro::trace
