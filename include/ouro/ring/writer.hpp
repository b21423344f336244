// ouro/ring/writer.hpp -- putting records into the ring of the CPU one runs on. docs/ring-protocol.md is the algorithm
// with its argument; this is its fast path. Everything rare is in src/ring/writer.cpp.
//
//   record    | header | body                         |        W ->| next
//             | 4 or 16| at least 4 bytes             |
//   header    compact: {id:10, stamp:22}; extended: {1023:10, 0:22} u32 id, u64 stamp
//
// All functions are async-signal-safe, never block, allocate or throw, and may be called by any thread of any
// process that maps the channel. A signal handler may write while it interrupts a write.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <ouro/abi/ring_layout.hpp>
#include <ouro/clock/tsc.hpp>
#include <ouro/detail/rseq.hpp>

namespace ouro::ring {

inline constexpr std::size_t kCompactHeader = 4;
inline constexpr std::size_t kExtendedHeader = 16;
inline constexpr std::uint32_t kExtendedId = 1023;
inline constexpr int kStampBits = 22;
// Records with a larger body are written in two phases: a section should be short, or it is restarted too often.
inline constexpr std::size_t kMaxSingleShotBody = 1024;

// A process's view of a channel: its rings, where they are mapped here. Made once, then constant.
struct alignas(64) Channel {
  std::ptrdiff_t rseq_offset = 0;   // of the rseq area from the thread pointer
  std::uint32_t cpus = 0;           // entries in `ring`; every CPU the machine may ever have
  bool per_cpu = false;             // rseq and the TSC are there: sections may be used
  bool tsc = false;                 // the clock; else CLOCK_MONOTONIC
  bool stamped = true;              // else records have no header: write_unstamped only
  abi::FullMode mode{};             // this and the next two: of every ring, checked when the channel was mapped
  std::uint32_t subbuf_count = 0;   // n
  std::uint64_t subbuf_size = 0;    // S
  // Reserves the memory of a ring's data, so that no store into it can fault: 0, or an errno. Async-signal-safe.
  int (*reserve)(const Channel&, abi::RingHead&) = nullptr;
  void* client = nullptr;          // for `reserve`
  abi::RingHead** shared = nullptr;   // `cpus` rings of kind shared
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
  abi::RingHead* ring[];           // `cpus` rings of kind per_cpu; not C++'s, but both compilers'
#pragma GCC diagnostic pop

