#include <ouro/ring/overview.hpp>

#include <algorithm>

#include "ring/internal.hpp"
#include "ring/look.hpp"

namespace ouro::ring {

Overview overview_of(const abi::RingHead& head, const Geometry& geometry) {
  constexpr auto relaxed = std::memory_order_relaxed;
  Overview out;
  if (head.writer.mask.load(std::memory_order_acquire) == 0) return out;  // never written to
  const Look look{head, geometry};
  for (std::size_t cause = 0; cause < abi::kLossCauses; ++cause) out.lost[cause] = look.counted(static_cast<abi::Loss>(cause));
  std::uint64_t w = 0, current = 0;
  if (!look.find_current(w, current)) return out.corrupt = true, out;
  const std::uint64_t n = geometry.subbuf_count;
  bool found = false;
  std::uint64_t before_oldest = 0, in_shared = 0;
  for (std::uint64_t s = current < n ? 0 : current - n + 1; s <= current; ++s) {
    const abi::Slot slot = look.slot_of(s);
    if (slot.sequence() != s || slot.taken() || slot.physical() > geometry.subbuf_count) continue;
    const abi::SubbufImage& image = head.image[slot.physical()];
    in_shared += look.shared() ? shared_use(image).records : 0;
    if (found) continue;
    found = true;
    out.begin_stamp = image.first_stamp.load(relaxed);
    before_oldest = image.records_before.load(relaxed);
  }
  if (!found) return out;
  const std::uint64_t physical = look.physical_of(w);
  if (physical > geometry.subbuf_count) return out.corrupt = true, out;
  const abi::SubbufImage& image = head.image[physical];
  const std::uint64_t written = image.records_before.load(relaxed) + records_of(w);
  out.records = look.shared() ? in_shared : written - std::min(written, before_oldest);
  out.end_stamp = std::max(out.begin_stamp, (look.shared() ? image.close_stamp : head.writer.last_stamp).load(relaxed));
  if (out.records == 0) out.begin_stamp = out.end_stamp = 0;
  if (!look.shared()) {  // who laps does not count there: what was written and is neither here nor read
    const ReadSoFar books = read_so_far(head);
    std::uint64_t& lapped = out.lost[static_cast<std::size_t>(abi::Loss::lapped)];
    lapped = books.lost_lapped;
    if (geometry.mode == abi::FullMode::overwrite) lapped = std::max(lapped, before_oldest - std::min(before_oldest, books.records));
  }
  return out;
}

}  // namespace ouro::ring
