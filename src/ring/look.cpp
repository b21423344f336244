#include "ring/look.hpp"

#include <algorithm>

namespace ouro::ring {

bool Look::find_current(std::uint64_t& w, std::uint64_t& sequence) const {
  constexpr int kMaxRetries = 64;
  for (int i = 0; i < kMaxRetries; ++i) {
    w = write_word(head);
    const std::uint64_t physical = physical_of(w);
    if (physical > g.subbuf_count) return false;
    if (shared()) {
      sequence = shared_sequence_of(w);
      return true;
    }
    sequence = head.image[physical].sequence.load(std::memory_order_acquire);
    const abi::Slot slot = slot_of(sequence);
    const bool opened = is_in(w, sequence) && slot.sequence() == sequence && slot.physical() == physical;
    // The image may be of a sub-buffer that is only being opened, and W have been loaded 256 sub-buffers before: the two look
    // alike. The claim that we saw was made in the sub-buffer before; a W loaded after it is there, or has come further.
    const std::uint64_t again = write_word(head);  // ord(deliver:C)
    if (opened && is_in(again, sequence) && physical_of(again) == physical) return true;
    // Switched under our eyes, or lapped since; if not, something is wrong.
  }
  return false;
}

bool Look::is_whole(std::uint32_t physical, std::uint64_t sequence, std::uint64_t end_word) const {
  const abi::SubbufImage& image = head.image[physical];
  if (!shared()) return image.commits.load(std::memory_order_acquire) == open_of(end_word);  // ord(deliver:B) pairs with commit:C
  const SharedUse use = shared_use(image);
  return use.tag == static_cast<std::uint32_t>(sequence) && use.bytes == in_subbuf(end_word);
}

std::uint64_t Look::counted(abi::Loss cause) const {
  const std::uint64_t counted = counted_losses(head, cause);
  if (cause != abi::Loss::lapped || !shared() || g.mode != abi::FullMode::overwrite) return counted;
  const std::uint64_t w = write_word(head), next = shared_sequence_of(w) + 1;
  const abi::Slot claimed = slot_of(next);
  if (physical_of(w) > g.subbuf_count || claimed.sequence() != next || claimed.physical() > g.subbuf_count) return counted;
  const std::uint64_t up_to = lapped_up_to(head.image[physical_of(w)], head.image[claimed.physical()], next - g.subbuf_count);
  if (write_word(head) != w) return counted;
  const std::uint64_t stored = head.losses.lost[static_cast<std::size_t>(cause)].load(std::memory_order_relaxed);
  return counted + (up_to - std::min(up_to, stored));
}

}  // namespace ouro::ring
