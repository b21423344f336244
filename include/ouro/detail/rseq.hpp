// ouro/detail/rseq.hpp -- restartable sequences: the writer's critical sections.
//
// A section is a run of instructions that ends in one store. If the thread is preempted, migrated or handed a
// signal inside it, the kernel sends it to the abort address instead of letting it go on: so on each CPU at most
// one thread is ever between a section's load of W and its store of W, signal handlers included.
//   Linux: include/uapi/linux/rseq.h; glibc 2.35 registers every thread (sys/rseq.h).
//
//   descriptor  __rseq_cs            listed in __rseq_cs_ptr_array, for debuggers and for our own test of it
//   exits       __rseq_exit_point_array    so that a debugger's `next` steps over, not into, a section
//   abort       behind the signature that the kernel wants to see there: in __rseq_failure, or behind the function's own code
//
// "aw?" and "ax?" put each of them into the group of the function around it, so that the linker drops copies of an
// inline function together with what belongs to them.
//
// Code that may be unloaded clears rseq_cs on every way out: a descriptor left behind in a library that is gone would
// kill the thread at its next preemption. An executable's code stays, so there the store is saved (the kernel itself
// clears the word when it finds the thread outside). No other word of the rseq area is ever written.
#pragma once
#if defined(__linux__) && (defined(__x86_64__) || (defined(__aarch64__) && defined(__LP64__) && defined(__AARCH64EL__)))
#define OURO_HAS_RSEQ 1
// Compilers that do not optimise find too few registers for the operands: such code calls the library for every record.
#if defined(__OPTIMIZE__)
#define OURO_INLINE_SECTIONS 1
#endif

#include <cstddef>
#include <cstdint>

// Offset of the thread's rseq area from its thread pointer, and the size registered (0: none). glibc >= 2.35.
extern "C" {
extern const std::ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));
}

// Each architecture's file has what a section's asm goto is made of: OURO_RSEQ_DESCRIPTOR, OURO_RSEQ_EXIT for each way out that is
// not the end, OURO_RSEQ_BEGIN, then the section's own instructions, OURO_RSEQ_END, OURO_RSEQ_ABORT. Operand [rseq]: the thread's
// area, "m" of a pointer to it. Labels: 71 start, 72 end, 73 descriptor, 74 abort address.
#if defined(__x86_64__)
#include <ouro/detail/rseq_x86_64.hpp>
#else
#include <ouro/detail/rseq_aarch64.hpp>
#endif

namespace ouro::detail {

// What the kernel keeps for each thread (linux/rseq.h). `cpu` and `concurrency_id` are valid at the moment of the load only, so
// sections check them again; from RseqArea::kNone on, the thread is not registered.
struct RseqArea {
  static constexpr std::uint32_t kNone = 0x80000000;
  std::uint32_t cpu_start = kNone;
  std::uint32_t cpu = kNone;
  std::uint64_t descriptor = 0;
  std::uint32_t flags = 0, node = 0;
  std::uint32_t concurrency_id = kNone;  // of the threads of a process that run at once, no two have the same (mm_cid; Linux 6.3)
};
static_assert(offsetof(RseqArea, cpu) == 4 && offsetof(RseqArea, descriptor) == 8 && offsetof(RseqArea, concurrency_id) == 24);

// Stands in for a thread's area until that is asked for: sections that begin on it end at their check of the tag or, should
// a handler find the route in between, of the CPU. All threads share it: what is stored there means nothing.
__attribute__((visibility("hidden"))) inline constinit RseqArea no_rseq alignas(64){};

inline RseqArea* rseq_area() noexcept {
  if (&__rseq_size == nullptr || __rseq_size == 0) return &no_rseq;
  return reinterpret_cast<RseqArea*>(static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset);
}

// `cpu` or `concurrency_id`, by its offset. One load: the kernel may change it between any two instructions.
inline std::uint32_t rseq_index(const RseqArea& area, std::uint32_t at) noexcept {
  return *reinterpret_cast<const volatile std::uint32_t*>(reinterpret_cast<const char*>(&area) + at);
}

// For ways out of a section that do not run through its end.
inline void rseq_clear(RseqArea& area) noexcept {
  if (&area != &no_rseq) *const_cast<volatile std::uint64_t*>(&area.descriptor) = 0;
}

}  // namespace ouro::detail
#else
#define OURO_HAS_RSEQ 0
#endif
#if !defined(OURO_INLINE_SECTIONS)
#define OURO_INLINE_SECTIONS 0
#endif
