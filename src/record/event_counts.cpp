#include "record/event_counts.hpp"

#include <algorithm>
#include <cstring>

#include <ouro/abi/context_layout.hpp>

#include "format/ctf.hpp"
#include "ring/internal.hpp"

namespace ouro::record {
namespace {

constexpr std::uint32_t kUnknown = 0, kVaries = 1;  // no body is that short: a context has four bytes at least

std::uint32_t load32(const std::byte* from) {
  std::uint32_t out;
  std::memcpy(&out, from, sizeof out);
  return out;
}

}  // namespace

void EventCounts::extend(Shape& shape, abi::FieldType type, abi::FieldShape form, std::uint32_t count) {
  const std::uint32_t size = abi::size_of(type);
  if (type == abi::FieldType::string)
    shape.push_back({Part::Kind::text, 0});
  else if (form == abi::FieldShape::sequence)
    shape.push_back({Part::Kind::sequence, size});
  else if (shape.back().kind == Part::Kind::fixed)
    shape.back().size += form == abi::FieldShape::array ? size * count : size;  // at most 32 arrays of 2^20 numbers of 8 bytes
  else
    shape.push_back({Part::Kind::fixed, form == abi::FieldShape::array ? size * count : size});
}

EventCounts::EventCounts(EventTable& events, std::uint64_t contexts)
    : events_(&events), head_{{Part::Kind::fixed, 4}}, size_(format::kCompactIds + 1, kUnknown), count_(size_.size()), shape_(size_.size()) {
  for (const abi::ContextInfo& info : abi::kContexts)
    if ((contexts & abi::bit(info.context)) != 0 && info.context != abi::Context::tid) extend(head_, info.type, info.shape, 0);
}

bool EventCounts::learn() {
  events_->update();
  const std::size_t before = known_;
  for (; known_ < events_->events().size(); ++known_)
    add_class(events_->events()[known_].first, events_->events()[known_].second);
  return known_ != before;
}

void EventCounts::add_class(std::uint32_t id, const format::EventClass& event) {
  if (id >= size_.size()) {
    size_.resize(id + 1, kUnknown);
    count_.resize(id + 1);
    shape_.resize(id + 1);
  }
  Shape shape = head_;
  for (const format::Field& field : event.fields) extend(shape, field.type, field.shape, field.count);
  size_[id] = shape.size() == 1 ? shape.front().size : kVaries;
  if (shape.size() > 1) shape_[id] = std::move(shape);
}

// The end of a body that begins at `at`; null if it lies beyond `end`.
const std::byte* EventCounts::skip(std::uint32_t id, const std::byte* at, const std::byte* end) const {
  for (const Part& part : shape_[id]) {
    const auto left = static_cast<std::size_t>(end - at);
    switch (part.kind) {
      case Part::Kind::fixed:
        if (left < part.size) return nullptr;
        at += part.size;
        break;
      case Part::Kind::text: {
        const void* nul = left == 0 ? nullptr : std::memchr(at, 0, left);
        if (nul == nullptr) return nullptr;
        at = static_cast<const std::byte*>(nul) + 1;
        break;
      }
      case Part::Kind::sequence: {
        if (left < sizeof(std::uint32_t)) return nullptr;
        const std::uint64_t size = sizeof(std::uint32_t) + std::uint64_t{load32(at)} * part.size;
        if (left < size) return nullptr;
        at += size;
        break;
      }
    }
  }
  return at;
}

std::optional<std::string> EventCounts::add(std::span<const std::byte> records) {
  const std::byte* const end = records.data() + records.size();
  std::uint32_t last = kUnknown;
  for (const std::byte* at = records.data(); at != end;) {
    const std::byte* const begin = at;
    const auto trouble = [&](const std::string& what) {
      return "byte " + std::to_string(begin - records.data()) + " of a packet of " + std::to_string(records.size()) +
             ": " + what;
    };
    constexpr std::ptrdiff_t kCompact = 4, kExtended = 16;
    if (end - at < kCompact) return trouble("no room for a record's header");
    std::uint32_t id = load32(at) & format::kCompactIds;
    at += kCompact;
    if (id == format::kCompactIds) [[unlikely]] {
      if (end - at < kExtended - kCompact) return trouble("no room for a record's extended header");
      id = load32(at);
      at += kExtended - kCompact;
    }
    std::uint32_t size = id < size_.size() ? size_[id] : kUnknown;
    if (size == kUnknown) [[unlikely]] {
      learn();
      size = id < size_.size() ? size_[id] : kUnknown;
      if (size == kUnknown) return trouble("event " + std::to_string(id) + " is not in the session's table");
    }
    if (size == kVaries) {
      at = skip(id, at, end);
    } else if (static_cast<std::size_t>(end - at) < size) {
      at = nullptr;
    } else if (size == last) {
      // As the last one was. The branch is predicted, so that the next record is looked at before this one's id and size were loaded:
      // in runs of equal size a record costs 1.0 instead of 2.9 ns. The compiler is not to see that both ways add the same.
      asm("" : "+r"(last));
      at += last;
    } else {
      at += last = size;
    }
    if (at == nullptr) return trouble("event " + std::to_string(id) + " does not end before the packet does");
    ++count_[id];
  }
  return std::nullopt;
}

// Null: the event is not known, or its record does not end here.
const std::byte* EventCounts::body_end(std::uint32_t id, const std::byte* at, const std::byte* end) {
  if (id >= size_.size() || size_[id] == kUnknown) learn();
  if (id >= size_.size() || size_[id] == kUnknown) return nullptr;
  if (size_[id] == kVaries) return skip(id, at, end);
  return static_cast<std::size_t>(end - at) < size_[id] ? nullptr : at + size_[id];
}

EventCounts::Within EventCounts::within(std::span<const std::byte> records, std::uint64_t begin, std::uint64_t from, std::uint64_t until,
                                        std::uint64_t last_end) {
  Within out;
  const std::byte* const end = records.data() + records.size();
  const std::byte *first = end, *last = end;  // of those that are wanted
  bool has_dead = false;
  kept_.clear();
  const auto keep = [&] { kept_.insert(kept_.end(), first, last), first = last = end; };
  std::uint64_t now = begin, newest = std::max(begin, last_end);
  std::size_t at = 0;
  while (at != records.size()) {
    const std::size_t here = at;
    ring::skip_dead(records, at);
    if (at != here) {  // what came before it is copied, for it leaves a gap
      has_dead = true;
      if (first != end) keep();
      continue;
    }
    std::uint32_t id = 0;
    const std::byte* const next = ring::parse_head(records, at, now, id) ? body_end(id, records.data() + at, end) : nullptr;
    if (next == nullptr || now < newest) {  // no reader would take what is behind it
      out.trouble = "byte " + std::to_string(here) + " of a packet of " + std::to_string(records.size()) + " begins " +
                    (next == nullptr ? "no record" : "a record of tick " + std::to_string(now) + ", want none before tick " + std::to_string(newest));
      break;
    }
    newest = now;
    at = static_cast<std::size_t>(next - records.data());
    if (now > until) break;
    if (now < from) {
      ++out.before;
      continue;
    }
    if (out.records++ == 0) out.begin_stamp = now;
    out.end_stamp = now;
    if (first == end) first = records.data() + here;
    last = next;
  }
  if (has_dead) {
    if (first != end) keep();
    out.bytes = kept_;
  } else if (first != end) {
    out.bytes = {first, last};
  }
  return out;
}

void EventCounts::resume(const Session& session) {
  learn();
  for (std::size_t i = 0; i < known_; ++i) {
    const std::uint32_t id = events_->events()[i].first;
    count_[id] = session.event(id).count.load(std::memory_order_relaxed);
  }
}

void EventCounts::publish(const Session& session) const {
  for (std::size_t i = 0; i < known_; ++i) {
    const std::uint32_t id = events_->events()[i].first;
    abi::Word& word = session.event(id).count;
    if (word.load(std::memory_order_relaxed) != count_[id]) word.store(count_[id], std::memory_order_relaxed);
  }
}

}  // namespace ouro::record
