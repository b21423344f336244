#include "record/program_file.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <ouro/abi/registry_layout.hpp>

#include "record/test_session.hpp"

namespace ouro::record {
namespace {

using format::test::Bytes;
using test::TestFolder;

// A program's file made by hand, so that everything in it can be wrong:
//
//   0       64        120         0x200       0x300       0x400      0x500         0x600
//   +-------+---------+-----------+-----------+-----------+----------+-------------+-----------------+
//   | Ehdr  | PT_LOAD |           | ouro_sites| two sites | schemas  | relocations | names, sections |
//   +-------+---------+-----------+-----------+-----------+----------+-------------+-----------------+
//
// Loaded at kBase. `relocated`: pointers are zero in the file, and relocations have them.
class TestProgram {
 public:
  static constexpr std::uint64_t kBase = 0x10000, kSites = 0x200, kHeads = 0x300, kSchemas = 0x400,
                                 kRelocations = 0x500, kNames = 0x600, kSections = 0x640;

  explicit TestProgram(bool relocated) : relocated_(relocated) {
    bytes.resize(kSections + 4 * sizeof(Elf64_Shdr));
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = EM_AARCH64;  // whichever machine the test runs on
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_shoff = kSections;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 4;
    header.e_shstrndx = 3;
    put(0, header);
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_vaddr = kBase;
    segment.p_filesz = segment.p_memsz = kRelocations;
    put(sizeof header, segment);
    std::memcpy(bytes.data() + kNames, "\0ouro_sites\0.rela.dyn", 22);
    section(1, {1, SHT_PROGBITS, SHF_ALLOC, kBase + kSites, kSites, 0, 0, 0, 8, 0});
    section(2, {12, SHT_RELA, SHF_ALLOC, 0, kRelocations, 0, 0, 0, 8, sizeof(Elf64_Rela)});
    section(3, {0, SHT_STRTAB, 0, 0, kNames, 32, 0, 0, 1, 0});
    // Listed twice, as inlined copies are.
    add_site(0, "test:one", {});
    add_site(1, "test:two", {{"n", abi::FieldType::u64, {}, false, 0, {}}});
    add_pointer(0);
  }

