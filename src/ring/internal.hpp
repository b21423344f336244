// ring/internal.hpp -- what the writer's slow paths and the reader share: reading a ring's words.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <ouro/ring/reader.hpp>
#include <ouro/ring/writer.hpp>

namespace ouro::ring {

constexpr std::uint64_t offset_of(std::uint64_t w) { return w & abi::kOffsetMask; }
// per_cpu
constexpr std::uint64_t records_of(std::uint64_t w) { return w >> abi::kRecordsShift & abi::kRecordsMask; }
constexpr std::uint64_t open_of(std::uint64_t w) { return w >> abi::kOpenShift & abi::kOpenMask; }
constexpr std::uint64_t low_sequence_of(std::uint64_t w) { return w >> abi::kSequenceShift; }
constexpr std::uint64_t make_w(std::uint64_t sequence, std::uint64_t offset) {
  return sequence << abi::kSequenceShift | offset;
}
// shared
constexpr std::uint64_t shared_sequence_of(std::uint64_t w) { return w >> abi::kSharedSequenceShift; }
constexpr std::uint64_t make_shared_w(std::uint64_t sequence, std::uint64_t offset) {
  return sequence << abi::kSharedSequenceShift | offset;
}
constexpr std::uint64_t tagged(std::uint64_t tag, std::uint64_t value) { return tag << 32 | (value & 0xffffffffu); }
constexpr std::uint32_t tag_of(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }
// Commits of a shared sub-buffer: {records:32, bytes:32}, running totals.
constexpr std::uint32_t records_in(std::uint64_t commits) { return static_cast<std::uint32_t>(commits >> 32); }
constexpr std::uint32_t bytes_in(std::uint64_t commits) { return static_cast<std::uint32_t>(commits); }

inline std::byte* data_of(abi::RingHead& head) { return reinterpret_cast<std::byte*>(&head) + abi::kRingDataOffset; }
inline const std::byte* data_of(const abi::RingHead& head) {
  return reinterpret_cast<const std::byte*>(&head) + abi::kRingDataOffset;
}

// The write word for those who read: of a retired ring, the last one.
inline std::uint64_t write_word(const abi::RingHead& head) noexcept {
  const std::uint64_t w = head.writer.write_word.load(std::memory_order_acquire);  // ord(deliver:A) pairs with commit:B, retire:A
  return w != abi::kRetiredWord ? w : head.writer.final_word.load(std::memory_order_acquire);
}

// Ring `i` of a channel, the per-CPU rings first, then the shared ones.
inline Geometry geometry_of(const Channel& channel, std::uint32_t i) noexcept {
  const abi::RingKind kind = channel.exclusive ? abi::RingKind::exclusive : i < channel.cpus ? abi::RingKind::per_cpu : abi::RingKind::shared;
  return {kind, channel.mode, channel.subbuf_count, channel.subbuf_size, i % channel.cpus};
}

// Would `bytes` at `offset` reach or cross the end of the sub-buffer? W must never rest on an end: the next record
// would slip into a sub-buffer that nobody has claimed.
constexpr bool crosses(std::uint64_t offset, std::uint64_t bytes, std::uint64_t subbuf_size) {
  return (offset ^ (offset + bytes)) >= subbuf_size;
}

inline RecordForm form_of(const Channel& channel, abi::RingKind kind) noexcept {
  const bool shared = kind == abi::RingKind::shared;
  return {channel.stamped || channel.client_stamped || shared, shared && channel.client_stamped ? kExtendedHeader : 0};
}

// A record whose owner died is marked by whoever buries it, so that all who have not heard of it can step over it too:
// {1023:10, 1:22} u32 length of the record, with this header.
inline constexpr std::uint32_t kDeadHeader = std::uint32_t{1} << (32 - kStampBits) | kExtendedId;
inline void mark_dead(std::byte* record, std::uint32_t length) noexcept {
  const std::uint32_t words[2] = {kDeadHeader, length};
  std::memcpy(record, words, 8);
  abi::stored(record, 8);
}
inline void skip_dead(std::span<const std::byte> bytes, std::size_t& at) noexcept {
  std::uint32_t words[2];
  while (bytes.size() - at >= sizeof words) {
    std::memcpy(words, bytes.data() + at, sizeof words);
    if (words[0] != kDeadHeader || words[1] < kExtendedHeader || words[1] > bytes.size() - at) return;
    at += words[1];
  }
}

inline bool take_bytes(std::span<const std::byte> bytes, std::size_t& at, void* to, std::size_t n) noexcept {
  if (bytes.size() - at < n) return false;
  std::memcpy(to, bytes.data() + at, n);
  at += n;
  return true;
}
// A record's header. `now`: the stamp before, then the record's. Advances `at` to what is behind it. False: `bytes` ends before that.
inline bool parse_head(std::span<const std::byte> bytes, std::size_t& at, std::uint64_t& now, std::uint32_t& id) noexcept {
  std::uint32_t head = 0;
  if (!take_bytes(bytes, at, &head, 4)) return false;
  id = head & kExtendedId;
  if (id == kExtendedId) return take_bytes(bytes, at, &id, 4) && take_bytes(bytes, at, &now, 8);
  constexpr std::uint64_t kMask = (std::uint64_t{1} << kStampBits) - 1;
  const std::uint64_t stamp = (now & ~kMask) | head >> (32 - kStampBits);
  now = stamp < now ? stamp + kMask + 1 : stamp;
  return true;
}
// And behind it the u32 size of what it holds, as Buffer writes both. Advances `at` to its bytes. False: `bytes` ends before they do.
struct RecordHead {
  std::uint32_t id = 0, size = 0;
};
inline bool parse_record(std::span<const std::byte> bytes, std::size_t& at, bool has_header, std::uint64_t& now, RecordHead& out) noexcept {
  if (has_header) skip_dead(bytes, at);
  if (has_header && !parse_head(bytes, at, now, out.id)) return false;
  return take_bytes(bytes, at, &out.size, 4) && bytes.size() - at >= out.size;
}

inline void count_loss(abi::RingHead& head, abi::Loss cause) noexcept {
  // Relaxed: a counter orders nothing. It is exact once writers rest.
  head.losses.lost[static_cast<std::size_t>(cause)].fetch_add(1, std::memory_order_relaxed);
}
inline std::uint64_t counted_losses(const abi::RingHead& head, abi::Loss cause) noexcept {
  const std::uint64_t counted = head.losses.lost[static_cast<std::size_t>(cause)].load(std::memory_order_relaxed);
  switch (cause) {
    case abi::Loss::full: return counted + head.losses.full_in_section.load(std::memory_order_relaxed);
    case abi::Loss::lapped: return counted + head.reader.lapped_in_hand.load(std::memory_order_relaxed);
    default: return counted;
  }
}
inline std::uint64_t counted_losses(const abi::RingHead& head) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < abi::kLossCauses; ++i) sum += counted_losses(head, static_cast<abi::Loss>(i));
  return sum;
}

