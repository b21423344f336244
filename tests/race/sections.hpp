// sections.hpp -- the restartable sequences of the executable at hand: what the linker listed, and what the code is.
#pragma once
#include <gtest/gtest.h>
#include <link.h>
#include <unistd.h>

#include <cstdio>
#include <set>
#include <string>
#include <vector>

namespace ouro::race {

struct Descriptor {
  std::uint32_t version, flags;
  std::uint64_t start, length, abort;
};
struct Exit {
  std::uint64_t start, target;
};
struct Instruction {
  std::uint64_t address;
  std::string text;  // "mov    %r11,(%r10)"
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
  char command[200];
  std::snprintf(command, sizeof command,
                "objdump -d --no-show-raw-insn --start-address=%#lx --stop-address=%#lx /proc/%d/exe", begin - base, end - base,
                getpid());
  FILE* pipe = popen(command, "r");
  std::vector<Instruction> out;
  char line[300];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    unsigned long address = 0;
    char text[200];
    if (std::sscanf(line, " %lx:\t%199[^\n#]", &address, text) == 2) out.push_back({address + base, text});
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return out;
}

}  // namespace ouro::race
