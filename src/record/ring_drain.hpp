// record/ring_drain.hpp -- one ring of a session on its way into its stream file.
//
// Every record that the ring delivered is written, and counted for its event, or counted as unwritten; what the ring
// says of itself is checked as far as others' streams and readers depend on it: stamps that go back or lie in the
// future and contradictory words end the ring's part, and nothing else's.
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
    std::optional<Error> failed;  // a packet could not be written; the next round goes on
    std::string
        nonsense;  // where bytes of a packet make no sense: the ring's first. Its packets are sound, so it goes on
  };
  // Takes what is there, at most one lap of it, and counts what it wrote. include_current: also of the sub-buffer being written. `describe` is called
  // before each packet goes to the file: its events must be in the metadata by then, should we be killed behind it.
  Round drain(const TraceFolder& folder, EventCounts& counts, bool include_current, const std::function<void()>& describe);
  // Lets records whose owners died go.
  void bury_dead();
  // Losses after the last packet, and the file's end.
  Status finish();

  std::uint32_t index() const { return index_; }
  std::uint32_t cpu() const { return geometry_.cpu; }
  abi::RingKind kind() const { return geometry_.kind; }
  std::string name() const { return file_.name(); }
  // Not empty: why the ring was given up.
  const std::string& poison() const { return poison_; }
  std::uint64_t written() const { return written_; }      // records
  std::uint64_t unwritten() const { return unwritten_; }  // records that the file system did not take
  std::uint64_t lost(abi::Loss cause) const { return reader_.lost(cause); }
  const StreamFile& file() const { return file_; }

 private:
  bool was_ever_written();
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
  bool made_sense_ = true;
  std::uint64_t last_end_ = 0, discarded_ = 0;
  std::uint64_t written_ = 0, unwritten_ = 0;
};

}  // namespace ouro::record
