// sections.hpp -- the restartable sequences of the executable at hand: what the linker listed, and what the code is.
#pragma once
#include <gtest/gtest.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ouro::race {

struct Descriptor {
  std::uint32_t version, flags;
  std::uint64_t start, length, abort;
};
#if defined(__aarch64__)
inline constexpr std::uint32_t kSignature = 0xd428bc00;
inline constexpr const char* kComment = "//";
#else
inline constexpr std::uint32_t kSignature = 0x53053053;
inline constexpr const char* kComment = "#";
#endif
struct Exit {
  std::uint64_t start, target;
};
struct Instruction {
  std::uint64_t address;
  std::string text;  // "mov    %r11,(%r10)", "stlr    x11, [x10]"
  std::string name() const { return text.substr(0, text.find(' ')); }
  bool is(std::string_view name_and_more) const { return text.starts_with(name_and_more); }
  bool has(std::string_view part) const { return text.find(part) != std::string::npos; }
};

extern "C" {
extern const Descriptor* const __start___rseq_cs_ptr_array[];
extern const Descriptor* const __stop___rseq_cs_ptr_array[];
extern const Exit __start___rseq_exit_point_array[];
extern const Exit __stop___rseq_exit_point_array[];
}

struct Image {
  std::uint64_t base = 0, text_begin = 0, text_end = 0;
};
inline Image image() {
  Image out;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* to) {  // the first is the executable
        auto& found = *static_cast<Image*>(to);
        found.base = info->dlpi_addr;
        for (int i = 0; i < info->dlpi_phnum; ++i)
          if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X) != 0) {
            found.text_begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            found.text_end = found.text_begin + info->dlpi_phdr[i].p_memsz;
          }
        return 1;
      },
      &out);
  return out;
}

inline std::set<const Descriptor*> descriptors() {  // inlining lists some more than once
  return {__start___rseq_cs_ptr_array, __stop___rseq_cs_ptr_array};
}

inline std::vector<Instruction> disassemble(std::uint64_t base, std::uint64_t begin, std::uint64_t end) {
#if defined(__aarch64__)
  const char* const objdump = "aarch64-linux-gnu-objdump";
#else
  const char* const objdump = "objdump";
#endif
  char path[1000]{}, command[1200];
  EXPECT_GT(readlink("/proc/self/exe", path, sizeof path - 1), 0);
  std::snprintf(command, sizeof command, "%s -d --no-show-raw-insn --start-address=%#lx --stop-address=%#lx %s", objdump, begin - base,
                end - base, path);
  FILE* pipe = popen(command, "r");
  std::vector<Instruction> out;
  char line[300];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    unsigned long address = 0;
    char text[200];
    if (std::sscanf(line, " %lx:\t%199[^\n]", &address, text) != 2) continue;
    std::string shown = text;  // without the disassembler's comment, and one kind of white space
    shown.resize(std::min(shown.find(kComment), shown.size()));
    std::replace(shown.begin(), shown.end(), '\t', ' ');
    out.push_back({address + base, shown});
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return out;
}
// Where the instruction branches to, if it does.
inline std::optional<std::uint64_t> target_of(const Instruction& i, std::uint64_t base) {
#if defined(__aarch64__)
  const std::string name = i.name();
  if (name != "b" && name.rfind("b.", 0) != 0 && name.rfind("cb", 0) != 0 && name.rfind("tb", 0) != 0) return {};
  const std::size_t at = name[0] == 'b' ? name.size() : i.text.rfind(',') + 1;  // cbz x1, 100; tbz x1, #3, 100
#else
  if (i.text[0] != 'j') return {};
  const std::size_t at = i.name().size();
#endif
  return std::stoull(i.text.substr(at), nullptr, 16) + base;
}

}  // namespace ouro::race
