// ouro/abi/ring_layout.hpp -- the bytes of one ring, as its writers and its reader share them. Version 4.
//
//   0        64       128      192      256         1280       2048             12288        16384          + (n+1) * S
//   +--------+--------+--------+--------+-----------+----------+----------------+------------+--------------+---------
//   | writer | shape  | losses | reader | slot[n]   | books[2] | image[n+1]     | pending[]  | sub-buffer 0 | 1 | ...
//   +--------+--------+--------+--------+-----------+----------+----------------+------------+--------------+---------
//     hot      const    slow     reader   u64 each    the        64 bytes each    two-phase    n + 1 physical sub-buffers
//     line              path     only                 reader's                    writes       of S bytes (one is the spare)
//
// Three kinds of ring have this shape, never two in one ring: a remote atomic operation does not exclude the
// plain stores of a per-CPU writer.
//
//   per_cpu    only threads that run on the ring's CPU write, inside restartable sequences (rseq)
//   shared     anybody writes, with compare-exchange
//   exclusive  one writer at a time, as the client promises, with plain stores; otherwise like per_cpu
//
// The write word W names the place of the next record (docs/ring-protocol.md is the algorithm):
//
//   per_cpu   63      56 55    49 48        30 29                     0
//             | seq: 8  | open: 7 | records: 19 | offset in the data: 30 |
//   shared    | sequence: 34                   | offset in the data: 30 |
//
// `records` and `open` count what was written and what was opened in two phases since the sub-buffer began.
// One addition advances offset and count together, so the books cost the writer nothing.
//
// A slot names the physical sub-buffer that serves place i of a lap, and whose turn it is:
//
//   63                    17 16    15          0
//   | sequence: 47          | taken | physical: 16 |
//
// Sequence numbers begin at n (the number of sub-buffers), so that the slots' first state is a lap "before" it,
// taken. Fixed-width types and offsets, no pointers: the sides may be built by different compilers. Any side
// may die at any store.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

#include <ouro/abi/word.hpp>

