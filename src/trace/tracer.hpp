// trace/tracer.hpp -- what the tracer knows of its process. One of these per program or shared library that links
// ouro::trace statically; several in one process do not know of each other, and need not.
//
//   registry.cpp   the program's events as others see them; which are on
//   join.cpp       a session that the program itself wants to be in
//   session.cpp    sessions as this process sees them: mapping one, adding events, threads and processes to it
//   plan.cpp       how a session wants an event: filter, limits, contexts
//   emit.cpp       an event on its way, whenever it is not on the inline path
//   context.cpp    what is written with it beside its fields; context_cache.cpp, callstack.cpp: what threads keep for that
//
// Nothing here allocates from the heap, takes a lock, throws or prints. Where two threads, or a thread and a signal
// handler, may do the same at once, both do it and one of them publishes its result.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ouro/abi/registry_layout.hpp>
#include <ouro/detail/site.hpp>
#include <ouro/ring/writer.hpp>

namespace ouro::trace {

inline constexpr std::uint32_t kMaxModules = 1024;
inline constexpr std::uint32_t kNoId = ~std::uint32_t{0};
inline constexpr std::uint32_t kRowLists = 1024;

struct KeptBegin;
struct Pair;
struct SessionView;

// How an event is written to a session, where that takes more than its bytes.
struct Plan : detail::Choice {
  SessionView* view;
  abi::EventRow* row;
  std::uint32_t rate, every;  // as in abi::RuleHeader
  std::uint64_t longer;       // as in abi::RuleHeader
  std::uint32_t span;         // whose begin or end the event is: not 0, the same for both
  bool is_end;
  std::uint32_t code_size;    // the filter as it stood in the rules, then as it is bound to the event, follow; 0: none
  std::uint32_t bound_offset; // from here
};

// A session, mapped. Made whole, then published. Some thread may be inside for as long as it likes, so nothing of it is unmapped when the
// session is over, or another takes its slot: its maker punches holes into its memory; as its successor in the slot is mapped, private zeros
// take the place of what is left; and only when kZombies more have come is this memory used again.
struct SessionView {
  std::uint32_t generation;
  std::uint32_t slot;
  std::atomic<bool> retired;
  bool is_kept, is_watched;
  abi::SessionHeader* header;       // the mapping; counters only: the constants below were checked once
  std::byte* base;
  std::uint64_t size;               // of the mapping
  std::uint64_t memory_size;        // of the view itself
  std::uint64_t events_offset, schemas_offset, schemas_size, threads_offset, processes_offset, rules_offset, rules_size;
  std::uint32_t event_capacity, thread_capacity, process_capacity;
  std::uint64_t contexts;           // behind the thread id in each record
  std::atomic<std::int32_t> announced_pid;
  ring::Channel* channel;
  std::byte* plans;                 // kPlansSize bytes
  KeptBegin* begins;                // of spans that are open (trace/spans.hpp); null: nobody asks how they began
  Pair* pairs;                      // of events for which this session is the first, by registry row
  std::atomic<std::uint32_t> plans_used;
  std::atomic<std::uint32_t> id[abi::kRegistryRows];    // the event's id in the session plus 1, by registry row; 0: not added yet
  std::atomic<std::uint64_t> plan[abi::kRegistryRows];  // {low half of the rules' version:32, Decision or a plan's place:32}, by registry row
};

inline constexpr std::uint32_t kPlansSize = 1 << 20;  // address space; memory as it is used
inline constexpr std::uint32_t kZombies = 64;

// A program or library that has events. Its sites are looked at by whoever retires a session, in any thread: see visit_sites().
struct LoadedModule {
  std::atomic<const detail::Site* const*> begin;  // null: none
  const detail::Site* const* end;
  void* filter;
  bool has_left;  // its rows
};

// What the tracer knows of a registry's row.
struct RowUse {
  std::uint32_t users;  // modules' sites that have this row
  std::uint16_t next;   // row of the same list, see Tracer::first_row
};

// What a program's start writes stands together, at the front: each page more is one more fault.
struct alignas(4096) Tracer {
  std::atomic<bool> is_in_use;      // nobody asks; stored before anything else is read here, or the page faults twice
  std::byte* registry;              // the mapping; null: no registry, nothing is ever traced
  std::int32_t pid;                 // whose registry it is
  char directory[200];
  char file[32];
  bool is_locked;                   // its lock lasts as long as its mapping
  std::atomic<std::uint32_t> module_count;
  std::atomic<std::uint32_t> visitors;  // of modules' sites
  bool is_exiting;                  // the process ends: nothing is unmapped under its other threads
  bool is_unloading;                // dlclose() has begun with whatever this is part of
  std::uint32_t seccomp_filters;     // as the program began
  const void* main_thread;           // its ouro_thread; null: another thread made the registry
  std::atomic<SessionView*> view[abi::kSessionSlots];
  std::atomic<std::uint32_t> epoch;  // counts views published
  std::atomic<std::uint32_t> zombies;
  std::atomic<SessionView*> spare;   // to be used again
  std::atomic<std::uint32_t> avoided[abi::kSessionSlots];  // generations of sessions that cannot be mapped
  // Rows by their events' filter words, modulo kRowLists, as lists; rows have their index plus 1, 0 ends a list.
  std::uint16_t first_row[kRowLists];
  RowUse row[abi::kRegistryRows];
  LoadedModule module[kMaxModules];
  std::atomic<bool> is_shared[abi::kFilterWords];  // by several events
  std::atomic<SessionView*> zombie[kZombies];  // views whose slot another session has

