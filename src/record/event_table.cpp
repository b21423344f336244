#include "record/event_table.hpp"

#include <algorithm>
#include <cstddef>

#include "base/foreign.hpp"

namespace ouro::record {

namespace {

std::uint64_t hash_of_schema(const std::vector<std::byte>& schema) {  // FNV-1a, as in trace/session.cpp
  std::uint64_t h = 14695981039346656037u;
  for (const std::byte b : schema) h = (h ^ static_cast<std::uint8_t>(b)) * 1099511628211u;
  return h;
}

}  // namespace

bool EventTable::update() {
  const std::size_t before = events_.size();
  // Acquire; pairs with the program's store of row_ready: the row and its schema are there.
  const auto state = [&](std::uint32_t i) { return session_->event(i).state.load(std::memory_order_acquire); };
  std::erase_if(claimed_, [&](std::uint32_t i) {
    if (state(i) != abi::row_ready) return false;
    take(i);
    return true;
  });
  for (; next_ < session_->options().event_capacity; ++next_) {
    const std::uint32_t seen = state(next_);
    if (seen == abi::row_free && session_->is_image()) continue;  // a page may be older than those behind it
    if (seen == abi::row_free) break;
    if (seen == abi::row_ready)
      take(next_);
    else
      claimed_.push_back(next_);
  }
  return events_.size() != before;
}

void EventTable::take(std::uint32_t index) {
  const abi::EventRow& row = session_->event(index);
  const std::uint32_t size = base::read_once(row.schema_size);
  const std::uint64_t offset = base::read_once(row.schema_offset), room = session_->options().schemas_size;
  if (size > abi::kMaxSchemaSize || offset > room || size > room - offset) {
    spoiled_.push_back("event " + std::to_string(index) + ": its schema of " + std::to_string(size) + " bytes at " +
                       std::to_string(offset) + " lies outside the table's " + std::to_string(room));
    return;
  }
  const std::vector<std::byte> copy(session_->schemas() + offset, session_->schemas() + offset + size);
  // Of an image a page may be older than its row.
  if (session_->is_image() && hash_of_schema(copy) != base::read_once(row.hash)) {
    spoiled_.push_back("event " + std::to_string(index) + ": its schema is torn");
    return;
  }
  Result<format::EventClass> event = format::parse_schema(copy);
  if (event)
    events_.emplace_back(index, std::move(*event));
  else
    spoiled_.push_back("event " + std::to_string(index) + ": " + event.error().text);
}

}  // namespace ouro::record
