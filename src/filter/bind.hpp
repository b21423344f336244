// filter/bind.hpp -- a filter's code (abi/filter_layout.hpp) and an event's schema (abi/schema.hpp) become a program
// that filter/run.hpp runs. Part of what traced programs link: allocates nothing, throws nothing, async-signal-safe.
//
//   code of "total > 100"  +  schema {u32 id; u64 total; string user}  ->  u64 at byte 4, 101 .. 2^64-1, else reject
//
// Both are checked as if a stranger had written them. `code` must be the caller's own copy: it is read more than once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <ouro/abi/filter_layout.hpp>

namespace ouro::filter {

struct Bound;

enum class BindStatus : std::uint8_t {
  ok,
  // The filter is good, but not for this event: the event is not selected.
  no_such_field,   // nor a context
  no_such_label,   // nor is what is compared with a labelled field one of its labels
  number_and_text, // one side is a number, the other a text
  not_an_integer,  // what is masked
  no_order,        // texts are equal or not, never less
  wants_element,   // an array or sequence without [index]
  no_elements,     // [index] of something else
  no_length,       // len() of a scalar
  // Something is wrong.
  no_room,
  bad_code,
  bad_schema,
};

struct BindResult {
  BindStatus status = BindStatus::bad_code;
  bool is_right = false;     // the operand which it is about: the term's left or right one
  std::uint16_t term = 0;    // the first one that fails
  const Bound* bound = nullptr;  // if ok; lies in `memory`
  explicit operator bool() const noexcept { return status == BindStatus::ok; }
};

// Enough memory for any filter and any event.
inline constexpr std::size_t kMaxBoundSize = 6 * 1024;

// How much memory bind() wants for this code, whatever the event. 0: the code is not in order.
std::size_t bound_size(std::span<const std::byte> code) noexcept;

// The bound filter lies in `memory`, has no pointers and needs neither code nor schema any more: it may be copied (as
// bytes, to a place aligned to 8) and lives as long as its memory. Bytes of `code` or `schema` behind the size that
// they state are ignored.
BindResult bind(std::span<const std::byte> code, std::span<const std::byte> schema, std::span<std::byte> memory) noexcept;

// Bytes of memory that it takes up, and the contexts that it asks for, a bit for each FilterContext.
std::size_t size_of(const Bound& bound) noexcept;
std::uint32_t contexts_of(const Bound& bound) noexcept;

// The name that `result` is about, from the code that was bound. Empty, but never null, if there is none.
const char* name_of(std::span<const std::byte> code, const BindResult& result) noexcept;

}  // namespace ouro::filter