namespace ouro::abi {

static_assert(std::endian::native == std::endian::little);

inline constexpr std::size_t kMaxSubbufs = 128;
inline constexpr std::size_t kMinSubbufs = 2;
inline constexpr std::uint64_t kMinSubbufSize = 4096;
inline constexpr std::uint64_t kMaxSubbufSize = std::uint64_t{4} << 20;  // 2^19 records of at least 8 bytes
inline constexpr std::uint64_t kMaxRingData = std::uint64_t{1} << 30;
inline constexpr std::size_t kMaxPending = 64;
inline constexpr std::uint64_t kCommitting = std::uint64_t{1} << 63;  // in Pending::length
inline constexpr std::size_t kRingDataOffset = 16384;

// Of a ring whose writers are to go on in another (LocalChannel::resize): a mask that every inline write declines at, and a W
// that no write finds room behind.
inline constexpr std::uint64_t kRetiredMask = 1;
inline constexpr std::uint64_t kRetiredWord = ~std::uint64_t{0};

// The write word's fields, per_cpu.
inline constexpr std::uint64_t kOffsetMask = (std::uint64_t{1} << 30) - 1;
inline constexpr int kRecordsShift = 30;
inline constexpr std::uint64_t kRecordsMask = (std::uint64_t{1} << 19) - 1;
inline constexpr std::uint64_t kOneRecord = std::uint64_t{1} << kRecordsShift;
inline constexpr int kOpenShift = 49;
inline constexpr std::uint64_t kOpenMask = 127;
inline constexpr std::uint64_t kOneOpen = std::uint64_t{1} << kOpenShift;
inline constexpr int kSequenceShift = 56;
// ... and shared.
inline constexpr int kSharedSequenceShift = 30;

enum class RingKind : std::uint32_t { per_cpu = 1, shared = 2, exclusive = 3 };
enum class FullMode : std::uint32_t { discard = 1, overwrite = 2 };
enum class ClockKind : std::uint32_t { tsc = 1, monotonic = 2 };

// Why a record was not written. Each cause has a counter of its own, exact once writers rest.
enum class Loss : std::uint32_t {
  full,          // discard: no free sub-buffer
  too_large,     // does not fit in a sub-buffer
  busy,          // no way to write here and now: two-phase table full, or nested in a switch (shared)
  no_memory,     // the memory of this CPU's ring could not be reserved
  dead_writer,   // opened in two phases, its owner died (counted by the reader)
  lapped,        // overwrite: written, then overwritten unread (per_cpu: computed by the reader, not stored; shared: by maximum)
  table_full,    // its kind of event found no room in the session's event table (counted in shared ring 0)
};
inline constexpr std::size_t kLossCauses = 7;

struct alignas(64) WriterLine {
  Word write_word;      // W
  Word stamp_deadline;  // a compact stamp is unambiguous only before this
  Word last_stamp;      // of the newest record, or of one whose writer was interrupted; never ahead of the next one
  Word mask;            // S - 1; 0 until the data's memory is reserved, which sends every writer to the slow path
  Word reserved[2];     // [0]: a refusal of the memory counts until then
  Word final_word;      // of a retired ring: the last W
  Word retired;         // not 0: and it will not change any more; writers go on in the channel's next memory
};

struct alignas(64) ShapeLine {  // written by the creator, then constant
  std::uint32_t kind;           // RingKind
  std::uint32_t mode;           // FullMode
  std::uint32_t subbuf_count;   // n
  std::uint32_t cpu;
  std::uint64_t subbuf_size;    // S
  std::uint64_t reserved[5];
};

struct alignas(64) LossLine {
  Word lost[kLossCauses];
  Word full_in_section;     // more of Loss::full: counted without atomic operations, by threads on the ring's own CPU
};

// One per channel whose readers or writers sleep: words to sleep on (futex(2)), and who does. In memory that all of them map.
struct alignas(64) Bell {
  Word32 closed;            // counts sub-buffers closed, in steps of the channel's wake_every
  Word32 readers;           // that sleep on it
  Word32 released;          // counts sub-buffers given back
  Word32 writers;           // that sleep on it
  Word32 reserved[12];
};

struct alignas(64) ReaderLine {
  Word booked;          // how often the reader wrote its books; the last time, those of this number's last bit. 0: nothing yet
  Word lapped_in_hand;  // what the books say, for writers to add up
  Word reserved[6];
};

// What the reader consumed: for others to look at, and for the reader after it. There are two, and the one that does not count is written:
// a reader that dies leaves all that a packet changed, or nothing.
struct alignas(64) ReaderBooks {
  Word next_sequence;
  Word consumed;        // of that sub-buffer: {records:32, bytes:32}
  Word records;         // written before what comes next, less lost_lapped
  Word lost_lapped;     // shared: what of the writers' count of lapped records was delivered, or buried
  Word end_stamp;       // of the last packet
  Word lapped_in_hand;  // shared: records that readers had taken out and died with
  Word reserved[2];
};

// One per physical sub-buffer: what its reader must know beside the bytes.
//                     per_cpu                                    shared
struct alignas(64) SubbufImage {
  Word sequence;        // of the present use                       {use tag:32, records before this use:32}
  Word records_before;  // written to the ring before this one      {use tag:32, bytes committed before this use:32}
  Word first_stamp;     // begin: no later than any record          same, and later than all of earlier uses; by maximum
  Word close_word;      // W as it was closed                       same, by maximum
  Word close_stamp;     // end: no earlier than any record          newest stamp committed, by maximum
  Word lost_before;     // LossLine's sum as it was closed          same
  Word commits;         // two-phase records committed in this use  {records:32, bytes:32}, never reset
  Word lapped_before;   // unused                                   records lapped in the ring before this use, by maximum
};

// A two-phase write under way. Owner and place stand here, so that a reader can step over a record whose owner
// died. The record begins with an extended header whose stamp equals `stamp`: the proof that it was reserved. In a shared ring the
// 22 bits beside the id tell as well, as two writers may read the same stamp: {2 + entry}; without stamps {1, sequence:15, entry:6}.
struct alignas(64) Pending {
  Word state;   // {owner's thread id:32, process id:32}; 0: free
  Word where;   // W before the reservation
  Word length;  // bytes; 0 until `where` holds. With kCommitting: the body is whole, and its commit was under way
  Word stamp;
  Word reserved[4];
};

struct RingHead {
  WriterLine writer;
  ShapeLine shape;
  LossLine losses;
  ReaderLine reader;
  Word slot[kMaxSubbufs];
  ReaderBooks books[2];
  std::byte gap0[2048 - 256 - 8 * kMaxSubbufs - 2 * sizeof(ReaderBooks)];
  SubbufImage image[kMaxSubbufs + 1];
  std::byte gap1[12288 - 2048 - 64 * (kMaxSubbufs + 1)];
  Pending pending[kMaxPending];
};

static_assert(sizeof(Bell) == 64 && sizeof(WriterLine) == 64 && sizeof(ShapeLine) == 64 && sizeof(LossLine) == 64 && sizeof(ReaderLine) == 64);
static_assert(sizeof(ReaderBooks) == 64 && sizeof(SubbufImage) == 64 && sizeof(Pending) == 64);
static_assert(offsetof(RingHead, slot) == 256 && offsetof(RingHead, books) == 1280 && offsetof(RingHead, image) == 2048 && offsetof(RingHead, pending) == 12288);
static_assert(sizeof(RingHead) == kRingDataOffset);

struct Slot {
  std::uint64_t word;
  static constexpr Slot make(std::uint64_t sequence, bool taken, std::uint32_t physical) {
    return {sequence << 17 | std::uint64_t{taken} << 16 | (physical & 0xffff)};
  }
  constexpr std::uint64_t sequence() const { return word >> 17; }
  constexpr bool taken() const { return (word >> 16 & 1) != 0; }
  constexpr std::uint32_t physical() const { return static_cast<std::uint32_t>(word & 0xffff); }
};

}  // namespace ouro::abi
