// ouro::on_crash(): the handler. What it says is in crash_report.cpp.
//
//   signal --> nobody else is at it: report --------------------------> whoever had the signal before
//              another thread is at it: wait for it, say so in a line --^
//              we are at it ourselves: a fault of the report's; back to where it began, a line --^
//
// Before: a handler is called with the mask that the kernel would have given it. The default: the signal is queued again as it was, blocked,
// and meets the default when we return, at the instruction where it came: status, core and registers are as without us.
#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <ouro/flight.hpp>

#include "trace/crash_report.hpp"
#include "trace/tracer.hpp"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr int kSignals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
constexpr std::size_t kCount = sizeof kSignals / sizeof *kSignals;
constexpr std::uint32_t kMostReports = 8;
constexpr std::size_t kStack = 64 << 10;  // of an alternate one, beside what the kernel puts there

struct Memory {
  Line line;
  LastEventsMemory last;
};
static_assert(sizeof(Memory) < 7 << 20);  // as ouro/flight.hpp says

struct Handler {
  std::atomic<Memory*> memory;  // null: not installed
  std::atomic<bool> is_installing;
  std::atomic<std::uint32_t> events, time_limit_ms;
  std::atomic<int> fd;
  std::atomic<bool> all_processes;
  CrashClock begin;
  struct sigaction before[kCount];
  std::atomic<bool> is_used_up[kCount];  // SA_RESETHAND: called once
  std::atomic<std::uint64_t> reporter;   // {pid:32, tid:32} of who is at it; 0: nobody
  std::atomic<std::uint32_t> reports;
  std::atomic<bool> has_way_out;
  jmp_buf way_out;                       // of the reporter's, if the report faults
};
constinit Handler handler{};

// The signal that this thread is handing on, and how deep its stack was then: a handler that was installed twice may call us again for it.
struct HandingOn {
  const void* context;
  std::uintptr_t frame;
};
__thread HandingOn handing_on OURO_TLS_MODEL = {};

std::size_t index_of(int signal) noexcept {
  std::size_t i = 0;
  while (i < kCount && kSignals[i] != signal) ++i;
  return i;
}

std::uint64_t self() noexcept { return static_cast<std::uint64_t>(getpid()) << 32 | static_cast<std::uint32_t>(syscall(SYS_gettid)); }
constexpr std::uint32_t tid_of(std::uint64_t who) { return static_cast<std::uint32_t>(who); }

CrashClock now_of_both() noexcept { return {clock::read(OURO_HAS_TSC != 0), clock::read_monotonic()}; }

void say(const char* what, int signal, std::uint32_t tid) noexcept {
  Line line;
  line.add("ouro: ").add(name_of_signal(signal)).add(what);
  if (tid != 0) line.add(" in thread ").number(tid);
  CrashOutput(handler.fd.load(relaxed), clock::read_monotonic() + 100'000'000).write(line);
}

// Its locals are not looked at once the report has faulted.
[[gnu::noinline]] void report(int signal, const siginfo_t* info, std::uint64_t who) noexcept {
  const CrashClock now = now_of_both();
  Memory& memory = *handler.memory.load(std::memory_order_acquire);
  memory.line.clear();
  const std::uint64_t deadline = clock::read_monotonic() + std::uint64_t{handler.time_limit_ms.load(relaxed)} * 1'000'000;
  CrashOutput out(handler.fd.load(relaxed), deadline);
  const LastEventsWish wish{handler.events.load(relaxed), handler.all_processes.load(relaxed), tid_of(who), deadline};
  write_crash_report({signal, info, tid_of(who), handler.begin, now}, wish, out, memory.line, memory.last);
}

// True: this thread may report.
bool begin_report(int signal, std::uint64_t who) noexcept {
  const std::uint64_t patience = (std::uint64_t{handler.time_limit_ms.load(relaxed)} + 500) * 1'000'000, begin = clock::read_monotonic();
  for (std::uint64_t other = 0;;) {
    if (handler.reporter.compare_exchange_strong(other, who, std::memory_order_acq_rel)) return true;
    if (other >> 32 != who >> 32) continue;  // forked meanwhile: he is not here
    while (handler.reporter.load(std::memory_order_acquire) == other && clock::read_monotonic() - begin < patience) {
      constexpr timespec kPause{0, 1'000'000};
      nanosleep(&kPause, nullptr);
    }
    say(" as well", signal, tid_of(who));  // whoever was at it has said all there is to say
    return false;
  }
}

