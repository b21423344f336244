// export/clock_time.hpp -- what a clock's ticks are in nanoseconds since 1970, rounded down as all readers do.
#pragma once
#include <cstdint>

#include <ouro/read.hpp>

namespace ouro::ctf {

inline std::int64_t to_ns(const read::Clock& clock, std::uint64_t ticks) {
  __extension__ using Wide = __int128;
  const Wide product = (Wide{clock.offset_ticks} + Wide{ticks}) * Wide{1'000'000'000};
  const Wide frequency = Wide{clock.frequency};
  const Wide whole = product / frequency - (product % frequency < 0 ? 1 : 0);
  // Out of range only if the metadata is nonsense: it wraps.
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(whole) + static_cast<std::uint64_t>(clock.offset_s) * 1'000'000'000u);
}

// The other way round; 0 for what was before the clock's first tick.
inline std::uint64_t to_ticks(const read::Clock& clock, std::int64_t ns) {
  __extension__ using Wide = __int128;
  const Wide ticks = (Wide{ns} - Wide{clock.offset_s} * Wide{1'000'000'000}) * Wide{clock.frequency} / Wide{1'000'000'000} - Wide{clock.offset_ticks};
  return ticks < 0 ? 0 : static_cast<std::uint64_t>(ticks);
}

}  // namespace ouro::ctf
