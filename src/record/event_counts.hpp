// record/event_counts.hpp -- how many records of each event class went by: the recorder walks the packets that it writes, and says
// the counts in the session's event table, where `ouro list` finds them.
//
//   packet   | header | context | payload | header | ...      a record has no length of its own: its header says the class,
//            +--------+---------+---------+--------+---       and the class what is fixed and what must be looked at
//              4 or 20  per session  per class
//
// The bytes are untrusted, and may change while they are looked at: nothing is read twice, nothing beyond the end.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "record/event_table.hpp"

namespace ouro::record {

class EventCounts {
 public:
  // `events` must outlive it. It is asked for news when a record is of an event that is not known yet.
  // `contexts`: the session's.
  explicit EventCounts(EventTable& events, std::uint64_t contexts = 0);

  // Counts a packet's records. Not empty: which of its bytes make no sense; what stands before them is counted.
  std::optional<std::string> add(std::span<const std::byte> records);
  // The records of a packet that begins at `begin` which are no earlier than `from` and no later than `until`; dead writers' are left out. Not
  // counted. `bytes`: records one behind the other, until the next call. A record that makes no sense ends them, and so does one from before the
  // one ahead of it, before `begin`, or before `last_end`, where the packet ahead of it ends.
  struct Within {
    std::span<const std::byte> bytes;
    std::uint64_t begin_stamp = 0, end_stamp = 0;  // of the first and the last
    std::uint64_t records = 0, before = 0;         // in `bytes`; earlier than `from`
    std::string trouble;
  };
  Within within(std::span<const std::byte> records, std::uint64_t begin, std::uint64_t from, std::uint64_t until, std::uint64_t last_end = 0);
  // Do these bytes begin and end as a body of the event does?
  bool is_body(std::uint32_t id, std::span<const std::byte> body) { return body_end(id, body.data(), body.data() + body.size()) == body.data() + body.size(); }
  // Of the event with this index in the table.
  std::uint64_t of(std::uint32_t event) const { return event < count_.size() ? count_[event] : 0; }
  // Goes on with those of the table's rows, which another recorder left.
  void resume(const Session& session);
  // Stores them in the table's rows.
  void publish(const Session& session) const;

 private:
  // A part of a payload. Fixed parts that follow each other are one.
  struct Part {
    enum class Kind : std::uint8_t { fixed, text, sequence } kind;
    std::uint32_t size;  // in bytes; of sequences, of an element
  };
  using Shape = std::vector<Part>;

  static void extend(Shape& shape, abi::FieldType type, abi::FieldShape form, std::uint32_t count);
  bool learn();
  void add_class(std::uint32_t id, const format::EventClass& event);
  const std::byte* body_end(std::uint32_t id, const std::byte* at, const std::byte* end);
  const std::byte* skip(std::uint32_t id, const std::byte* at, const std::byte* end) const;

  EventTable* events_;
  Shape head_;                       // of all bodies: the thread's id and the contexts
  std::size_t known_ = 0;            // of events_->events()
  std::vector<std::uint32_t> size_;  // by id: bytes behind the header, if all of them are fixed; else kUnknown, kVaries
  std::vector<std::uint64_t> count_;  // by id
  std::vector<Shape> shape_;          // by id, of those that vary
  std::vector<std::byte> kept_;       // what within() returned, where dead writers' records had to go
};

}  // namespace ouro::record
