// ouro/flight.hpp -- a program that keeps its newest events by itself, and says them when it crashes. Part of <ouro/trace.hpp>.
//
//   int main() {
//     ouro::flight_recorder({.events = "shop:*,!shop:queue_depth"});  // docs/flight-recorder.md
//
// Functions here are for threads that may wait: they make system calls, and are not async-signal-safe. Any thread may call them at any time
// after the program's constructors of priority 101, several at once, as often as it likes. They allocate nothing from the heap, do not throw,
// print nothing and leave errno alone.
//
// With OURO_OFF defined they do nothing, and say so (ENOSYS).
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include <ouro/abi/schema.hpp>

#if !defined(OURO_OFF)
#include <ouro/detail/site.hpp>
#endif

namespace ouro {

// How it went, for programs that have neither exceptions nor libstdc++. Nobody has to look: without it the program runs as before.
struct Outcome {
  int error = 0;          // an errno value
  const char* text = "";  // a constant: what was wrong, and what was wanted
  explicit constexpr operator bool() const noexcept { return error == 0; }
};

struct FlightOptions {
  const char* name = "flight";    // of the session: letters, digits, '-', '_', '.'
  std::uint64_t buffer_size = 0;  // bytes for each CPU, 64 KiB to 512 MiB, up to the next power of two; 0: 4 MiB, less where little room is
  const char* events = "*";       // globs, by commas; "!GLOB" leaves events out. The last that matches decides; only "!": of all events
  abi::Level level = abi::Level::debug;  // events of this level and graver ones
  const char* contexts = "";      // written with each event, by commas: pid, thread, comm, callstack ... (docs/contexts.md)
};

// The program's events go to the user's flight recorder of this name from now on, as with OURO_FLIGHT=1 in its environment; it is made if it
// is not there. If it is, its maker's options hold and only `name` counts here: it is shared by all programs that ask for it. Doing it twice
// is as doing it once.
//   ENODEV    nothing can be traced: no events in the program, OURO_ATTACH=0, no runtime folder, other privileges than its caller's; in a
//             library that was just unloaded
//   EINVAL, ERANGE, E2BIG      options
//   EEXIST    there is a session of this name, and it is no flight recorder
//   EBUSY     for 2 s a tool kept changing what this program is in; or it is in 16 sessions
//   others    of the system calls: ENOSPC and EFBIG if there is no room
inline Outcome flight_recorder(const FlightOptions& options = {}) noexcept;

// ---- how it is done

#if defined(OURO_OFF)
namespace detail {
inline constexpr Outcome kOff{ENOSYS, "tracing is compiled out (OURO_OFF)"};
}  // namespace detail
inline Outcome flight_recorder(const FlightOptions&) noexcept { return detail::kOff; }
#else
namespace detail {
extern "C" {
// `size`: of the options as their program knows them.
OURO_TRACE_API void ouro_flight_recorder(const FlightOptions* options, std::size_t size, Outcome* outcome) noexcept;
}
}  // namespace detail
inline Outcome flight_recorder(const FlightOptions& options) noexcept {
  Outcome out;
  detail::ouro_flight_recorder(&options, sizeof options, &out);
  return out;
}
#endif

}  // namespace ouro
