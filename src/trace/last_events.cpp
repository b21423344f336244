#include "trace/last_events.hpp"

#include <unistd.h>

#include <cstring>

#include "base/foreign.hpp"
#include "ring/internal.hpp"
#include "ring/look.hpp"
#include "trace/text.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;

struct Part {  // of a ring: one sub-buffer
  const abi::RingHead& head;
  ring::Geometry geometry;
  std::uint64_t sequence;
  abi::Slot slot;
  std::uint64_t begin_stamp;
  std::uint32_t end;  // bytes
  const std::byte* data() const { return ring::data_of(head) + std::uint64_t{slot.physical()} * geometry.subbuf_size; }
};

struct OpenRecord {
  std::uint32_t at, size;
};

class Search {
 public:
  Search(const SessionView& view, EventTypes& types, const LastEventsWish& wish, LastEventsMemory& memory) noexcept
      : view_(view), types_(types), wish_(wish), m_(memory), rings_(2 * view.channel->cpus < kMostRings ? 2 * view.channel->cpus : kMostRings) {}

  LastEvents run() noexcept {
    std::memset(m_.thread, 0, sizeof m_.thread);
    for (std::uint32_t i = 0; i < rings_ && !is_late(); ++i) begin(i);
    bool found = true;
    for (std::uint64_t back = 0; found && back < view_.channel->subbuf_count; ++back) {
      found = false;
      for (std::uint32_t i = 0; i < rings_ && !is_late(); ++i) found = look(i, back) || found;
    }
    // A heap by time, taken apart: the oldest comes first.
    for (std::uint32_t n = out_.count; n > 1; --n) {
      swap(0, n - 1);
      sink(0, n - 1);
    }
    for (std::uint32_t i = 0; i < out_.count / 2; ++i) swap(i, out_.count - 1 - i);
    return out_;
  }

 private:
  const abi::RingHead& head(std::uint32_t i) const { return *view_.channel->ring[i]; }

  bool is_late() noexcept {
    if (!out_.is_late) out_.is_late = clock::read_monotonic() >= wish_.deadline_ns;
    return out_.is_late;
  }

  // Where the ring's newest part is.
  void begin(std::uint32_t i) noexcept {
    auto& state = m_.ring[i];
    const abi::RingHead& ring = head(i);
    state = {0, ~std::uint64_t{0}, 0, true};
    for (std::size_t cause = 0; cause < abi::kLossCauses; ++cause)
      if (static_cast<abi::Loss>(cause) != abi::Loss::lapped) out_.lost += ring::counted_losses(ring, static_cast<abi::Loss>(cause));
    if (ring.writer.mask.load(acquire) == 0) return;  // never written to
    const ring::Geometry geometry = ring::geometry_of(*view_.channel, i);
    state.is_done = !ring::Look{ring, geometry}.find_current(state.w, state.current);
    out_.unreadable += state.is_done;
    look_for_own(ring, geometry);
  }

  // What the thread that crashed was writing in this ring, two-phase: its entries are its own until it commits.
  void look_for_own(const abi::RingHead& ring, const ring::Geometry& geometry) noexcept {
    const std::uint64_t owner = std::uint64_t{wish_.tid} << 32 | static_cast<std::uint32_t>(getpid());
    for (const abi::Pending& entry : ring.pending) {
      if (entry.state.load(acquire) != owner || out_.open_count == kMostOpen) continue;
      const std::uint64_t length = entry.length.load(acquire), offset = ring::offset_of(entry.where.load(relaxed));
      if (length == 0 || (length & abi::kCommitting) != 0 || offset > geometry.data_size() - ring::kExtendedHeader) continue;
      std::uint32_t id = 0;
      std::memcpy(&id, ring::data_of(ring) + offset + 4, sizeof id);
      // By their stamps: the outermost was begun first.
      const std::uint64_t stamp = entry.stamp.load(relaxed);
      std::uint32_t place = out_.open_count++;
      for (; place != 0 && open_stamp_[place - 1] > stamp; --place) {
        open_stamp_[place] = open_stamp_[place - 1];
        out_.open[place] = out_.open[place - 1];
      }
      open_stamp_[place] = stamp;
      out_.open[place] = types_.find(id);
    }
  }

