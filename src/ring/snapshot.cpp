#include <ouro/ring/snapshot.hpp>

#include <algorithm>
#include <atomic>
#include <optional>

#include "ring/internal.hpp"
#include "ring/look.hpp"
#include "ring/open_records.hpp"

namespace ouro::ring {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
using Why = Snapshot::Missing::Why;

// One ring being copied.
struct Copy {
  Look look;
  Snapshot::Ring& ring;
  std::vector<std::vector<std::byte>>& bytes;
  std::uint64_t records_end = 0;  // per_cpu: written to the ring up to the end of the last packet
  std::uint64_t lapped = 0;       // per_cpu
  bool cuts_open = false;         // records that are still being written do not hold the others back
  bool only_lapped = true;        // since the last packet, no other kind of sub-buffer was missing

  enum class Answer : std::uint8_t { done, missing, corrupt };
  Answer copy_subbuf(std::uint64_t sequence, std::uint64_t current, Why& why);
  bool examine(abi::Slot slot, std::uint64_t w, bool is_current, Packet& packet, std::uint64_t& before, std::uint64_t& end) const;
  void copy_all();
};

// What must be known beside the bytes. False: a two-phase record is open, or W moved on.
bool Copy::examine(abi::Slot slot, std::uint64_t w, bool is_current, Packet& packet, std::uint64_t& before, std::uint64_t& end) const {
  const abi::SubbufImage& image = look.head.image[slot.physical()];
  const std::uint64_t end_word = is_current ? w : image.close_word.load(acquire);
  if (look.physical_of(end_word) != slot.physical() || !look.is_whole(slot.physical(), packet.sequence, end_word)) return false;
  end = look.in_subbuf(end_word);
  packet.records = look.shared() ? shared_use(image).records : records_of(end_word);
  packet.current = is_current;
  before = look.shared() ? 0 : image.records_before.load(relaxed);
  packet.begin_stamp = image.first_stamp.load(relaxed);
  packet.lost_counted = is_current ? counted_losses(look.head) : image.lost_before.load(relaxed);
  packet.end_stamp = (!is_current || look.shared() ? image.close_stamp : look.head.writer.last_stamp).load(acquire);  // ord(stamp:A)
  // Between two loads of W that agree, the newest stamp is that of the part below it.
  return !is_current || write_word(look.head) == w;
}

Copy::Answer Copy::copy_subbuf(std::uint64_t sequence, std::uint64_t current, Why& why) {
  constexpr int kMaxRetries = 64;  // W moves under our eyes
  for (int i = 0; i < kMaxRetries; ++i) {
    const abi::Slot slot = look.slot_of(sequence);
    if (slot.sequence() < sequence || slot.physical() > look.g.subbuf_count) return Answer::corrupt;
    const Why overtaken = look.g.mode == abi::FullMode::overwrite ? Why::lapped : Why::taken;  // discard: a reader had to be there first
    why = slot.sequence() > sequence ? overtaken : Why::taken;
    if (slot.sequence() != sequence || slot.taken()) return Answer::missing;
    const std::uint64_t w = write_word(look.head);
    const bool is_current = sequence == current && look.is_in(w, sequence) && look.physical_of(w) == slot.physical();
    Packet packet;
    packet.sequence = sequence;
    std::uint64_t before = 0, end = 0;
    const bool whole = examine(slot, w, is_current, packet, before, end);
    std::vector<std::byte> copy;
    if (whole) {
      const std::byte* from = data_of(look.head) + std::uint64_t{slot.physical()} * look.g.subbuf_size;
      copy_out(copy, from, end);
      snapshot_copied(sequence);
    }
    // Content, fence, claim: a writer that claimed this sub-buffer, or a reader that took it out, is seen if any byte of what
    // came after is. What the slot says now it has said all the time: a sequence comes once.
    abi::fence(acquire);  // ord(snapshot:B) pairs with switch:B
    const abi::Slot again = look.slot_of(sequence);
    why = again.sequence() != sequence ? overtaken : again.word != slot.word ? Why::taken : Why::unfinished;
    if (again.word != slot.word) return Answer::missing;
    if (!whole && cuts_open && copy_around_open(look, slot, w, is_current, packet, before, copy)) {
      end = copy.size();
    } else if (!whole) {
      if (write_word(look.head) != w || cuts_open) continue;
      return Answer::missing;
    }
    if (packet.records == 0 && end == 0) return Answer::done;
    const std::uint64_t last_end = ring.packets.empty() ? 0 : ring.packets.back().end_stamp;
    if (packet.begin_stamp > packet.end_stamp) packet.begin_stamp = last_end;
    packet.begin_stamp = std::max(packet.begin_stamp, last_end);
    packet.end_stamp = std::max(packet.begin_stamp, packet.end_stamp);
    if (only_lapped && before > records_end) lapped += before - records_end;
    records_end = before + packet.records;
    only_lapped = true;
    packet.lost_lapped = lapped;
    packet.bytes = bytes.emplace_back(std::move(copy));
    ring.packets.push_back(packet);
    return Answer::done;
  }
  return Answer::missing;
}

void Copy::copy_all() {
  if (look.head.writer.mask.load(acquire) == 0) return;  // never written to
  std::uint64_t w = 0, current = 0;
  if (!look.find_current(w, current)) return void(ring.corrupt = true);
  const ReadSoFar books = read_so_far(look.head);
  if (books.next_sequence != 0) lapped = books.lost_lapped;  // those of earlier memories included
  records_end = books.records + lapped;
  const std::uint64_t n = look.g.subbuf_count;
  for (std::uint64_t s = current < n ? 0 : current - n + 1; s <= current; ++s) {
    if (look.slot_of(s).sequence() == s && look.slot_of(s).taken()) continue;  // long ago
    Why why{};
    const Answer answer = copy_subbuf(s, current, why);
    if (answer == Answer::corrupt) return void(ring.corrupt = true);
    if (answer != Answer::missing) continue;
    ring.missing.push_back({why, s});
    only_lapped = only_lapped && why == Why::lapped;
  }
}

}  // namespace

