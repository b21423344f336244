// The writer's critical sections as the compiler and the linker left them, in this very executable: what the kernel, and
// debuggers, take for granted about restartable sequences (rseq(2), include/uapi/linux/rseq.h).
#include <cstring>
#include <map>
#include <sstream>
#include <string_view>

#include <ouro/trace.hpp>

#if OURO_HAS_RSEQ
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
    EXPECT_EQ(signature, 0x53053053u);
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
      const std::string name = i.text.substr(0, i.text.find(' '));
      for (const char* forbidden : {"call", "syscall", "sysenter", "int", "int3", "ret", "push", "pop", "lock", "hlt"})
        EXPECT_NE(name, forbidden) << i.text;
      if (name[0] != 'j') continue;
      std::uint64_t target = 0;
      std::stringstream(i.text.substr(name.size())) >> std::hex >> target;
      target += exe.base;
      EXPECT_TRUE((target >= d->start && target <= d->start + d->length) || listed.count(target) == 1) << i.text;
    }
    // The commit: one store, the last instruction, through the register that holds the ring or route.
    EXPECT_EQ(code.back().text.find("mov "), 0u) << code.back().text;
    EXPECT_NE(code.back().text.find(",(%r10)"), std::string::npos) << code.back().text;
    for (const Instruction& i : code)
      EXPECT_EQ(i.address == code.back().address, i.text.find("mov ") == 0 && i.text.find(",(%r10)") != std::string::npos)
          << "the write word is stored to in the middle: " << i.text;
  }
}

// The kernel's words, of which only rseq_cs may be written, and that outside the sections. Their address is in rdx.
TEST(Sections, StoreNothingIntoTheRseqArea) {
  const Image exe = image();
  for (const Descriptor* d : descriptors())
    for (const Instruction& i : disassemble(exe.base, d->start, d->start + d->length)) {
      const bool stores = i.text.ends_with(")") && i.text.find("cmp") != 0;
      EXPECT_FALSE(stores && i.text.substr(i.text.rfind('(')).starts_with("(%rdx")) << "section at " << std::hex << d->start - exe.base << ": " << i.text;
    }
}

[[gnu::noinline, gnu::used]] void one_number(int x) { OURO_EVENT("sections:number", "x", x); }

// An event that is on, from the load of its filter word to the store of the write word, its field's value in a register; the
// ring's part is the section and the three instructions that begin it. The ring buffers of 2010 took hundreds.
TEST(Sections, TheRingsPartOfAnEventTakesAtMost32Instructions) {
  if (!OURO_INLINE_SECTIONS) GTEST_SKIP() << "built without optimisation";
  const Image exe = image();
  const auto at = reinterpret_cast<std::uint64_t>(&one_number);
  std::map<std::uint64_t, std::string> code;
  for (const Instruction& i : disassemble(exe.base, at, at + 500)) code.emplace(i.address, i.text);
  int all = 0, inside = 0;
  bool in_section = false, is_on = false;
  for (auto i = code.find(at); i != code.end() && all < 200;) {
    const std::string& text = i->second;
    const std::string name = text.substr(0, text.find(' '));
    for (const Descriptor* d : descriptors()) in_section = in_section || i->first == d->start;
    const bool counts = text.find("nop") == std::string::npos && text.find("xchg   %ax,%ax") == std::string::npos;
    all += counts;
    inside += counts && in_section;
    if (text.find("mov    %r11,(%r10)") == 0) break;
    // Straight on but for the first branch, behind which the event is on.
    if (name == "jmp" || (name == "jne" && !is_on)) {
      std::uint64_t target = 0;
      std::stringstream(text.substr(name.size())) >> std::hex >> target;
      i = code.find(target + exe.base);
    } else {
      ++i;
    }
    is_on = is_on || name[0] == 'j';
  }
  EXPECT_GT(inside, 15) << "what was counted?";
  EXPECT_LE(inside + 3, 32);
  EXPECT_LE(all, 44);
}

}  // namespace
}  // namespace ouro::race
#endif
