#include "record/ring_drain.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "clock/calibrate.hpp"
#include "ring/internal.hpp"

namespace ouro::record {
namespace {

// More than any two CPUs' clocks differ by: a second at least, on any machine.
constexpr std::uint64_t kSlackTicks = 10'000'000'000;

// The ring says when the packet before it ended. Of a quiet ring that is long ago, and who follows the recording has been told since
// that nothing so early will come.
std::uint64_t first_stamp(const ring::Packet& packet) {
  std::uint64_t stamp = packet.begin_stamp;
  std::size_t at = 0;
  std::uint32_t id = 0;
  const bool is_sound = ring::parse_head(packet.bytes, at, stamp, id) && stamp >= packet.begin_stamp && stamp <= packet.end_stamp;
  return is_sound ? stamp : packet.begin_stamp;
}

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

RingDrain::Round RingDrain::drain(const TraceFolder& folder, EventCounts& counts, bool include_current, const std::function<Status()>& describe,
                                  Unwritten unwritten) {
  Round out;
  if (!was_ever_written() || !poison_.empty()) {
    out.is_complete = true;
    return out;
  }
  for (std::uint32_t i = 0; i <= geometry_.subbuf_count; ++i) {
    ring::Packet packet;
    if (held_) {
      packet = *held_;
    } else {
      const ring::Reader::Answer answer = reader_.next(packet, include_current);
      if (answer == ring::Reader::Answer::corrupt) poison_ = "its memory contradicts itself";
      out.waiting = answer == ring::Reader::Answer::waiting;
      out.is_complete = answer == ring::Reader::Answer::nothing;
      if (answer != ring::Reader::Answer::packet) break;
      if (written_before_) leave_out_doubles(counts, packet);
    }
    if (held_ || is_plausible(packet)) {
      const Status described = describe();
      out.failed = described ? write(folder, packet) : described.error();
      if (out.failed && unwritten == Unwritten::hold) {
        held_ = packet;
        break;
      }
      if (out.failed) unwritten_ += packet.records;
      if (std::string trouble = out.failed ? "" : count(counts, packet); !trouble.empty())
        out.nonsense = std::move(trouble);
    }
    const bool was_held = std::exchange(held_, std::nullopt).has_value();
    reader_.release();
    if (!poison_.empty() || out.failed) break;
    if (packet.current && !was_held) {
      out.is_complete = true;
      break;
    }
    ++out.subbufs;
  }
  return out;
}

std::optional<Error> RingDrain::write(const TraceFolder& folder, const ring::Packet& packet) {
  if (packet.bytes.empty()) return std::nullopt;  // nothing but records of dead writers
  const std::uint64_t lost = packet.lost_lapped + packet.lost_counted, before = std::accumulate(before_.begin(), before_.end(), std::uint64_t{0});
  discarded_ = std::max(discarded_, lost - std::min(lost, before) + unwritten_);
  const Status written = file_.append(folder, first_stamp(packet), packet.end_stamp, discarded_, packet.bytes);
  if (!written) return written.error();
  has_stream_ = true;
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
  if (was_ever_written() && poison_.empty() && !held_) reader_.bury_dead();
}

std::uint64_t RingDrain::lost(abi::Loss cause) const {
  const auto i = static_cast<std::size_t>(cause);
  return lost_[i] - std::min(lost_[i], before_[i]);
}

Status RingDrain::finish() {
  if (poison_.empty()) {
    std::uint64_t lost = unwritten_;
    for (std::size_t i = 0; i < abi::kLossCauses; ++i) {
      lost_[i] = std::max(before_[i], reader_.lost(static_cast<abi::Loss>(i)));
      lost += lost_[i] - before_[i];
    }
    discarded_ = std::max(discarded_, lost);
  }
  if (Status set = file_.set_discarded(discarded_); !set) return set;
  return file_.close();
}

Status RingDrain::resume(const TraceFolder& folder, const std::array<std::uint64_t, abi::kLossCauses>& before) {
  StreamFile::Last last;
  if (Status reopened = file_.reopen(folder, last); !reopened) return reopened;
  before_ = before;
  last_end_ = last.end;
  discarded_ = file_.discarded();
  if (file_.packets() == 0) return Ok{};
  has_stream_ = true;
  written_before_ = std::move(last);
  return Ok{};
}

//  file   ... | written_before_ |          killed behind its write, before its release: the ring's next packet begins as that did, and has its
//  ring   ... | the same bytes  | more |   bytes. Released, it would begin no earlier than that ended.
void RingDrain::leave_out_doubles(EventCounts& counts, ring::Packet& packet) {
  const StreamFile::Last last = std::move(*std::exchange(written_before_, std::nullopt));
  if (first_stamp(packet) != last.begin || packet.end_stamp < last.end || packet.bytes.size() < last.bytes.size() ||
      !std::equal(last.bytes.begin(), last.bytes.end(), packet.bytes.begin()))
    return;
  const EventCounts::Within part = counts.within(last.bytes, last.begin, 0, ~std::uint64_t{0});
  packet.records -= std::min(packet.records, part.records);
  packet.bytes = packet.bytes.subspan(last.bytes.size());
  packet.begin_stamp = last.end;
}

void RingDrain::begin(format::Uuid uuid) {
  file_ = StreamFile(file_.name(), uuid, 0, index_, geometry_.cpu);
  before_ = lost_;
  discarded_ = written_ = unwritten_ = 0;
}

}  // namespace ouro::record
