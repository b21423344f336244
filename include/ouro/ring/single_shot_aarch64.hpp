// ouro/ring/single_shot_aarch64.hpp -- see ouro/ring/single_shot.hpp. What this machine's weaker memory order asks for:
// docs/ring-protocol.md, "On aarch64".
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/ring/single_shot.hpp>

namespace ouro::ring::detail {

// Offsets that the assembly below has as numbers.
static_assert(offsetof(abi::RingHead, writer.write_word) == 0);
static_assert(offsetof(abi::RingHead, writer.stamp_deadline) == 8);
static_assert(offsetof(abi::RingHead, writer.last_stamp) == 16);
static_assert(offsetof(abi::RingHead, writer.mask) == 24);
static_assert(offsetof(Route, tag) == 0 && offsetof(Route, index) == 4 && offsetof(Route, ring) == 8);
static_assert(abi::kOffsetMask == 0x3fffffff && abi::kRingDataOffset == 4 << 12 && kStampBits == 22 && kExtendedId == 1023);

// The single-shot write, in the order of docs/ring-protocol.md: ring and W; is the route right?; room; body; clock; header; W.
//   x9 rseq area   x10 ring   x11 W   x12 place of the record   x16, x17 scratch
// `add_size` leaves W and the size of what will be stored in x16.
#define OURO_WRITE_HEAD(add_size)                \
  OURO_RSEQ_DESCRIPTOR                           \
  OURO_RSEQ_EXIT("declined")                     \
  OURO_RSEQ_BEGIN                                \
  "ldp w16, w17, [%[route]]\n\t"                \
  "cmp w16, %w[tag]\n\t"                         \
  "b.ne 74f\n\t"                                 \
  "ldr x10, [%[route], #8]\n\t"                 \
  "ldr w16, [x9, #%c[index_at]]\n\t"             \
  "ldr x11, [x10]\n\t"                           \
  "cmp w16, w17\n\t"                             \
  "b.ne 74f\n\t"                                 \
  add_size                                       \
  "ldr x17, [x10, #24]\n\t"                      \
  "eor x16, x16, x11\n\t"                        \
  "cmp x16, x17\n\t"                             \
  "b.hi 74f\n\t"                                 \
  "and x12, x11, #0x3fffffff\n\t"                \
  "add x12, x12, x10\n\t"                        \
  "add x12, x12, #4, lsl #12\n\t"
#define OURO_ADD_SIZE(size) "add x16, x11, #%c[" size "]\n\t"
// The context is read here, not before: a handler that comes in between may be the first to find it out. Over what the body has
// in its place.
#define OURO_PUT_CONTEXT                         \
  ".if %c[has_context]\n\t"                      \
  "ldr w16, %[context]\n\t"                      \
  "str w16, [x12, #4]\n\t"                       \
  ".endif\n\t"
// No isb: it would keep the counter from being read ahead of what stands before it, which nothing here asks for. Reads of the
// counter by one CPU happen in program order (Arm's description of CNTVCT_EL0), and all records of a ring are stamped by one CPU.
#define OURO_WRITE_STAMP                         \
  "mrs x16, cntvct_el0\n\t"                      \
  "ldr x17, [x10, #8]\n\t"                       \
  "cmp x16, x17\n\t"                             \
  "b.hs 74f\n\t"                                 \
  "orr w17, %w[id], w16, lsl #10\n\t"            \
  "str w17, [x12]\n\t"                           \
  "add x17, x10, #16\n\t"                        \
  "stlr x16, [x17]\n\t"
#define OURO_WRITE_COMMIT                        \
  "stlr x11, [x10]\n\t"                          \
  OURO_RSEQ_END                                  \
  OURO_RSEQ_ABORT("declined")
#define OURO_WRITE_ROUTE [rseq] "m"(route.rseq), [route] "r"(&route), [index_at] "i"(kIndexAt), [tag] "r"(tag)
#define OURO_WRITE_CLOBBERS "x9", "x10", "x11", "x12", "x16", "x17", "cc", "memory"

// One store of a field of size s at offset o of the record.
#define OURO_PUT_FIELD(f, o, s)                  \
  ".if %c[" s "] == 8\n\t"                       \
  "str %x[" f "], [x12, #%c[" o "]]\n\t"         \
  ".elseif %c[" s "] == 4\n\t"                   \
  "str %w[" f "], [x12, #%c[" o "]]\n\t"         \
  ".elseif %c[" s "] == 2\n\t"                   \
  "strh %w[" f "], [x12, #%c[" o "]]\n\t"        \
  ".elseif %c[" s "] == 1\n\t"                   \
  "strb %w[" f "], [x12, #%c[" o "]]\n\t"        \
  ".endif\n\t"
// Copies a constant number of words of `body`, from word `first` on, to [register + offset].
#define OURO_COPY_WORD(n, first, to, offset, i)                        \
  ".if %c[" n "] > " #i "\n\t"                                         \
  "ldr x16, [%[body], #8*" first "+8*" #i "]\n\t"                      \
  "str x16, [" to ", #" offset "+8*" #i "]\n\t"                        \
  ".endif\n\t"
#define OURO_COPY_WORDS(n, first, to, offset)                                                                             \
  OURO_COPY_WORD(n, first, to, offset, 0) OURO_COPY_WORD(n, first, to, offset, 1) OURO_COPY_WORD(n, first, to, offset, 2) \
  OURO_COPY_WORD(n, first, to, offset, 3) OURO_COPY_WORD(n, first, to, offset, 4) OURO_COPY_WORD(n, first, to, offset, 5) \
  OURO_COPY_WORD(n, first, to, offset, 6) OURO_COPY_WORD(n, first, to, offset, 7)

// A body of up to 4 scalars behind 4 bytes of context, each stored as it is: sizes 1, 2, 4, 8, or 0 for none. `id` < 1023.
template <std::size_t kA, std::size_t kB, std::size_t kC, std::size_t kD, std::size_t kIndexAt = kByCpu>
[[gnu::always_inline]] inline bool shoot_fields(const Route& route, std::uint32_t tag, std::uint32_t id, Context& context,
                                                std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) noexcept {
  constexpr std::size_t kAt = kCompactHeader + 4, kSize = kAt + kA + kB + kC + kD;
  asm goto(OURO_WRITE_HEAD(OURO_ADD_SIZE("size"))
           OURO_PUT_CONTEXT
           OURO_PUT_FIELD("a", "oa", "sa") OURO_PUT_FIELD("b", "ob", "sb")
           OURO_PUT_FIELD("c", "oc", "sc") OURO_PUT_FIELD("d", "od", "sd")
           "add x11, x11, %[advance]\n\t"
           OURO_WRITE_STAMP OURO_WRITE_COMMIT
           : : OURO_WRITE_ROUTE, [id] "r"(id), [size] "i"(kSize), [advance] "r"(abi::kOneRecord + kSize), [context] "m"(context),
               [has_context] "i"(1), [a] "r"(kA != 0 ? a : tag), [b] "r"(kB != 0 ? b : tag), [c] "r"(kC != 0 ? c : tag),
               [d] "r"(kD != 0 ? d : tag), [oa] "i"(kAt), [ob] "i"(kAt + kA), [oc] "i"(kAt + kA + kB),
               [od] "i"(kAt + kA + kB + kC), [sa] "i"(kA), [sb] "i"(kB), [sc] "i"(kC), [sd] "i"(kD)
           : OURO_WRITE_CLOBBERS : declined);
  return true;
declined:
  ouro::detail::rseq_clear(*route.rseq);
  return false;
}

// A body of kSize bytes in kWords = ceil(kSize / 8) words in memory. Whole words are stored: what stands beyond the
// record is overwritten by the next one, and room for it is checked. `id` < 1023.
template <std::size_t kSize, bool kContext, std::size_t kIndexAt = kByCpu>
[[gnu::always_inline]] inline bool shoot_fixed(const Route& route, std::uint32_t tag, std::uint32_t id, Context& context,
                                               const std::uint64_t* body) noexcept {
  constexpr std::size_t kWords = (kSize + 7) / 8;
  static_assert(kWords >= 1 && kWords <= 8);
  constexpr std::size_t kRoom = kCompactHeader + 8 * kWords;
  constexpr std::uint64_t kAdvance = abi::kOneRecord + kCompactHeader + kSize;
  asm goto(OURO_WRITE_HEAD(OURO_ADD_SIZE("room"))
           OURO_COPY_WORDS("words", "0", "x12", "4")
           OURO_PUT_CONTEXT
           "add x11, x11, %[advance]\n\t"
           OURO_WRITE_STAMP OURO_WRITE_COMMIT
           : : OURO_WRITE_ROUTE, [id] "r"(id), [room] "i"(kRoom), [advance] "r"(kAdvance), [words] "i"(kWords), [body] "r"(body),
               [context] "m"(context), [has_context] "i"(kContext ? 1 : 0)
           : OURO_WRITE_CLOBBERS : declined);
  return true;
declined:
  ouro::detail::rseq_clear(*route.rseq);
  return false;
}

// The same without header and clock.
template <std::size_t kSize, std::size_t kIndexAt = kByCpu>
[[gnu::always_inline]] inline bool shoot_unstamped(const Route& route, std::uint32_t tag, const std::uint64_t* body) noexcept {
  constexpr std::size_t kWords = (kSize + 7) / 8;
  static_assert(kSize >= 8 && kWords <= 2, "larger bodies: write_slow");
  asm goto(OURO_WRITE_HEAD(OURO_ADD_SIZE("room"))
           "str %x[b0], [x12]\n\t"
           ".if %c[words] > 1\n\t"
           "str %x[b1], [x12, #8]\n\t"
           ".endif\n\t"
           "add x11, x11, %[advance]\n\t"
           OURO_WRITE_COMMIT
           : : OURO_WRITE_ROUTE, [room] "i"(8 * kWords), [words] "i"(kWords), [advance] "r"(abi::kOneRecord + kSize),
               [b0] "r"(body[0]), [b1] "r"(body[kWords - 1])
           : OURO_WRITE_CLOBBERS : declined);
  return true;
declined:
  ouro::detail::rseq_clear(*route.rseq);
  return false;
}

// A body of kHead bytes, `length` bytes from somewhere, and kTail bytes: head and tail in whole words, one behind the other in
// `words`. What the words hold beyond head and tail is stored as well; it is overwritten by what follows, and room for it is
// checked; for kAfter bytes behind it as well. kText: false also if there is a NUL among the bytes, for it would end the text for
// whoever reads the record.
//   x13 place of the bytes   x14 how many are done   x15 length - 16   v1 the least of all of them, in 16 columns
template <std::size_t kHead, std::size_t kTail, bool kText, bool kStamped, bool kContext, std::size_t kIndexAt = kByCpu, std::size_t kAfter = 0>
[[gnu::always_inline]] inline bool shoot_bytes(const Route& route, std::uint32_t tag, std::uint32_t id, Context& context,
                                               const std::uint64_t* words, const void* bytes, std::size_t length) noexcept {
  constexpr std::size_t kHeader = kStamped ? kCompactHeader : 0;
  constexpr std::size_t kHeadWords = (kHead + 7) / 8, kTailWords = (kTail + 7) / 8;
  constexpr std::size_t kBeyondHead = 8 * (kHeadWords > kTailWords + kHead / 8 ? kHeadWords - kHead / 8 : kTailWords);
  static_assert(kStamped || !kContext);
  static_assert((kHead + kTail >= 4 || !kStamped) && kHeadWords + kTailWords <= 8);
  asm goto(OURO_WRITE_HEAD(OURO_ADD_SIZE("room") "add x16, x16, %[length]\n\t")
           OURO_COPY_WORDS("head_words", "0", "x12", "%c[header]")
           OURO_PUT_CONTEXT
           "add x13, x12, #%c[header]+%c[head]\n\t"
           "movi v1.16b, #255\n\t"
           "subs x15, %[length], #16\n\t"
           "b.lo 76f\n\t"
           "ldr q0, [%[bytes], x15]\n\t"  // the last 16, then all others from the first on
           "str q0, [x13, x15]\n\t"
           "mov x14, #0\n"
           "75:\n\t"
           "umin v1.16b, v1.16b, v0.16b\n\t"
           "cmp x14, x15\n\t"
           "b.hs 79f\n\t"
           "ldr q0, [%[bytes], x14]\n\t"
           "str q0, [x13, x14]\n\t"
           "add x14, x14, #16\n\t"
           "b 75b\n"
           "76:\n\t"
           "tbz %[length], #3, 77f\n\t"
           "sub x15, %[length], #8\n\t"  // 8 to 15: the first and the last 8
           "ldr d0, [%[bytes]]\n\t"
           "ldr d2, [%[bytes], x15]\n\t"
           "str d0, [x13]\n\t"
           "str d2, [x13, x15]\n\t"
           "mov v0.d[1], v2.d[0]\n\t"
           "umin v1.16b, v1.16b, v0.16b\n\t"
           "b 79f\n"
           "77:\n\t"
           "mov x14, #0\n"
           "78:\n\t"
           "cmp x14, %[length]\n\t"
           "b.hs 79f\n\t"
           "ldrb w16, [%[bytes], x14]\n\t"
           "strb w16, [x13, x14]\n\t"
           "add x14, x14, #1\n\t"
           ".if %c[text]\n\t"
           "cbz w16, 74f\n\t"
           ".endif\n\t"
           "b 78b\n"
           "79:\n\t"
           ".if %c[text]\n\t"
           "uminv b1, v1.16b\n\t"
           "umov w16, v1.b[0]\n\t"
           "cbz w16, 74f\n\t"
           ".endif\n\t"
           "add x13, x13, %[length]\n\t"
           OURO_COPY_WORDS("tail_words", "%c[head_words]", "x13", "0")
           "add x11, x11, %[advance]\n\t"
           "add x11, x11, %[length]\n\t"
           ".if %c[header]\n\t"
           OURO_WRITE_STAMP
           ".endif\n\t"
           OURO_WRITE_COMMIT
           : : OURO_WRITE_ROUTE, [id] "r"(id), [room] "i"(kHeader + kHead + kBeyondHead + kAfter),
               [advance] "r"(abi::kOneRecord + kHeader + kHead + kTail), [header] "i"(kHeader), [head] "i"(kHead),
               [head_words] "i"(kHeadWords), [tail_words] "i"(kTailWords), [text] "i"(kText ? 1 : 0), [body] "r"(words),
               [bytes] "r"(bytes), [length] "r"(length), [context] "m"(context), [has_context] "i"(kContext ? 1 : 0)
           : OURO_WRITE_CLOBBERS, "x13", "x14", "x15", "v0", "v1", "v2" : declined);
  return true;
declined:
  ouro::detail::rseq_clear(*route.rseq);
  return false;
}

#undef OURO_WRITE_HEAD
#undef OURO_ADD_SIZE
#undef OURO_PUT_CONTEXT
#undef OURO_WRITE_STAMP
#undef OURO_WRITE_COMMIT
#undef OURO_WRITE_ROUTE
#undef OURO_WRITE_CLOBBERS
#undef OURO_PUT_FIELD
#undef OURO_COPY_WORD
#undef OURO_COPY_WORDS

}  // namespace ouro::ring::detail
