// read/clocks.hpp -- how far stamps of different clocks can be compared, as far as the traces tell.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ouro/read.hpp>

namespace ouro::read {

enum class Relation : std::uint8_t {
  same,      // one clock, one offset
  measured,  // one clock of one machine, whose offset was measured twice
  stated,    // different ones, which both count from 1970 as they say, and nothing says that they are of different machines
  guessed,   // different ones: what they have in common is that each was told the time of day
};
// Whether the same ticks are the same times.
inline bool is_same(const Clock& a, const Clock& b) { return a.frequency == b.frequency && a.offset_s == b.offset_s && a.offset_ticks == b.offset_ticks; }

// `host`: "" if the trace does not say.
Relation relate(const Clock& a, std::string_view host_a, const Clock& b, std::string_view host_b);

// "" if it does not say.
std::string_view host_of(const Source& source);

// One line for each group of traces whose clocks are guessed to agree with those of the first, or that have none. A trace's own clocks are its tracer's to correlate.
std::vector<std::string> clock_warnings(const std::vector<Source>& sources);

}  // namespace ouro::read
