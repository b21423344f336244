#include "clock/calibrate.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace ouro::clock {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

__extension__ using Wide = __int128;  // ticks times nanoseconds

std::string read_file(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

[[maybe_unused]] bool has_flag(const std::string& cpuinfo, const std::string& flag) {
  const std::size_t at = cpuinfo.find("\nflags");
  if (at == std::string::npos) return false;
  std::istringstream line(cpuinfo.substr(at, cpuinfo.find('\n', at + 1) - at));
  for (std::string word; line >> word;)
    if (word == flag) return true;
  return false;
}

std::uint64_t rounded_ratio(Wide numerator, Wide denominator) {
  return static_cast<std::uint64_t>((numerator + denominator / 2) / denominator);
}

}  // namespace

TscTrust judge_tsc(const std::string& clocksource, const std::string& cpuinfo) {
  TscTrust out;
  out.clocksource = clocksource.substr(0, clocksource.find('\n'));
#if defined(__aarch64__)
  static_cast<void>(cpuinfo);  // the architecture promises both
  out.constant = out.nonstop = true;
#else
  out.constant = has_flag(cpuinfo, "constant_tsc");
  out.nonstop = has_flag(cpuinfo, "nonstop_tsc");
#endif
  out.trusted = OURO_HAS_TSC && out.clocksource == kTrustedSource && out.constant && out.nonstop;
  return out;
}

TscTrust tsc_trust() {
  return judge_tsc(read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
                   read_file("/proc/cpuinfo"));
}

Calibration calibrate(abi::ClockKind kind, const Pair& begin, const Pair& end, const Pair& realtime_offset) {
  Calibration out;
  out.frequency = static_cast<std::uint64_t>(kNsPerSecond);
  if (kind == abi::ClockKind::tsc && end.ticks > begin.ticks && end.ns > begin.ns)
    out.frequency =
        std::max<std::uint64_t>(rounded_ratio(Wide{end.ticks - begin.ticks} * kNsPerSecond, end.ns - begin.ns), 1);
  // The epoch in ticks: what the clock would have said then. Negative numbers round down.
  const Wide frequency = out.frequency;
  const Wide realtime = begin.ns + realtime_offset.ns;
  const Wide offset = realtime * frequency / kNsPerSecond - static_cast<Wide>(begin.ticks);
  Wide seconds = offset / frequency;
  if (offset % frequency < 0) --seconds;
  out.offset_s = static_cast<std::int64_t>(seconds);
  out.offset_ticks = static_cast<std::uint64_t>(offset - seconds * frequency);
  // Between the pairs the line runs through both, so its error is at most the larger of theirs; then the whole
  // number of Hz, half of one, over the whole length; then a tick each for the offset and for the reader's rounding.
  const Wide length_ns = std::max<std::int64_t>(end.ns - begin.ns, 0);
  const std::uint64_t from_hz =
      kind == abi::ClockKind::tsc ? static_cast<std::uint64_t>(length_ns / (2 * frequency)) + 1 : 0;
  out.error_ns =
      static_cast<std::uint64_t>(std::max(begin.error_ns, end.error_ns) + realtime_offset.error_ns) + from_hz + 1;
  return out;
}

}  // namespace ouro::clock
