#include "clock/calibrate.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>

namespace ouro::clock {
namespace {

constexpr int kTries = 200;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

__extension__ using Wide = __int128;  // ticks times nanoseconds

std::int64_t read_ns(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return static_cast<std::int64_t>(t.tv_sec) * kNsPerSecond + t.tv_nsec;
}

// Nothing behind it is executed before what stands before it.
void wait_for_all() {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
#elif defined(__aarch64__)
  asm volatile("isb" : : : "memory");
#endif
}

// Not before what stands before it, not after what stands behind it: else the bracket would lie.
Ticks read_ordered(abi::ClockKind kind) {
  wait_for_all();
  const Ticks ticks = now(kind);
  wait_for_all();
  return ticks;
}

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

Ticks now(abi::ClockKind kind) noexcept { return read_unordered(kind == abi::ClockKind::tsc); }

Pair read_pair(abi::ClockKind kind) {
  if (kind == abi::ClockKind::monotonic) {
    const Ticks ticks = read_monotonic();
    return {ticks, static_cast<std::int64_t>(ticks), 0};
  }
  Pair best;
  Ticks narrowest = std::numeric_limits<Ticks>::max();
  const Ticks first_ticks = read_ordered(kind);
  const std::int64_t first_ns = read_ns(CLOCK_MONOTONIC);
  for (int i = 0; i < kTries; ++i) {
    const Ticks before = read_ordered(kind);
    const std::int64_t ns = read_ns(CLOCK_MONOTONIC);
    const Ticks after = read_ordered(kind);
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    best = {before + narrowest / 2, ns, 0};
  }
  // How long a tick is, about: the tries themselves took long enough to tell.
  const Ticks ticks = std::max<Ticks>(read_ordered(kind) - first_ticks, 1);
  const std::int64_t ns = std::max<std::int64_t>(read_ns(CLOCK_MONOTONIC) - first_ns, 1);
  // A reading is at most one tick behind the time: much, where a tick is 40 ns.
  best.error_ns = static_cast<std::int64_t>(rounded_ratio((Wide{narrowest} + 2) * ns, Wide{2} * ticks)) + 1;
  return best;
}

Pair read_realtime_offset() {
  Pair best;
  std::int64_t narrowest = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < kTries; ++i) {
    const std::int64_t before = read_ns(CLOCK_MONOTONIC);
    const std::int64_t realtime = read_ns(CLOCK_REALTIME);
    const std::int64_t after = read_ns(CLOCK_MONOTONIC);
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    best = {0, realtime - (before + narrowest / 2), (narrowest + 1) / 2};
  }
  return best;
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
