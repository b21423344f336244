#include "ring/open_records.hpp"

#include <cstring>

#include "ring/internal.hpp"
#include "ring/owner.hpp"

namespace ouro::ring {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;

struct Open {
  std::uint64_t offset, length;  // in the sub-buffer
};

enum class Header : std::uint8_t { own, dead, other };
// Whose is it, at the entry's place? Somebody else's, where an attempt to reserve it failed; or none yet.
Header header_of(const Look& look, std::uint64_t offset, std::size_t entry, std::uint64_t stamp) {
  const std::byte* const record = data_of(look.head) + offset;
  std::uint32_t header = 0;
  std::uint64_t its = 0;
  std::memcpy(&header, record, sizeof header);
  std::memcpy(&its, record + 8, sizeof its);
  abi::copied(&header, record, sizeof header);
  abi::copied(&its, record + 8, sizeof its);
  if (header == kDeadHeader) return Header::dead;
  return its == stamp && header == (look.shared() ? stamped_mark(entry) : kExtendedId) ? Header::own : Header::other;
}

// Those below `end` that are not committed. A writer fills its entry before W covers its record, and frees it behind the commit: so whoever has
// seen that W, or the closing word, finds it in the table, or the record is whole. False: an entry names a place where its record is not, now.
bool find_open(const Look& look, std::uint32_t physical, std::uint64_t sequence, std::uint64_t end, std::vector<Open>& out) {
  for (std::size_t i = 0; i < abi::kMaxPending; ++i) {
    const abi::Pending& entry = look.head.pending[i];
    const std::uint64_t state = entry.state.load(acquire);
    if (state == 0) continue;
    const std::uint64_t length = entry.length.load(acquire), where = entry.where.load(acquire), stamp = entry.stamp.load(relaxed);
    const std::uint64_t size = length & ~abi::kCommitting, offset = look.in_subbuf(where);
    if (length == 0 || look.physical_of(where) != physical || !look.is_in(where, sequence) || offset >= end) continue;
    if ((length & abi::kCommitting) != 0) continue;  // its bytes are there
    const Header header = size < kExtendedHeader || size > end - offset ? Header::other : header_of(look, offset_of(where), i, stamp);
    if (header == Header::dead && state == kBurier) continue;  // a dead writer's, buried: marked as it is to be
    if (header != Header::own) return false;
    out.push_back({offset, size});
  }
  return true;
}

}  // namespace

bool copy_around_open(const Look& look, abi::Slot slot, std::uint64_t w, bool is_current, Packet& packet, std::uint64_t& before, std::vector<std::byte>& copy) {
  const abi::SubbufImage& image = look.head.image[slot.physical()];
  const std::uint64_t end_word = is_current ? w : image.close_word.load(acquire);
  if (look.physical_of(end_word) != slot.physical()) return false;
  std::vector<Open> open;
  if (!find_open(look, slot.physical(), packet.sequence, look.in_subbuf(end_word), open)) return false;
  packet.records = look.shared() ? shared_use(image).records : records_of(end_word);
  packet.current = is_current;
  before = look.shared() ? 0 : image.records_before.load(relaxed);
  packet.begin_stamp = image.first_stamp.load(relaxed);
  packet.lost_counted = is_current ? counted_losses(look.head) : image.lost_before.load(relaxed);
  packet.end_stamp = (!is_current || look.shared() ? image.close_stamp : look.head.writer.last_stamp).load(acquire);
  copy_out(copy, data_of(look.head) + std::uint64_t{slot.physical()} * look.g.subbuf_size, look.in_subbuf(end_word));
  abi::fence(acquire);  // as behind any copy: pairs with switch:B
  for (const Open& record : open) mark_dead(copy.data() + record.offset, static_cast<std::uint32_t>(record.length));
  return look.slot_of(packet.sequence).word == slot.word;
}

}  // namespace ouro::ring
