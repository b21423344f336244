#include "record/core_file.hpp"

#include <fcntl.h>
#include <gelf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include <ouro/abi/session_layout.hpp>

namespace ouro::record {
namespace {

constexpr std::size_t kMostNotes = 64 << 20, kMostMappings = 1 << 20;
constexpr std::uint64_t kLargestSession = std::uint64_t{1} << 44;
constexpr std::size_t kMostSessions = 64;  // four times as many as a program can be in

struct Part {  // of the process's memory that the file has
  std::uint64_t at, size, offset;
};
struct Mapping {
  std::uint64_t begin, end, file_offset;
  std::string path;
};

bool write_whole(int fd, const void* from, std::size_t size, std::uint64_t offset) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::pwrite(fd, static_cast<const char*>(from) + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

// NT_FILE: count, page size; {begin, end, offset in pages} each; names, one behind the other.
std::vector<Mapping> parse_files(const char* from, std::size_t size) {
  std::vector<Mapping> out;
  const auto word = [&](std::size_t i) {
    std::uint64_t n;
    std::memcpy(&n, from + 8 * i, sizeof n);
    return n;
  };
  if (size < 16 || word(0) > kMostMappings || word(0) > (size - 16) / 24) return out;
  const std::size_t count = word(0);
  const std::uint64_t page = word(1);
  const char *name = from + 16 + 24 * count, *const end = from + size;
  for (std::size_t i = 0; i < count; ++i) {
    const void* const nul = std::memchr(name, 0, static_cast<std::size_t>(end - name));
    if (nul == nullptr) break;
    const std::uint64_t begin = word(2 + 3 * i), up_to = word(3 + 3 * i), pages = word(4 + 3 * i);
    if (begin < up_to && up_to - begin <= kLargestSession && page <= 1 << 21 && pages <= kLargestSession / std::max<std::uint64_t>(page, 1))
      out.push_back({begin, up_to, pages * page, name});
    name = static_cast<const char*>(nul) + 1;
  }
  return out;
}

class Core {
 public:
  Result<CoreFile> read(const std::string& path);

 private:
  Status read_parts(const std::string& path);
  void read_notes(std::uint64_t offset, std::uint64_t size, std::uint64_t align);
  bool read_header(std::uint64_t at, abi::SessionHeader& h) const;
  bool begins_with_header(const Part& part, abi::SessionHeader& h) const;
  std::optional<std::string> add_session(const Mapping& mapping, CoreFile& out);
  std::optional<std::string> copy(const Mapping& mapping, CoreSession& out);

  base::Fd fd_;
  std::uint64_t file_size_ = 0;
  std::unique_ptr<Elf, int (*)(Elf*)> elf_{nullptr, elf_end};
  std::vector<Part> parts_;
  std::vector<Mapping> mappings_;
  std::uint64_t to_copy_ = 0, notes_left_ = 0;  // bytes that may still be copied, and read as notes: parts of a real core do not overlap
  bool is_cut_short_ = false;
};

void Core::read_notes(std::uint64_t offset, std::uint64_t size, std::uint64_t align) {
  if (size > std::min<std::uint64_t>(kMostNotes, notes_left_) || offset > file_size_ || size > file_size_ - offset) return;
  notes_left_ -= size;
  Elf_Data* const data = elf_getdata_rawchunk(elf_.get(), static_cast<std::int64_t>(offset), size, align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
  if (data == nullptr || data->d_buf == nullptr) return;
  GElf_Nhdr note;
  std::size_t name = 0, text = 0;
  for (std::size_t at = 0; at < data->d_size && (at = gelf_getnote(data, at, &note, &name, &text)) > 0;) {
    if (note.n_type != NT_FILE || text > data->d_size || note.n_descsz > data->d_size - text) continue;
    std::vector<Mapping> found = parse_files(static_cast<const char*>(data->d_buf) + text, note.n_descsz);
    mappings_.insert(mappings_.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
}

Status Core::read_parts(const std::string& path) {
  GElf_Ehdr header;
  if (elf_kind(elf_.get()) != ELF_K_ELF || gelf_getehdr(elf_.get(), &header) == nullptr)
    return errorf(EINVAL, "'%s' is no ELF file, want a core dump (hint: a compressed one is to be unpacked first: coredumpctl dump -o FILE)", path.c_str());
  if (header.e_type != ET_CORE || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
    return errorf(EINVAL, "'%s' is an ELF file of type %u, class %u, want the core dump of a 64-bit program", path.c_str(), header.e_type, header.e_ident[EI_CLASS]);
  std::size_t count = 0;
  if (elf_getphdrnum(elf_.get(), &count) != 0 || count == 0) return errorf(EINVAL, "core '%s': no program headers, want some (hint: was it cut short?)", path.c_str());
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr part;
    if (gelf_getphdr(elf_.get(), static_cast<int>(i), &part) == nullptr) return errorf(EINVAL, "core '%s': program header %zu of %zu cannot be read (hint: was it cut short?)", path.c_str(), i, count);
    if (part.p_type == PT_NOTE) read_notes(part.p_offset, part.p_filesz, part.p_align);
    if (part.p_type != PT_LOAD || part.p_filesz == 0) continue;
    const std::uint64_t there = part.p_offset >= file_size_ ? 0 : std::min<std::uint64_t>(part.p_filesz, file_size_ - part.p_offset);
    is_cut_short_ |= there != part.p_filesz;
    if (there != 0 && part.p_vaddr <= ~std::uint64_t{0} - there) parts_.push_back({part.p_vaddr, there, part.p_offset});
  }
  return Ok{};
}

bool read_header_at(int fd, std::uint64_t offset, abi::SessionHeader& h) {
  return base::read_at(fd, static_cast<void*>(&h), sizeof h, offset) == sizeof h && h.magic.load(std::memory_order_relaxed) == abi::kSessionMagic;
}
bool Core::read_header(std::uint64_t at, abi::SessionHeader& h) const {
  const auto part = std::find_if(parts_.begin(), parts_.end(), [&](const Part& p) { return p.at <= at && at - p.at < p.size && sizeof h <= p.size - (at - p.at); });
  return part != parts_.end() && read_header_at(fd_.get(), part->offset + (at - part->at), h);
}
bool Core::begins_with_header(const Part& part, abi::SessionHeader& h) const { return part.size >= sizeof h && read_header_at(fd_.get(), part.offset, h); }

// What of the mapping is there, to where it was. Why not: nothing was.
std::optional<std::string> Core::copy(const Mapping& mapping, CoreSession& out) {
  std::vector<std::byte> buffer(1 << 20);
  std::uint64_t copied = 0;
  for (const Part& part : parts_) {
    const std::uint64_t begin = std::max(part.at, mapping.begin), end = std::min(part.at + part.size, mapping.end);
    for (std::uint64_t at = begin; at < end;) {
      const std::size_t n = std::min<std::uint64_t>(end - at, buffer.size());
      if (n > to_copy_) return "its parts overlap each other";
      to_copy_ -= n;
      if (base::read_at(fd_.get(), buffer.data(), n, part.offset + (at - part.at)) != n) return "the core cannot be read";
      const std::uint64_t to = mapping.file_offset + (at - mapping.begin);
      if (to >= out.size) break;
      const std::size_t fitting = std::min<std::uint64_t>(n, out.size - to);
      // Holes stay holes: most of a session's memory was never touched.
      const bool is_empty = std::all_of(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(fitting), [](std::byte b) { return b == std::byte{0}; });
      if (!is_empty && !write_whole(out.image.get(), buffer.data(), fitting, to)) return std::string("no memory to put it together: ") + std::strerror(errno);
      copied += fitting;
      at += n;
    }
  }
  out.missing = out.size - std::min(out.size, copied);
  return std::nullopt;
}

std::optional<std::string> Core::add_session(const Mapping& mapping, CoreFile& out) {
  abi::SessionHeader h;
  const auto in_core = std::any_of(parts_.begin(), parts_.end(), [&](const Part& p) { return p.at < mapping.end && mapping.begin < p.at + p.size; });
  if (!in_core) return "the core does not have its memory (hint: echo 0x3b >/proc/PID/coredump_filter, or of the shell that starts the program, before it dies)";
  if (!read_header(mapping.begin, h)) return "the core has no header of it that makes sense";
  CoreSession session;
  session.path = mapping.path;
  session.size = h.total_size;
  if (session.size < sizeof h || session.size > kLargestSession) return "its header says that it is " + std::to_string(session.size) + " bytes long";
  session.image = base::Fd(::memfd_create("ouro-core", MFD_CLOEXEC));
  if (!session.image || ::ftruncate(session.image.get(), static_cast<off_t>(session.size)) != 0) return std::string("no memory to put it together: ") + std::strerror(errno);
  if (std::optional<std::string> why = copy(mapping, session)) return why;
  out.sessions.push_back(std::move(session));
  return std::nullopt;
}

bool is_of_session(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash != std::string::npos && path.compare(slash + 1, 8, "session-") == 0;
}

Result<CoreFile> Core::read(const std::string& path) {
  fd_ = base::Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) return error_from_errno("core '%s'", path.c_str());
  if (!S_ISREG(status.st_mode)) return errorf(EINVAL, "core '%s' is no regular file, want one", path.c_str());
  file_size_ = to_copy_ = notes_left_ = static_cast<std::uint64_t>(status.st_size);
  ::elf_version(EV_CURRENT);
  elf_.reset(elf_begin(fd_.get(), ELF_C_READ, nullptr));
  if (!elf_) return errorf(EINVAL, "core '%s': %s", path.c_str(), elf_errmsg(-1));
  if (Status read = read_parts(path); !read) return read.error();
  CoreFile out;
  out.is_cut_short = is_cut_short_;
  std::vector<std::uint64_t> known;
  for (const Mapping& mapping : mappings_) {
    if (!is_of_session(mapping.path) || mapping.file_offset != 0) continue;
    if (known.size() == kMostSessions) {
      out.left_out.push_back(mapping.path + ", and all behind it: " + std::to_string(kMostSessions) + " sessions came before it, want no more of one program");
      break;
    }
    known.push_back(mapping.begin);
    if (std::optional<std::string> why = add_session(mapping, out)) out.left_out.push_back(mapping.path + ": " + *why);
  }
  // Where nobody says what was mapped: by their look.
  for (const Part& part : parts_) {
    abi::SessionHeader h;
    if (known.size() == kMostSessions) break;
    if (std::find(known.begin(), known.end(), part.at) != known.end() || !begins_with_header(part, h) || h.total_size > kLargestSession || h.total_size > ~part.at) continue;
    known.push_back(part.at);
    static_cast<void>(add_session({part.at, part.at + h.total_size, 0, ""}, out));
  }
  return out;
}

}  // namespace

Result<CoreFile> read_core(const std::string& path) { return Core().read(path); }

}  // namespace ouro::record
