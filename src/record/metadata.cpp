#include "record/metadata.hpp"

#include <algorithm>
#include <cstring>

namespace ouro::record {

namespace {

constexpr std::int64_t kGoodBaseline_ns = 1'000'000'000;

}  // namespace

format::Uuid random_uuid() {
  format::Uuid out;
  for (std::size_t i = 0; i < out.size(); i += 4) {
    const std::uint32_t part = random_generation();
    std::memcpy(out.data() + i, &part, 4);
  }
  abi::become_uuid(out.data());
  return out;
}

Result<clock::Calibration> write_metadata(const Session& session, const EventTable& events, const Metadata& metadata, TraceFolder& folder,
                                          const clock::Pair* end) {
  const abi::ClockKind kind = session.options().clock;
  const clock::Pair now = end != nullptr ? *end : session.later();
  const clock::Pair& begin = now.ns - metadata.begin.ns < kGoodBaseline_ns ? metadata.earlier : metadata.begin;
  const clock::Calibration calibration = clock::calibrate(kind, begin, now, metadata.realtime);
  format::TraceDescription trace;
  trace.uuid = metadata.uuid;
  trace.contexts = session.options().contexts;
  trace.clock.name = kind == abi::ClockKind::tsc ? "tsc" : "monotonic";
  trace.clock.description = kind == abi::ClockKind::tsc
                                ? "time stamp counter, calibrated against CLOCK_MONOTONIC over the recording"
                                : "CLOCK_MONOTONIC";
  trace.clock.frequency = calibration.frequency;
  trace.clock.offset_s = calibration.offset_s;
  trace.clock.offset_ticks = calibration.offset_ticks;
  // Rounded up: the error bound.
  trace.clock.precision_ticks = static_cast<std::uint64_t>(static_cast<double>(calibration.error_ns) *
                                                           static_cast<double>(calibration.frequency) / 1e9) +
                                1;
  trace.env = metadata.env;
  trace.events = events.events();
  std::sort(trace.events.begin(), trace.events.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  if (Status written = folder.write_metadata(format::metadata_text(trace)); !written) return written.error();
  return calibration;
}

}  // namespace ouro::record