// The reader's books. (One that writes them twice while we look may show us some of each.)
struct ReadSoFar {
  std::uint64_t next_sequence = 0, consumed = 0, consumed_records = 0;
  std::uint64_t records = 0, lost_lapped = 0, end_stamp = 0, in_hand = 0;
};
inline ReadSoFar read_so_far(const abi::RingHead& head) noexcept {
  const std::uint64_t booked = head.reader.booked.load(std::memory_order_acquire);  // ord(books:A) pairs with books:B
  if (booked == 0) return {};
  const abi::ReaderBooks& from = head.books[booked & 1];
  const std::uint64_t consumed = from.consumed.load(std::memory_order_relaxed);
  return {from.next_sequence.load(std::memory_order_relaxed), consumed & 0xffffffff, consumed >> 32,
          from.records.load(std::memory_order_relaxed), from.lost_lapped.load(std::memory_order_relaxed),
          from.end_stamp.load(std::memory_order_relaxed), from.lapped_in_hand.load(std::memory_order_relaxed)};
}

// A copy of bytes that a writer may be overwriting: it counts once that was ruled out. The one race that is meant, and that
// ThreadSanitizer is not to see.
#if defined(__SANITIZE_THREAD__)
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
#else
inline void AnnotateIgnoreReadsBegin(const char*, int) {}
inline void AnnotateIgnoreReadsEnd(const char*, int) {}
#endif
inline void copy_out(std::vector<std::byte>& to, const std::byte* from, std::size_t size) {
  to.reserve(size);  // may throw
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  to.assign(from, from + size);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  abi::copied(to.data(), from, size);
}

