// ouro: SIGSEGV at address 0x0 in thread 4712 (worker) of process 4711, 2026-11-22 02:22:26.123456789 UTC
// ouro: session flight: the last 2 events of this process, the newest last: seconds before the crash, CPU, thread (* crashed), event
//     -0.000031337    1     4712* shop:order id=5 total=9.5 user="eve"
//     -0.000000012    0     4711  shop:queue_depth value=3
// ouro: session flight: 0 events lost
#include "trace/crash_report.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

// Days since 1970 as a date (Howard Hinnant's civil_from_days); gmtime_r may lock.
void add_date(Line& line, std::int64_t days) noexcept {
  const std::int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
  const auto day_of_era = static_cast<std::uint64_t>(z - era * 146097);
  const std::uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100), month = (5 * day_of_year + 2) / 153;
  const std::uint64_t number = month < 10 ? month + 3 : month - 9;
  line.digits(year_of_era + static_cast<std::uint64_t>(era) * 400 + (number <= 2), 4).add('-').digits(number, 2).add('-').digits(day_of_year - (153 * month + 2) / 5 + 1, 2);
}

void add_time(Line& line) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const auto second = static_cast<std::uint64_t>(now.tv_sec % 86400);
  add_date(line, now.tv_sec / 86400);
  line.add(' ').digits(second / 3600, 2).add(':').digits(second / 60 % 60, 2).add(':').digits(second % 60, 2).add('.').digits(static_cast<std::uint64_t>(now.tv_nsec), 9).add(" UTC");
}

void write_head(const Crash& crash, CrashOutput& out, Line& line) noexcept {
  const siginfo_t& info = *crash.info;
  line.add("ouro: ").add(name_of_signal(crash.signal));
  if (info.si_code == SI_KERNEL) line.add(" at an address that the kernel does not tell");
  else if (info.si_code > 0 && crash.signal != SIGABRT)
    line.add(crash.signal == SIGFPE || crash.signal == SIGILL ? " at instruction " : " at address ").hex(reinterpret_cast<std::uintptr_t>(info.si_addr));
  else if (info.si_code <= 0 && info.si_pid != getpid()) line.add(" from process ").signed_number(info.si_pid);
  else if (crash.signal == SIGABRT) line.add(" (abort)");
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  line.add(" in thread ").number(crash.tid).add(" (").escaped(name, strnlen(name, sizeof name), false).add(") of process ").number(static_cast<std::uint64_t>(getpid())).add(", ");
  add_time(line);
  out.write(line);
}

