// cli/check_collect.hpp -- a trace's books: what its packets state, added up and held against what is there.
//
//   packets' headers, one file after the other (PacketWalk)   numbers, stamps, sizes, losses     -> StreamBooks
//   every event (read::Trace)                                 damage, events, losses by cause    -> TraceBooks
//
// Faults make a trace damaged. Remarks say what is odd, or what the trace does not tell, and leave it sound.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "read/clocks.hpp"

namespace ouro::cli {

struct StreamBooks {
  std::string file;
  std::uint64_t id = 0;
  std::optional<std::uint64_t> instance;
  int cpu = -1;
  bool is_state = false;
  std::optional<std::size_t> clock;  // in TraceBooks::clocks
  std::uint64_t packets = 0, empty_packets = 0, packets_missing = 0, events = 0, lost = 0;
  bool states_losses = false;  // whether its packets have a count of events that were discarded
  std::optional<std::uint64_t> first_number, last_number;
  std::uint64_t bytes = 0, content_bytes = 0;  // of the file; of its packets' contents, headers included
  std::optional<std::int64_t> begin_ns, end_ns;  // of the first packet and of the last
};

struct TraceBooks {
  std::string folder;
  std::string uuid, host;  // "" if it does not say
  std::vector<read::Clock> clocks;
  std::vector<StreamBooks> streams;
  std::uint64_t events = 0, lost = 0;
  std::map<std::string, std::uint64_t> lost_by_cause;
  std::optional<std::int64_t> first_ns, last_ns;  // of its events
  std::vector<read::Damage> faults;
  std::uint64_t fault_count = 0;
  std::vector<std::string> remarks;

  bool is_sound() const { return fault_count == 0; }
};

// Fails if there is no trace, or its metadata says nothing.
Result<TraceBooks> check_trace(const std::string& folder);

// How far the stamps of two traces can be compared, as far as they tell.
struct Alignment {
  std::optional<read::Relation> relation;  // none: a trace has no clock
  std::int64_t offset_ns = 0;  // of the second against the first, if measured
  std::string text;
};
Alignment align(const TraceBooks& a, const TraceBooks& b);

}  // namespace ouro::cli
