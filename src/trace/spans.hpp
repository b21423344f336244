// trace/spans.hpp -- how long spans take, where a session asks for that: their begins, kept by the thread until they end.
//
//   begun    0   1   2 ..        the newest kOpenSpans; a span is found by what it is, from the newest on
//          | A | B | A |         A ends: its newest goes, and what is above it: somebody left these by longjmp()
//
// A handler that comes at any instruction leaves what it found: its spans end before it returns.
//
//   places of the session's view, if it wants to know how spans began (abi::Context::span):
//   | begin of place 3 of thread 4711 | ... kKeptBegins        one is overwritten by another thread's that falls on it: it is lost then
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ouro/detail/site.hpp>

namespace ouro::trace {

// `span`: which, not 0; `now`: in ticks of any clock. Returns its place. Async-signal-safe, all.
std::uint32_t begin_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t now) noexcept;
// When the innermost such span began. False: none is known; there were too many, or it began before anybody asked.
bool end_span(detail::OpenSpans& open, std::uint32_t span, std::uint64_t& begin, std::uint32_t& place) noexcept;

// A begin's record, kept until its end. Any thread may write to it at any time: a copy is good if the version before and behind it is the same
// and even. A handler that is left by siglongjmp() within keep_begin() leaves it odd, and nothing is kept there any more.
inline constexpr std::uint32_t kKeptBegins = 4096;
inline constexpr std::size_t kKeptBytes = 224;
struct alignas(64) KeptBegin {
  std::atomic<std::uint32_t> version, tid, span, id, size;
  std::atomic<std::uint64_t> begin;
  std::atomic<std::uint64_t> word[kKeptBytes / 8];
};
static_assert(sizeof(KeptBegin) == 256);

// A span that is open, among those of all threads.
struct OpenSpan {
  std::uint32_t tid, place, span;
  std::uint64_t begin;
};
// `id`: of the begin's event in the session. Of a payload that is larger, the first kKeptBytes.
void keep_begin(KeptBegin* places, const OpenSpan& open, std::uint32_t id, const std::byte* payload, std::size_t size) noexcept;
// Copies the payload to `to`, where there is room for kKeptBytes. False: it is not there, or not any more.
bool find_begin(const KeptBegin* places, const OpenSpan& open, std::uint32_t& id, std::byte* to, std::size_t& size) noexcept;

}  // namespace ouro::trace