// Ticks of the session's clock before now, as seconds.
struct Ago {
  std::uint64_t now;
  double ns_per_tick;
  void add(Line& line, std::uint64_t stamp) const noexcept {
    const bool is_later = stamp > now;  // written while we looked, by others
    const double ns = static_cast<double>(is_later ? stamp - now : now - stamp) * ns_per_tick;
    const std::uint64_t whole = ns < 9e18 ? static_cast<std::uint64_t>(ns) : 9'000'000'000'000'000'000u;
    std::uint64_t seconds = whole / 1'000'000'000;
    std::size_t width = 1;
    for (std::uint64_t rest = seconds; rest >= 10; rest /= 10) ++width;
    line.column(line.size() + (width < 6 ? 6 - width : 0));
    line.add(is_later ? '+' : '-').number(seconds).add('.').digits(whole % 1'000'000'000, 9);
  }
};

Ago ago_of(const SessionView& view, const Crash& crash) noexcept {
  if (!view.channel->tsc) return {crash.now.ns, 1};
  const std::uint64_t ticks = crash.now.ticks - crash.begin.ticks, ns = crash.now.ns - crash.begin.ns;
  return {crash.now.ticks, ticks != 0 ? static_cast<double>(ns) / static_cast<double>(ticks) : 1};
}

void write_event(const LastEvent& event, const Crash& crash, const Ago& ago, const EventTypes& types, Line& line) noexcept {
  const auto right = [&](std::uint64_t n, std::size_t width) {
    std::size_t digits = 1;
    for (std::uint64_t rest = n; rest >= 10; rest /= 10) ++digits;
    line.column(line.size() + (digits < width ? width - digits : 0)).number(n);
  };
  ago.add(line, event.stamp);
  line.add(' ');
  right(event.cpu, 4);
  line.add(' ');
  right(event.tid, 8);
  line.add(event.tid == crash.tid ? "* " : "  ").escaped(event.type->name, std::strlen(event.type->name), false);
  types.print(line, *event.type, event.bytes, event.size);
}

void add_session(Line& line, const SessionView& view) noexcept {
  constexpr std::size_t kPrefix = sizeof "session-" - 1;
  char file[sizeof abi::SessionSlot::file];
  std::memcpy(file, tracer.header().slot[view.slot].file, sizeof file);
  const std::size_t size = strnlen(file, sizeof file);
  line.add("ouro: session ").escaped(file + (size > kPrefix ? kPrefix : 0), size > kPrefix ? size - kPrefix : size, false).add(": ");
}

void write_session(const SessionView& view, const Crash& crash, const LastEventsWish& wish, CrashOutput& out, Line& line, LastEventsMemory& memory) noexcept {
  EventTypes types(view, memory.types);
  const Ago ago = ago_of(view, crash);
  const LastEvents last = find_last_events(view, types, wish, memory);
  add_session(line, view);
  if (last.count == 0) line.add("no events of ").add(wish.all_processes ? "any" : "this").add(" process");
  else
    line.add("the last ").number(last.count).add(last.count == 1 ? " event of " : " events of ").add(wish.all_processes ? "all processes" : "this process")
        .add(", the newest last: seconds before the crash, CPU, thread (* crashed), event");
  out.write(line);
  for (std::uint32_t i = 0; i < last.count; ++i) {
    write_event(memory.event[memory.heap[i]], crash, ago, types, line);
    out.write(line);
  }
  add_session(line, view);
  line.number(last.lost).add(last.lost == 1 ? " event lost" : " events lost");
  if (last.under_way > last.open_count) line.add(", ").number(last.under_way - last.open_count).add(" that others were writing, or died over, left out");
  if (last.unreadable != 0) line.add(", ").number(last.unreadable).add(" parts of it make no sense");
  if (last.is_late) line.add(", not all was looked at, for want of time");
  out.write(line);
  if (last.open_count == 0) return;
  add_session(line, view);
  line.add("this thread was writing");
  for (std::uint32_t i = 0; i < last.open_count; ++i) {
    const char* const name = last.open[i] != nullptr ? last.open[i]->name : "an unknown event";
    line.add(i == 0 ? " " : ", in it ").escaped(name, std::strlen(name), false);
  }
  line.add(" as it crashed: nesting level ").number(last.open_count);
  out.write(line);
}

}  // namespace

const char* name_of_signal(int signal) noexcept {
  switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGABRT: return "SIGABRT";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    default: return nullptr;
  }
}

void write_crash_report(const Crash& crash, const LastEventsWish& wish, CrashOutput& out, Line& line, LastEventsMemory& memory) noexcept {
  write_head(crash, out, line);
  // Flight recorders; where there is none, whatever there is.
  bool any = false;
  for (const bool kept : {true, false}) {
    for (std::uint32_t k = 0; tracer.registry != nullptr && k < abi::kSessionSlots; ++k) {
      const SessionView* const view = tracer.view[k].load(std::memory_order_acquire);
      // Those that are watched hold what triggers wait for, and are nobody's to read.
      if (view == nullptr || view->is_kept != kept || view->is_watched || view->retired.load(std::memory_order_relaxed) ||
          view->header->state.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(abi::SessionState::open))
        continue;
      any = true;
      write_session(*view, crash, wish, out, line, memory);
    }
    if (any) return;
  }
  line.add("ouro: no events: this process has written to no session (hint: ouro::flight_recorder(), or OURO_FLIGHT=1 in its environment)");
  out.write(line);
}

}  // namespace ouro::trace
