// The writer's critical sections as the compiler and the linker left them, in this very executable: what the kernel, and
// debuggers, take for granted about restartable sequences (rseq(2), include/uapi/linux/rseq.h).
#include <cstring>
#include <map>
#include <string_view>

#include <ouro/trace.hpp>

#if OURO_HAS_RSEQ
#include "ring/writer_sections.hpp"
#include "sections.hpp"

namespace ouro::race {
namespace {

// So that this executable has sections of every shape inlined, in ordinary functions and in ones the linker merges.
inline void in_inline_function(int x) { OURO_EVENT("sections:inline", "x", x); }
template <class T>
void in_template(T x) {
  OURO_EVENT("sections:template", "x", x, "y", x);
}
[[gnu::used]] void all_shapes(std::string_view text) {
  OURO_EVENT("sections:none");
  OURO_EVENT("sections:one", "x", 1);
  OURO_EVENT("sections:many", "a", 1L, "b", 2L, "c", 3L, "d", 4L, "e", 5L);
  OURO_EVENT("sections:text", "text", text);
  in_inline_function(1);
  in_template(1);
  in_template(1.0);
}

TEST(Sections, DescriptorsAreWhatTheKernelAccepts) {
  const Image exe = image();
  EXPECT_GE(descriptors().size(), 8u) << "this test looks at fewer sections than there must be";
  for (const Descriptor* d : descriptors()) {
    SCOPED_TRACE(::testing::Message() << "section at " << std::hex << d->start - exe.base);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(d) % 32, 0u);
    EXPECT_EQ(d->version, 0u);
    EXPECT_EQ(d->flags, 0u);
    EXPECT_GE(d->start, exe.text_begin);
    EXPECT_LT(d->start + d->length, exe.text_end);
    EXPECT_GT(d->length, 10u);
    EXPECT_LT(d->length, 400u) << "too long to get through before the next interrupt";
    EXPECT_GE(d->abort, exe.text_begin);
    EXPECT_LT(d->abort, exe.text_end);
    EXPECT_GE(d->abort - d->start, d->length) << "the abort address is inside the section";
    std::uint32_t signature = 0;
    std::memcpy(&signature, reinterpret_cast<const void*>(d->abort - 4), 4);
    EXPECT_EQ(signature, kSignature);
  }
}

TEST(Sections, CallNothingAndLeaveOnlyByTheirEndOrAListedExit) {
  const Image exe = image();
  std::multimap<std::uint64_t, std::uint64_t> exits;
  for (const Exit* e = __start___rseq_exit_point_array; e != __stop___rseq_exit_point_array; ++e) exits.emplace(e->start, e->target);
  for (const Descriptor* d : descriptors()) {
    const auto code = disassemble(exe.base, d->start, d->start + d->length);
    ASSERT_FALSE(code.empty());
    SCOPED_TRACE(::testing::Message() << "section at " << std::hex << d->start - exe.base);
    std::set<std::uint64_t> listed;
    for (auto [it, end] = exits.equal_range(d->start); it != end; ++it) listed.insert(it->second);
    for (const Instruction& i : code) {
      for (const char* forbidden : {"call", "syscall", "sysenter", "int", "int3", "ret", "push", "pop", "lock", "hlt",  // x86-64
                                    "bl", "blr", "br", "svc", "brk", "ldxr", "ldaxr", "stxr", "stlxr", "cas", "casal", "isb", "wfe"})
        EXPECT_NE(i.name(), forbidden) << i.text;
      const std::optional<std::uint64_t> target = target_of(i, exe.base);
      EXPECT_TRUE(!target || *target - d->start <= d->length || listed.count(*target) == 1) << i.text;
    }
  }
}

// Is this one of the two sections that write no W?
bool is_in(const Descriptor& d, const void* function) { return d.start - reinterpret_cast<std::uint64_t>(function) < 300; }
bool writes_w(const Descriptor& d) {
  return !is_in(d, reinterpret_cast<const void*>(&ring::count_in_section)) && !is_in(d, reinterpret_cast<const void*>(&ring::bind_in_section));
}

// One store, through the register that holds the ring (or counter, or route), of what all stores above it must be seen before.
bool is_commit(const Instruction& i) {
#if defined(__aarch64__)
  return i.is("st") && i.text.ends_with("[x10]");
#else
  return i.is("mov ") && i.has(",(%r10)");
#endif
}

TEST(Sections, EndWithTheCommitAndHaveNoOther) {
  const Image exe = image();
  int of_w = 0;
  for (const Descriptor* d : descriptors()) {
    SCOPED_TRACE(::testing::Message() << "section at " << std::hex << d->start - exe.base);
    const auto code = disassemble(exe.base, d->start, d->start + d->length);
    ASSERT_FALSE(code.empty());
    for (const Instruction& i : code) EXPECT_EQ(i.address == code.back().address, is_commit(i)) << i.text;
    of_w += writes_w(*d);
#if defined(__aarch64__)
    EXPECT_EQ(writes_w(*d), code.back().is("stlr x11,")) << code.back().text;
    // The newest stamp, which readers compare with the W before it: stamp:B.
    for (const Instruction& i : code) EXPECT_FALSE(i.is("str") && i.has("[x10, #16]")) << i.text;
#endif
  }
  EXPECT_EQ(static_cast<int>(descriptors().size()) - of_w, 2) << "the slow paths' counter and route";
}

// The kernel's words, of which only rseq_cs may be written, and that outside the sections. Their address is in rdx, x9.
TEST(Sections, StoreNothingIntoTheRseqArea) {
  const Image exe = image();
  for (const Descriptor* d : descriptors())
    for (const Instruction& i : disassemble(exe.base, d->start, d->start + d->length)) {
#if defined(__aarch64__)
      const bool stores = i.is("st") && i.has("[x9");
#else
      const bool stores = i.text.ends_with(")") && !i.is("cmp") && i.text.substr(i.text.rfind('(')).starts_with("(%rdx");
#endif
      EXPECT_FALSE(stores) << "section at " << std::hex << d->start - exe.base << ": " << i.text;
    }
}

[[gnu::noinline, gnu::used]] void one_number(int x) { OURO_EVENT("sections:number", "x", x); }

// An event that is on, from the load of its filter word to the store of the write word, its field's value in a register; the
// ring's part is the section and the three (aarch64: four) instructions that begin it. The ring buffers of 2010 took hundreds.
TEST(Sections, TheRingsPartOfAnEventTakesAtMost32Or33Instructions) {
  if (!OURO_INLINE_SECTIONS) GTEST_SKIP() << "built without optimisation";
#if defined(__aarch64__)
  constexpr int kBegin = 4, kMost = 33, kWithTheTracers = 55;  // an address takes two
#else
  constexpr int kBegin = 3, kMost = 32, kWithTheTracers = 44;
#endif
  const Image exe = image();
  const auto at = reinterpret_cast<std::uint64_t>(&one_number);
  std::map<std::uint64_t, Instruction> code;
  for (const Instruction& i : disassemble(exe.base, at, at + 500)) code.emplace(i.address, i);
  int all = 0, inside = 0;
  bool in_section = false, is_on = false;
  for (auto it = code.find(at); it != code.end() && all < 200;) {
    const Instruction& i = it->second;
    for (const Descriptor* d : descriptors()) in_section = in_section || i.address == d->start;
    const bool counts = !i.has("nop") && !i.is("xchg   %ax,%ax");
    all += counts;
    inside += counts && in_section;
    if (is_commit(i)) break;
    // Straight on but for the first branch, behind which the event is on.
    const std::optional<std::uint64_t> target = target_of(i, exe.base);
    const bool follows = target && (i.is("jmp") || i.is("b ") || (!is_on && !in_section && !i.is("je ") && !i.is("cbz")));
    it = follows ? code.find(*target) : std::next(it);
    is_on = is_on || target;
  }
  std::printf("an event of one number: %d instructions, %d of them the ring's\n", all, inside + kBegin);
  EXPECT_GT(inside, 15) << "what was counted?";
  EXPECT_LE(inside + kBegin, kMost);
  EXPECT_LE(all, kWithTheTracers);
}

}  // namespace
}  // namespace ouro::race
#endif
