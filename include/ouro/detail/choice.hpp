// ouro/detail/choice.hpp -- what decides, at its place in the program, whether an event with a filter is written, and what it needs
// for that. The tracer makes it (src/trace/plan.cpp) as the event first comes, and leaves to itself what does not fit in here.
//
//   begin --> test[0] --no--> reject | test[n] | ask
//                     --yes-> write  | test[n] | ask
//
//   reject         nothing is written
//   write          as other events are; write_behind: behind `contexts`
//   ask            the tracer decides: ouro_trace_slow
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ouro::detail {

struct Choice {
  static constexpr std::uint8_t kTests = 4;
  // What comes next: one of these, or where in here a test is.
  static constexpr std::uint8_t kReject = 0, kWrite = 1, kWriteBehind = 2, kAsk = 3, kFirstTest = 32, kTestSize = 32;
  static constexpr std::size_t kFields = 8;  // the first ones; of others, and of those that are no scalars, there is no test

  // Is a number in a range? The field's bits, which are unsigned here: signed ones are in order from any `low` on, modulo their width.
  struct Test {
    std::uint64_t mask;
    std::uint64_t low, span;  // low <= x <= low + span; span << shift
    std::uint8_t field;
    std::uint8_t shift;       // 64 - width
    std::uint8_t next[2];     // if not, if so: what comes next; of tests, a later one
  };

  std::atomic<std::uint32_t> word;  // the event's filter word under which its sites may go by this; 0: none
  std::uint32_t id;                 // of the event in the session, < ring::kExtendedId
  std::uint64_t contexts;           // SessionHeader::contexts
  std::uint8_t begin;               // what comes next
  bool is_pair;                     // src/trace/pair.hpp
  alignas(16) Test test[kTests];    // the first one in the same cache line
};
static_assert(sizeof(Choice::Test) == Choice::kTestSize && offsetof(Choice, test) == Choice::kFirstTest);

// `fields`: the bits of each, zeros before them, as far as there are tests of them. kCount: how many there are; of one none needs a place in memory.
template <std::size_t kCount>
[[gnu::always_inline]] inline bool passes(const Choice::Test& t, const std::uint64_t* fields) noexcept {
  return ((fields[kCount == 1 ? 0 : t.field] & t.mask) - t.low) << t.shift <= t.span;
}

// What most filters refuse they refuse by their first test: it is asked by itself, which takes half as long.
template <std::size_t kCount>
[[gnu::always_inline]] inline bool refuses_at_once(const Choice& choice, const std::uint64_t* fields) noexcept {
  return choice.begin == Choice::kFirstTest && !passes<kCount>(choice.test[0], fields) && choice.test[0].next[0] == Choice::kReject;
}

template <std::size_t kCount = Choice::kFields>
[[gnu::always_inline]] inline std::uint8_t decide(const Choice& choice, const std::uint64_t* fields) noexcept {
  std::size_t next = choice.begin;
  while (next >= Choice::kFirstTest) {
    const auto& t = *reinterpret_cast<const Choice::Test*>(reinterpret_cast<const std::byte*>(&choice) + next);
    // A branch, not an index: the processor goes on with what it expects before this is decided.
    if (passes<kCount>(t, fields)) {
      next = t.next[1];
    } else {
      asm("");  // or it would be an index again
      next = t.next[0];
    }
  }
  return static_cast<std::uint8_t>(next);
}

// A session's contexts as they stand in a thread's records, for as long as they are known. Written while the thread's word `contexts` says
// that it is in use, and read then: so no handler changes it meanwhile.
struct ContextBytes {
  std::uint64_t contexts = 0;  // SessionHeader::contexts; 0: nothing is known
  std::uint64_t until = 0;     // ticks: of records with earlier stamps
  std::uint32_t size = 0;
  std::uint32_t pid = 0;       // whose they are: a handler may fork while they are written
  std::byte bytes[56]{};
};
inline constexpr std::uintptr_t kContextsInUse = 1;

}  // namespace ouro::detail
