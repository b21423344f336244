#include "record/metadata.hpp"

#include <algorithm>

namespace ouro::record {

Result<clock::Calibration> write_metadata(const Session& session, const EventTable& events, const Metadata& metadata, TraceFolder& folder) {
  const abi::ClockKind kind = session.options().clock;
  const clock::Calibration calibration = clock::calibrate(kind, metadata.begin, clock::read_pair(kind), metadata.realtime);
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
