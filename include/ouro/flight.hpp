// ouro/flight.hpp -- a program that keeps its newest events by itself, and says them when it crashes. Part of <ouro/trace.hpp>.
//
//   int main() {
//     ouro::flight_recorder({.events = "shop:*,!shop:queue_depth"});  // docs/flight-recorder.md
//     ouro::on_crash({.events = 50});                                 // docs/crash-handler.md
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
//   ENODEV    nothing can be traced: no events in the program, OURO_ATTACH=0, no runtime folder, other privileges than its caller's
//   EINVAL, ERANGE, E2BIG      options
//   EEXIST    there is a session of this name, and it is no flight recorder
//   EBUSY     for 2 s a tool kept changing what this program is in; or it is in 16 sessions
//   others    of the system calls: ENOSPC and EFBIG if there is no room
inline Outcome flight_recorder(const FlightOptions& options = {}) noexcept;

struct CrashOptions {
  std::uint32_t events = 32;          // the last so many, of all CPUs by time; 1 to 1,024
  int fd = 2;                         // where they are written to, as text
  bool all_processes = false;         // those of the session's other programs, too
  std::uint32_t time_limit_ms = 2000;  // for looking at them and for writing them, together
  bool alternate_stack = true;        // for the calling thread, if it has none: when a stack overflows, a handler can only run on another one
};

// From now on, when the program gets SIGSEGV, SIGABRT (abort(), std::terminate(), a failed assert()), SIGBUS, SIGFPE or SIGILL, its last
// events are written out: of the flight recorders that it is in; of other sessions if it is in none. Then comes whoever had the signal before:
// a handler of the program's, or of a sanitizer, is called as the kernel would; where it was the default, the process dies of the signal, with
// the status and the core that it would have had. Never done unasked. A second call changes the options; handlers that were installed since the
// first stay before ours, and have to call it, if they do not let the process die.
//
// What runs in the handler is async-signal-safe: no allocation, no lock, no stdio, errno kept. It takes 4 KiB of stack, beside what the kernel
// puts there. A fault in it (memory that somebody has truncated) ends it, and the old handler is next; a thread that crashes meanwhile waits
// for it, for half a second more than time_limit_ms at most. Forked children keep it. After eight crashes that somebody survived it writes no
// more.
//
//   ERANGE    options
//   ENOMEM    no address space for its 7 MiB, of which it uses what it writes
inline Outcome on_crash(const CrashOptions& options = {}) noexcept;

// An alternate signal stack for the thread that makes one, for as long as it lives; none, if the thread has one already.
class CrashStack {
 public:
  CrashStack() noexcept;
  ~CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  void* memory_ = nullptr;
};

// ---- how it is done

#if defined(OURO_OFF)
namespace detail {
inline constexpr Outcome kOff{ENOSYS, "tracing is compiled out (OURO_OFF)"};
}  // namespace detail
inline Outcome flight_recorder(const FlightOptions&) noexcept { return detail::kOff; }
inline Outcome on_crash(const CrashOptions&) noexcept { return detail::kOff; }
inline CrashStack::CrashStack() noexcept { static_cast<void>(memory_); }
inline CrashStack::~CrashStack() {}
#else
namespace detail {
extern "C" {
// `size`: of the options as their program knows them.
OURO_TRACE_API void ouro_flight_recorder(const FlightOptions* options, std::size_t size, Outcome* outcome) noexcept;
OURO_TRACE_API void ouro_on_crash(const CrashOptions* options, std::size_t size, Outcome* outcome) noexcept;
OURO_TRACE_API void* ouro_crash_stack_begin() noexcept;
OURO_TRACE_API void ouro_crash_stack_end(void* memory) noexcept;
}
}  // namespace detail
inline Outcome flight_recorder(const FlightOptions& options) noexcept {
  Outcome out;
  detail::ouro_flight_recorder(&options, sizeof options, &out);
  return out;
}
inline Outcome on_crash(const CrashOptions& options) noexcept {
  Outcome out;
  detail::ouro_on_crash(&options, sizeof options, &out);
  return out;
}
inline CrashStack::CrashStack() noexcept : memory_(detail::ouro_crash_stack_begin()) {}
inline CrashStack::~CrashStack() { detail::ouro_crash_stack_end(memory_); }
#endif

}  // namespace ouro