void report_once(int signal, const siginfo_t* info, std::uint64_t who) noexcept {
  if (!begin_report(signal, who)) return;
  const std::uint32_t before = handler.reports.fetch_add(1, relaxed);
  if (before < kMostReports) {
    if (_setjmp(handler.way_out) == 0) {
      handler.has_way_out.store(true, relaxed);
      report(signal, info, who);
      handler.has_way_out.store(false, relaxed);
    } else {
      say(": what was to be said of it cannot be read any further", signal, 0);
    }
    if (before + 1 == kMostReports) say(": of further ones nothing is said", signal, 0);
  }
  handler.reporter.store(0, std::memory_order_release);
}

// The default action, at the instruction where the signal came.
void die(int signal, siginfo_t* info) noexcept {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, signal);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  const auto pid = getpid();
  const long tid = syscall(SYS_gettid);
  if (syscall(SYS_rt_tgsigqueueinfo, pid, tid, signal, info) != 0) syscall(SYS_tgkill, pid, tid, signal);
}

bool is_fault(int signal, const siginfo_t& info) noexcept { return info.si_code > 0 && signal != SIGABRT; }

void hand_on(std::size_t i, int signal, siginfo_t* info, void* context, const HandingOn& present) noexcept {
  const struct sigaction& before = handler.before[i];
  const bool once = (static_cast<unsigned>(before.sa_flags) & static_cast<unsigned>(SA_RESETHAND)) != 0 && before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN;
  if (before.sa_handler == SIG_IGN && !is_fault(signal, *info)) return;
  if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN || (once && handler.is_used_up[i].exchange(true, relaxed))) return die(signal, info);
  sigset_t mask;
  sigorset(&mask, &before.sa_mask, &static_cast<const ucontext_t*>(context)->uc_sigmask);
  if ((before.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, signal);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  const HandingOn outer = handing_on;
  handing_on = present;
  if ((before.sa_flags & SA_SIGINFO) != 0) before.sa_sigaction(signal, info, context);
  else before.sa_handler(signal);
  handing_on = outer;
}

// The handler to which we handed a signal on has crashed itself: that it crashed was said. Sure on an alternate stack only, where each signal
// begins at the same place: elsewhere it may have jumped away, and this be another crash further down.
bool is_within_old_handler(const HandingOn& present) noexcept {
  stack_t stack;
  return handing_on.frame != 0 && present.frame < handing_on.frame && sigaltstack(nullptr, &stack) == 0 && (stack.ss_flags & SS_ONSTACK) != 0;
}

void on_signal(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  const std::uint64_t who = self();
  const std::size_t i = index_of(signal);
  const HandingOn present{context, reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0))};
  const bool is_reporter = handler.reporter.load(std::memory_order_acquire) == who;
  if (is_reporter && handler.has_way_out.exchange(false, relaxed)) _longjmp(handler.way_out, 1);
  if (i == kCount) return;
  // The same signal, deeper down: whoever had it before calls whoever had it before.
  if (handing_on.context == context && context != nullptr && present.frame < handing_on.frame) return die(signal, info);
  // Ignored, and sent by somebody else: no crash.
  if (handler.before[i].sa_handler == SIG_IGN && info->si_code <= 0 && info->si_pid != getpid()) return;
  if (!is_reporter && !is_within_old_handler(present)) report_once(signal, info, who);
  errno = saved;
  hand_on(i, signal, info, context, present);
  errno = saved;
}

