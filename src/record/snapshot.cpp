#include "record/snapshot.hpp"

#include <sys/file.h>

#include <algorithm>

#include <ouro/abi/context_layout.hpp>
#include <ouro/ring/snapshot.hpp>

#include "record/metadata.hpp"
#include "record/salvage.hpp"

namespace ouro::record {
namespace {

using std::chrono::nanoseconds;

nanoseconds steady_now() { return std::chrono::steady_clock::now().time_since_epoch(); }

constexpr double kMost = 9e18;  // of ticks and of nanoseconds: what fits

std::uint64_t ticks_in(nanoseconds time, std::uint64_t frequency) {
  return static_cast<std::uint64_t>(std::min(kMost, static_cast<double>(time.count()) * static_cast<double>(frequency) / 1e9));
}
nanoseconds time_of(std::uint64_t ticks, std::uint64_t frequency) {
  return nanoseconds(frequency == 0 ? 0 : static_cast<std::int64_t>(std::min(kMost, static_cast<double>(ticks) * 1e9 / static_cast<double>(frequency))));
}

class Writer {
 public:
  Writer(const Session& session, TraceFolder& folder, const SnapshotOptions& options)
      : session_(session),
        folder_(folder),
        options_(options),
        metadata_{random_uuid(), options.env, session.begin(), session.realtime_later()},
        events_(session),
        counts_(events_, session.options().contexts),
        state_(session, metadata_.uuid, StateStream::Rows::look) {}

  Result<SnapshotSummary> write() {
    events_.update();
    // Metadata first: it has the clock's frequency, and tells early whether the folder can be written to.
    const Result<clock::Calibration> clock = write_metadata(session_, events_, metadata_, folder_);
    if (!clock) return clock.error();
    const nanoseconds begun = steady_now();
    until_ = session_.now();
    const std::uint64_t window = options_.last ? ticks_in(*options_.last, clock->frequency) : until_;
    from_ = until_ - std::min(until_, window);
    if (Status written = is_salvage() ? salvage_rings() : copy_rings(begun); !written) return written.error();
    if (Status written = write_state(); !written) return written.error();
    // Events that came to be meanwhile have records here.
    if (Result<clock::Calibration> again = write_metadata(session_, events_, metadata_, folder_); !again) return again.error();
    out_.covered = first_ == ~std::uint64_t{0} ? nanoseconds(0) : time_of(until_ - first_, clock->frequency);
    out_.clock_error_ns = clock->error_ns;
    out_.bytes += state_.file().bytes() + folder_.metadata_bytes();
    out_.processes = state_.processes();
    const abi::SessionHeader& header = session_.header();
    out_.threads_lost = header.threads_lost.load(std::memory_order_relaxed);
    out_.processes_lost = header.processes_lost.load(std::memory_order_relaxed);
    out_.rings_refused = header.rings_refused.load(std::memory_order_relaxed);
    for (const std::string& spoiled : events_.spoiled()) trouble(spoiled + " (hint: records of it cannot be read)");
    return out_;
  }

 private:
  std::vector<ring::Snapshot::Place> places() const {
    std::vector<ring::Snapshot::Place> out;
    for (std::uint32_t i = 0; i < session_.ring_count(); ++i) out.push_back({&session_.ring(i), session_.geometry(i)});
    return out;
  }
  void trouble(const std::string& text) {
    out_.complete = false;
    options_.warn("warning: " + text);
  }
  bool is_salvage() const { return session_.is_image() && (session_.options().contexts & abi::bit(abi::Context::check)) != 0; }
  Status copy_rings(nanoseconds begun) {
    const ring::Snapshot snapshot(places());
    out_.took = steady_now() - begun;
    for (std::uint32_t i = 0; i < session_.ring_count(); ++i)
      if (Status written = write_ring(i, snapshot.rings()[i]); !written) return written.error();
    return Ok{};
  }
  Status salvage_rings();
  Status write_ring(std::uint32_t index, const ring::Snapshot::Ring& ring);
  Status write_packet(StreamFile& file, const ring::Packet& packet);
  Status write_state();

