// A core dump with anything in it: headers, notes, memory, cut off anywhere. An answer each time, of as many bytes as the file has, and what is
// said to be a session's memory is as large as it is said to be.
#include "fuzz/edits.hpp"
#include "record/core_file.hpp"
#include "record/test_core.hpp"
#include "record/test_session.hpp"

namespace ouro::fuzz {
namespace {

using record::Session;
using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kFirst = 0x7f0000000000, kSecond = 0x7f1000000000, kNoteAt = 4096, kNoteSize = 4096, kMemoryAt = kNoteAt + kNoteSize;

Bytes session_bytes() {
  record::test::TestFolder folder;
  record::SessionOptions options = record::test::small_session();
  options.cpus = 1;
  options.subbuf_count = 2;
  options.is_kept = true;
  const Result<Session> session = Session::create(folder.runtime(), options);
  if (!session) fail();
  record::test::FakeProgram program(*session);
  program.add_event(0, "fuzz:number");
  for (std::uint64_t n = 0; n < 100; ++n) program.write(0, n);
  Bytes out(program.header().total_size);
  std::memcpy(out.data(), program.base(), out.size());
  return out;
}

// Two sessions, of which the second one's latter half is missing; and a program's file.
Bytes sound_core() {
  const Bytes session = session_bytes();
  const std::uint64_t size = session.size(), half = size / 2;
  record::test::TestCore core;
  core.map(kFirst, size, "/run/ouro/session-first");
  core.map(kSecond, size, "/run/ouro/session-second");
  core.map(0x400000, 4096, "/usr/bin/fuzz", 1);
  core.add_memory(kFirst, session.data(), half);
  core.add_memory(kFirst + half, session.data() + half, size - half);
  core.add_memory(kSecond, session.data(), half);
  if (core.note_at() != kNoteAt || core.memory_at() != kMemoryAt) fail();
  return core.bytes();
}

class Core {
 public:
  Core() : fd_(::memfd_create("ouro-fuzz", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_.get())) {}

  void edit(Input& input) {
    std::uint64_t size = sound_.size();
    changed_ = sound_;
    while (!input.is_empty()) {
      const Edit e = take_edit(input);
      switch (e.kind % 5) {
        case 0: change(e.where % sizeof(Elf64_Ehdr), e); break;
        case 1: change(sizeof(Elf64_Ehdr) + e.where % (kNoteAt - sizeof(Elf64_Ehdr)), e); break;
        case 2: change(kNoteAt + e.where % kNoteSize, e); break;
        case 3: change(kMemoryAt + (e.kind & 64 ? sound_.size() - kMemoryAt - 65536 : 0) + e.where, e); break;
        default: size = std::uint64_t{e.where} * 8;
      }
    }
    size = std::min<std::uint64_t>(size, changed_.size());
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0 || ::pwrite(fd_.get(), changed_.data(), size, 0) != static_cast<ssize_t>(size)) fail();
  }
  void try_out() const {
    Result<record::CoreFile> core = record::read_core(path_);
    if (!core) return;
    for (record::CoreSession& session : core->sessions) {
      struct stat status;
      if (session.missing > session.size || ::fstat(session.image.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) != session.size) fail();
      static_cast<void>(Session::of_image(std::move(session.image), session.path.empty() ? "./session-core" : session.path));
    }
  }

 private:
  void change(std::uint64_t at, const Edit& e) {
    if (at <= changed_.size() && e.bytes.size() <= changed_.size() - at) std::memcpy(changed_.data() + at, e.bytes.data(), e.bytes.size());
  }

  base::Fd fd_;
  std::string path_;
  const Bytes sound_ = sound_core();
  Bytes changed_;
};

}  // namespace
}  // namespace ouro::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static ouro::fuzz::Core core;
  ouro::fuzz::Input input(data, size);
  core.edit(input);
  core.try_out();
  return 0;
}
