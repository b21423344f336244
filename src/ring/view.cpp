#include <ouro/ring/view.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include <ouro/abi/channel_layout.hpp>
#include <ouro/abi/view_layout.hpp>

#include "base/fd.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring {
namespace {

constexpr std::size_t kPage = 4096;

unsigned long long ull(std::uint64_t n) { return n; }

// Of the records of ring i.
std::uint32_t headers_of(const LocalChannel& channel, std::uint32_t i) {
  const Channel& c = channel.channel();
  const bool shared = channel.geometry(i).kind == abi::RingKind::shared;
  return (c.stamped || c.client_stamped || shared ? abi::kHeaders : 0u) | (c.client_stamped && shared ? abi::kTwice : 0u);
}

// The memory that is shared with the reader.
struct Page {
  base::Fd fd;
  std::byte* memory = nullptr;
  std::size_t size = 0;
  Page() = default;
  Page(Page&& other) noexcept : fd(std::move(other.fd)), memory(std::exchange(other.memory, nullptr)), size(other.size) {}
  Page& operator=(Page&& other) noexcept {
    std::swap(fd, other.fd);
    std::swap(memory, other.memory);
    std::swap(size, other.size);
    return *this;
  }
  ~Page() {
    if (memory != nullptr) munmap(memory, size);
  }
  abi::ViewHead& head() const { return *reinterpret_cast<abi::ViewHead*>(memory); }

  static Result<Page> make(std::size_t size) {
    Page p;
    p.size = size;
    p.fd = base::Fd(memfd_create("ouro-view", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!p.fd || fchmod(p.fd.get(), 0600) != 0 || ftruncate(p.fd.get(), static_cast<off_t>(size)) != 0 ||
        fcntl(p.fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
      return error_from_errno("view: a memfd of %zu bytes", size);
    void* m = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, p.fd.get(), 0);
    if (m == MAP_FAILED) return error_from_errno("view: mapping %zu bytes", size);
    p.memory = static_cast<std::byte*>(m);
    return p;
  }
};

}  // namespace

struct View::State {
  LocalChannel* channel;
  const std::byte* data;  // the channel's memory
  std::uint64_t data_size;
  std::uint64_t copy_size;
  std::uint32_t entries;

  struct Ring {
    Reader reader;
    std::uint32_t headers;  // kHeaders, kTwice
    bool waits = false;  // a packet is out that could not be kept
    bool broken = false;
  };
  std::vector<Ring> rings;
  std::uint32_t first = 0;  // whose turn it is

  struct Out {  // published, not consumed; the page's own entry is not trusted
    abi::ViewEntry entry;
    const std::byte* bytes;
    bool kept;
  };
  std::deque<Out> out;
  std::uint64_t produced = 0, consumed = 0;
  bool ended = false;
  std::uint32_t seen = 0;  // the sleep word before `consumed` was looked at
  Page page;

