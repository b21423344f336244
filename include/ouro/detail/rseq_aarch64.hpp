// ouro/detail/rseq_aarch64.hpp -- see ouro/detail/rseq.hpp.
#pragma once

// OURO_RSEQ_BEGIN leaves the area's address in x9 and clobbers x16; OURO_RSEQ_END wants it there still.
//
// A conditional branch reaches 1 MiB, and the linker lengthens none; what compilers think cold may be farther away in a large
// program. So all exits are by way of the abort address, from where an unconditional branch goes on, which the linker may
// lengthen (then it uses x16 and x17: sections name them as clobbered). It stands behind the object's code of the same section
// (subsection 1). The kernel's signature is there a brk that nobody executes.
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
  ".quad 71f, 74f\n\t"                                  \
  ".popsection\n\t"
#define OURO_RSEQ_BEGIN                                 \
  "ldr x9, %[rseq]\n\t"                                 \
  "adrp x16, 73b\n\t"                                   \
  "add x16, x16, #:lo12:73b\n\t"                        \
  "str x16, [x9, #8]\n"                                 \
  "71:\n\t"
#if defined(__PIC__) && !defined(__PIE__)
#define OURO_RSEQ_END                                   \
  "72:\n\t"                                             \
  "str xzr, [x9, #8]\n\t"
#else
#define OURO_RSEQ_END "72:\n\t"
#endif
#define OURO_RSEQ_ABORT(label)                          \
  ".subsection 1\n\t"                                   \
  ".inst 0xd428bc00\n"                                  \
  "74:\n\t"                                             \
  "b %l[" label "]\n\t"                                 \
  ".previous\n\t"
