#include "trace/spans.hpp"

#include <atomic>

namespace ouro::trace {

using detail::kOpenSpans;

void begin_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t now) noexcept {
  detail::OpenSpans::Span& place = open.span[open.begun++ % kOpenSpans];
  std::atomic_signal_fence(std::memory_order_seq_cst);  // the place is ours before it is filled: handlers use later ones
  place.what = 0;
  place.begin = now;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  place.what = span;
}

bool end_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t& begin) noexcept {
  for (std::uint32_t back = 1; back <= kOpenSpans; ++back) {
    detail::OpenSpans::Span& place = open.span[(open.begun - back) % kOpenSpans];
    if (place.what != span) continue;
    begin = place.begin;
    for (std::uint32_t above = 1; above <= back; ++above) open.span[(open.begun - above) % kOpenSpans].what = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    open.begun -= back;
    return true;
  }
  return false;
}

}  // namespace ouro::trace