  std::size_t copies_offset() const { return kPage + (entries * sizeof(abi::ViewEntry) + kPage - 1) / kPage * kPage; }
  Status make_page();
  Status take_back();
  bool publish_one(std::uint32_t ring, bool include_current, bool& more);
  void put(const Out& o);
  void tell();
};

View::View(std::unique_ptr<State> state) : state_(std::move(state)) {}
View::View(View&&) noexcept = default;
View& View::operator=(View&&) noexcept = default;
View::~View() = default;

Status View::State::make_page() {
  Result<Page> made = Page::make(copies_offset() + rings.size() * copy_size);
  if (!made) return made.error();
  page = std::move(*made);
  abi::ViewFacts& f = page.head().facts;
  f.version = abi::kViewVersion;
  f.entry_size = sizeof(abi::ViewEntry);
  f.entry_count = entries;
  f.record_format = abi::kRecords1;
  f.entries_offset = kPage;
  f.data_size = data_size;
  f.total_size = page.size;
  f.clock = static_cast<std::uint32_t>(channel->channel().tsc ? abi::ClockKind::tsc : abi::ClockKind::monotonic);
  f.rings = static_cast<std::uint32_t>(rings.size());
  std::atomic_ref(f.magic).store(abi::kViewMagic, std::memory_order_release);
  return Ok{};
}

Result<View> View::create(LocalChannel& channel, std::uint32_t entries) {
  struct stat status{};
  if (channel.fd() < 0) return errorf(EINVAL, "view: the channel's memory has no descriptor, want memfd or file");
  if (fstat(channel.fd(), &status) != 0) return error_from_errno("view: descriptor %d", channel.fd());
  const Geometry g = channel.geometry(0);
  if (entries == 0) entries = std::bit_ceil(std::min(channel.ring_count() * (g.subbuf_count + 1), abi::kMaxViewEntries));
  if (!std::has_single_bit(entries) || entries > abi::kMaxViewEntries)
    return errorf(EINVAL, "view: %u entries, want a power of two up to %u", entries, abi::kMaxViewEntries);
  auto state = std::make_unique<State>();
  State& s = *state;
  s.channel = &channel;
  s.data = reinterpret_cast<const std::byte*>(&channel.head(0)) - abi::kRingsOffset;
  s.data_size = static_cast<std::uint64_t>(status.st_size);
  s.copy_size = g.subbuf_size;
  s.entries = entries;
  for (std::uint32_t i = 0; i < channel.ring_count(); ++i)
    s.rings.push_back({channel.reader(i), headers_of(channel, i)});
  if (Status made = s.make_page(); !made) return made.error();
  return View(std::move(state));
}

int View::fd() const { return state_->page.fd.get(); }
std::uint64_t View::produced() const { return state_->produced; }
std::uint64_t View::consumed() const { return state_->consumed; }
bool View::corrupt() const {
  return std::any_of(state_->rings.begin(), state_->rings.end(), [](const State::Ring& r) { return r.broken; });
}

Result<int> View::open_data() const {
  const std::string path = "/proc/self/fd/" + std::to_string(state_->channel->fd());
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return error_from_errno("view: '%s'", path.c_str());
  return fd;
}

Status View::State::take_back() {
  abi::ViewHead& head = page.head();
  seen = head.sleep.consumed.load(std::memory_order_acquire);
  const std::uint64_t now = head.reader.consumed.load(std::memory_order_acquire);  // ord(view:D) pairs with view:C
  if (now < consumed || now > produced)
    return errorf(EPROTO, "view: the reader says it consumed %llu packets, want %llu to %llu (hint: drop_reader)", ull(now), ull(consumed), ull(produced));
  for (; consumed < now; ++consumed) {
    Ring& ring = rings[out.front().entry.ring];
    if (out.front().kept) {
      ring.reader.give_back();
    } else {
      ring.reader.release();
      ring.waits = false;
    }
    out.pop_front();
  }
  return Ok{};
}

// Entry, and bytes if they are not in the channel's memory.
void View::State::put(const Out& o) {
  if ((o.entry.flags & abi::kCopied) != 0) std::memcpy(page.memory + o.entry.offset, o.bytes, o.entry.length);
  std::memcpy(page.memory + kPage + (produced & (entries - 1)) * sizeof(abi::ViewEntry), &o.entry, sizeof o.entry);
  page.head().exporter.produced.store(++produced, std::memory_order_release);  // ord(view:A) pairs with view:B
}

void View::State::tell() {
  abi::ViewSleep& sleep = page.head().sleep;
  sleep.produced.fetch_add(1, std::memory_order_seq_cst);
  if (sleep.readers.load(std::memory_order_seq_cst) != 0) wake(sleep.produced, 1 << 30);
}

// `more`: the ring may have another one now.
bool View::State::publish_one(std::uint32_t i, bool include_current, bool& more) {
  Ring& ring = rings[i];
  more = false;
  if (ring.waits || ring.broken) return false;
  Packet packet;
  const Reader::Answer answer = ring.reader.next_past_dead(packet, include_current);
  if (answer == Reader::Answer::corrupt) ring.broken = true;
  if (answer != Reader::Answer::packet) return false;
  Out o{};
  o.entry.ring = i;
  o.entry.flags = (packet.in_place ? 0u : abi::kCopied) | ring.headers | (packet.current ? abi::kCurrent : 0u);
  o.entry.sequence = packet.sequence;
  o.entry.offset = packet.in_place ? static_cast<std::uint64_t>(packet.bytes.data() - data) : copies_offset() + i * copy_size;
  o.entry.length = packet.bytes.size();
  o.entry.records = packet.records;
  o.entry.begin_stamp = packet.begin_stamp;
  o.entry.end_stamp = packet.end_stamp;
  o.entry.lost = packet.lost_counted + packet.lost_lapped;
  o.bytes = packet.bytes.data();
  o.kept = ring.reader.keep();
  ring.waits = !o.kept;
  put(o);
  out.push_back(o);
  more = o.kept && !packet.current;
  return true;
}

// Each ring in its turn gives one packet, until none has one or the entries are used up.
Result<std::uint64_t> View::update(bool include_current) {
  State& s = *state_;
  if (Status taken = s.take_back(); !taken) return taken.error();
  const auto count = static_cast<std::uint32_t>(s.rings.size());
  std::vector<std::uint32_t> turn(count), again;
  for (std::uint32_t i = 0; i < count; ++i) turn[i] = (s.first + i) % count;
  std::uint64_t published = 0;
  for (; !turn.empty() && s.out.size() < s.entries; turn = std::move(again)) {
    again.clear();
    for (const std::uint32_t i : turn) {
      s.first = i;
      if (s.out.size() == s.entries) break;
      bool more = false;
      if (s.publish_one(i, include_current, more)) ++published;
      if (more) again.push_back(i);
    }
  }
  if (published != 0) s.tell();
  return published;
}

void View::end() {
  state_->ended = true;
  state_->page.head().exporter.ended.store(1, std::memory_order_release);
  state_->tell();
}

bool View::sleep(std::uint64_t patience_ns) {
  abi::ViewSleep& sleep = state_->page.head().sleep;
  return sleep_on(sleep.consumed, sleep.exporters, state_->seen, patience_ns);
}

Status View::drop_reader() {
  State& s = *state_;
  (void)s.take_back();  // its last word, if it makes sense
  if (Status made = s.make_page(); !made) return made;
  s.produced = s.consumed = 0;
  for (const State::Out& o : s.out) s.put(o);
  if (s.ended) end();
  return Ok{};
}

}  // namespace ouro::ring
