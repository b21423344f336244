// record/salvage.hpp -- what is whole in a ring whose file a power cut tore: its records prove themselves (ouro/abi/check.hpp).
//
//   head   | W, slots, images: one page, of one instant |          the ring's books: how many records there were, since when, until when
//   data   | page | page | page | ...                              each of its own instant, before or after the head's
//
// Nothing is believed of where records lie. All that prove themselves are taken, ordered by their stamps; those of earlier laps, which the
// books say were overwritten, are not. What the books have and the data has not was dropped, and is counted. Where the data is newer than the
// books, what else there was then nobody knows.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ouro/ring/snapshot.hpp>

namespace ouro::record {

struct Salvaged {
  ring::Snapshot::Ring ring;                  // its packets' bytes lie in `bytes`
  std::vector<std::vector<std::byte>> bytes;
  std::uint64_t dropped = 0;                  // records that the books have
  std::uint64_t newer = 0;                    // records here of which the books know nothing yet
  bool is_unknown = false;                    // the books make no sense: nobody knows how many are missing
};

// `fits(id, body)`: whether the session knows the event, and these bytes are its body. `generation`: the session's.
// `is_hole(subbuf)`: nobody ever wrote to that sub-buffer, and reading it may take memory.
using FitsEvent = std::function<bool(std::uint32_t id, std::span<const std::byte> body)>;
using IsHole = std::function<bool(std::uint64_t subbuf)>;
Salvaged salvage(const abi::RingHead& head, const ring::Geometry& geometry, std::uint32_t generation, const FitsEvent& fits, const IsHole& is_hole);

}  // namespace ouro::record
