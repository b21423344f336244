// record/ring_drain.hpp -- one ring of a session on its way into its stream file.
//
// Every record that the ring delivered is written, and counted for its event, or counted as unwritten; what the ring
// says of itself is checked as far as others' streams and readers depend on it: stamps that go back or lie in the
// future and contradictory words end the ring's part, and nothing else's.
//
// A packet that the file system does not take is held: it stays in the ring, is tried again, and what comes behind it waits in memory. The
// ring counts what finds no room there.
//
// A recording may be several traces, one behind the other: what is said of one of them are differences.
//
//   trace     | first            | second          |          the ring's own counts go on
//   lost      0 ............ 7   0 ............ 2             7 + 2: exactly what the ring counted
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "record/event_counts.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::record {

// Names of abi::Loss as the trace and the command say them.
inline constexpr std::array<const char*, abi::kLossCauses> kLossNames = {
    "full", "too_large", "busy", "no_memory", "dead_writer", "lapped", "table_full"};

// Of a ring's file in the trace.
std::string stream_name(const ring::Geometry& geometry);

class RingDrain {
 public:
  RingDrain(const Session& session, std::uint32_t index, format::Uuid uuid);

  struct Round {
    std::uint32_t subbufs = 0;    // closed ones taken
    bool waiting = false;         // for a record in two phases
    bool is_complete = false;     // nothing was left that was there as it began; include_current
    std::optional<Error> failed;  // a packet could not be written
    std::string
        nonsense;  // where bytes of a packet make no sense: the ring's first. Its packets are sound, so it goes on
  };
  // Of a packet that could not be written: hold it, to try it again; drop it and count its records as unwritten.
  enum class Unwritten { hold, drop };
  // Takes what is there, at most one lap of it, and counts what it wrote. include_current: also of the sub-buffer being written. `describe` is called
  // before each packet goes to the file: its events must be in the metadata by then, should we be killed behind it; else it is not written.
  Round drain(const TraceFolder& folder, EventCounts& counts, bool include_current, const std::function<Status()>& describe, Unwritten unwritten);
  bool holds() const { return held_.has_value(); }
  // Lets records whose owners died go.
  void bury_dead();
  // Losses after the last packet, and the file's end.
  Status finish();
  // At the beginning: goes on in the file of a recorder that was killed. `before`: what was lost in the traces before that. Its last packet may be in
  // the file, and in the ring, too: what is twice is left out.
  Status resume(const TraceFolder& folder, const std::array<std::uint64_t, abi::kLossCauses>& before);
  // Behind finish(): on in another trace.
  void begin(format::Uuid uuid);

  std::uint32_t index() const { return index_; }
  std::uint32_t cpu() const { return geometry_.cpu; }
  abi::RingKind kind() const { return geometry_.kind; }
  std::string name() const { return file_.name(); }
  // Not empty: why the ring was given up.
  const std::string& poison() const { return poison_; }
  // In this trace.
  std::uint64_t written() const { return written_; }      // records
  std::uint64_t unwritten() const { return unwritten_; }  // records that the file system did not take
  std::uint64_t lost(abi::Loss cause) const;
  // Since the session began, as finish() found it.
  const std::array<std::uint64_t, abi::kLossCauses>& lost_by_cause() const { return lost_; }
  // Since the session began.
  std::uint64_t lost_in_all() const { return poison_.empty() ? reader_.lost_total() : 0; }
  // Of what was written: nothing earlier follows.
  std::uint64_t last_end() const { return last_end_; }
  const StreamFile& file() const { return file_; }
  // A packet of it is in this trace, or was in one before.
  bool has_stream() const { return has_stream_; }

 private:
  bool was_ever_written();
  void leave_out_doubles(EventCounts& counts, ring::Packet& packet);
  bool is_plausible(const ring::Packet& packet);
  std::optional<Error> write(const TraceFolder& folder, const ring::Packet& packet);
  std::string count(EventCounts& counts, const ring::Packet& packet);

  abi::RingHead* head_;
  ring::Geometry geometry_;
  std::uint32_t index_;
  abi::ClockKind clock_;
  ring::Reader reader_;
  StreamFile file_;
  bool started_ = false;
  std::string poison_;
  bool made_sense_ = true, has_stream_ = false;
  std::optional<ring::Packet> held_;
  std::optional<StreamFile::Last> written_before_;  // by a recorder that was killed, perhaps before it released it
  std::uint64_t last_end_ = 0, discarded_ = 0;
  std::uint64_t written_ = 0, unwritten_ = 0;
  std::array<std::uint64_t, abi::kLossCauses> lost_{};     // as finish() found it
  std::array<std::uint64_t, abi::kLossCauses> before_{};   // in the traces before this one
};

}  // namespace ouro::record
