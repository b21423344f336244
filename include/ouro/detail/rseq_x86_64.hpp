// ouro/detail/rseq_x86_64.hpp -- see ouro/detail/rseq.hpp.
#pragma once

// OURO_RSEQ_BEGIN leaves the area's address in rdx and clobbers rax; OURO_RSEQ_END clobbers rax.
//
// A section whose branches end on or cross a multiple of 32 bytes is up to a fifth slower (Intel's JCC erratum: the line
// leaves the micro-op cache). So each begins on such a multiple, wherever the code around it lies.
#define OURO_RSEQ_DESCRIPTOR                            \
  ".pushsection __rseq_cs, \"aw?\"\n\t"                 \
  ".balign 32\n"                                        \
  "73:\n\t"                                             \
  ".long 0, 0\n\t"                                      \
  ".quad 71f, 72f - 71f, 74f\n\t"                       \
  ".popsection\n\t"                                     \
  ".pushsection __rseq_cs_ptr_array, \"aw?\"\n\t"       \
  ".quad 73b\n\t"                                       \
  ".popsection\n\t"
#define OURO_RSEQ_EXIT(label)                           \
  ".pushsection __rseq_exit_point_array, \"aw?\"\n\t"   \
  ".quad 71f, %l[" label "]\n\t"                        \
  ".popsection\n\t"
#define OURO_RSEQ_BEGIN                                 \
  ".p2align 5\n\t"                                      \
  "movq %[rseq], %%rdx\n\t"                             \
  "leaq 73b(%%rip), %%rax\n\t"                          \
  "movq %%rax, 8(%%rdx)\n"                              \
  "71:\n\t"
#if defined(__PIC__) && !defined(__PIE__)
#define OURO_RSEQ_END                                   \
  "72:\n\t"                                             \
  "movq %[rseq], %%rax\n\t"                             \
  "movq $0, 8(%%rax)\n\t"
#else
#define OURO_RSEQ_END "72:\n\t"
#endif
#define OURO_RSEQ_ABORT(label)                          \
  ".pushsection __rseq_failure, \"ax?\"\n\t"            \
  ".byte 0x0f, 0xb9, 0x3d\n\t"                          \
  ".long 0x53053053\n"                                  \
  "74:\n\t"                                             \
  "jmp %l[" label "]\n\t"                               \
  ".popsection\n\t"
