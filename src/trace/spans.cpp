#include "trace/spans.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include <ouro/abi/ring_layout.hpp>

namespace ouro::trace {

using detail::kOpenSpans;

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

// A thread's lie beside each other, and those of threads that were made one after the other behind them.
template <class Place>
Place& place_of(Place* places, const OpenSpan& open) noexcept { return places[(open.tid * kOpenSpans + open.place) % kKeptBegins]; }

}  // namespace

std::uint32_t begin_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t now) noexcept {
  const std::uint32_t index = open.begun++ % kOpenSpans;
  detail::OpenSpans::Span& place = open.span[index];
  std::atomic_signal_fence(std::memory_order_seq_cst);  // the place is ours before it is filled: handlers use later ones
  place.what = 0;
  place.begin = now;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  place.what = span;
  return index;
}

bool end_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t& begin, std::uint32_t& index) noexcept {
  for (std::uint32_t back = 1; back <= kOpenSpans; ++back) {
    detail::OpenSpans::Span& place = open.span[(open.begun - back) % kOpenSpans];
    if (place.what != span) continue;
    begin = place.begin;
    for (std::uint32_t above = 1; above <= back; ++above) open.span[(open.begun - above) % kOpenSpans].what = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    open.begun -= back;
    index = open.begun % kOpenSpans;
    return true;
  }
  return false;
}

void keep_begin(KeptBegin* places, const OpenSpan& open, std::uint32_t id, const std::byte* payload, std::size_t size) noexcept {
  KeptBegin& kept = place_of(places, open);
  std::uint32_t version = kept.version.load(relaxed);
  // Acquire: what we write comes behind what the one before us wrote.
  if ((version & 1) != 0 || !kept.version.compare_exchange_strong(version, version + 1, std::memory_order_acquire)) return;
  abi::fence(std::memory_order_release);  // pairs with the fence in find_begin(): who copies any of it finds the version changed
  kept.tid.store(open.tid, relaxed);
  kept.span.store(open.span, relaxed);
  kept.begin.store(open.begin, relaxed);
  kept.id.store(id, relaxed);
  size = std::min(size, kKeptBytes);
  kept.size.store(static_cast<std::uint32_t>(size), relaxed);
  for (std::size_t at = 0; at < size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, payload + at, std::min<std::size_t>(size - at, 8));
    kept.word[at / 8].store(word, relaxed);
  }
  kept.version.store(version + 2, std::memory_order_release);
}

bool find_begin(const KeptBegin* places, const OpenSpan& open, std::uint32_t& id, std::byte* to, std::size_t& size) noexcept {
  const KeptBegin& kept = place_of(places, open);
  const std::uint32_t version = kept.version.load(std::memory_order_acquire);  // pairs with the store at the end of keep_begin()
  if ((version & 1) != 0 || kept.tid.load(relaxed) != open.tid || kept.span.load(relaxed) != open.span || kept.begin.load(relaxed) != open.begin) return false;
  id = kept.id.load(relaxed);
  size = std::min<std::size_t>(kept.size.load(relaxed), kKeptBytes);
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = kept.word[at / 8].load(relaxed);
    std::memcpy(to + at, &word, sizeof word);
  }
  abi::fence(std::memory_order_acquire);
  return kept.version.load(relaxed) == version;
}

}  // namespace ouro::trace
