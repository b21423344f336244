// ouro/ring/writer.hpp -- putting records into the ring of the CPU one runs on. docs/ring-protocol.md is the algorithm
// with its argument; this is its fast path. Everything rare is in src/ring/writer.cpp.
//
//   record    | header | body                         |        W ->| next
//             | 4 or 16| at least 4 bytes             |
//   header    compact: {id:10, stamp:22}; extended: {1023:10, 22 bits not for readers} u32 id, u64 stamp
//
// All functions are async-signal-safe, never block, allocate or throw, and may be called by any thread of any
// process that maps the channel. A signal handler may write while it interrupts a write. Not between vfork(2) and exec(2), handlers
// included: the kernel does not restart sections of a child that shares its parent's memory.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ouro/abi/ring_layout.hpp>
#include <ouro/clock/tsc.hpp>
#include <ouro/detail/rseq.hpp>
#include <ouro/ring/single_shot.hpp>

namespace ouro::ring {

// Records with a larger body are written in two phases: a section should be short, or it is restarted too often.
inline constexpr std::size_t kMaxSingleShotBody = 1024;

// What a client writes at the beginning and the end of every sub-buffer; per_cpu rings only. Both functions run in
// whoever writes there next, signal handlers included, and what they gave is thrown away if another writer was faster.
struct SubbufEnds {
  struct Info {
    std::uint32_t ring = 0;
    std::uint64_t sequence = 0;   // of the sub-buffer, from n on
    std::uint64_t bytes = 0;      // at its end: of all records in it, ends not included
    std::uint64_t lost = 0;       // records of this ring, so far
  };
  static constexpr std::size_t kMaxSize = 64;
  std::size_t begin_size = 0, end_size = 0;  // bytes; multiples of 8, kMaxSize at most
  void (*begin)(const Info&, std::byte* to) noexcept = nullptr;
  void (*end)(const Info&, std::byte* to) noexcept = nullptr;
};

// A process's view of a channel: its rings, where they are mapped here. Made once, then constant.
struct alignas(64) Channel {
  std::uint32_t cpus = 0;           // entries in `ring`; every CPU, or concurrency id, there may ever be. Exclusive: 1
  bool per_cpu = false;             // rseq and the TSC are there: sections may be used
  bool exclusive = false;           // one writer at a time, by promise
  bool tsc = false;                 // the clock; else CLOCK_MONOTONIC
  bool stamped = true;              // else records have no header: write_unstamped only
  bool client_stamped = false;      // not `stamped`: records begin with an extended header of the client's, see Stamp::client
  std::uint32_t index_at = kByCpu;  // or kByConcurrency: which number of a thread names its ring
  abi::FullMode mode{};             // this and the next two: of every ring, checked when the channel was mapped
  std::uint32_t subbuf_count = 0;   // n
  std::uint64_t subbuf_size = 0;    // S
  // Reserves the memory of a ring's data, so that no store into it can fault: 0, or an errno. Async-signal-safe.
  int (*reserve)(const Channel&, abi::RingHead&) = nullptr;
  // Records of write_slow() that lie whole before it, with a longer header: what it changes behind their stamp stays. Null: nobody wants to.
  void (*seal)(const Channel&, std::byte* record, std::size_t size) noexcept = nullptr;
  void* client = nullptr;          // for `reserve` and `seal`
  std::atomic<const Channel*> successor{nullptr};  // where writers go on whose ring is retired: LocalChannel::resize
  abi::Bell* bell = nullptr;       // null: nobody sleeps, and the next three do not count
  std::uint64_t patience_ns = 0;   // discard: how long the slow path waits for room before a record is lost. Needs the bell, and
                                   // no writing in signal handlers: they might interrupt the reader
  std::uint32_t wake_every = 1;    // sub-buffers: how many are closed before one sleeping reader is woken
  std::uint64_t stream_from = ~std::uint64_t{0};  // bytes: pieces of records as large are stored past the caches
  const SubbufEnds* ends = nullptr;  // null: sub-buffers hold records and nothing else
  int event_fd = -1;               // an eventfd(2) that gets 1 added as often, for readers with an event loop; -1: none
  abi::RingHead** shared = nullptr;   // `cpus` rings of kind shared
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
  abi::RingHead* ring[];           // `cpus` rings of kind per_cpu; not C++'s, but both compilers'
#pragma GCC diagnostic pop