  // The part `back` before the newest one of ring i. False: there is none that could have something to keep.
  bool look(std::uint32_t i, std::uint64_t back) noexcept {
    auto& state = m_.ring[i];
    if (state.is_done || back > state.current) return false;
    if (out_.count == wish_.events && state.oldest <= top().stamp) return !(state.is_done = true);
    const ring::Geometry geometry = ring::geometry_of(*view_.channel, i);
    const ring::Look look{head(i), geometry};
    const std::uint64_t sequence = state.current - back;
    const abi::Slot slot = look.slot_of(sequence);
    // Taken, where the newest stay: a reader has exchanged it out. Elsewhere its content is there until somebody writes over it.
    if (slot.sequence() != sequence || slot.physical() > geometry.subbuf_count || (slot.taken() && geometry.mode == abi::FullMode::overwrite)) return true;
    const abi::SubbufImage& image = look.head.image[slot.physical()];
    const std::uint64_t end = back == 0 ? state.w : image.close_word.load(acquire);
    if (look.physical_of(end) != slot.physical()) return ++out_.unreadable, true;
    const Part part{look.head, geometry, sequence, slot, image.first_stamp.load(relaxed), static_cast<std::uint32_t>(look.in_subbuf(end))};
    read(part, state.oldest);
    return true;
  }

  // Those that are not committed: their bytes are not all there.
  std::uint32_t find_open(const Part& part, OpenRecord (&open)[abi::kMaxPending]) noexcept {
    const ring::Look look{part.head, part.geometry};
    std::uint32_t count = 0;
    for (const abi::Pending& entry : part.head.pending) {
      if (entry.state.load(acquire) == 0) continue;
      const std::uint64_t length = entry.length.load(acquire), where = entry.where.load(acquire);
      if (length == 0 || (length & abi::kCommitting) != 0 || look.physical_of(where) != part.slot.physical() || !look.is_in(where, part.sequence)) continue;
      const std::uint64_t at = look.in_subbuf(where);
      if (at < part.end && length >= ring::kExtendedHeader && length <= part.end - at) open[count++] = {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(length)};
    }
    return count;
  }

