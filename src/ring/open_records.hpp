// ring/open_records.hpp -- copying a sub-buffer in which two-phase records are still being written: all but these.
//
//   an entry names a place of this use   kCommitting              whole, counted or about to be: kept
//                                        its header is there      not committed: cut out
//                                        another's, or none yet   somebody is between two stores: not now
#pragma once
#include <cstdint>
#include <vector>

#include "ring/look.hpp"

namespace ouro::ring {

// `w`: the ring's write word, which the sub-buffer is in if `is_current`. Fills packet and copy; what was cut is marked as dead writers' records
// are, so only rings whose records have headers and stamps; `records` counts it, too. False: what is open cannot be told, or the sub-buffer
// changed hands meanwhile.
bool copy_around_open(const Look& look, abi::Slot slot, std::uint64_t w, bool is_current, Packet& packet, std::uint64_t& before, std::vector<std::byte>& copy);

}  // namespace ouro::ring
