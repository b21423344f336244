// ouro/abi/session_layout.hpp -- the memory of a session: a file in the runtime folder, made by a tool, mapped by
// every traced process of the session. Version 7.
//
//   +---------------+----------+------------+---------+-----------+-------------+----------+-----+----------+
//   | SessionHeader | rules    | EventRow[] | schemas | ThreadRow | ProcessRow  | ring 0   | ... | ring k-1 |
//   +---------------+----------+------------+---------+-----------+-------------+----------+-----+----------+
//     creator; a few  tools      processes add, never remove        processes     head: creator; data: reserved
//     counters                   (compare-exchange a row's state)    add           when that CPU first writes
//
// Rings 0 .. cpus-1 are per_cpu, cpus .. 2*cpus-1 shared (for threads without rseq and for clocks that cannot be
// read inside a section); ring r begins at rings_offset + r * ring_stride. Everything but the rings' data is
// reserved by the creator, so that no store of a program meets a missing page.
//
// A row is added in two steps: state 0 -> claimed by compare-exchange, contents, then -> ready (release). A
// process killed in between spoils that row only.
#pragma once
#include <atomic>
#include <cstdint>

#include <ouro/abi/ring_layout.hpp>
#include <ouro/abi/rules_layout.hpp>

namespace ouro::abi {

inline constexpr std::uint64_t kSessionMagic = 0x316e6f6973736573;  // "session1"
inline constexpr std::uint32_t kSessionVersion = 7;

enum class SessionState : std::uint32_t { open = 1, closed = 2 };
enum RowState : std::uint32_t { row_free = 0, row_claimed = 1, row_ready = 2 };

struct SessionHeader {
  Word magic;  // stored last by the creator (release)
  std::uint32_t version;
  std::uint32_t header_size;
  std::uint64_t total_size;
  Word32 state;  // SessionState
  std::uint32_t mode;   // FullMode
  std::uint32_t clock;  // ClockKind
  std::uint32_t cpus;
  std::uint32_t subbuf_count;
  std::uint32_t generation;  // random, non-zero: tells this session from others that had its row in a registry
  std::uint64_t subbuf_size;
  std::uint64_t rings_offset, ring_stride;
  std::uint64_t events_offset;
  std::uint64_t schemas_offset, schemas_size;
  std::uint64_t threads_offset;
  std::uint64_t processes_offset;
  std::uint64_t rules_offset, rules_size;  // of each of the two areas
  std::uint32_t event_capacity, thread_capacity, process_capacity;
  std::int32_t creator_pid;
  std::uint8_t uuid[16];
  std::uint64_t contexts;  // what stands behind the thread id in each record (ouro/abi/context_layout.hpp)
  std::uint32_t is_kept;   // 1: a flight recorder, which needs no creator; it stays until somebody stops it
  std::uint32_t is_watched;  // 1: somebody waits for its events (record/event_watch.hpp), and each one rings the bell
  // When it was made: the session's clock and CLOCK_MONOTONIC at one instant; CLOCK_REALTIME less CLOCK_MONOTONIC. All in ns but the ticks.
  std::uint64_t begin_ticks;
  std::int64_t begin_ns, begin_error_ns, realtime_offset_ns, realtime_error_ns;
  // For whoever reads it after the machine has started anew, when its clocks say something else.
  std::uint8_t boot_id[16];    // of the boot that it was made in; zeros: the kernel did not tell
  std::uint64_t frequency;     // of the clock's ticks, in Hz, as measured when it was made; 0: nobody did
  // Counters.
  alignas(64) Word schemas_used;
  // Threads and processes each say their name once, in a queue that the recorder empties; of a session that is kept nobody does, and when it
  // is full the oldest go.
  Word threads_head;   // rows claimed since the beginning; row = head % capacity
  Word threads_tail;   // rows the recorder has read
  Word threads_lost;   // threads whose name found no row
  Word rules_version;  // of the list of rules (ouro/abi/rules_layout.hpp)
  Word processes_lost;
  Word processes_head, processes_tail;  // as of threads
  // The clock and CLOCK_MONOTONIC again, as a program joined; 0: nobody has. Two may have stored at once: a pair is checked against `frequency`.
  Word late_ticks, late_ns;
  Word rings_refused;  // CPUs whose memory could not be reserved (each counts its losses itself)
  // Of a session that is watched: futex(2) words. A program adds one to the bell behind each record, and wakes if somebody sleeps.
  alignas(64) Word32 bell;
  Word32 sleepers;
};
static_assert(sizeof(SessionHeader) <= 4096);

// Where the parts lie in a session of these sizes: makers and whoever checks one agree.
struct SessionSizes {
  std::uint32_t cpus, subbuf_count;
  std::uint64_t subbuf_size;
  std::uint32_t event_capacity = 8192, thread_capacity = 8192, process_capacity = 8192;
  std::uint64_t schemas_size = 2 << 20;
};
struct SessionPlaces {
  std::uint64_t rules, events, schemas, threads, processes, rings, ring_stride, end;
};
constexpr SessionPlaces places_of(const SessionSizes& sizes);

struct EventRow {  // its index is the event's id in the trace
  Word32 state;
  std::uint32_t schema_size;
  std::uint64_t schema_offset;  // from schemas_offset
  std::uint64_t hash;           // of the schema's bytes
  Word count;                   // of its records in the trace so far; written by the recorder
  // Of an event with a limit, by all programs of the session:
  Word window;                  // {second of CLOCK_MONOTONIC:32, events in it:32}
  Word seen;                    // where one of so many is wanted
  Word over_rate, not_sampled;  // left out
};
static_assert(sizeof(EventRow) == 64);

struct ThreadRow {
  Word32 state;
  std::int32_t pid, tid;
  std::uint32_t reserved;
  std::uint64_t stamp;  // of the session's clock: when the thread first wrote to the session
  char name[16];
  std::uint64_t reserved2[3];
};
static_assert(sizeof(ThreadRow) == 64);

struct ProcessRow {
  Word32 state;
  std::int32_t pid, parent_pid;
  std::uint32_t reserved;
  std::uint64_t start_time;  // /proc/PID/stat field 22: tells this process from a later one of the same pid; 0: unknown
  std::uint64_t stamp;
  char name[16];
  char registry[48];         // its registry's file name in the runtime folder; empty: none
  std::uint64_t pid_namespace;  // as in RegistryHeader
  std::uint64_t reserved2[3];
};
static_assert(sizeof(ProcessRow) == 128);

constexpr SessionPlaces places_of(const SessionSizes& sizes) {
  constexpr auto page_up = [](std::uint64_t n) { return (n + 4095) & ~std::uint64_t{4095}; };
  SessionPlaces out{};
  out.rules = 4096;
  out.events = page_up(out.rules + 2 * kRulesSize);
  out.schemas = page_up(out.events + std::uint64_t{sizes.event_capacity} * sizeof(EventRow));
  out.threads = page_up(out.schemas + sizes.schemas_size);
  out.processes = page_up(out.threads + std::uint64_t{sizes.thread_capacity} * sizeof(ThreadRow));
  out.rings = page_up(out.processes + std::uint64_t{sizes.process_capacity} * sizeof(ProcessRow));
  out.ring_stride = page_up(kRingDataOffset + (std::uint64_t{sizes.subbuf_count} + 1) * sizes.subbuf_size);
  out.end = out.rings + 2 * std::uint64_t{sizes.cpus} * out.ring_stride;
  return out;
}

// What of a session's header follows from its sizes, and is the same in all of this version.
inline void fill_sizes(SessionHeader& h, const SessionSizes& sizes, const SessionPlaces& places) noexcept {
  h.version = kSessionVersion;
  h.header_size = sizeof(SessionHeader);
  h.total_size = places.end;
  h.state.store(static_cast<std::uint32_t>(SessionState::open), std::memory_order_relaxed);
  h.cpus = sizes.cpus;
  h.subbuf_count = sizes.subbuf_count;
  h.subbuf_size = sizes.subbuf_size;
  h.rings_offset = places.rings;
  h.ring_stride = places.ring_stride;
  h.events_offset = places.events;
  h.schemas_offset = places.schemas;
  h.schemas_size = sizes.schemas_size;
  h.threads_offset = places.threads;
  h.processes_offset = places.processes;
  h.rules_offset = places.rules;
  h.rules_size = kRulesSize;
  h.event_capacity = sizes.event_capacity;
  h.thread_capacity = sizes.thread_capacity;
  h.process_capacity = sizes.process_capacity;
}

// Of 16 random bytes: RFC 4122, version 4, variant 1.
inline void become_uuid(std::uint8_t* bytes) noexcept {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
}

}  // namespace ouro::abi
