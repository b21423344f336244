// trace/pair.hpp -- an event that a session wants as it is, while another session wants some of them: of a flight recorder and a trigger,
// most often. What was found out about both is kept, so that an event which the other one's filter refuses costs little more than
// that filter. Also an event that one session wants, of a filter word that other events share.
//
//   filter word --choice--> Pair: still the same sessions, with the same rules? --> first: by the thread's route; other: its plan decides
//
// A pair is written anew where it lies, by one at a time; who reads it looks at its word behind that once more.
#pragma once
#include "trace/tracer.hpp"

namespace ouro::trace {

struct Pair : detail::Choice {
  SessionView* view;           // the first session
  const Plan* other;           // null: there is none
  std::uint64_t enabled;       // the event's word: which sessions want it
  std::uint32_t route;         // the name of the first session alone, as threads' routes have it
  std::uint32_t use[2];        // of both slots: their sessions have the rules that they had
};

// What a session that wants the event has it as.
struct Wanted {
  SessionView* view = nullptr;
  std::uint32_t id = 0;
  Decided how{};
};

// Remembers the pair, if they are one. `word`, `enabled`: read before it was decided; of two sessions, in the order of their slots.
void remember_pair(detail::Site& site, detail::ThreadState& thread, std::uint32_t word, std::uint64_t enabled, const Wanted* wanted, std::uint32_t count) noexcept;

// A pair that holds.
struct Held {
  SessionView* view = nullptr;  // null: it does not
  const Plan* other;
  std::uint32_t id, route;
};
Held hold(const Pair& pair, const detail::Site& site, std::uint32_t word, const detail::ThreadState& thread) noexcept;

// Does the choice lead to the view?
inline bool is_about(const detail::Choice& choice, const SessionView& view) noexcept {
  if (!choice.is_pair) return static_cast<const Plan&>(choice).view == &view;
  const auto& pair = static_cast<const Pair&>(choice);
  return pair.view == &view || (pair.other != nullptr && pair.other->view == &view);
}

}  // namespace ouro::trace
