// trace/tracer.hpp -- what the tracer knows of its process. One of these per program or shared library that links
// ouro::trace statically; several in one process do not know of each other, and need not.
//
//   registry.cpp   the program's events as others see them; which are on
//   session.cpp    sessions as this process sees them: mapping one, adding events, threads and processes to it
//   emit.cpp       an event on its way, whenever it is not on the inline path
//
// Nothing here allocates from the heap, takes a lock, throws or prints. Where two threads, or a thread and a signal
// handler, may do the same at once, both do it and one of them publishes its result.
#pragma once
#include <atomic>
#include <cstdint>

#include <ouro/abi/registry_layout.hpp>
#include <ouro/detail/site.hpp>
#include <ouro/ring/writer.hpp>

namespace ouro::trace {

inline constexpr std::uint32_t kMaxModules = 1024;
inline constexpr std::uint32_t kNoId = ~std::uint32_t{0};

// A session, mapped. Made whole, then published; never unmapped: some thread may always be inside. Its memory is
// given back by whoever made the session, who punches holes into it.
struct SessionView {
  std::uint32_t generation;
  std::uint32_t slot;
  abi::SessionHeader* header;       // the mapping; counters only: the constants below were checked once
  std::byte* base;
  std::uint64_t events_offset, schemas_offset, schemas_size, threads_offset, processes_offset, patterns_offset, patterns_size;
  std::uint32_t event_capacity, thread_capacity, process_capacity;
  std::uint64_t contexts;           // behind the thread id in each record
  std::atomic<std::int32_t> announced_pid;
  ring::Channel* channel;
  std::atomic<std::uint32_t> id[abi::kRegistryRows];  // the event's id in the session plus 1, by registry row; 0: not added yet
};

struct Tracer {
  std::byte* registry;              // the mapping; null: no registry, nothing is ever traced
  std::int32_t pid;                 // whose registry it is
  char directory[200];
  char file[32];
  detail::Module module[kMaxModules];  // filter null: none
  std::uint32_t module_count;
  // Rows whose events hash to the same filter word, as lists; rows have their index plus 1, 0 ends a list.
  std::uint16_t first_row[abi::kFilterWords];
  std::uint16_t next_row[abi::kRegistryRows];
  std::uint32_t users[abi::kRegistryRows];  // modules' sites that have this row
  std::atomic<bool> is_shared[abi::kFilterWords];          // by several events: their sites get no target
  std::atomic<bool> any_target;
  std::atomic<SessionView*> view[abi::kSessionSlots];
  std::atomic<std::uint32_t> epoch;  // counts views published

  abi::RegistryHeader& header() const { return *reinterpret_cast<abi::RegistryHeader*>(registry); }
  abi::RegistryRow* rows() const { return reinterpret_cast<abi::RegistryRow*>(registry + abi::kRegistryRowsOffset); }
  std::atomic<std::uint32_t>* filter() const {
    return reinterpret_cast<std::atomic<std::uint32_t>*>(registry + abi::kRegistryFilterOffset);
  }
};
extern constinit Tracer tracer;

// The view of the session in this slot of the registry, mapped if it is not yet; null if there is none, or it cannot
// be mapped. Async-signal-safe.
SessionView* view_of(std::uint32_t slot) noexcept;
// Does the session want this event? `name`: without a span's _begin or _end.
bool wants(const SessionView& view, const char* name) noexcept;
// The event's id in the session; kNoId if its table is full.
std::uint32_t add_event(SessionView& view, const char* schema, std::uint32_t size) noexcept;
void announce(SessionView& view, const detail::ThreadState& thread) noexcept;

}  // namespace ouro::trace
