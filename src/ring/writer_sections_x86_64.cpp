#include "ring/writer_sections.hpp"

#if defined(__x86_64__) && OURO_HAS_RSEQ

namespace ouro::ring {

[[gnu::noinline]] bool exchange_in_section(const Exchange& x) noexcept {
  ouro::detail::RseqArea* const area = ouro::detail::rseq_area();
  asm goto(OURO_RSEQ_DESCRIPTOR
           OURO_RSEQ_EXIT("failed")
           OURO_RSEQ_BEGIN
           "movq 56(%[x]), %%rax\n\t"
           "movl (%%rdx,%%rax), %%eax\n\t"
           "cmpq (%[x]), %%rax\n\t"
           "jne %l[failed]\n\t"
           "movq 8(%[x]), %%r10\n\t"
           "movq 16(%[x]), %%rax\n\t"
           "cmpq (%%r10), %%rax\n\t"
           "jne %l[failed]\n\t"
           "movq 32(%[x]), %%rcx\n\t"
           "movq 40(%[x]), %%rax\n\t"
           "cmpq (%%rcx), %%rax\n\t"
           "jne %l[failed]\n\t"
           "movq 48(%[x]), %%rax\n\t"
           "cmpq 16(%%r10), %%rax\n\t"
           "jb %l[failed]\n\t"
           "leaq 64(%[x]), %%r8\n\t"
           "leaq 64+%c[copies]*24(%[x]), %%r9\n"
           "75:\n\t"  // each copy, its words from the last to the first
           "movq (%%r8), %%rcx\n\t"
           "movq 8(%%r8), %%rdx\n\t"
           "movq 16(%%r8), %%r11\n"
           "76:\n\t"
           "testq %%r11, %%r11\n\t"
           "jz 77f\n\t"
           "movq -8(%%rdx,%%r11,8), %%rax\n\t"
           "movq %%rax, -8(%%rcx,%%r11,8)\n\t"
           "decq %%r11\n\t"
           "jmp 76b\n"
           "77:\n\t"
           "addq $24, %%r8\n\t"
           "cmpq %%r9, %%r8\n\t"
           "jne 75b\n\t"
           "movq 48(%[x]), %%rax\n\t"
           "movq %%rax, 16(%%r10)\n\t"
           "movq 24(%[x]), %%rax\n\t"
           "movq %%rax, (%%r10)\n\t"  // ord(commit:B): all stores above it, on x86-64 by the machine's own order
           OURO_RSEQ_END
           OURO_RSEQ_ABORT("failed")
           : : [rseq] "r"(area), [x] "r"(&x), [copies] "i"(Exchange::kCopies)
           : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory" : failed);
  return true;
failed:
  ouro::detail::rseq_clear(*area);
  return false;
}

bool count_in_section(ouro::detail::RseqArea* area, std::uint64_t index_at, std::uint64_t index, abi::Word& counter) noexcept {
  asm goto(OURO_RSEQ_DESCRIPTOR
           OURO_RSEQ_EXIT("failed")
           OURO_RSEQ_BEGIN
           "movl (%%rdx,%[at]), %%eax\n\t"
           "cmpq %[index], %%rax\n\t"
           "jne %l[failed]\n\t"
           "movq %[counter], %%r10\n\t"
           "movq (%%r10), %%rax\n\t"
           "incq %%rax\n\t"
           "movq %%rax, (%%r10)\n\t"
           OURO_RSEQ_END
           OURO_RSEQ_ABORT("failed")
           : : [rseq] "r"(area), [at] "r"(index_at), [index] "r"(index), [counter] "r"(&counter)
           : "rax", "rdx", "r10", "cc", "memory" : failed);
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
           "movq %[route], %%r10\n\t"
           "cmpl $0, (%%r10)\n\t"
           "jne %l[left]\n\t"
           "movl %[index], 4(%%r10)\n\t"
           "movq %[ring], 8(%%r10)\n\t"
           "movl %[tag], (%%r10)\n\t"
           OURO_RSEQ_END
           OURO_RSEQ_ABORT("left")
           : : [rseq] "r"(area), [route] "r"(&route), [ring] "r"(ring), [index] "r"(index), [tag] "r"(tag)
           : "rax", "rdx", "r10", "cc", "memory" : left);
  return;
left:
  ouro::detail::rseq_clear(*area);
}

}  // namespace ouro::ring
#endif
