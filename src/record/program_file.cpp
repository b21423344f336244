#include "record/program_file.hpp"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include <ouro/abi/registry_layout.hpp>
#include <ouro/abi/schema.hpp>

#include "base/fd.hpp"
#include "base/textf.hpp"

namespace ouro::record {
namespace {

constexpr const char* kSection = "ouro_sites";
constexpr std::uint64_t kMaxPointers = 1 << 20;  // inlined copies included
constexpr std::size_t kMaxSpoiled = 20;

// How ouro::detail::Site begins; the rest is zero in the file.
struct SiteHead {
  std::uint64_t schema;
  std::uint32_t schema_size;
  std::uint32_t filter_index;
};
static_assert(sizeof(SiteHead) == 16);

struct Range {  // of addresses that the file has bytes for
  std::uint64_t address, offset, size;
};

struct Pointer {
  std::uint64_t at = 0, value = 0;  // value: what it holds once it is relocated
  bool operator<(const Pointer& other) const { return at < other.at; }
};

class Program {
 public:
  explicit Program(const std::string& path) : path_(path) {}

  Result<ProgramFile> read();

 private:
  struct EndElf {
    void operator()(Elf* elf) const { ::elf_end(elf); }
  };
  // The rest of a sentence that begins with the file.
  [[gnu::format(printf, 2, 3)]] Error error(const char* format, ...) const;
  Status open();
  Status check_kind();
  Status find_segments();
  Status find_sections();
  bool bytes_at(std::uint64_t offset, void* to, std::size_t size) const;
  bool memory_at(std::uint64_t address, void* to, std::size_t size) const;
  bool relocate(std::vector<Pointer>& pointers) const;
  std::optional<std::uint32_t> relative_type() const;
  std::string take_site(std::uint64_t site, const SiteHead& head, ProgramFile& out);

  std::string path_;
  base::Fd fd_;
  std::uint64_t size_ = 0;
  std::unique_ptr<Elf, EndElf> elf_;
  GElf_Ehdr header_{};
  std::vector<Range> segments_;
  std::vector<Range> relocations_;  // sections of RELA entries; address unused
  Range sites_{};
  std::set<std::vector<std::byte>> seen_;
};

Error Program::error(const char* format, ...) const {
  va_list args;
  va_start(args, format);
  Error out{EINVAL, "file '" + path_ + "'" + base::vtextf(format, args)};
  va_end(args);
  return out;
}

Status Program::open() {
  fd_ = base::Fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) return error_from_errno("file '%s'", path_.c_str());
  if (!S_ISREG(status.st_mode)) return error(" is no regular file, want a program or shared library");
  size_ = static_cast<std::uint64_t>(status.st_size);
  if (::elf_version(EV_CURRENT) == EV_NONE) return error(": libelf is too old");
  elf_.reset(::elf_begin(fd_.get(), ELF_C_READ, nullptr));
  if (elf_ == nullptr) return error(": %s", ::elf_errmsg(-1));
  return Ok{};
}

Status Program::check_kind() {
  char magic[SELFMAG + 1] = {};
  if (!bytes_at(0, magic, SELFMAG) || std::memcmp(magic, ELFMAG, SELFMAG) != 0)
    return error(" is no ELF file, want a program or shared library (hint: of a script, its interpreter)");
  if (::gelf_getehdr(elf_.get(), &header_) == nullptr)
    return error(": its ELF header cannot be read: %s", ::elf_errmsg(-1));
  if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB)
    return error(" is %s-bit, %s endian, want 64-bit, little endian",
                 header_.e_ident[EI_CLASS] == ELFCLASS64 ? "64" : "32",
                 header_.e_ident[EI_DATA] == ELFDATA2LSB ? "little" : "big");
  if (header_.e_type != ET_EXEC && header_.e_type != ET_DYN)
    return error(" is of ELF type %u, want a program (2) or a shared library (3)%s", unsigned{header_.e_type},
                 header_.e_type == ET_REL ? " (hint: an object file has no addresses until it is linked)" : "");
  return Ok{};
}

