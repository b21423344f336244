// trace/crash_report.hpp -- what a crashing process says of itself: which signal, and its last events.
#pragma once
#include <signal.h>

#include <cstdint>

#include "trace/crash_text.hpp"
#include "trace/last_events.hpp"

namespace ouro::trace {

// Two clocks at one instant: the CPU's counter, CLOCK_MONOTONIC. With two of these, as on_crash() was called and as the crash came, ticks
// become time.
struct CrashClock {
  std::uint64_t ticks, ns;
};

struct Crash {
  int signal;
  const siginfo_t* info;
  std::uint32_t tid;
  CrashClock begin, now;
};

const char* name_of_signal(int signal) noexcept;  // null: of no signal that is handled
// Async-signal-safe. `line`: somewhere else than on the stack.
void write_crash_report(const Crash& crash, const LastEventsWish& wish, CrashOutput& out, Line& line, LastEventsMemory& memory) noexcept;

}  // namespace ouro::trace
