// trace/spans.hpp -- how long spans take, where a session asks for that: their begins, kept by the thread until they end.
//
//   begun    0   1   2 ..        the newest kOpenSpans; a span is found by what it is, from the newest on
//          | A | B | A |         A ends: its newest goes, and what is above it: somebody left these by longjmp()
//
// A handler that comes at any instruction leaves what it found: its spans end before it returns.
#pragma once
#include <cstdint>

#include <ouro/detail/site.hpp>

namespace ouro::trace {

// `span`: which, not 0; `now`: in ticks of any clock. Async-signal-safe, both.
void begin_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t now) noexcept;
// When the innermost such span began. False: none is known; there were too many, or it began before anybody asked.
bool end_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t& begin) noexcept;

}  // namespace ouro::trace