  clock::Ticks now() const noexcept { return stamped ? clock::read(tsc) : 0; }
};

enum class Written : std::uint8_t { yes, lost };

// Any record that the fast path declined: at a sub-buffer's end, after a long silence, without rseq, ... `body` must
// has 4 to kMaxSingleShotBody bytes. Counts the record as lost where it cannot be written.
// `owner` as in abi::Pending::state: {thread id:32, process id:32}; 0: ask the kernel where it matters.
[[gnu::cold]] Written write_slow(const Channel& channel, std::uint32_t id, const void* body, std::size_t size,
                                 std::uint64_t owner = 0) noexcept;

// Two-phase writes: reserve() gives the place of the body, the caller fills it, commit() makes it visible. If the
// caller dies in between, its record is lost and counted, and no other. No place: `body` is null, the loss is counted.
struct Reservation {
  std::byte* body = nullptr;
  abi::RingHead* ring = nullptr;
  abi::Pending* pending = nullptr;
  std::uint32_t size = 0;    // of the record, header included
  std::uint64_t where = 0;   // W before it
  std::uint64_t stamp = 0;
  std::uint64_t subbuf_size = 0;
};
Reservation reserve(const Channel& channel, std::uint32_t id, std::size_t body_size, std::uint64_t owner = 0) noexcept;
void commit(const Reservation& reservation) noexcept;

// A Channel::reserve for memory that a page fault could find missing: asks the kernel to allocate it all now.
int populate(const Channel& channel, abi::RingHead& ring) noexcept;

// Looks the ring up for this thread as it runs now. The caller's thread owns `route`. A handler may call this for the same
// route while it interrupts another call; `tag` is not 0.
[[gnu::cold]] void refresh(Route& route, const Channel& channel, std::uint32_t tag) noexcept;

namespace detail {

inline constexpr std::uint32_t kOnlyTag = 1;

// The inline write of a channel with one writer at a time: plain stores, the same books. fill(place) puts `size` bytes.
// False: nothing was written.
template <bool kStamped, class Fill>
[[gnu::always_inline]] inline bool put_exclusive(abi::RingHead& ring, bool tsc, std::uint32_t id, std::size_t size, Fill fill) noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;
  constexpr std::size_t header = kStamped ? kCompactHeader : 0;
  const std::uint64_t w = ring.writer.write_word.load(relaxed);
  if (((w + header + size) ^ w) > ring.writer.mask.load(relaxed)) [[unlikely]]
    return false;
  std::byte* const at = reinterpret_cast<std::byte*>(&ring) + abi::kRingDataOffset + (w & abi::kOffsetMask);
  fill(at + header);
  if constexpr (kStamped) {  // behind the body: what stands after the clock costs more
    const std::uint64_t stamp = clock::read_unordered(tsc);
    const auto word = static_cast<std::uint32_t>(stamp << (32 - kStampBits)) | id;
    std::memcpy(at, &word, kCompactHeader);
    if (stamp >= ring.writer.stamp_deadline.load(relaxed)) [[unlikely]]
      return false;
    // Read before we were let in: the writer before us, on another CPU, may have the later stamp.
    if (stamp < ring.writer.last_stamp.load(relaxed)) [[unlikely]]
      return false;
    ring.writer.last_stamp.store(stamp, std::memory_order_release);  // ord(stamp:B) pairs with stamp:A
  }
  abi::stored(at, header + size);
  ring.writer.write_word.store(w + abi::kOneRecord + header + size, std::memory_order_release);  // ord(commit:B)
  return true;
}

}  // namespace detail

// The writes of those who use the ring by itself, with one Route per thread and channel.

// A record of kSize bytes (4 to 64) in whole words. `id` < 1023.
template <std::size_t kSize>
[[gnu::always_inline]] inline void write_fixed(Route& route, const Channel& channel, std::uint32_t id, const std::uint64_t* body) noexcept {
  if (detail::shoot_fixed<kSize, false>(route, detail::kOnlyTag, id, detail::no_context, body)) [[likely]]
    return;
  refresh(route, channel, detail::kOnlyTag);
  write_slow(channel, id, body, kSize);
}

// For channels without a clock: the record is its body, kSize bytes (8 to 16), and nothing else.
template <std::size_t kSize>
[[gnu::always_inline]] inline void write_unstamped(Route& route, const Channel& channel, const std::uint64_t* body) noexcept {
  const std::uint64_t w0 = body[0], w1 = body[(kSize - 1) / 8];
  const std::uint64_t words[] = {w0, w1};
  if (detail::shoot_unstamped<kSize>(route, detail::kOnlyTag, words)) [[likely]]
    return;
  refresh(route, channel, detail::kOnlyTag);
  const std::uint64_t copy[] = {w0, w1};
  write_slow(channel, 0, copy, kSize);
}

// A record of 4 to kMaxSingleShotBody bytes. `id` < 1023.
[[gnu::always_inline]] inline void write_sized(Route& route, const Channel& channel, std::uint32_t id, const void* body,
                                               std::size_t size) noexcept {
  std::uint64_t head[1] = {0};
  std::memcpy(head, body, 4);
  if (detail::shoot_bytes<4, 0, false, true, false>(route, detail::kOnlyTag, id, detail::no_context, head,
                                                    static_cast<const std::byte*>(body) + 4, size - 4)) [[likely]]
    return;
  refresh(route, channel, detail::kOnlyTag);
  write_slow(channel, id, body, size);
}

}  // namespace ouro::ring