  const Session& session_;
  TraceFolder& folder_;
  const SnapshotOptions& options_;
  Metadata metadata_;
  EventTable events_;
  EventCounts counts_;
  StateStream state_;
  SnapshotSummary out_;
  std::uint64_t from_ = 0, until_ = 0, first_ = ~std::uint64_t{0};
  std::uint64_t last_end_ = 0, discarded_ = 0;  // of the ring at hand
};

Status Writer::write_packet(StreamFile& file, const ring::Packet& packet) {
  const EventCounts::Within part = counts_.within(packet.bytes, packet.begin_stamp, from_, until_, last_end_);
  out_.older += part.before;
  if (!part.trouble.empty()) trouble("ring '" + file.name() + "' holds records that make no sense: " + part.trouble + " (hint: a program wrote over the session's memory)");
  if (part.bytes.empty()) return Ok{};
  const std::uint64_t begin = std::max({part.begin_stamp, packet.begin_stamp, last_end_});
  const std::uint64_t end = std::max(begin, std::max(part.end_stamp, std::min(packet.end_stamp, until_)));
  discarded_ = std::max(discarded_, packet.lost_lapped + packet.lost_counted);
  if (Status written = file.append(folder_, begin, end, discarded_, part.bytes); !written) return written;
  last_end_ = end;
  first_ = std::min(first_, part.begin_stamp);
  out_.events += part.records;
  return Ok{};
}

Status Writer::write_ring(std::uint32_t index, const ring::Snapshot::Ring& ring) {
  StreamFile file(stream_name(ring.geometry), metadata_.uuid, 0, index, ring.geometry.cpu);
  last_end_ = discarded_ = 0;
  if (ring.corrupt) {
    ++out_.rings_poisoned;
    trouble("ring '" + file.name() + "': its memory contradicts itself; what is not readable is left out (hint: a program wrote over the session's memory)");
  }
  for (const ring::Packet& packet : ring.packets)
    if (Status written = write_packet(file, packet); !written) return written;
  const auto is_unfinished = [](const ring::Snapshot::Missing& m) { return m.why == ring::Snapshot::Missing::Why::unfinished; };
  if (std::any_of(ring.missing.begin(), ring.missing.end(), is_unfinished)) {
    ++out_.rings_unfinished;
    trouble("ring '" + file.name() + "': a record is just being written, and the part of the buffer that it is in is left out (hint: a program that is stopped?)");
  }
  std::uint64_t lost = 0;
  for (std::size_t i = 0; !ring.corrupt && i < abi::kLossCauses; ++i) {
    out_.lost[i] += ring.lost[i];
    lost += ring.lost[i];
    if (ring.lost[i] != 0) state_.add_lost(ring.geometry.cpu, ring.geometry.kind, kLossNames[i], ring.lost[i]);
  }
  if (file.packets() == 0) return Ok{};
  state_.add_stream(file);
  ++out_.streams;
  if (Status set = file.set_discarded(std::max(discarded_, lost)); !set) return set;
  out_.bytes += file.bytes();
  return file.close();
}

// One ring at a time: a copy of each is in memory, and it may be large.
Status Writer::salvage_rings() {
  const auto fits = [this](std::uint32_t id, std::span<const std::byte> body) { return counts_.is_body(id, body); };
  for (std::uint32_t i = 0; i < session_.ring_count(); ++i) {
    const auto is_hole = [this, i](std::uint64_t subbuf) { return session_.is_hole(i, subbuf); };
    const Salvaged found = salvage(session_.ring(i), session_.geometry(i), session_.generation(), fits, is_hole);
    // Where the rings' heads are older than their data.
    if (!found.ring.packets.empty()) until_ = std::max(until_, found.ring.packets.back().end_stamp);
    if (Status written = write_ring(i, found.ring); !written) return written;
    if (found.dropped != 0) state_.add_lost(found.ring.geometry.cpu, found.ring.geometry.kind, "torn", found.dropped);
    out_.torn += found.dropped;
    out_.rings_newer += found.newer != 0;
    out_.rings_unknown += found.is_unknown;
  }
  return Ok{};
}

Status Writer::write_state() {
  state_.update(0);
  if (!session_.is_image()) state_.add_living();
  for (const auto& [id, event] : events_.events()) {
    const abi::EventRow& row = session_.event(id);
    const std::uint64_t over_rate = row.over_rate.load(std::memory_order_relaxed), not_sampled = row.not_sampled.load(std::memory_order_relaxed);
    if (over_rate + not_sampled == 0) continue;
    state_.add_left_out(event.name, over_rate, not_sampled);
    out_.over_rate += over_rate;
    out_.not_sampled += not_sampled;
  }
  if (Status flushed = state_.flush(folder_); !flushed) return flushed;
  return state_.close();
}

}  // namespace

Result<SnapshotSummary> write_snapshot(const Session& session, TraceFolder& folder, const SnapshotOptions& options) {
  return Writer(session, folder, options).write();
}

std::uint64_t bury_dead(const Session& session) {
  const std::optional<Session::Turn> turn = session.try_turn();
  if (!turn) return 0;
  StateStream state(session, {}, StateStream::Rows::look);
  state.update(0);
  const AskOwners ask([&state](std::uint64_t owner) { return state.foreign().is_dead(owner); });
  std::uint64_t out = 0;
  for (std::uint32_t i = 0; i < session.ring_count(); ++i)
    if (session.ring(i).writer.mask.load(std::memory_order_relaxed) != 0) out += ring::Reader(session.ring(i), session.geometry(i)).bury_dead();
  return out;
}

}  // namespace ouro::record
