#include "record/salvage.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <ouro/abi/check.hpp>

#include "ring/look.hpp"

namespace ouro::record {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::uint64_t kEver = std::numeric_limits<std::uint64_t>::max();

// What the ring's head says of itself.
struct Books {
  bool make_sense = false;
  std::uint64_t records = 0;                 // that can be there
  std::uint64_t from = kEver, until = 0;     // their stamps
  std::uint64_t lapped = 0;                  // records before them
};

Books read_books(const ring::Look& look) {
  Books out;
  std::uint64_t w = 0, current = 0;
  if (!look.find_current(w, current)) return out;
  out.until = look.head.writer.last_stamp.load(relaxed);
  const std::uint64_t n = look.g.subbuf_count;
  for (std::uint64_t s = current < n ? 0 : current - n + 1; s <= current; ++s) {
    const abi::Slot slot = look.slot_of(s);
    if (slot.sequence() != s || slot.taken()) continue;  // its place is the next one's already, or nobody ever wrote there
    if (slot.physical() > n) return out;
    const abi::SubbufImage& image = look.head.image[slot.physical()];
    const std::uint64_t end = s == current ? w : image.close_word.load(relaxed);
    if (look.physical_of(end) != slot.physical() || !look.is_in(end, s)) return out;
    std::uint64_t records = 0;
    if (look.shared()) {
      const ring::SharedUse use = ring::shared_use(image);
      if (use.tag != static_cast<std::uint32_t>(s)) return out;
      records = use.records;
    } else {
      if (image.sequence.load(relaxed) != s) return out;
      const std::uint64_t all = ring::records_of(end), open = ring::open_of(end), committed = image.commits.load(relaxed);
      records = all - std::min(all, open - std::min(open, committed));  // without those that were just being written
      if (out.from == kEver) out.lapped = image.records_before.load(relaxed);
    }
    if (out.from == kEver) out.from = image.first_stamp.load(relaxed);
    out.records += records;
  }
  if (look.shared()) out.lapped = look.counted(abi::Loss::lapped);
  out.make_sense = true;
  return out;
}

struct Found {
  std::uint64_t stamp;
  std::span<const std::byte> bytes;
};

template <class T>
T load(const std::byte* from) {
  T out;
  std::memcpy(&out, from, sizeof out);
  return out;
}

// All that prove themselves in one sub-buffer; false if that was given up, for its bytes want to be read again and again.
bool find_records(std::span<const std::byte> bytes, std::uint32_t generation, const FitsEvent& fits, std::vector<Found>& out) {
  std::uint64_t budget = 64 * bytes.size();  // bytes to hash: a record that is none may claim to be as long as all
  for (std::size_t at = 0; bytes.size() - at >= abi::kLeastChecked;) {
    const std::byte* const record = bytes.data() + at;
    const std::uint64_t check = load<std::uint64_t>(record + abi::kCheckAt), size = abi::size_in_check(check);
    const bool may_be = (load<std::uint32_t>(record) & ring::kExtendedId) == ring::kExtendedId && size >= abi::kLeastChecked && size <= bytes.size() - at;
    if (may_be) {
      if (budget < size) return false;
      budget -= size;
    }
    if (!may_be || abi::check_of(generation, record, size) != check || !fits(load<std::uint32_t>(record + 4), bytes.subspan(at + ring::kExtendedHeader, size - ring::kExtendedHeader))) {
      ++at;
      continue;
    }
    out.push_back({load<std::uint64_t>(record + 8), bytes.subspan(at, size)});
    at += size;
  }
  return true;
}

// Ordered by their stamps, as packets of a sub-buffer's size.
void make_packets(const std::vector<Found>& found, Salvaged& out) {
  const std::uint64_t largest = out.ring.geometry.subbuf_size, lapped = out.ring.lost[static_cast<std::size_t>(abi::Loss::lapped)];
  std::uint64_t other = 0;
  for (const std::uint64_t n : out.ring.lost) other += n;
  for (std::size_t i = 0; i < found.size();) {
    ring::Packet packet;
    packet.sequence = out.bytes.size();
    packet.begin_stamp = found[i].stamp;
    packet.lost_lapped = lapped;
    packet.lost_counted = other - lapped + out.dropped;
    std::vector<std::byte>& bytes = out.bytes.emplace_back();
    for (; i < found.size() && bytes.size() + found[i].bytes.size() <= largest; ++i) {
      bytes.insert(bytes.end(), found[i].bytes.begin(), found[i].bytes.end());
      packet.end_stamp = found[i].stamp;
      ++packet.records;
    }
    packet.bytes = bytes;
    out.ring.packets.push_back(packet);
  }
}

}  // namespace

Salvaged salvage(const abi::RingHead& head, const ring::Geometry& geometry, std::uint32_t generation, const FitsEvent& fits, const IsHole& is_hole) {
  Salvaged out;
  out.ring.geometry = geometry;
  const ring::Look look{head, geometry};
  std::vector<Found> found;
  bool all = true;
  for (std::uint64_t i = 0; i <= geometry.subbuf_count; ++i)
    if (!is_hole(i)) all &= find_records({ring::data_of(head) + i * geometry.subbuf_size, geometry.subbuf_size}, generation, fits, found);
  const bool was_used = head.writer.mask.load(relaxed) != 0;
  const Books books = was_used ? read_books(look) : Books{found.empty(), 0, kEver, 0, 0};
  out.is_unknown = !books.make_sense || !all;
  if (books.make_sense && was_used) {
    std::erase_if(found, [&](const Found& f) { return f.stamp < books.from; });
    out.newer = static_cast<std::uint64_t>(std::count_if(found.begin(), found.end(), [&](const Found& f) { return f.stamp > books.until; }));
    const std::uint64_t there = found.size() - out.newer;
    for (std::size_t cause = 0; cause < abi::kLossCauses; ++cause) out.ring.lost[cause] = look.counted(static_cast<abi::Loss>(cause));
    out.ring.lost[static_cast<std::size_t>(abi::Loss::lapped)] = books.lapped;
    // Of dead writers' records, which the ring's books have too, the losses tell.
    const std::uint64_t missing = books.records - std::min(books.records, there);
    out.dropped = missing - std::min(missing, out.ring.lost[static_cast<std::size_t>(abi::Loss::dead_writer)]);
  }
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.stamp < b.stamp; });
  make_packets(found, out);
  return out;
}

}  // namespace ouro::record