// Bytes committed to and reserved in the present use of a shared sub-buffer differ by what is under way.
struct SharedUse {
  std::uint32_t tag;      // of the use the books speak of
  std::uint32_t bytes;    // committed in it
  std::uint32_t records;
};
inline SharedUse shared_use(const abi::SubbufImage& image) noexcept {
  // Acquire; pairs with shared:commit. Bases first: if they are of use `tag`, commits read later include all of it.
  const std::uint64_t base_records = image.sequence.load(std::memory_order_acquire);
  const std::uint64_t base_bytes = image.records_before.load(std::memory_order_acquire);
  const std::uint64_t commits = image.commits.load(std::memory_order_acquire);
  if (tag_of(base_records) != tag_of(base_bytes)) return {~tag_of(base_bytes), 0, 0};  // being opened: of neither use
  // As one number: where the total of bytes has run over, it has carried into the records.
  const std::uint64_t use = commits - ((base_records << 32) + (base_bytes & 0xffffffffu));
  return {tag_of(base_bytes), bytes_in(use), records_in(use)};
}

// Of a shared ring in overwrite mode: how many records were lapped up to the claim of the sub-buffer that is opened when `closing`, the
// current one, is full. `lapped`: the sequence whose place it takes. Whoever made the claim may have died before he counted, so all who
// find it do, by maximum: what they count is the same. Holds if W is still in `closing` when it is looked at again.
inline std::uint64_t lapped_up_to(const abi::SubbufImage& closing, const abi::SubbufImage& opening, std::uint64_t lapped) noexcept {
  const std::uint64_t before = closing.lapped_before.load(std::memory_order_acquire);
  const SharedUse use = shared_use(opening);  // an earlier one: a reader had taken out what was lapped. A later: was counted
  return before + (use.tag == static_cast<std::uint32_t>(lapped) ? use.records : 0);
}

// A record's header in a shared ring without stamps, or with the client's: what tells its writer from others that want the same place.
constexpr std::uint32_t unstamped_mark(std::uint64_t sequence, std::size_t entry) {
  return (std::uint32_t{1} << 21 | static_cast<std::uint32_t>(sequence & 0x7fff) << 6 | static_cast<std::uint32_t>(entry)) << (32 - kStampBits) |
         kExtendedId;
}

// The same where it has a stamp, which tells the use; but two writers may have read the same one. (1 in these bits: kDeadHeader.)
constexpr std::uint32_t stamped_mark(std::size_t entry) { return static_cast<std::uint32_t>(entry + 2) << (32 - kStampBits) | kExtendedId; }

// Records at which totals the use `tag` begins. Only while nobody can write into the sub-buffer do all who try
// compute the same; an exchange that succeeds proves that this was so. A writer that stalled for a lap on its way here finds
// the books of a later use, and leaves them.
inline void open_books(abi::Word& base, std::uint32_t tag, const abi::Word& commits, int shift) noexcept {
  std::uint64_t seen = base.load(std::memory_order_acquire);
  if (static_cast<std::int32_t>(tag - tag_of(seen)) <= 0) return;
  const std::uint64_t total = commits.load(std::memory_order_acquire) >> shift;
  base.compare_exchange_strong(seen, tagged(tag, total), std::memory_order_acq_rel, std::memory_order_relaxed);
}

}  // namespace ouro::ring
