// A ring's first state. Part of what traced programs link, beside geometry.cpp, whose errors are texts.
#include <ouro/ring/reader.hpp>

#include "ring/internal.hpp"

namespace ouro::ring {

void initialise(abi::RingHead& head, const Geometry& g) {
  constexpr auto relaxed = std::memory_order_relaxed;  // nobody else sees the ring before its session's magic
  head.shape.kind = static_cast<std::uint32_t>(g.kind);
  head.shape.mode = static_cast<std::uint32_t>(g.mode);
  head.shape.subbuf_count = g.subbuf_count;
  head.shape.subbuf_size = g.subbuf_size;
  head.shape.cpu = g.cpu;
  const std::uint64_t first = g.subbuf_count;
  head.slot[0].store(abi::Slot::make(first, false, 0).word, relaxed);
  for (std::uint32_t i = 1; i < g.subbuf_count; ++i) head.slot[i].store(abi::Slot::make(i, true, i).word, relaxed);
  if (g.kind != abi::RingKind::shared) {
    head.writer.write_word.store(make_w(first, 0), relaxed);
    head.image[0].sequence.store(first, relaxed);
  } else {
    head.writer.write_word.store(make_shared_w(first, 0), relaxed);
    head.image[0].sequence.store(tagged(first, 0), relaxed);
    head.image[0].records_before.store(tagged(first, 0), relaxed);
  }
}

}  // namespace ouro::ring
