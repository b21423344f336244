// ouro/ring/single_shot_x86_64.hpp -- see ouro/ring/single_shot.hpp.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/ring/single_shot.hpp>

namespace ouro::ring::detail {

inline constexpr std::size_t kDataOffset = abi::kRingDataOffset;

// Offsets that the assembly below has as numbers.
static_assert(offsetof(abi::RingHead, writer.write_word) == 0);
static_assert(offsetof(abi::RingHead, writer.stamp_deadline) == 8);
static_assert(offsetof(abi::RingHead, writer.last_stamp) == 16);
static_assert(offsetof(abi::RingHead, writer.mask) == 24);
static_assert(abi::kOffsetMask == 0x3fffffff && kDataOffset == 16384 && kStampBits == 22);

// The single-shot write, in the order of docs/ring-protocol.md: ring and W; is the route right?; room; body; clock; header; W.
//   r10 ring   r11 W, then W after this record   rcx offset of the record   rax, rdx scratch and clock
// On machines where rdtsc waits for what stands before it (Granite Rapids does), the longest chain of loads before it is
// what an event costs: thread -> ring -> W -> place. Nothing else may be longer; so the thread keeps the ring's address.
#define OURO_WRITE_HEAD(size_operand)            \
  OURO_RSEQ_DESCRIPTOR                           \
  OURO_RSEQ_EXIT("declined")                     \
  OURO_RSEQ_BEGIN                                \
  "cmpl %[known], %[tag]\n\t"                    \
  "jne %l[declined]\n\t"                         \
  "movq %[ring], %%r10\n\t"                      \
  "movq (%%r10), %%r11\n\t"                      \
  "movl %c[index_at](%%rdx), %%eax\n\t"          \
  "cmpl %[index], %%eax\n\t"                     \
  "jne %l[declined]\n\t"                         \
  "leaq " size_operand ", %%rax\n\t"             \
  "xorq %%r11, %%rax\n\t"                        \
  "cmpq 24(%%r10), %%rax\n\t"                    \
  "ja %l[declined]\n\t"                          \
  "movl %%r11d, %%ecx\n\t"                       \
  "andl $0x3fffffff, %%ecx\n\t"
// The context is read here, not before: a handler that comes in between may be the first to find it out. Over what the body has
// in its place.
#define OURO_PUT_CONTEXT                         \
  ".if %c[has_context]\n\t"                      \
  "movl %[context], %%eax\n\t"                   \
  "movl %%eax, 16388(%%r10,%%rcx)\n\t"           \
  ".endif\n\t"
#define OURO_WRITE_STAMP                         \
  "rdtsc\n\t"                                    \
  "shlq $32, %%rdx\n\t"                          \
  "orq %%rax, %%rdx\n\t"                         \
  "shll $10, %%eax\n\t"                          \
  "orl %[id], %%eax\n\t"                         \
  "movl %%eax, 16384(%%r10,%%rcx)\n\t"           \
  "cmpq 8(%%r10), %%rdx\n\t"                     \
  "jae %l[declined]\n\t"                         \
  "movq %%rdx, 16(%%r10)\n\t"
#define OURO_WRITE_COMMIT                        \
  "movq %%r11, (%%r10)\n\t"                      \
  OURO_RSEQ_END                                  \
  OURO_RSEQ_ABORT("declined")
#define OURO_WRITE_ROUTE                                                                                \
  [rseq] "m"(route.rseq), [ring] "m"(route.ring), [known] "m"(route.tag), [index] "m"(route.index), \
  [index_at] "i"(kIndexAt), [tag] "r"(tag)
#define OURO_WRITE_CLOBBERS "rax", "rcx", "rdx", "r10", "r11", "cc", "memory"

// One store of a field of size s at offset o of the record.
#define OURO_PUT_FIELD(f, o, s)                                    \
  ".if %c[" s "] == 8\n\t"                                         \
  "movq %[" f "], 16384+%c[" o "](%%r10,%%rcx)\n\t"                \
  ".elseif %c[" s "] == 4\n\t"                                     \
  "movl %k[" f "], 16384+%c[" o "](%%r10,%%rcx)\n\t"               \
  ".elseif %c[" s "] == 2\n\t"                                     \
  "movw %w[" f "], 16384+%c[" o "](%%r10,%%rcx)\n\t"               \
  ".elseif %c[" s "] == 1\n\t"                                     \
  "movb %b[" f "], 16384+%c[" o "](%%r10,%%rcx)\n\t"               \
  ".endif\n\t"
// Copies a constant number of words of `body`, from word `first` on, to `to`: address and register operands, "8*i" behind 0.
#define OURO_COPY_WORD(n, first, to, i)                            \
  ".if %c[" n "] > " #i "\n\t"                                     \
  "movq 8*" first "+8*" #i "(%[body]), %%rdx\n\t"                  \
  "movq %%rdx, 8*" #i "+" to "\n\t"                                \
  ".endif\n\t"
#define OURO_COPY_WORDS(n, first, to)                                                                         \
  OURO_COPY_WORD(n, first, to, 0) OURO_COPY_WORD(n, first, to, 1) OURO_COPY_WORD(n, first, to, 2)             \
  OURO_COPY_WORD(n, first, to, 3) OURO_COPY_WORD(n, first, to, 4) OURO_COPY_WORD(n, first, to, 5)             \
  OURO_COPY_WORD(n, first, to, 6) OURO_COPY_WORD(n, first, to, 7)

// A body of up to 4 scalars behind 4 bytes of context, each stored as it is: sizes 1, 2, 4, 8, or 0 for none. `id` < 1023.
template <std::size_t kA, std::size_t kB, std::size_t kC, std::size_t kD, std::size_t kIndexAt = kByCpu>
[[gnu::always_inline]] inline bool shoot_fields(const Route& route, std::uint32_t tag, std::uint32_t id, Context& context,
                                                std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) noexcept {
  constexpr std::size_t kAt = kCompactHeader + 4, kSize = kAt + kA + kB + kC + kD;
  asm goto(OURO_WRITE_HEAD("%c[size](%%r11)")
           OURO_PUT_CONTEXT
           OURO_PUT_FIELD("a", "oa", "sa") OURO_PUT_FIELD("b", "ob", "sb")
           OURO_PUT_FIELD("c", "oc", "sc") OURO_PUT_FIELD("d", "od", "sd")
           "addq %[advance], %%r11\n\t"
           OURO_WRITE_STAMP OURO_WRITE_COMMIT
           : : OURO_WRITE_ROUTE, [id] "r"(id), [size] "i"(kSize), [advance] "i"(abi::kOneRecord + kSize), [context] "m"(context),
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
  static_assert(kAdvance <= 0x7fffffff);
  asm goto(OURO_WRITE_HEAD("%c[room](%%r11)")
           OURO_COPY_WORDS("words", "0", "16388(%%r10,%%rcx)")
           OURO_PUT_CONTEXT
           "addq %[advance], %%r11\n\t"
           OURO_WRITE_STAMP OURO_WRITE_COMMIT
           : : OURO_WRITE_ROUTE, [id] "r"(id), [room] "i"(kRoom), [advance] "i"(kAdvance), [words] "i"(kWords), [body] "r"(body),
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
  asm goto(OURO_WRITE_HEAD("%c[room](%%r11)")
           "movq %[b0], 16384(%%r10,%%rcx)\n\t"
           ".if %c[words] > 1\n\t"
           "movq %[b1], 16392(%%r10,%%rcx)\n\t"
           ".endif\n\t"
           "addq %[advance], %%r11\n\t"
           OURO_WRITE_COMMIT
           : : OURO_WRITE_ROUTE, [room] "i"(8 * kWords), [words] "i"(kWords), [advance] "i"(abi::kOneRecord + kSize),
               [b0] "r"(body[0]), [b1] "r"(body[kWords - 1])
           : OURO_WRITE_CLOBBERS : declined);
  return true;
declined:
  ouro::detail::rseq_clear(*route.rseq);
  return false;
}

// A body of kHead bytes, `length` bytes from somewhere, and kTail bytes: head and tail in whole words, one behind the other in
// `words`. What the words hold beyond head and tail is stored as well; it is overwritten by what follows, and room for it is
// checked; for kAfter bytes behind it as well. kText: false also if there is a NUL among the bytes, for it would end the text for whoever reads the record.
//   rax place of the bytes   xmm1 the least of all of them, in 16 columns
template <std::size_t kHead, std::size_t kTail, bool kText, bool kStamped, bool kContext, std::size_t kIndexAt = kByCpu, std::size_t kAfter = 0>
[[gnu::always_inline]] inline bool shoot_bytes(const Route& route, std::uint32_t tag, std::uint32_t id, Context& context,
                                               const std::uint64_t* words, const void* bytes, std::size_t length) noexcept {
  constexpr std::size_t kHeader = kStamped ? kCompactHeader : 0;
  constexpr std::size_t kHeadWords = (kHead + 7) / 8, kTailWords = (kTail + 7) / 8;
  constexpr std::size_t kBeyondHead = 8 * (kHeadWords > kTailWords + kHead / 8 ? kHeadWords - kHead / 8 : kTailWords);
  static_assert(kStamped || !kContext);
  static_assert((kHead + kTail >= 4 || !kStamped) && kHeadWords + kTailWords <= 8);
  asm goto(OURO_WRITE_HEAD("%c[room](%%r11,%[length])")
           OURO_COPY_WORDS("head_words", "0", "16384+%c[header](%%r10,%%rcx)")
           OURO_PUT_CONTEXT
           "leaq 16384+%c[header]+%c[head](%%r10,%%rcx), %%rax\n\t"
           "pcmpeqb %%xmm1, %%xmm1\n\t"
           "cmpq $16, %[length]\n\t"
           "jb 76f\n\t"
           "movups -16(%[bytes],%[length]), %%xmm0\n\t"  // the last 16, then all others from the first on
           "movups %%xmm0, -16(%%rax,%[length])\n\t"
           "movl $16, %%edx\n"
           "75:\n\t"
           "pminub %%xmm0, %%xmm1\n\t"
           "cmpq %[length], %%rdx\n\t"
           "jae 79f\n\t"
           "movups -16(%[bytes],%%rdx), %%xmm0\n\t"
           "movups %%xmm0, -16(%%rax,%%rdx)\n\t"
           "addq $16, %%rdx\n\t"
           "jmp 75b\n"
           "76:\n\t"
           "testb $8, %b[length]\n\t"
           "jz 77f\n\t"
           "movq (%[bytes]), %%xmm0\n\t"  // 8 to 15: the first and the last 8
           "movq -8(%[bytes],%[length]), %%xmm2\n\t"
           "movq %%xmm0, (%%rax)\n\t"
           "movq %%xmm2, -8(%%rax,%[length])\n\t"
           "punpcklqdq %%xmm2, %%xmm0\n\t"
           "pminub %%xmm0, %%xmm1\n\t"
           "jmp 79f\n"
           "77:\n\t"
           "xorl %%edx, %%edx\n"
           "78:\n\t"
           "cmpq %[length], %%rdx\n\t"
           "jae 79f\n\t"
           "movzbl (%[bytes],%%rdx), %%r11d\n\t"
           "movb %%r11b, (%%rax,%%rdx)\n\t"
           "incl %%edx\n\t"
           ".if %c[text]\n\t"
           "testl %%r11d, %%r11d\n\t"
           "je %l[declined]\n\t"
           ".endif\n\t"
           "jmp 78b\n"
           "79:\n\t"
           ".if %c[text]\n\t"
           "pxor %%xmm0, %%xmm0\n\t"
           "pcmpeqb %%xmm1, %%xmm0\n\t"
           "pmovmskb %%xmm0, %%edx\n\t"
           "testl %%edx, %%edx\n\t"
           "jne %l[declined]\n\t"
           ".endif\n\t"
           "addq %[length], %%rax\n\t"
           OURO_COPY_WORDS("tail_words", "%c[head_words]", "0(%%rax)")
           "movq (%%r10), %%r11\n\t"
           "leaq %c[advance](%%r11,%[length]), %%r11\n\t"
           ".if %c[header]\n\t"
           OURO_WRITE_STAMP
           ".endif\n\t"
           OURO_WRITE_COMMIT
           : : OURO_WRITE_ROUTE, [id] "r"(id), [room] "i"(kHeader + kHead + kBeyondHead + kAfter),
               [advance] "i"(abi::kOneRecord + kHeader + kHead + kTail), [header] "i"(kHeader), [head] "i"(kHead),
               [head_words] "i"(kHeadWords), [tail_words] "i"(kTailWords), [text] "i"(kText ? 1 : 0), [body] "r"(words),
               [bytes] "r"(bytes), [length] "r"(length), [context] "m"(context), [has_context] "i"(kContext ? 1 : 0)
           : OURO_WRITE_CLOBBERS, "xmm0", "xmm1", "xmm2" : declined);
  return true;
declined:
  ouro::detail::rseq_clear(*route.rseq);
  return false;
}

#undef OURO_WRITE_HEAD
#undef OURO_PUT_CONTEXT
#undef OURO_WRITE_STAMP
#undef OURO_WRITE_COMMIT
#undef OURO_WRITE_ROUTE
#undef OURO_WRITE_CLOBBERS
#undef OURO_PUT_FIELD
#undef OURO_COPY_WORD
#undef OURO_COPY_WORDS

}  // namespace ouro::ring::detail
