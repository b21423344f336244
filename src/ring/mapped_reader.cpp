#include <ouro/ring/mapped_reader.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <ouro/abi/view_layout.hpp>

#include "ring/internal.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring {
namespace {

unsigned long long ull(std::uint64_t n) { return n; }

struct Mapping {
  std::byte* memory = nullptr;
  std::uint64_t size = 0;
  Mapping() = default;
  Mapping(Mapping&& other) noexcept : memory(std::exchange(other.memory, nullptr)), size(other.size) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(memory, other.memory);
    std::swap(size, other.size);
    return *this;
  }
  ~Mapping() {
    if (memory != nullptr) munmap(memory, size);
  }
  static Result<Mapping> make(int fd, int protection, const char* what) {
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);  // where it can be
    struct stat status{};
    if (fstat(fd, &status) != 0) return error_from_errno("view: its %s, descriptor %d", what, fd);
    if (!S_ISREG(status.st_mode) || status.st_size == 0)
      return errorf(EINVAL, "view: its %s, descriptor %d, has file type %#o and %lld bytes, want a memfd or a file with something in it", what, fd,
                    status.st_mode & S_IFMT, static_cast<long long>(status.st_size));
    Mapping m;
    m.size = static_cast<std::uint64_t>(status.st_size);
    void* p = mmap(nullptr, m.size, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (p == MAP_FAILED) return error_from_errno("view: mapping its %s, %llu bytes", what, ull(m.size));
    m.memory = static_cast<std::byte*>(p);
    return m;
  }
};

// A copy of the page's facts that makes sense for this much memory.
Result<abi::ViewFacts> check(abi::ViewFacts& shared, const Mapping& page, const Mapping& data) {
  if (page.size < sizeof(abi::ViewHead)) return errorf(EINVAL, "view: its page has %llu bytes, want %zu at least", ull(page.size), sizeof(abi::ViewHead));
  const std::uint64_t magic = std::atomic_ref(shared.magic).load(std::memory_order_acquire);
  if (magic != abi::kViewMagic) return errorf(EINVAL, "view: magic is %#llx, want %#llx (hint: page first, then data)", ull(magic), ull(abi::kViewMagic));
  abi::ViewFacts f;
  std::memcpy(&f, &shared, sizeof f);
  asm volatile("" : "+m"(f));  // what others do to the original from here on does not count
  if (f.version != abi::kViewVersion || f.record_format != abi::kRecords1)
    return errorf(EPROTONOSUPPORT, "view: version is %u with records %u, want %u with %u", f.version, f.record_format, abi::kViewVersion, abi::kRecords1);
  if (!std::has_single_bit(f.entry_count) || f.entry_count > abi::kMaxViewEntries)
    return errorf(EINVAL, "view: %u entries, want a power of two up to %u", f.entry_count, abi::kMaxViewEntries);
  if (f.entry_size < sizeof(abi::ViewEntry) || f.entry_size > 4096 || f.entry_size % 8 != 0)
    return errorf(EINVAL, "view: entries of %u bytes, want a multiple of 8 from %zu to 4096", f.entry_size, sizeof(abi::ViewEntry));
  if (f.entries_offset > page.size || f.entries_offset % 8 != 0 || (page.size - f.entries_offset) / f.entry_size < f.entry_count)
    return errorf(EINVAL, "view: %u entries of %u bytes at %llu do not fit in %llu bytes", f.entry_count, f.entry_size, ull(f.entries_offset), ull(page.size));
  if (f.data_size > data.size) return errorf(EINVAL, "view: its data has %llu bytes, want %llu (hint: the channel's descriptor)", ull(data.size), ull(f.data_size));
  return f;
}

}  // namespace

struct MappedReader::State {
  Mapping page, data;
  abi::ViewFacts facts;
  std::uint64_t consumed = 0;
  std::uint32_t seen = 0;
  bool out = false;
  abi::ViewHead& head() const { return *reinterpret_cast<abi::ViewHead*>(page.memory); }
};