Status Program::find_segments() {
  std::size_t count = 0;
  if (::elf_getphdrnum(elf_.get(), &count) != 0) return error(": its segments cannot be read: %s", ::elf_errmsg(-1));
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr segment;
    if (::gelf_getphdr(elf_.get(), static_cast<int>(i), &segment) == nullptr)
      return error(": its segments cannot be read: %s", ::elf_errmsg(-1));
    if (segment.p_type == PT_LOAD && segment.p_offset <= size_ && segment.p_vaddr <= ~std::uint64_t{0} - size_)
      segments_.push_back({segment.p_vaddr, segment.p_offset, std::min(segment.p_filesz, size_ - segment.p_offset)});
  }
  return Ok{};
}

Status Program::find_sections() {
  std::size_t names = 0, count = 0;
  if (::elf_getshdrnum(elf_.get(), &count) != 0 || (count != 0 && ::elf_getshdrstrndx(elf_.get(), &names) != 0))
    return error(": its section headers cannot be read: %s", ::elf_errmsg(-1));
  if (count == 0)
    return error(
        " has no section headers, want them to find its events by (hint: a file that strip --strip-section-headers or "
        "the "
        "like was not used on; while it runs, 'ouro list PID' needs none)");
  bool found = false;
  for (Elf_Scn* section = nullptr; (section = ::elf_nextscn(elf_.get(), section)) != nullptr;) {
    GElf_Shdr header;
    if (::gelf_getshdr(section, &header) == nullptr)
      return error(": its section headers cannot be read: %s", ::elf_errmsg(-1));
    if (header.sh_type == SHT_RELA && (header.sh_flags & SHF_ALLOC) != 0 && header.sh_offset <= size_)
      relocations_.push_back({0, header.sh_offset, std::min(header.sh_size, size_ - header.sh_offset)});
    const char* name = ::elf_strptr(elf_.get(), names, header.sh_name);
    if (name == nullptr || std::strcmp(name, kSection) != 0) continue;
    if (header.sh_type == SHT_NOBITS) return error(" holds debug information only, want the file that it belongs to");
    sites_ = {header.sh_addr, header.sh_offset, header.sh_size};
    found = true;
  }
  if (!found || sites_.size == 0)
    return error(
        " has no events, want a program or library that states some (ouro/trace.hpp) "
        "(hint: they may be in a library that it loads)");
  if (sites_.size % sizeof(std::uint64_t) != 0 || sites_.size / sizeof(std::uint64_t) > kMaxPointers)
    return error(": its section %s has %llu bytes, want a multiple of 8 up to %llu", kSection,
                 static_cast<unsigned long long>(sites_.size),
                 static_cast<unsigned long long>(kMaxPointers * sizeof(std::uint64_t)));
  return Ok{};
}

