// A session's memory with anything in it: as an image, whose records prove themselves or do not, and as one that lives. An answer each time,
// and whatever trace is written of it can be read to its end and has the events that the answer says.
#include <filesystem>

#include <ouro/read.hpp>

#include "fuzz/edits.hpp"
#include "record/session_file.hpp"
#include "record/snapshot.hpp"
#include "record/test_session.hpp"

namespace ouro::fuzz {
namespace {

using record::Session;
using record::test::FakeProgram;

// Made once, with each kind of thing in it; its file is what it was before each input.
class Base {
 public:
  Base(const base::RuntimeDir& folder, bool is_checked) {
    record::SessionOptions options = record::test::small_session();
    options.name = is_checked ? "checked" : "plain";
    options.mode = abi::FullMode::overwrite;
    options.is_kept = true;
    options.contexts = is_checked ? abi::bit(abi::Context::check) : 0;
    Result<Session> session = Session::create(folder, options);
    if (!session) fail();
    fill(*session);
    path_ = session->path();
    file_ = session->file();
    fd_ = base::Fd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
    struct stat status;
    if (::fstat(fd_.get(), &status) != 0) fail();
    sound_.resize(static_cast<std::size_t>(status.st_size));
    if (::pread(fd_.get(), sound_.data(), sound_.size(), 0) != status.st_size) fail();
    session->leave();
  }
  const std::string& path() const { return path_; }
  const std::string& file() const { return file_; }
  const abi::SessionHeader& header() const { return *reinterpret_cast<const abi::SessionHeader*>(sound_.data()); }