  void read(const Part& part, std::uint64_t& oldest) noexcept {
    OpenRecord open[abi::kMaxPending];
    const std::uint32_t open_count = find_open(part, open);
    const std::span<const std::byte> bytes{part.data(), part.end};
    std::uint64_t now = part.begin_stamp, first = part.begin_stamp, noted = 0, records = 0;
    bool is_sound = true;
    for (std::size_t at = 0; at < bytes.size();) {
      if (++records % 256 == 0 && is_late()) break;
      if (const std::uint32_t size = size_of_open(open, open_count, at); size != 0) {
        ++out_.under_way;
        at += size;
        continue;
      }
      ring::skip_dead(bytes, at);
      if (at == bytes.size()) break;
      std::uint32_t id = 0;
      const EventType* const type = ring::parse_head(bytes, at, now, id) ? types_.find(id) : nullptr;
      const std::size_t size = type != nullptr ? types_.size_of(*type, bytes.data() + at, bytes.size() - at) : 0;
      is_sound = size != 0;
      if (!is_sound) break;
      if (records == 1) first = now;
      std::uint32_t tid = 0;
      std::memcpy(&tid, bytes.data() + at, sizeof tid);
      if (wish_.all_processes || is_own(tid)) {
        auto& note = m_.noted[noted++ % wish_.events];
        note = {now, type, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size), tid};
      }
      at += size;
    }
    out_.unreadable += !is_sound;
    if (part_was_read != nullptr) part_was_read();
    if (!is_still(part)) return;
    oldest = first;
    ++part_;
    const std::uint64_t count = noted < wish_.events ? noted : wish_.events;
    for (std::uint64_t i = noted - count; i < noted; ++i) keep(part, m_.noted[i % wish_.events]);
    if (!is_still(part)) drop_part();
  }

  // Content, fence, claim: whoever overwrites has marked the slot before.
  bool is_still(const Part& part) const noexcept {
    abi::fence(acquire);  // pairs with switch:B, as a snapshot's
    return ring::Look{part.head, part.geometry}.slot_of(part.sequence).word == part.slot.word;
  }

  static std::uint32_t size_of_open(const OpenRecord* open, std::uint32_t count, std::size_t at) noexcept {
    for (std::uint32_t i = 0; i < count; ++i)
      if (open[i].at == at) return open[i].size;
    return 0;
  }

  // ---- threads: whose are they?

  bool is_own(std::uint32_t tid) noexcept {
    auto& known = m_.thread[tid % std::size(m_.thread)];
    if (!known.is_known || known.tid != tid) known = {tid, true, tid == wish_.tid || ask(tid)};
    return known.is_own;
  }
  // Who said last that it has this number; who has said nothing that is still there may live.
  bool ask(std::uint32_t tid) const noexcept {
    const auto* const rows = reinterpret_cast<const abi::ThreadRow*>(view_.base + view_.threads_offset);
    std::uint64_t newest = 0;
    bool is_known = false, is_own = false;
    for (std::uint32_t i = 0; i < view_.thread_capacity; ++i) {
      const abi::ThreadRow& row = rows[i];
      if (row.state.load(acquire) != abi::row_ready || static_cast<std::uint32_t>(base::read_once(row.tid)) != tid) continue;
      const std::uint64_t stamp = base::read_once(row.stamp);
      if (is_known && stamp < newest) continue;
      newest = stamp;
      is_known = true;
      is_own = base::read_once(row.pid) == getpid();
    }
    if (is_known) return is_own;
    char path[64];
    Text(path).add("/proc/self/task/").number(tid);
    return access(path, F_OK) == 0;
  }

  // ---- the heap

  LastEvent& at(std::uint32_t i) { return m_.event[m_.heap[i]]; }
  LastEvent& top() { return at(0); }
  void swap(std::uint32_t a, std::uint32_t b) noexcept {
    const std::uint32_t old = m_.heap[a];
    m_.heap[a] = m_.heap[b];
    m_.heap[b] = old;
  }
  // Of one ring's events with the same stamp, the one that was found earlier is the older one.
  void sink(std::uint32_t i, std::uint32_t count) noexcept {
    for (;;) {
      std::uint32_t least = i;
      for (std::uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; ++child)
        if (at(child).stamp < at(least).stamp) least = child;
      if (least == i) return;
      swap(i, least);
      i = least;
    }
  }
  void rise(std::uint32_t i) noexcept {
    for (; i != 0 && at(i).stamp < at((i - 1) / 2).stamp; i = (i - 1) / 2) swap(i, (i - 1) / 2);
  }

  template <class Note>
  void keep(const Part& part, const Note& note) noexcept {
    const bool is_full = out_.count == wish_.events;
    if (is_full && note.stamp <= top().stamp) return;
    if (!is_full) m_.heap[out_.count] = out_.count;  // dropped ones left their places in order
    LastEvent& event = is_full ? top() : at(out_.count);
    event.stamp = note.stamp;
    event.part = part_;
    event.type = note.type;
    event.cpu = part.geometry.cpu;
    event.tid = note.tid;
    event.size = note.size < kKeptBytes ? note.size : kKeptBytes;
    std::memcpy(event.bytes, part.data() + note.at, event.size);
    if (is_full) sink(0, out_.count);
    else rise(out_.count++);
  }

  // What was overwritten as it was copied.
  void drop_part() noexcept {
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < out_.count; ++i)
      if (m_.event[i].part != part_) {
        if (kept != i) m_.event[kept] = m_.event[i];
        ++kept;
      }
    out_.count = kept;
    for (std::uint32_t i = 0; i < kept; ++i) m_.heap[i] = i;
    for (std::uint32_t i = kept; i-- != 0;) sink(i, kept);
  }

  const SessionView& view_;
  EventTypes& types_;
  const LastEventsWish wish_;
  LastEventsMemory& m_;
  const std::uint32_t rings_;
  LastEvents out_{};
  std::uint64_t part_ = 0;
  std::uint64_t open_stamp_[kMostOpen] = {};
};

}  // namespace

LastEvents find_last_events(const SessionView& view, EventTypes& types, const LastEventsWish& wish, LastEventsMemory& memory) noexcept {
  ring::AnnotateIgnoreReadsBegin(__FILE__, __LINE__);  // what is overwritten meanwhile does not count
  const LastEvents out = Search(view, types, wish, memory).run();
  ring::AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  return out;
}

}  // namespace ouro::trace