  abi::RegistryHeader& header() const { return *reinterpret_cast<abi::RegistryHeader*>(registry); }
  abi::RegistryRow* rows() const { return reinterpret_cast<abi::RegistryRow*>(registry + abi::kRegistryRowsOffset); }
  std::atomic<std::uint32_t>* filter() const {
    return reinterpret_cast<std::atomic<std::uint32_t>*>(registry + abi::kRegistryFilterOffset);
  }
};
extern constinit Tracer tracer;
static_assert(offsetof(Tracer, row) + 64 * sizeof(RowUse) <= 4096, "a program of some dozens of events writes one page");

// Calls see(site) for each site. A module that is being unloaded is either not seen, or waits until we are through.
template <class See>
void visit_sites(See see) noexcept {
  // Sequentially consistent, both: either we find the module gone, or who takes it out finds us; see forget().
  tracer.visitors.fetch_add(1, std::memory_order_seq_cst);
  for (std::uint32_t i = 0, n = tracer.module_count.load(std::memory_order_acquire); i < n; ++i) {
    const LoadedModule& module = tracer.module[i];
    const detail::Site* const* p = module.begin.load(std::memory_order_seq_cst);
    if (p == nullptr) continue;
    for (; p != module.end; ++p) see(const_cast<detail::Site&>(**p));
  }
  tracer.visitors.fetch_sub(1, std::memory_order_release);
}

// A larger one than the process may make is SIGXFSZ, which kills.
bool allows_file_of(std::uint64_t size) noexcept;
// Names of files that may be a session's: others are not even looked for.
bool is_session_name(const char* file) noexcept;
// The view of the session in this slot of the registry, mapped if it is not yet; null if there is none, or it cannot
// be mapped. Async-signal-safe.
SessionView* view_of(std::uint32_t slot) noexcept;
// Gives all views' memory back: nobody will come any more.
void drop_views() noexcept;
// Takes the session out of its slot, as its maker would have; where that is closed.
void leave_slot(std::uint32_t slot, std::uint32_t generation) noexcept;
void leave_if_closed(std::uint32_t slot) noexcept;
// Does the session select this event, its filter included?
bool wants(SessionView& view, const detail::Site& site) noexcept;
// How the session wants the event, which has this id in it. Async-signal-safe.
enum class Decision : std::uint32_t { unknown = 0, off = 1, plain = 2, no_room = 3, plan = 64 };
struct Decided {
  Decision decision;
  Plan* plan;  // if it is a plan
};
Decided decide(SessionView& view, const detail::Site& site, std::uint32_t id) noexcept;
// Is this one event to be written? `payload`: its fields, behind the thread's id and the contexts. Whether a span took long enough, neither asks.
bool passes_filter(const Plan& plan, const std::byte* payload, std::size_t size) noexcept;
bool passes_limits(const Plan& plan) noexcept;
// Sets the bit of the session in this slot in the event's words, as tools do; takes the event out of it.
void switch_on(abi::RegistryRow& row, std::uint32_t slot, std::uint32_t generation) noexcept;
void switch_off(abi::RegistryRow& row, std::uint32_t slot, std::uint32_t generation) noexcept;
// The event's id in the session; kNoId if its table is full.
std::uint32_t add_event(SessionView& view, const char* schema, std::uint32_t size) noexcept;
void announce(SessionView& view, const detail::ThreadState& thread) noexcept;

}  // namespace ouro::trace
