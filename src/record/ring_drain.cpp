#include "record/ring_drain.hpp"

#include <algorithm>
#include <utility>

#include "clock/calibrate.hpp"

namespace ouro::record {
namespace {

// More than any two CPUs' clocks differ by: a second at least, on any machine.
constexpr std::uint64_t kSlackTicks = 10'000'000'000;

}  // namespace

std::string stream_name(const ring::Geometry& geometry) {
  return (geometry.kind == abi::RingKind::per_cpu ? "stream_cpu" : "stream_shared") + std::to_string(geometry.cpu);
}

RingDrain::RingDrain(const Session& session, std::uint32_t index, format::Uuid uuid)
    : head_(&session.ring(index)),
      geometry_(session.geometry(index)),
      index_(index),
      clock_(session.options().clock),
      reader_(*head_, geometry_),
      file_(stream_name(geometry_), uuid, 0, index, geometry_.cpu) {}

// One load of a line that the writer's inline path only reads. Most rings of a machine stay like this.
bool RingDrain::was_ever_written() { return started_ = started_ || head_->writer.mask.load(std::memory_order_relaxed) != 0; }

bool RingDrain::is_plausible(const ring::Packet& packet) {
  const std::uint64_t latest = clock::now(clock_) + kSlackTicks;
  if (packet.begin_stamp > packet.end_stamp || packet.begin_stamp < last_end_ || packet.end_stamp > latest) {
    poison_ = "a packet from " + std::to_string(packet.begin_stamp) + " to " + std::to_string(packet.end_stamp) +
              ", want times from " + std::to_string(last_end_) + " to " + std::to_string(latest);
    return false;
  }
  return true;
}

RingDrain::Round RingDrain::drain(const TraceFolder& folder, EventCounts& counts, bool include_current, const std::function<void()>& describe) {
  Round out;
  if (!was_ever_written() || !poison_.empty()) return out;
  for (std::uint32_t i = 0; i <= geometry_.subbuf_count; ++i) {
    ring::Packet packet;
    const ring::Reader::Answer answer = reader_.next(packet, include_current);
    if (answer == ring::Reader::Answer::corrupt) poison_ = "its memory contradicts itself";
    out.waiting = answer == ring::Reader::Answer::waiting;
    if (answer != ring::Reader::Answer::packet) break;
    const bool current = packet.current;
    if (is_plausible(packet)) {
      describe();
      out.failed = write(folder, packet);
      if (std::string trouble = out.failed ? "" : count(counts, packet); !trouble.empty())
        out.nonsense = std::move(trouble);
    }
    reader_.release();
    if (!poison_.empty() || out.failed || current) break;
    ++out.subbufs;
  }
  return out;
}

std::optional<Error> RingDrain::write(const TraceFolder& folder, const ring::Packet& packet) {
  if (packet.bytes.empty()) return std::nullopt;  // nothing but records of dead writers
  discarded_ = std::max(discarded_, packet.lost_lapped + packet.lost_counted + unwritten_);
  const Status written = file_.append(folder, packet.begin_stamp, packet.end_stamp, discarded_, packet.bytes);
  if (!written) {
    unwritten_ += packet.records;
    return written.error();
  }
  last_end_ = packet.end_stamp;
  written_ += packet.records;
  return std::nullopt;
}

std::string RingDrain::count(EventCounts& counts, const ring::Packet& packet) {
  std::optional<std::string> trouble = counts.add(packet.bytes);
  if (!trouble || !std::exchange(made_sense_, false)) return {};
  return std::move(*trouble);
}

void RingDrain::bury_dead() {
  if (was_ever_written() && poison_.empty()) reader_.bury_dead();
}

Status RingDrain::finish() {
  if (poison_.empty()) discarded_ = std::max(discarded_, reader_.lost_total() + unwritten_);
  if (Status set = file_.set_discarded(discarded_); !set) return set;
  return file_.close();
}

}  // namespace ouro::record