// For the calling thread, if it has none. Null: it has one, or there is no memory.
void* add_stack() noexcept {
  stack_t present;
  if (sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) return nullptr;
  const auto page = static_cast<std::size_t>(getauxval(AT_PAGESZ));
  const std::size_t size = (kStack + getauxval(AT_MINSIGSTKSZ) + page - 1) & ~(page - 1);
  void* const memory = mmap(nullptr, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  mprotect(memory, page, PROT_NONE);
  stack_t own{};
  own.ss_sp = static_cast<std::byte*>(memory) + page;
  own.ss_size = size;
  if (sigaltstack(&own, nullptr) == 0) return memory;
  munmap(memory, size + page);
  return nullptr;
}

void remove_stack(void* memory) noexcept {
  const auto page = static_cast<std::size_t>(getauxval(AT_PAGESZ));
  stack_t present;
  if (memory == nullptr || sigaltstack(nullptr, &present) != 0) return;
  const std::size_t size = (kStack + getauxval(AT_MINSIGSTKSZ) + page - 1) & ~(page - 1);
  if (present.ss_sp == static_cast<std::byte*>(memory) + page) {  // else the thread has put another in its place
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    if (sigaltstack(&none, nullptr) != 0) return;  // we are on it
  }
  munmap(memory, size + page);
}

void install() noexcept {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  // SA_NODEFER, and none of ours in the mask: a fault in the handler comes to the handler.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigfillset(&action.sa_mask);
  for (const int signal : kSignals) sigdelset(&action.sa_mask, signal);
  sigdelset(&action.sa_mask, SIGTRAP);
  sigdelset(&action.sa_mask, SIGSYS);
  // First who it was, for a signal that comes at once.
  for (std::size_t i = 0; i < kCount; ++i) sigaction(kSignals[i], nullptr, &handler.before[i]);
  for (std::size_t i = 0; i < kCount; ++i) sigaction(kSignals[i], &action, &handler.before[i]);
}

// The code that runs here goes away: dlclose() of the library that has the tracer in it. A program that exits may still crash.
[[gnu::destructor]] void uninstall() {
  Memory* const memory = handler.memory.load(std::memory_order_acquire);
  if (memory == nullptr || tracer.is_exiting) return;
  for (std::size_t i = 0; i < kCount; ++i) {
    struct sigaction present;
    if (sigaction(kSignals[i], nullptr, &present) == 0 && present.sa_sigaction == on_signal) sigaction(kSignals[i], &handler.before[i], nullptr);
  }
  munmap(memory, sizeof *memory);
}

Outcome start(const CrashOptions& options) noexcept {
  if (options.events == 0 || options.events > kMostEvents) return {ERANGE, "events: want 1 to 1024"};
  if (options.time_limit_ms == 0 || options.time_limit_ms > 3'600'000) return {ERANGE, "time_limit_ms: want 1 to 3600000"};
  if (options.fd < 0) return {ERANGE, "fd: want a descriptor"};
  handler.events.store(options.events, relaxed);
  handler.time_limit_ms.store(options.time_limit_ms, relaxed);
  handler.fd.store(options.fd, relaxed);
  handler.all_processes.store(options.all_processes, relaxed);
  if (options.alternate_stack) add_stack();  // which the thread keeps
  // Only one installs; who comes meanwhile has said what he wants.
  if (handler.memory.load(std::memory_order_acquire) != nullptr || handler.is_installing.exchange(true, std::memory_order_acq_rel)) return {};
  void* const memory = mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    handler.is_installing.store(false, std::memory_order_release);
    return {ENOMEM, "7 MiB of address space cannot be had"};
  }
  handler.begin = now_of_both();
  handler.memory.store(static_cast<Memory*>(memory), std::memory_order_release);
  install();
  return {};
}

}  // namespace
}  // namespace ouro::trace

namespace ouro::detail {

void ouro_on_crash(const CrashOptions* options, std::size_t size, Outcome* outcome) noexcept {
  CrashOptions known;
  std::memcpy(&known, options, size < sizeof known ? size : sizeof known);
  const int saved = errno;
  *outcome = trace::start(known);
  errno = saved;
}

void* ouro_crash_stack_begin() noexcept {
  const int saved = errno;
  void* const memory = trace::add_stack();
  errno = saved;
  return memory;
}
void ouro_crash_stack_end(void* memory) noexcept {
  const int saved = errno;
  trace::remove_stack(memory);
  errno = saved;
}

}  // namespace ouro::detail