Snapshot::Snapshot(const LocalChannel& channel) : rings_(channel.ring_count()) {
  for (std::uint32_t i = 0; i < channel.ring_count(); ++i) {
    Ring& ring = rings_[i];
    ring.form = channel.form(i);
    std::uint64_t lapped = 0;
    for (const Channel* c = &channel.oldest(); c != nullptr; c = c->successor.load(acquire)) {
      ring.geometry = geometry_of(*c, i);
      lapped = add(ring, *c->ring[i], lapped);
    }
    end(ring, lapped);
  }
}

Snapshot::Snapshot(std::span<const Place> places) : cuts_open_(true), rings_(places.size()) {
  for (std::size_t i = 0; i < places.size(); ++i) {
    rings_[i].geometry = places[i].geometry;
    end(rings_[i], add(rings_[i], *places[i].head, 0));
  }
}

std::uint64_t Snapshot::add(Ring& ring, const abi::RingHead& head, std::uint64_t lapped_before) {
  for (std::size_t cause = 0; cause < abi::kLossCauses; ++cause) ring.lost[cause] += Look{head, ring.geometry}.counted(static_cast<abi::Loss>(cause));
  Copy copy{{head, ring.geometry}, ring, bytes_, 0, lapped_before, cuts_open_};
  copy.copy_all();
  return copy.lapped;
}

void Snapshot::end(Ring& ring, std::uint64_t lapped_by_books) {
  std::uint64_t& lapped = ring.lost[static_cast<std::size_t>(abi::Loss::lapped)];
  // Of a shared ring its writers counted, also what a reader had delivered: that the reader's books tell.
  lapped = ring.geometry.kind == abi::RingKind::shared ? lapped - std::min(lapped, lapped_by_books) : lapped_by_books;
}

std::uint64_t Snapshot::records() const {
  std::uint64_t sum = 0;
  for (const Ring& ring : rings_)
    for (const Packet& packet : ring.packets) sum += packet.records;
  return sum;
}

std::uint64_t Snapshot::lost() const {
  std::uint64_t sum = 0;
  for (const Ring& ring : rings_)
    for (const std::uint64_t n : ring.lost) sum += n;
  return sum;
}

std::uint64_t Snapshot::lost(abi::Loss cause) const {
  std::uint64_t sum = 0;
  for (const Ring& ring : rings_) sum += ring.lost[static_cast<std::size_t>(cause)];
  return sum;
}

}  // namespace ouro::ring