  template <class T>
  void put(std::uint64_t at, const T& value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
  template <class T>
  T get(std::uint64_t at) const {
    T out;
    std::memcpy(&out, bytes.data() + at, sizeof out);
    return out;
  }
  std::uint64_t site(std::uint32_t i) const { return kHeads + i * 48; }
  void section(std::uint32_t i, const Elf64_Shdr& header) { put(kSections + i * sizeof header, header); }
  template <class F>
  void change_section(std::uint32_t i, F change) {
    auto header = get<Elf64_Shdr>(kSections + i * sizeof(Elf64_Shdr));
    change(header);
    section(i, header);
  }

  std::vector<char> bytes;

 private:
  void add_site(std::uint32_t i, const std::string& name, const std::vector<format::Field>& fields) {
    const auto schema = format::test::schema_bytes(name, "test.cpp", abi::EventKind::point, fields);
    const std::uint64_t at = kSchemas + i * 0x80;
    std::memcpy(bytes.data() + at, schema.data(), schema.size());
    pointer(site(i), at);
    put(site(i) + 8, static_cast<std::uint32_t>(schema.size()));
    put(site(i) + 12, abi::filter_index(reinterpret_cast<const char*>(schema.data()), schema.size()));
    add_pointer(i);
  }
  void add_pointer(std::uint32_t i) {
    pointer(kSites + 8 * pointers_++, site(i));
    change_section(1, [&](Elf64_Shdr& h) { h.sh_size = 8 * pointers_; });
  }
  void pointer(std::uint64_t at, std::uint64_t to) {
    if (!relocated_) return put(at, kBase + to);
    put(kRelocations + sizeof(Elf64_Rela) * relocations_++,
        Elf64_Rela{kBase + at, ELF64_R_INFO(0, R_AARCH64_RELATIVE), static_cast<std::int64_t>(kBase + to)});
    change_section(2, [&](Elf64_Shdr& h) { h.sh_size = sizeof(Elf64_Rela) * relocations_; });
  }

  bool relocated_;
  std::uint64_t pointers_ = 0, relocations_ = 0;
};

class ProgramFileTest : public testing::Test {
 protected:
  Result<ProgramFile> read(const std::vector<char>& bytes) {
    std::ofstream(folder_.in("program"), std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return read_program_file(folder_.in("program"));
  }
  std::string names(const TestProgram& program) {
    const Result<ProgramFile> file = read(program.bytes);
    if (!file) return file.error().text;
    std::string out;
    for (const format::EventClass& event : file->events) out += event.name + " ";
    for (const std::string& what : file->spoiled) out += "| " + what;
    return out;
  }
  // The text behind the file's name.
  std::string trouble(const TestProgram& program) {
    const Result<ProgramFile> file = read(program.bytes);
    return file ? "none" : file.error().text.substr(("file '" + folder_.in("program") + "'").size());
  }

  TestFolder folder_;
};

TEST_F(ProgramFileTest, EventsAreFoundInPlaceAndByRelocations) {
  EXPECT_EQ(names(TestProgram(false)), "test:one test:two ");
  EXPECT_EQ(names(TestProgram(true)), "test:one test:two ");
}

TEST_F(ProgramFileTest, AnEventHasItsFieldsAndPlace) {
  const Result<ProgramFile> file = read(TestProgram(true).bytes);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->events[1].file, "test.cpp");
  EXPECT_EQ(file->events[1].line, 42u);
  ASSERT_EQ(file->events[1].fields.size(), 1u);
  EXPECT_EQ(format::type_name(file->events[1].fields[0]), "u64");
}

TEST_F(ProgramFileTest, WhatIsNoProgramSaysWhatItIs) {
  EXPECT_EQ(read_program_file("/nonexistent").error().text, "file '/nonexistent': No such file or directory");
  EXPECT_EQ(read_program_file("/dev/null").error().text,
            "file '/dev/null' is no regular file, want a program or shared library");
  TestProgram program(true);
  auto header = program.get<Elf64_Ehdr>(0);
  const auto changed = [&](auto change) {
    Elf64_Ehdr copy = header;
    change(copy);
    program.put(0, copy);
    return trouble(program);
  };
  EXPECT_EQ(changed([](Elf64_Ehdr& h) { h.e_ident[0] = '#'; }),
            " is no ELF file, want a program or shared library (hint: of a script, its interpreter)");
  EXPECT_EQ(changed([](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = ELFCLASS32; }),
            " is 32-bit, little endian, want 64-bit, little endian");
  EXPECT_EQ(changed([](Elf64_Ehdr& h) { h.e_type = ET_CORE; }),
            " is of ELF type 4, want a program (2) or a shared library (3)");
  EXPECT_EQ(changed([](Elf64_Ehdr& h) { h.e_shoff = h.e_shnum = h.e_shstrndx = 0; }).substr(0, 24),
            " has no section headers,");
}

TEST_F(ProgramFileTest, WithoutTheSectionThereAreNoEvents) {
  TestProgram program(true);
  program.change_section(1, [](Elf64_Shdr& h) { h.sh_name = 12; });
  EXPECT_EQ(trouble(program).substr(0, 15), " has no events,");
  program.change_section(1, [](Elf64_Shdr& h) { h.sh_name = 1, h.sh_size = 0; });
  EXPECT_EQ(trouble(program).substr(0, 15), " has no events,");
  program.change_section(1, [](Elf64_Shdr& h) { h.sh_size = 24, h.sh_type = SHT_NOBITS; });
  EXPECT_EQ(trouble(program), " holds debug information only, want the file that it belongs to");
}

TEST_F(ProgramFileTest, AddressesThatAreNotInTheFileAreNamed) {
  for (const std::uint64_t address :
       {std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{7}, TestProgram::kBase + TestProgram::kRelocations - 8}) {
    TestProgram program(false);
    program.change_section(1, [&](Elf64_Shdr& h) { h.sh_addr = address; });
    EXPECT_NE(trouble(program).find("is not in the file"), std::string::npos) << address;
    program = TestProgram(false);
    program.put(TestProgram::kSites, address);
    EXPECT_NE(names(program).find("| event at 0x"), std::string::npos) << address;
    program = TestProgram(false);
    program.put(program.site(0), address);
    EXPECT_EQ(names(program), "test:two | event at 0x10300: its schema is not in the file");
  }
  TestProgram program(false);
  program.change_section(1, [](Elf64_Shdr& h) { h.sh_size = ~std::uint64_t{7}; });
  EXPECT_NE(trouble(program).find("want a multiple of 8"), std::string::npos);
}

TEST_F(ProgramFileTest, ASchemaIsTheOneThatItWasBuiltWith) {
  TestProgram program(false);
  program.bytes[TestProgram::kSchemas + 20] ^= 1;
  EXPECT_EQ(names(program), "test:two | event at 0x10300: its schema is not the one that it was built with");
  program = TestProgram(false);
  program.put(program.site(1) + 8, std::uint32_t{0x7fffffff});
  EXPECT_EQ(names(program), "test:one | event at 0x10330: its schema has 2147483647 bytes, want 12 to 16384");
}

// Nothing but an answer, whatever the file says: sanitizers watch.
TEST_F(ProgramFileTest, CutOffAnywhereItIsStillOnlyAFile) {
  for (const bool relocated : {false, true}) {
    const TestProgram program(relocated);
    for (std::size_t size = 0; size < program.bytes.size(); size += size < 256 ? 1 : 7)
      (void)read({program.bytes.begin(), program.bytes.begin() + static_cast<std::ptrdiff_t>(size)});
  }
}

TEST_F(ProgramFileTest, FlippedAnywhereItIsStillOnlyAFile) {
  std::mt19937 random(1);
  for (int i = 0; i < 4000; ++i) {
    TestProgram program(i % 2 != 0);
    for (int flips = 0; flips < 1 + i % 4; ++flips) {
      // Headers decide most.
      const std::size_t parts[][2] = {
          {0, 120}, {TestProgram::kSections, program.bytes.size()}, {0, program.bytes.size()}};
      const auto& part = parts[random() % 3];
      const std::size_t at = part[0] + random() % (part[1] - part[0]);
      program.bytes[at] = static_cast<char>(
          random() % 3 == 0 ? random() : static_cast<unsigned char>(program.bytes[at]) ^ 1u << random() % 8);
    }
    (void)read(program.bytes);
  }
}

// The same with a real one.
TEST_F(ProgramFileTest, ARealProgramCutOffOrFlippedIsStillOnlyAFile) {
  const auto path = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "programs/basic";
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> whole{std::istreambuf_iterator<char>(in), {}};
  ASSERT_FALSE(whole.empty()) << path;
  const Result<ProgramFile> sound = read(whole);
  ASSERT_TRUE(sound) << sound.error().text;
  EXPECT_EQ(sound->events.size(), 4u);
  std::mt19937 random(2);
  for (int i = 0; i < 60; ++i)
    (void)read({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(random() % whole.size())});
  std::uint64_t sections = 0;
  std::memcpy(&sections, whole.data() + offsetof(Elf64_Ehdr, e_shoff), sizeof sections);
  ASSERT_LT(sections, whole.size());
  for (int i = 0; i < 60; ++i) {
    std::vector<char> bytes = whole;
    for (int flips = 0; flips < 20; ++flips) {
      const std::size_t at = flips % 2 == 0 ? sections + random() % (bytes.size() - sections) : 16 + random() % 1024;
      bytes[at] = static_cast<char>(random());
    }
    (void)read(bytes);
  }
}

}  // namespace
}  // namespace ouro::record