  void edit(Input& input) {
    changed_ = sound_;
    while (!input.is_empty()) apply(take_edit(input));
    auto& h = *reinterpret_cast<abi::SessionHeader*>(changed_.data());
    h.frequency = std::clamp<std::uint64_t>(h.frequency, 1, 1'000'000'000);  // or it is measured, which takes time
    write(changed_);
  }
  void restore() { write(sound_); }

 private:
  static void fill(const Session& session) {
    FakeProgram program(session);
    using format::Field;
    const auto field = [](const char* name, abi::FieldType type, abi::FieldShape shape = abi::FieldShape::scalar, std::uint32_t count = 0) {
      Field out;
      out.name = name, out.type = type, out.shape = shape, out.count = count;
      return out;
    };
    program.add_event(0, "fuzz:number");
    program.add_event(1, "fuzz:text", {field("text", abi::FieldType::string), field("values", abi::FieldType::u16, abi::FieldShape::sequence)});
    program.add_event(2, "fuzz:array", {field("three", abi::FieldType::f64, abi::FieldShape::array, 3), field("flag", abi::FieldType::u8)});
    program.event(3).state.store(abi::row_claimed);
    program.event(0).over_rate.store(3);
    program.add_thread(4711, "worker", session.begin().ticks);
    abi::ProcessRow& process = program.process(0);
    process.pid = 4711;
    std::strcpy(process.name, "fuzz");
    process.stamp = session.begin().ticks;
    process.state.store(abi::row_ready);
    program.header().processes_head.store(1);
    for (std::uint64_t n = 0; n < 1500; ++n) program.write(0, n);
  }

  void put(std::uint64_t at, const void* from, std::size_t size) {
    if (at <= changed_.size() && size <= changed_.size() - at) std::memcpy(changed_.data() + at, from, size);
  }
  void apply(const Edit& e) {
    const abi::SessionHeader& h = header();
    const std::uint32_t ring = 2 + (e.kind >> 3 & 1);  // shared ones: where there is something. Of kind per_cpu: none was written to
    const std::uint64_t head = h.rings_offset + (e.kind >> 4 & 1 ? ring - 2 : ring) * h.ring_stride, data = head + abi::kRingDataOffset;
    switch (e.kind & 7) {
      case 0: return put(e.where % sizeof h, e.bytes.data(), e.bytes.size());
      case 1: return put(h.events_offset + e.where, e.bytes.data(), e.bytes.size());
      case 2: return put(h.schemas_offset + e.where % h.schemas_size, e.bytes.data(), e.bytes.size());
      case 3: return put((e.where & 0x8000 ? h.threads_offset : h.processes_offset) + (e.where & 0x7fff), e.bytes.data(), e.bytes.size());
      case 4: return put(head + e.where % sizeof(abi::RingHead), e.bytes.data(), e.bytes.size());
      case 5: return put(data + e.where, e.bytes.data(), e.bytes.size());
      case 6: return prove(data + e.where, e.bytes);
      default: return hash(e.where % h.event_capacity);
    }
  }
  // A record that proves itself: its size and what is in it behind its header.
  void prove(std::uint64_t at, std::span<const std::uint8_t> bytes) {
    std::uint16_t size = 0;
    if (bytes.size() < sizeof size) return;
    std::memcpy(&size, bytes.data(), sizeof size);
    if (size < abi::kLeastChecked || at > changed_.size() || size > changed_.size() - at) return;
    const std::uint32_t long_header = 1023;
    put(at, &long_header, sizeof long_header);
    const auto rest = bytes.subspan(sizeof size);
    put(at + abi::kCheckedFrom, rest.data(), std::min<std::size_t>(rest.size(), 16));
    if (rest.size() > 16) put(at + abi::kLeastChecked, rest.data() + 16, rest.size() - 16);
    abi::put_check(header().generation, changed_.data() + at, size);
  }
  void hash(std::uint32_t index) {
    const abi::SessionHeader& h = header();
    auto& row = reinterpret_cast<abi::EventRow*>(changed_.data() + h.events_offset)[index];
    if (row.schema_offset > h.schemas_size || row.schema_size > h.schemas_size - row.schema_offset) return;
    row.hash = FakeProgram::hash_of(changed_.data() + h.schemas_offset + row.schema_offset, row.schema_size);
  }
  void write(const std::vector<std::byte>& bytes) const {
    if (::pwrite(fd_.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) fail();
  }

  std::string path_, file_;
  base::Fd fd_;
  std::vector<std::byte> sound_, changed_;
};

struct World {
  record::test::TestFolder folder;
  Base checked{folder.runtime(), true}, plain{folder.runtime(), false};
};

void try_snapshot(const Session& session, const std::string& to) {
  Result<record::TraceFolder> folder = record::TraceFolder::create(to);
  if (!folder) fail();
  const Result<record::SnapshotSummary> summary = record::write_snapshot(session, *folder, {.env = {}, .warn = [](const std::string&) {}, .last = {}});
  if (!summary) fail();
  {
    Result<read::Trace> trace = read::Trace::open(to);
    if (!trace) std::fprintf(stderr, "%s\n", trace.error().text.c_str()), fail();
    std::uint64_t events = 0;
    while (const read::Event* event = trace->next()) events += !event->type->is_state;
    if (!trace->complete()) std::fprintf(stderr, "%s\n", trace->damage().front().text.c_str()), fail();
    if (events != summary->events) std::fprintf(stderr, "%llu events, said to be %llu\n", static_cast<unsigned long long>(events), static_cast<unsigned long long>(summary->events)), fail();
  }
  std::filesystem::remove_all(to);
}

void try_image(const Base& base, const std::string& to) {
  Result<Session> image = Session::of_image(base::Fd(::open(base.path().c_str(), O_RDONLY | O_CLOEXEC)), base.path());
  if (image) try_snapshot(*image, to);
}

void try_living(const Base& base, const std::string& folder, const std::string& to) {
  if (const Result<record::SessionFile> file = record::SessionFile::open(folder, base.file())) {
    static_cast<void>(file->events());
    static_cast<void>(file->lost());
    static_cast<void>(file->memory());
  }
  Result<Session> session = Session::adopt(folder, base.file(), Session::Adopt::look);
  if (!session) return;
  record::bury_dead(*session);
  static_cast<void>(session->rules());
  try_snapshot(*session, to);
}

}  // namespace
}  // namespace ouro::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static ouro::fuzz::World world;
  ouro::fuzz::Input input(data, size);
  const auto choice = input.take<std::uint8_t>();
  ouro::fuzz::Base& base = choice & 1 ? world.checked : world.plain;
  base.edit(input);
  if (choice & 2) ouro::fuzz::try_living(base, world.folder.runtime().path, world.folder.in("trace"));
  else ouro::fuzz::try_image(base, world.folder.in("trace"));
  base.restore();
  return 0;
}
