// record/event_table.hpp -- a session's event classes as they come: rows of the shared table, each read once when it
// is ready, checked, and kept.
//
//   row   0      1      2        3      4 ..
//       | ready| ready| claimed| ready| free            claimed: its program is at it, or was killed at it. It is
//       +------+------+--------+------+-----            looked at again each time and delays nobody.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "format/event_class.hpp"
#include "record/session.hpp"

namespace ouro::record {

class EventTable {
 public:
  explicit EventTable(const Session& session) : session_(&session) {}

  // Takes in what is new; true if there was anything. Costs a load or two if there was not.
  bool update();

  // Index in the table, which is the event's id, and class.
  const std::vector<std::pair<std::uint32_t, format::EventClass>>& events() const { return events_; }
  // Rows whose bytes are no schema: what is wrong with them.
  const std::vector<std::string>& spoiled() const { return spoiled_; }

 private:
  void take(std::uint32_t index);

  const Session* session_;
  std::uint32_t next_ = 0;              // the first row never seen in use
  std::vector<std::uint32_t> claimed_;  // rows before it that were not ready yet
  std::vector<std::pair<std::uint32_t, format::EventClass>> events_;
  std::vector<std::string> spoiled_;
};

}  // namespace ouro::record