  clock::Ticks now() const noexcept {
    if (!stamped) return 0;
#if defined(__x86_64__)
    if (tsc) return clock::read_tsc();
#endif
    return clock::read_monotonic();
  }
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
};
Reservation reserve(const Channel& channel, std::uint32_t id, std::size_t body_size, std::uint64_t owner = 0) noexcept;
void commit(const Reservation& reservation) noexcept;

// A Channel::reserve for memory that a page fault could find missing: asks the kernel to allocate it all now.
int populate(const Channel& channel, abi::RingHead& ring) noexcept;

#if OURO_HAS_RSEQ
namespace detail {

inline constexpr std::size_t kDataOffset = abi::kRingDataOffset;

// Offsets that the assembly below has as numbers.
static_assert(offsetof(Channel, ring) == 56);
static_assert(offsetof(abi::RingHead, writer.write_word) == 0);
static_assert(offsetof(abi::RingHead, writer.stamp_deadline) == 8);
static_assert(offsetof(abi::RingHead, writer.last_stamp) == 16);
static_assert(offsetof(abi::RingHead, writer.mask) == 24);
static_assert(abi::kOffsetMask == 0x3fffffff && kDataOffset == 16384 && kStampBits == 22);

// The single-shot write, in the order of docs/ring-protocol.md: ring and W; room; body; clock; header; W.
//   r10 ring   r11 W, then W after this record   rcx offset of the record   rax, rdx scratch and clock
// What stands after rdtsc costs several times what it costs before it: keep that part short.
#define OURO_WRITE_HEAD(size_operand)            \
  OURO_RSEQ_DESCRIPTOR                           \
  OURO_RSEQ_EXIT("slow")                         \
  OURO_RSEQ_BEGIN                                \
  "movl %%fs:4(%[rs]), %%eax\n\t"                \
  "movq 56(%[channel],%%rax,8), %%r10\n\t"       \
  "movq (%%r10), %%r11\n\t"                      \
  "leaq " size_operand ", %%rax\n\t"             \
  "xorq %%r11, %%rax\n\t"                        \
  "cmpq 24(%%r10), %%rax\n\t"                    \
  "ja %l[slow]\n\t"                              \
  "movl %%r11d, %%ecx\n\t"                       \
  "andl $0x3fffffff, %%ecx\n\t"
#define OURO_WRITE_STAMP                         \
  "rdtsc\n\t"                                    \
  "shlq $32, %%rdx\n\t"                          \
  "orq %%rdx, %%rax\n\t"                         \
  "cmpq 8(%%r10), %%rax\n\t"                     \
  "jae %l[slow]\n\t"                             \
  "movq %%rax, 16(%%r10)\n\t"                    \
  "shll $10, %%eax\n\t"                          \
  "orl %[id], %%eax\n\t"                         \
  "movl %%eax, 16384(%%r10,%%rcx)\n\t"
#define OURO_WRITE_COMMIT                        \
  "movq %%r11, (%%r10)\n\t"                      \
  OURO_RSEQ_END                                  \
  OURO_RSEQ_ABORT("aborted")
#define OURO_WRITE_CLOBBERS "rax", "rcx", "rdx", "r10", "r11", "cc", "memory"

enum class Shot : std::uint8_t { done, slow, aborted };

// Words that the assembler takes from registers: the rest of a larger body it copies from memory. Without optimisation
// compilers keep too many registers for themselves.
#if defined(__OPTIMIZE__)
inline constexpr std::size_t kRegisterWords = 5;
#else
inline constexpr std::size_t kRegisterWords = 2;
#endif

#define OURO_PUT_WORD(i)                                       \
  ".if %c[words] > " #i "\n\t"                                 \
  "movq %[b" #i "], 16388+8*" #i "(%%r10,%%rcx)\n\t"           \
  ".endif\n\t"
#define OURO_COPY_WORD(i)                                      \
  ".if %c[words] > " #i "\n\t"                                 \
  "movq 8*" #i "(%[body]), %%rdx\n\t"                          \
  "movq %%rdx, 16388+8*" #i "(%%r10,%%rcx)\n\t"                \
  ".endif\n\t"

// A body of kSize bytes in kWords = ceil(kSize / 8) words. Whole words are stored: what stands beyond the record is
// overwritten by the next one, and room for it is checked.
template <std::size_t kSize>
[[gnu::always_inline]] inline Shot shoot_fixed(const Channel* channel, std::uint32_t id, const std::uint64_t* body) noexcept {
  constexpr std::size_t kWords = (kSize + 7) / 8;
  static_assert(kWords >= 1 && kWords <= 8);
  constexpr std::size_t kRoom = kCompactHeader + 8 * kWords;
  constexpr std::uint64_t kAdvance = abi::kOneRecord + kCompactHeader + kSize;
  static_assert(kAdvance <= 0x7fffffff);
  constexpr std::size_t kLast = kWords - 1;  // operands that are not used repeat a word that is
  if constexpr (kWords <= 2) {
    asm goto(OURO_WRITE_HEAD("%c[room](%%r11)")
             "addq %[advance], %%r11\n\t"
             OURO_PUT_WORD(0) OURO_PUT_WORD(1)
             OURO_WRITE_STAMP OURO_WRITE_COMMIT
             : : [rs] "r"(channel->rseq_offset), [channel] "r"(channel), [id] "r"(id), [room] "i"(kRoom),
                 [advance] "i"(kAdvance), [words] "i"(kWords), [b0] "r"(body[0]), [b1] "r"(body[kLast])
             : OURO_WRITE_CLOBBERS : slow, aborted);
  } else if constexpr (kWords <= kRegisterWords) {
    asm goto(OURO_WRITE_HEAD("%c[room](%%r11)")
             "addq %[advance], %%r11\n\t"
             OURO_PUT_WORD(0) OURO_PUT_WORD(1) OURO_PUT_WORD(2) OURO_PUT_WORD(3) OURO_PUT_WORD(4)
             OURO_WRITE_STAMP OURO_WRITE_COMMIT
             : : [rs] "r"(channel->rseq_offset), [channel] "r"(channel), [id] "r"(id), [room] "i"(kRoom),
                 [advance] "i"(kAdvance), [words] "i"(kWords), [b0] "r"(body[0]), [b1] "r"(body[1]), [b2] "r"(body[2]),
                 [b3] "r"(body[kWords > 3 ? 3 : kLast]), [b4] "r"(body[kLast])
             : OURO_WRITE_CLOBBERS : slow, aborted);
  } else {
    asm goto(OURO_WRITE_HEAD("%c[room](%%r11)")
             "addq %[advance], %%r11\n\t"
             OURO_COPY_WORD(0) OURO_COPY_WORD(1) OURO_COPY_WORD(2) OURO_COPY_WORD(3)
             OURO_COPY_WORD(4) OURO_COPY_WORD(5) OURO_COPY_WORD(6) OURO_COPY_WORD(7)
             OURO_WRITE_STAMP OURO_WRITE_COMMIT
             : : [rs] "r"(channel->rseq_offset), [channel] "r"(channel), [id] "r"(id), [room] "i"(kRoom),
                 [advance] "i"(kAdvance), [words] "i"(kWords), [body] "r"(body)
             : OURO_WRITE_CLOBBERS : slow, aborted);
  }
  return Shot::done;
slow:
  ouro::detail::rseq_clear(channel->rseq_offset);
  return Shot::slow;
aborted:
  return Shot::aborted;
}
#undef OURO_PUT_WORD
#undef OURO_COPY_WORD

// The same without header and clock.
template <std::size_t kSize>
[[gnu::always_inline]] inline Shot shoot_unstamped(const Channel* channel, const std::uint64_t* body) noexcept {
  constexpr std::size_t kWords = (kSize + 7) / 8;
  static_assert(kSize >= 8 && kWords <= 2, "larger bodies: write_slow");
  asm goto(OURO_WRITE_HEAD("%c[room](%%r11)")
           "addq %[advance], %%r11\n\t"
           "movq %[b0], 16384(%%r10,%%rcx)\n\t"
           ".if %c[words] > 1\n\t"
           "movq %[b1], 16392(%%r10,%%rcx)\n\t"
           ".endif\n\t"
           OURO_WRITE_COMMIT
           : : [rs] "r"(channel->rseq_offset), [channel] "r"(channel), [room] "i"(8 * kWords), [words] "i"(kWords),
               [advance] "i"(abi::kOneRecord + kSize), [b0] "r"(body[0]), [b1] "r"(body[kWords - 1])
           : OURO_WRITE_CLOBBERS : slow, aborted);
  return Shot::done;
slow:
  ouro::detail::rseq_clear(channel->rseq_offset);
  return Shot::slow;
aborted:
  return Shot::aborted;
}

// A body of `size` bytes, copied in steps of 16.
[[gnu::always_inline]] inline Shot shoot(const Channel* channel, std::uint32_t id, const void* body, std::size_t size) noexcept {
  const std::size_t rounded = (size + 15) & ~std::size_t{15};
  const std::uint64_t advance = abi::kOneRecord + kCompactHeader + size;
  asm goto(OURO_WRITE_HEAD("4(%%r11,%[rounded])")
           "leaq 16388(%%r10,%%rcx), %%rax\n\t"
           "xorl %%edx, %%edx\n"
           "75:\n\t"
           "movups (%[body],%%rdx), %%xmm0\n\t"
           "movups %%xmm0, (%%rax,%%rdx)\n\t"
           "addq $16, %%rdx\n\t"
           "cmpq %[rounded], %%rdx\n\t"
           "jb 75b\n\t"
           "addq %[advance], %%r11\n\t"
           OURO_WRITE_STAMP OURO_WRITE_COMMIT
           : : [rs] "r"(channel->rseq_offset), [channel] "r"(channel), [id] "r"(id), [rounded] "r"(rounded),
               [advance] "r"(advance), [body] "r"(body)
           : OURO_WRITE_CLOBBERS, "xmm0" : slow, aborted);
  return Shot::done;
slow:
  ouro::detail::rseq_clear(channel->rseq_offset);
  return Shot::slow;
aborted:
  return Shot::aborted;
}

}  // namespace detail

// A record whose body has kSize bytes (4 to 64), known to the compiler. `id` < 1023. The channel must be per_cpu and
// this thread registered for rseq. An interrupted write is tried once more by write_slow, whose retries are bounded.
template <std::size_t kSize>
[[gnu::always_inline]] inline void write_fixed(const Channel* channel, std::uint32_t id, const std::uint64_t* body) noexcept {
  constexpr std::size_t kWords = (kSize + 7) / 8;
  if constexpr (kWords <= detail::kRegisterWords) {
    // By value, so that on the fast path the words need not be in memory at all.
    const std::uint64_t w0 = body[0], w1 = body[kWords > 1 ? 1 : 0], w2 = body[kWords > 2 ? 2 : 0],
                        w3 = body[kWords > 3 ? 3 : 0], w4 = body[kWords > 4 ? 4 : 0];
    const std::uint64_t words[] = {w0, w1, w2, w3, w4};
    if (detail::shoot_fixed<kSize>(channel, id, words) != detail::Shot::done) [[unlikely]] {
      const std::uint64_t copy[] = {w0, w1, w2, w3, w4};
      write_slow(*channel, id, copy, kSize);
    }
  } else if (detail::shoot_fixed<kSize>(channel, id, body) != detail::Shot::done) [[unlikely]] {
    write_slow(*channel, id, body, kSize);
  }
}

// For channels without a clock: the record is its body, kSize bytes (at least 8), and nothing else.
template <std::size_t kSize>
[[gnu::always_inline]] inline void write_unstamped(const Channel* channel, const std::uint64_t* body) noexcept {
  const std::uint64_t w0 = body[0], w1 = body[(kSize - 1) / 8];
  const std::uint64_t words[] = {w0, w1};
  if (detail::shoot_unstamped<kSize>(channel, words) != detail::Shot::done) [[unlikely]] {
    const std::uint64_t copy[] = {w0, w1};
    write_slow(*channel, 0, copy, kSize);
  }
}

// A record of 4 to kMaxSingleShotBody bytes; `body` must be readable up to the next multiple of 16.
[[gnu::always_inline]] inline void write_sized(const Channel* channel, std::uint32_t id, const void* body, std::size_t size) noexcept {
  if (detail::shoot(channel, id, body, size) != detail::Shot::done) [[unlikely]]
    write_slow(*channel, id, body, size);
}
#endif

}  // namespace ouro::ring