MappedReader::MappedReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
MappedReader::MappedReader(MappedReader&&) noexcept = default;
MappedReader& MappedReader::operator=(MappedReader&&) noexcept = default;
MappedReader::~MappedReader() = default;

Result<MappedReader> MappedReader::attach(int view_fd, int data_fd) {
  auto state = std::make_unique<State>();
  auto page = Mapping::make(view_fd, PROT_READ | PROT_WRITE, "page");
  if (!page) return page.error();
  auto data = Mapping::make(data_fd, PROT_READ, "data");
  if (!data) return data.error();
  state->page = std::move(*page);
  state->data = std::move(*data);
  auto facts = check(state->head().facts, state->page, state->data);
  if (!facts) return facts.error();
  state->facts = *facts;
  state->consumed = state->head().reader.consumed.load(std::memory_order_relaxed);
  return MappedReader(std::move(state));
}

MappedReader::Answer MappedReader::next(MappedPacket& out) {
  State& s = *state_;
  assert(!s.out && "release() the last packet first");
  abi::ViewHead& head = s.head();
  s.seen = head.sleep.produced.load(std::memory_order_acquire);
  const bool ended = head.exporter.ended.load(std::memory_order_acquire) != 0;  // before `produced`: nothing comes after it
  const std::uint64_t produced = head.exporter.produced.load(std::memory_order_acquire);  // ord(view:B) pairs with view:A
  if (produced - s.consumed > s.facts.entry_count) return Answer::corrupt;
  if (produced == s.consumed) return ended ? Answer::ended : Answer::nothing;
  abi::ViewEntry e;
  std::memcpy(&e, s.page.memory + s.facts.entries_offset + (s.consumed & (s.facts.entry_count - 1)) * s.facts.entry_size, sizeof e);
  asm volatile("" : "+m"(e));
  const Mapping& where = (e.flags & abi::kCopied) != 0 ? s.page : s.data;
  if (e.offset > where.size || e.length > where.size - e.offset) return Answer::corrupt;
  out = {e.ring, (e.flags & abi::kHeaders) != 0, (e.flags & abi::kTwice) != 0, (e.flags & abi::kCurrent) != 0, e.sequence, e.begin_stamp, e.end_stamp, e.records, e.lost,
         {where.memory + e.offset, e.length}};
  s.out = true;
  return Answer::packet;
}

void MappedReader::release() {
  State& s = *state_;
  if (!s.out) return;
  s.out = false;
  abi::ViewHead& head = s.head();
  head.reader.consumed.store(++s.consumed, std::memory_order_release);  // ord(view:C) pairs with view:D
  head.sleep.consumed.fetch_add(1, std::memory_order_seq_cst);
  if (head.sleep.exporters.load(std::memory_order_seq_cst) != 0) wake(head.sleep.consumed, 1);
}

bool MappedReader::sleep(std::uint64_t patience_ns) {
  abi::ViewSleep& sleep = state_->head().sleep;
  return sleep_on(sleep.produced, sleep.readers, state_->seen, patience_ns);
}

bool MappedReader::next_record(const MappedPacket& packet, std::size_t& at, MappedRecord& record) {
  if (at == 0) record.stamp = packet.begin_stamp;
  RecordHead head;
  while (at < packet.bytes.size()) {
    if (packet.has_two_headers) {
      skip_dead(packet.bytes, at);
      at = std::min(at + kExtendedHeader, packet.bytes.size());
    }
    if (at == packet.bytes.size()) break;
    if (!parse_record(packet.bytes, at, packet.has_headers, record.stamp, head)) return false;
    at += head.size;
    if (head.id == kPaddingId) continue;
    record.id = head.id;
    record.bytes = packet.bytes.subspan(at - head.size, head.size);
    return true;
  }
  return false;
}

}  // namespace ouro::ring
