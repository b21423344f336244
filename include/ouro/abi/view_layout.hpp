// ouro/abi/view_layout.hpp -- the page through which one process (the exporter) lets another (the reader) look at a channel's packets
// where they lie. Version 1. It knows nothing of slots, images and W: these may change, and readers built against this file go on.
//
//   0       64         128       192     256   entries_offset         copies
//   +-------+----------+---------+-------+-----+----------+-----+-----+---------
//   | facts | exporter | reader  | sleep | 0   | entry 0  | 1   | ... | packets that do not lie in the channel's memory
//   +-------+----------+---------+-------+-----+----------+-----+-----+---------
//     const   produced   consumed
//
// Both positions count entries since the beginning; entry i lies at place i mod entry_count. Two mappings:
//
//   this memory        read and write     the exporter trusts nothing in it but `consumed`, within produced - entry_count .. produced
//   the channel's      read only          data_size bytes; entries say which of them
//
//   exporter   entry, then produced (release)      view:A -> view:B    the reader finds the entry and the bytes it speaks of
//   reader     last look at the bytes, then        view:C -> view:D    only now do writers get them back
//              consumed (release)
//
// A packet's records, one behind the other, until kRecords1 is something else:
//
//   | header: 4 or 16; none, unless the entry says kHeaders | what was written |
//   header    {id:10, low 22 bits of the stamp}; id 1023: {1023:10, 22 bits not for readers} u32 id, u64 stamp; id 2^32 - 1: a record that was discarded
//   of a dead {1023:10, 1:22} u32 length of header and what was written: to be stepped over. Of two headers, in the first's place
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ouro::abi {

inline constexpr std::uint64_t kViewMagic = 0x3177656976676e72;  // "rngview1"
inline constexpr std::uint32_t kViewVersion = 1;
inline constexpr std::uint32_t kRecords1 = 1;
inline constexpr std::uint32_t kMaxViewEntries = 1u << 16;

struct ViewFacts {
  std::uint64_t magic;           // stored last by the exporter (release)
  std::uint32_t version;         // another one cannot be read
  std::uint32_t entry_size;      // at least sizeof(ViewEntry): later versions may add to its end without a new number
  std::uint32_t entry_count;     // a power of two
  std::uint32_t record_format;   // kRecords1
  std::uint64_t entries_offset;
  std::uint64_t data_size;       // of the channel's memory
  std::uint64_t total_size;      // of this one
  std::uint32_t clock;           // of the stamps: 1 TSC, 2 CLOCK_MONOTONIC (in ns)
  std::uint32_t rings;           // whose packets these are
  std::uint64_t reserved;
};

enum ViewFlags : std::uint32_t {
  kCopied = 1,   // `offset` counts in this memory
  kHeaders = 2,  // the records have headers
  kTwice = 8,    // headers come in pairs: the second is the client's, and counts
  kCurrent = 4,  // the sub-buffer was still being filled: more of the same `sequence` may follow
};

struct ViewEntry {
  std::uint32_t ring;
  std::uint32_t flags;        // ViewFlags
  std::uint64_t sequence;     // of the sub-buffer in its ring
  std::uint64_t offset;       // where, in the channel's memory
  std::uint64_t length;       // bytes
  std::uint64_t records;
  std::uint64_t begin_stamp;  // no record is earlier; short stamps are relative to it
  std::uint64_t end_stamp;    // no record is later
  std::uint64_t lost;         // records of this ring so far; cumulative
};

struct alignas(64) ViewExporter {
  std::atomic<std::uint64_t> produced;
  std::atomic<std::uint32_t> ended;  // 1: nothing follows
  std::uint32_t reserved[13];
};
struct alignas(64) ViewReader {
  std::atomic<std::uint64_t> consumed;
  std::uint64_t reserved[7];
};
// futex(2) words: whoever advances a position adds one to the word, and wakes if somebody sleeps.
struct alignas(64) ViewSleep {
  std::atomic<std::uint32_t> produced, readers;    // readers: that sleep
  std::atomic<std::uint32_t> consumed, exporters;
  std::uint32_t reserved[12];
};

struct ViewHead {
  alignas(64) ViewFacts facts;
  ViewExporter exporter;
  ViewReader reader;
  ViewSleep sleep;
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "shared between processes");
static_assert(sizeof(ViewFacts) == 64 && sizeof(ViewEntry) == 64 && sizeof(ViewHead) == 256);
static_assert(offsetof(ViewHead, exporter) == 64 && offsetof(ViewHead, reader) == 128 && offsetof(ViewHead, sleep) == 192);

}  // namespace ouro::abi
