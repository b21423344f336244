// trace/event_text.hpp -- records of a session as text, in the process itself: its event table's schemas, copied, checked, and then believed.
//
//   id -> row of the session's table -> schema's bytes, copied -> EventType: name, fields    kept for as long as it is looked at
//
// No allocation: types stand in memory that the caller mapped. No trust in the session's memory.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/context_layout.hpp>
#include <ouro/abi/schema.hpp>

#include "trace/crash_text.hpp"

namespace ouro::trace {

struct SessionView;

struct EventField {
  const char* name;
  const char* labels;  // {i64 value | text \0} x label_count
  std::uint32_t count;
  std::uint16_t label_count;
  abi::FieldType type;
  abi::FieldShape shape;
  bool hex;
};
struct EventType {
  const char* name;
  std::uint32_t field_count;
  EventField field[1];  // field_count of them
};

// The types of one session's events, as they are met.
class EventTypes {
 public:
  static constexpr std::uint32_t kMostIds = 16384;
  static constexpr std::size_t kRoom = 4 << 20;  // of `memory`, which is used as far as needed
  EventTypes(const SessionView& view, std::byte* memory) noexcept;
  // Null: no such event, or its schema makes no sense, or there are too many.
  const EventType* find(std::uint32_t id) noexcept;
  std::uint64_t contexts() const noexcept { return contexts_; }
  // How many bytes what stands behind a record's header takes: thread id, contexts, fields. 0: it does not end within `room`.
  std::size_t size_of(const EventType& type, const std::byte* record, std::size_t room) const noexcept;
  // " name=value" of each field, then the contexts, in braces. `size`: of what is there of the record, which may be less than all.
  void print(Line& line, const EventType& type, const std::byte* record, std::size_t size) const noexcept;

 private:
  const EventType* learn(std::uint32_t id) noexcept;
  const SessionView& view_;
  std::uint64_t contexts_;
  const EventType** types_;
  std::byte* free_;
  std::byte* end_;
};

}  // namespace ouro::trace
