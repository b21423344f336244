// record/test_core.hpp -- for tests only: core dumps made by hand.
//
//   ELF header | program headers | .. page | NT_FILE | .. page | memory | memory | ...
#pragma once
#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace ouro::record::test {

class TestCore {
 public:
  using Bytes = std::vector<std::byte>;
  std::size_t note_headers = 1;  // that lead to the one note

  void map(std::uint64_t begin, std::uint64_t size, const std::string& path, std::uint64_t page = 0) {
    for (const std::uint64_t word : {begin, begin + size, page}) put(rows_, word);
    const auto* name = reinterpret_cast<const std::byte*>(path.c_str());
    names_.insert(names_.end(), name, name + path.size() + 1);
  }
  void add_memory(std::uint64_t at, const std::byte* from, std::size_t size) {
    parts_.push_back({at, memory_.size(), size});
    memory_.insert(memory_.end(), from, from + size);
  }

  std::uint64_t note_at() const { return page_up(sizeof(Elf64_Ehdr) + (note_headers + parts_.size()) * sizeof(Elf64_Phdr)); }
  std::uint64_t memory_at() const { return page_up(note_at() + note().size()); }
  Bytes bytes() const {
    const Bytes note = this->note();
    Bytes out;
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64, header.e_ident[EI_DATA] = ELFDATA2LSB, header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_CORE, header.e_machine = EM_X86_64, header.e_version = EV_CURRENT;
    header.e_phoff = header.e_ehsize = sizeof header, header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(note_headers + parts_.size());
    put(out, header);
    for (std::size_t i = 0; i < note_headers; ++i) put(out, Elf64_Phdr{PT_NOTE, 0, note_at(), 0, 0, note.size(), 0, 4});
    for (const Part& part : parts_) put(out, Elf64_Phdr{PT_LOAD, PF_R | PF_W, memory_at() + part.offset, part.at, 0, part.size, part.size, 1});
    out.resize(note_at());
    out.insert(out.end(), note.begin(), note.end());
    out.resize(memory_at());
    out.insert(out.end(), memory_.begin(), memory_.end());
    return out;
  }

 private:
  struct Part {
    std::uint64_t at, offset, size;
  };
  template <class T>
  static void put(Bytes& to, const T& value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    to.insert(to.end(), from, from + sizeof value);
  }
  static std::uint64_t page_up(std::uint64_t n) { return (n + 4095) & ~std::uint64_t{4095}; }
  Bytes note() const {
    Bytes out;
    put(out, Elf64_Nhdr{5, static_cast<Elf64_Word>(16 + rows_.size() + names_.size()), NT_FILE});
    put(out, std::uint64_t{0x45524f43});  // "CORE", padded
    put(out, std::uint64_t{rows_.size() / 24});
    put(out, std::uint64_t{4096});
    out.insert(out.end(), rows_.begin(), rows_.end());
    out.insert(out.end(), names_.begin(), names_.end());
    out.resize((out.size() + 3) & ~std::size_t{3});
    return out;
  }

  Bytes rows_, names_, memory_;
  std::vector<Part> parts_;
};

}  // namespace ouro::record::test