bool Program::bytes_at(std::uint64_t offset, void* to, std::size_t size) const {
  if (offset > size_ || size > size_ - offset) return false;
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::pread(fd_.get(), static_cast<char*>(to) + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

// As it would be in memory, before relocation.
bool Program::memory_at(std::uint64_t address, void* to, std::size_t size) const {
  for (const Range& segment : segments_)
    if (address >= segment.address && address - segment.address <= segment.size &&
        size <= segment.size - (address - segment.address))
      return bytes_at(segment.offset + (address - segment.address), to, size);
  return false;
}

// Nothing: a machine whose relocations we do not know.
std::optional<std::uint32_t> Program::relative_type() const {
  switch (header_.e_machine) {
    case EM_X86_64: return R_X86_64_RELATIVE;
    case EM_AARCH64: return R_AARCH64_RELATIVE;
#if defined(EM_RISCV) && defined(R_RISCV_RELATIVE)
    case EM_RISCV: return R_RISCV_RELATIVE;
#endif
    case EM_PPC64: return R_PPC64_RELATIVE;
    default: return std::nullopt;
  }
}

// Fills in the values of `pointers`, ordered by place: in-place ones first, then those that relocations replace.
bool Program::relocate(std::vector<Pointer>& pointers) const {
  for (Pointer& pointer : pointers)
    if (!memory_at(pointer.at, &pointer.value, sizeof pointer.value)) return false;
  const std::optional<std::uint32_t> relative = relative_type();
  if (!relative || pointers.empty()) return true;
  std::vector<Elf64_Rela> block(4096);
  for (const Range& table : relocations_) {
    for (std::uint64_t at = 0; table.size - at >= sizeof(Elf64_Rela);) {
      const std::uint64_t count = std::min<std::uint64_t>(block.size(), (table.size - at) / sizeof(Elf64_Rela));
      if (!bytes_at(table.offset + at, block.data(), count * sizeof(Elf64_Rela))) return false;
      at += count * sizeof(Elf64_Rela);
      for (std::uint64_t i = 0; i < count; ++i) {
        const Elf64_Rela& entry = block[i];
        if (ELF64_R_TYPE(entry.r_info) != *relative) continue;
        const auto place = std::lower_bound(pointers.begin(), pointers.end(), Pointer{entry.r_offset, 0});
        if (place != pointers.end() && place->at == entry.r_offset)
          place->value = static_cast<std::uint64_t>(entry.r_addend);
      }
    }
  }
  return true;
}

// What is wrong with it; "" if nothing is.
std::string Program::take_site(std::uint64_t site, const SiteHead& head, ProgramFile& out) {
  const std::string where = "event at " + base::textf("0x%llx", static_cast<unsigned long long>(site));
  if (head.schema_size < sizeof(abi::SchemaHeader) || head.schema_size > abi::kMaxSchemaSize)
    return where + ": its schema has " + std::to_string(head.schema_size) + " bytes, want " +
           std::to_string(sizeof(abi::SchemaHeader)) + " to " + std::to_string(abi::kMaxSchemaSize);
  std::vector<std::byte> schema(head.schema_size);
  if (!memory_at(head.schema, schema.data(), schema.size())) return where + ": its schema is not in the file";
  if (abi::filter_index(reinterpret_cast<const char*>(schema.data()), schema.size()) != head.filter_index)
    return where + ": its schema is not the one that it was built with";
  Result<format::EventClass> parsed = format::parse_schema(schema);
  if (!parsed) return where + ": " + parsed.error().text;
  if (seen_.insert(schema).second) {
    out.events.push_back(std::move(*parsed));
    out.schemas.push_back(std::move(schema));
  }
  return {};
}

Result<ProgramFile> Program::read() {
  for (const auto step : {&Program::open, &Program::check_kind, &Program::find_segments, &Program::find_sections})
    if (Status ok = (this->*step)(); !ok) return ok.error();

  std::vector<Pointer> pointers(sites_.size / sizeof(std::uint64_t));
  for (std::size_t i = 0; i < pointers.size(); ++i) pointers[i].at = sites_.address + i * sizeof(std::uint64_t);
  if (sites_.address > ~std::uint64_t{0} - sites_.size || !relocate(pointers))
    return error(": its section %s at %#llx is not in the file (is the file whole?)", kSection,
                 static_cast<unsigned long long>(sites_.address));

  std::vector<std::uint64_t> sites;
  for (const Pointer& pointer : pointers) sites.push_back(pointer.value);
  std::sort(sites.begin(), sites.end());
  sites.erase(std::unique(sites.begin(), sites.end()), sites.end());

  ProgramFile out;
  const auto spoil = [&](std::string what) {
    if (out.spoiled.size() < kMaxSpoiled) out.spoiled.push_back(std::move(what));
  };
  std::vector<Pointer> schemas;  // each site's first member
  for (const std::uint64_t site : sites) {
    SiteHead head;
    if (memory_at(site, &head, sizeof head))
      schemas.push_back({site, 0});
    else
      spoil("event at " + base::textf("0x%llx", static_cast<unsigned long long>(site)) + " is not in the file");
  }
  if (!relocate(schemas)) return error(": its relocations cannot be read (is the file whole?)");
  for (const Pointer& schema : schemas) {
    SiteHead head;
    memory_at(schema.at, &head, sizeof head);
    head.schema = schema.value;
    if (std::string trouble = take_site(schema.at, head, out); !trouble.empty()) spoil(std::move(trouble));
  }
  if (out.events.empty())
    return error(": none of its %zu events can be read; the first: %s", sites.size(), out.spoiled.front().c_str());
  return out;
}

}  // namespace

Result<ProgramFile> read_program_file(const std::string& path) { return Program(path).read(); }

}  // namespace ouro::record
