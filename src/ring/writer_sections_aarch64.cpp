#include "ring/writer_sections.hpp"

#if defined(__aarch64__) && OURO_HAS_RSEQ

namespace ouro::ring {

[[gnu::noinline]] bool exchange_in_section(const Exchange& x) noexcept {
  ouro::detail::RseqArea* const area = ouro::detail::rseq_area();
  asm goto(OURO_RSEQ_DESCRIPTOR
           OURO_RSEQ_EXIT("failed")
           OURO_RSEQ_BEGIN
           "ldr x16, [%[x], #56]\n\t"
           "ldr w16, [x9, x16]\n\t"
           "ldr x17, [%[x]]\n\t"
           "cmp x16, x17\n\t"
           "b.ne 74f\n\t"
           "ldp x10, x16, [%[x], #8]\n\t"
           "ldr x17, [x10]\n\t"
           "cmp x16, x17\n\t"
           "b.ne 74f\n\t"
           "ldp x12, x16, [%[x], #32]\n\t"
           "ldr x17, [x12]\n\t"
           "cmp x16, x17\n\t"
           "b.ne 74f\n\t"
           "ldr x16, [%[x], #48]\n\t"
           "ldr x17, [x10, #16]\n\t"
           "cmp x16, x17\n\t"
           "b.lo 74f\n\t"
           "add x14, %[x], #64\n\t"
           "add x15, %[x], #64+%c[copies]*24\n"
           "75:\n\t"  // each copy, its words from the last to the first
           "ldp x12, x13, [x14]\n\t"
           "ldr x11, [x14, #16]\n"
           "76:\n\t"
           "cbz x11, 77f\n\t"
           "sub x11, x11, #1\n\t"
           "ldr x17, [x13, x11, lsl #3]\n\t"
           "str x17, [x12, x11, lsl #3]\n\t"
           "b 76b\n"
           "77:\n\t"
           "add x14, x14, #24\n\t"
           "cmp x14, x15\n\t"
           "b.ne 75b\n\t"
           "add x17, x10, #16\n\t"
           "stlr x16, [x17]\n\t"  // ord(stamp:B)
           "ldr x11, [%[x], #24]\n\t"
           "stlr x11, [x10]\n\t"  // ord(commit:B)
           OURO_RSEQ_END
           OURO_RSEQ_ABORT("failed")
           : : [rseq] "m"(area), [x] "r"(&x), [copies] "i"(Exchange::kCopies)
           : "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "cc", "memory" : failed);
  return true;
failed:
  ouro::detail::rseq_clear(*area);
  return false;
}

// Plain stores end this and the next: a counter orders nothing, and a route is its thread's own.
bool count_in_section(ouro::detail::RseqArea* area, std::uint64_t index_at, std::uint64_t index, abi::Word& counter) noexcept {
  asm goto(OURO_RSEQ_DESCRIPTOR
           OURO_RSEQ_EXIT("failed")
           OURO_RSEQ_BEGIN
           "ldr w16, [x9, %[at]]\n\t"
           "cmp x16, %[index]\n\t"
           "b.ne 74f\n\t"
           "mov x10, %[counter]\n\t"
           "ldr x11, [x10]\n\t"
           "add x11, x11, #1\n\t"
           "str x11, [x10]\n\t"
           OURO_RSEQ_END
           OURO_RSEQ_ABORT("failed")
           : : [rseq] "m"(area), [at] "r"(index_at), [index] "r"(index), [counter] "r"(&counter)
           : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : failed);
  return true;
failed:
  ouro::detail::rseq_clear(*area);
  return false;
}

void bind_in_section(Route& route, std::uint32_t index, abi::RingHead* ring, std::uint32_t tag) noexcept {
  ouro::detail::RseqArea* const area = route.rseq;
  static_assert(offsetof(Route, tag) == 0 && offsetof(Route, index) == 4 && offsetof(Route, ring) == 8);
  asm goto(OURO_RSEQ_DESCRIPTOR
           OURO_RSEQ_EXIT("left")
           OURO_RSEQ_BEGIN
           "mov x10, %[route]\n\t"
           "ldr w16, [x10]\n\t"
           "cbnz w16, 74f\n\t"
           "str %w[index], [x10, #4]\n\t"
           "str %[ring], [x10, #8]\n\t"
           "mov w11, %w[tag]\n\t"
           "str w11, [x10]\n\t"
           OURO_RSEQ_END
           OURO_RSEQ_ABORT("left")
           : : [rseq] "m"(area), [route] "r"(&route), [ring] "r"(ring), [index] "r"(index), [tag] "r"(tag)
           : "x9", "x10", "x11", "x16", "x17", "cc", "memory" : left);
  return;
left:
  ouro::detail::rseq_clear(*area);
}

}  // namespace ouro::ring
#endif
