// ouro/abi/registry_layout.hpp -- what a program can be asked to trace: a file PID.N in the runtime folder, made by
// the program at its start. Version 3.
//
//   0                4096           20480                    rows_end          + blobs
//   +----------------+--------------+------------------------+-----------------+
//   | RegistryHeader | filter words | RegistryRow[capacity]  | schemas         |
//   +----------------+--------------+------------------------+-----------------+
//     program; rows    tools          program adds; tools      program appends
//     of sessions:                    set `enabled`
//     tools
//
// Switched off, an event costs one load, test and branch: of the filter word that its schema hashes to. The filter words
// are mapped over pages of the program's own data, so each has a constant address. Two events may share a filter
// word; the row's own `enabled` decides then.
//
// Switching an event on for session slot k: xor enabled_change() into its row's `enabled`, then filter_change() into its
// filter word if bit k is not there yet. Off: the reverse, the filter word only if no other event that hashes to it has the
// bit. Bit k belongs to whoever holds session slot k, so two tools never change one bit, and each changes by
// compare-exchange. As the session's rules change, `use` is counted up, and with it each word that has the bit. A word with one bit names the session: what an event or a thread found out under one value holds as
// long as it sees that value.
//
// Who is alive? A pid says so in its own PID namespace only. So a program holds a lock (fcntl(2), F_OFD_SETLK, read) on the first byte from
// before the file has contents, and keeps no descriptor: the kernel lets go of the lock as the last mapping goes, whatever the program died
// of. Who gets a write lock there may remove the file, and nobody else; a program whose file is removed before it had the lock makes another.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ouro/abi/session_layout.hpp>

namespace ouro::abi {

inline constexpr std::uint64_t kRegistryMagic = 0x3379727473676572;  // "regstry3"
inline constexpr std::uint32_t kRegistryVersion = 3;
inline constexpr std::uint32_t kFilterWords = 4096;
inline constexpr std::uint32_t kSessionSlots = 16;
inline constexpr std::uint32_t kRegistryRows = 16384;
inline constexpr std::uint64_t kRegistryBlobs = std::uint64_t{8} << 20;  // address space; memory as it is used

enum class SlotState : std::uint32_t { free = 0, claimed = 1, offered = 2 };

struct SessionSlot {
  Word32 state;            // SlotState; changed by tools that hold a lock (flock) on the file, but for a program's own start
  Word32 generation;       // the session's
  Word32 use;              // counts claims of this slot and changes of its session's rules; its lower half names the session in filter words
  char file[108];          // the session's file name in the runtime folder
};
static_assert(sizeof(SessionSlot) == 120);

// The file "everyone" in the runtime folder: sessions that programs join by themselves as they start. A program makes its registry first, then
// reads this; a tool changes this first, then looks for registries. So no program is missed.
inline constexpr std::uint64_t kEveryoneMagic = 0x31656e6f79726576;  // "veryone1"
struct Everyone {
  std::uint64_t magic;
  SessionSlot slot[kSessionSlots];  // `use` does not count. Changed by tools that hold a lock (flock) on the file
};

// How a session's bit changes an event's two words.
constexpr std::uint64_t enabled_change(std::uint32_t generation, std::uint32_t slot) {
  return std::uint64_t{generation} << 32 | std::uint64_t{1} << slot;
}
constexpr std::uint32_t filter_change(std::uint32_t use, std::uint32_t slot) { return use << 16 | std::uint32_t{1} << slot; }
static_assert(kSessionSlots <= 16);

struct RegistryHeader {
  Word magic;  // stored last (release)
  std::uint32_t version;
  std::int32_t pid;
  std::uint64_t start_time;   // /proc/PID/stat field 22
  std::uint64_t image_id[2];  // AT_RANDOM: another program image in the same process has another one
  char name[16];
  Word32 row_count;           // rows in use or given up; a row with no schema is empty
  std::uint32_t is_locked;    // 1: for as long as the program has it mapped; 0: a file system that lets go of locks before
  Word blobs_used;
  std::uint64_t pid_namespace;  // inode of /proc/self/ns/pid: whose numbers `pid` is one of; 0: unknown
  SessionSlot slot[kSessionSlots];
  Word32 refused;             // why the program could not map a session that it was offered, the last time: an errno; 0: it never happened
  std::uint32_t seccomp_filters;  // that the program had as it began: these allow what the tracer calls
  Word32 rows_refused;        // events that have no row, for want of room: they cannot be switched on
};
static_assert(sizeof(RegistryHeader) <= 4096);

struct RegistryRow {
  Word enabled;             // {xor of the sessions' generations:32, bits of session slots:32}; 0: off
  Word32 state;             // RowState
  std::uint32_t filter_index;
  std::uint32_t blob_offset;
  std::uint32_t blob_size;
  std::uint64_t reserved;
};
static_assert(sizeof(RegistryRow) == 32);

inline constexpr std::uint64_t kRegistryFilterOffset = 4096;
inline constexpr std::uint64_t kRegistryFilterSize = kFilterWords * sizeof(Word32);
inline constexpr std::uint64_t kRegistryRowsOffset = kRegistryFilterOffset + kRegistryFilterSize;
inline constexpr std::uint64_t kRegistryBlobsOffset = kRegistryRowsOffset + sizeof(RegistryRow) * kRegistryRows;
inline constexpr std::uint64_t kRegistrySize = kRegistryBlobsOffset + kRegistryBlobs;

// Which filter word an event has, by its schema: events that differ in anything, be it their line, seldom share one. FNV-1a,
// folded.
constexpr std::uint32_t filter_index(const char* schema, std::size_t size) {
  std::uint32_t h = 2166136261u;
  for (std::size_t i = 0; i < size; ++i) h = (h ^ static_cast<std::uint8_t>(schema[i])) * 16777619u;
  return (h ^ h >> 16) % kFilterWords;
}

}  // namespace ouro::abi
