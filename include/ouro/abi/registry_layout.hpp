// ouro/abi/registry_layout.hpp -- what a program can be asked to trace: a file PID.N in the runtime folder, made by
// the program at its start. Version 1.
//
//   0                4096           8192                     rows_end          + blobs
//   +----------------+--------------+------------------------+-----------------+
//   | RegistryHeader | filter page  | RegistryRow[capacity]  | schemas         |
//   +----------------+--------------+------------------------+-----------------+
//     program; rows    tools set      program adds; tools      program appends
//     of sessions:     bits           set `enabled`
//     tools
//
// Switched off, an event costs one load, test and branch: of the filter word its name hashes to. The filter page
// is mapped over a page of the program's own data, so the word has a constant address. Two events may share a
// filter word; the row's own `enabled` decides then.
//
// Switching an event on for session slot k: set bit k in its row's `enabled`, then in its filter word. Off: the
// reverse, the filter word only if no other event that hashes to it has the bit. Bit k belongs to whoever holds
// session slot k, so two tools never write one bit.
#pragma once
#include <atomic>
#include <cstdint>

#include <ouro/abi/session_layout.hpp>

namespace ouro::abi {

inline constexpr std::uint64_t kRegistryMagic = 0x3179727473676572;  // "regstry1"
inline constexpr std::uint32_t kRegistryVersion = 1;
inline constexpr std::uint32_t kFilterWords = 1024;  // one page
inline constexpr std::uint32_t kSessionSlots = 16;
inline constexpr std::uint32_t kRegistryRows = 16384;
inline constexpr std::uint64_t kRegistryBlobs = std::uint64_t{8} << 20;  // address space; memory as it is used

enum class SlotState : std::uint32_t { free = 0, claimed = 1, offered = 2 };

struct SessionSlot {
  Word32 state;            // SlotState; tools claim by compare-exchange
  Word32 generation;       // the session's
  char file[112];          // the session's file name in the runtime folder
};
static_assert(sizeof(SessionSlot) == 120);

struct RegistryHeader {
  Word magic;  // stored last (release)
  std::uint32_t version;
  std::int32_t pid;
  std::uint64_t start_time;   // /proc/PID/stat field 22
  std::uint64_t image_id[2];  // AT_RANDOM: another program image in the same process has another one
  char name[16];
  Word32 row_count;           // rows in use or given up; a row with no schema is empty
  std::uint32_t reserved;
  Word blobs_used;
  SessionSlot slot[kSessionSlots];
};
static_assert(sizeof(RegistryHeader) <= 4096);

struct RegistryRow {
  Word enabled;             // {generation of the session:32, bits of session slots:32}; 0: off. See trace/registry.cpp
  Word32 state;             // RowState
  std::uint32_t filter_index;
  std::uint32_t blob_offset;
  std::uint32_t blob_size;
  std::uint64_t reserved;
};
static_assert(sizeof(RegistryRow) == 32);

inline constexpr std::uint64_t kRegistryFilterOffset = 4096;
inline constexpr std::uint64_t kRegistryRowsOffset = 8192;
inline constexpr std::uint64_t kRegistryBlobsOffset = kRegistryRowsOffset + sizeof(RegistryRow) * kRegistryRows;
inline constexpr std::uint64_t kRegistrySize = kRegistryBlobsOffset + kRegistryBlobs;

// Which filter word an event's name selects. FNV-1a, folded.
constexpr std::uint32_t filter_index(const char* name) {
  std::uint32_t h = 2166136261u;
  for (; *name != '\0'; ++name) h = (h ^ static_cast<std::uint8_t>(*name)) * 16777619u;
  return (h ^ h >> 16) % kFilterWords;
}

}  // namespace ouro::abi
