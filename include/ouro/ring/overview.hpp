// ouro/ring/overview.hpp -- what a ring holds now, in figures: a few words are looked at, nothing is copied. For those who watch.
#pragma once
#include <array>
#include <cstdint>

#include <ouro/ring/reader.hpp>

namespace ouro::ring {

struct Overview {
  std::uint64_t records = 0;                             // that could be read, but for those that a reader has read of the sub-buffer it is in
  std::uint64_t begin_stamp = 0, end_stamp = 0;          // none of these is earlier, or later; both 0 if there are none
  std::array<std::uint64_t, abi::kLossCauses> lost{};    // by cause; lapped: those that its reader, or nobody, had read
  bool corrupt = false;                                  // its memory contradicts itself: the rest is not to be relied on
};

// Any thread, at any time; writers go on meanwhile, so the figures are of moments that follow each other. Allocates nothing.
Overview overview_of(const abi::RingHead& head, const Geometry& geometry);

}  // namespace ouro::ring
