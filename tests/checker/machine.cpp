#include "machine.hpp"

#include <ucontext.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "machine_state.hpp"

namespace ouro::checker {

Machine m;
Place place[kMaxPlaces];

namespace {

constexpr std::size_t kStack = 128 << 10, kArena = 8 << 20;

alignas(64) std::byte stacks[kMaxThreads][kStack];
alignas(64) std::byte arena[kArena];
std::size_t arena_used = 0;
bool in_arena = false;

// Threads and CPUs.

void full_fence(Fiber& f) {
  f.now.join(f.acquired);
  f.acquired = f.released = f.now;
}

// The kernel's switch to a thread is a full barrier, and hands over what the CPU has seen.
void arrive(Fiber& f) {
  arrived(f.cpu);
  Cpu& cpu = m.cpu[f.cpu];
  if (cpu.last == f.id) return;
  if (cpu.last >= 0) {
    full_fence(m.fiber[cpu.last]);
    cpu.view.join(m.fiber[cpu.last].now);
  }
  cpu.last = f.id;
  f.now.join(cpu.view);
  full_fence(f);
}

void migrate(Fiber& f) {
  full_fence(f);
  Cpu& cpu = m.cpu[f.cpu];
  cpu.view.join(f.now);
  if (cpu.last == f.id) cpu.last = -1;
  f.cpu = f.thread->migrates_to;
  f.migrated = true;
  arrive(f);
}

bool is_over(const Fiber& f) { return f.done || f.dead; }
bool runnable(const Fiber& f) {
  const auto is_past = [](int thread) { return thread < 0 || is_over(m.fiber[thread]); };
  return !is_over(f) && is_past(f.waits_for) && (f.started || is_past(f.thread->after));
}

void to_scheduler() { swapcontext(&self().context, &m.scheduler); }

void entry() {
  self().thread->body();
  self().done = true;
  to_scheduler();
}

}  // namespace

// Anything may come between here.
void point() {
  if (m.quiet != 0) return;
  if (++m.steps > kMaxSteps) fail("does not end");
  Fiber& f = self();
  enum Kind : std::uint8_t { go_on, other, handler, migration, death };
  struct {
    Kind kind;
    int thread;
  } option[kMaxThreads + 4];
  int n = 0;
  option[n++] = {go_on, 0};
  if (m.left.switches > 0)
    for (int i = 0; i < m.threads; ++i)
      if (i != f.id && runnable(m.fiber[i])) option[n++] = {other, i};
  if (m.left.interruptions > 0) {
    if (f.thread->handler && !f.handled) option[n++] = {handler, 0};
    if (f.thread->migrates_to >= 0 && !f.migrated) option[n++] = {migration, 0};
    if (f.thread->may_die) option[n++] = {death, 0};
  }
  const auto chosen = option[m.search.choose(n)];
  switch (chosen.kind) {
    case go_on: return;
    case other:
      --m.left.switches;
      m.next = chosen.thread;
      return to_scheduler();
    case handler:
      --m.left.interruptions;
      say("a handler begins");
      f.handled = f.handling = true;
      f.thread->handler();
      f.handling = false;
      return say("the handler ends");
    case migration:
      --m.left.interruptions;
      say("migrates to CPU %d", f.thread->migrates_to);
      return migrate(f);
    case death: --m.left.interruptions; return die();
  }
}

namespace {

// Executions.

void begin_execution() {
  const Experiment& e = *m.experiment;
  m.left = {};
  m.failure[0] = '\0';
  m.trace_size = 0;
  m.clock = 1000;
  m.steps = 0;
  m.quiet = 0;
  m.threads = static_cast<int>(e.threads.size());
  m.next = m.current = -1;
  arena_used = 0;
  in_arena = true;
  arrived(0);  // prepare() runs there
  for (int i = 0; i < m.threads; ++i) {
    Fiber& f = m.fiber[i];
    f.thread = &e.threads[static_cast<std::size_t>(i)];
    f.id = i;
    f.cpu = f.thread->cpu;
    f.started = f.done = f.dead = f.handling = f.handled = f.migrated = false;
    f.old_loads = 0;
    f.waits_for = -1;
    f.now.at.fill(0), f.acquired.at.fill(0), f.released.at.fill(0);
  }
  for (Cpu& cpu : m.cpu) cpu.last = -1, cpu.view.at.fill(0);
  e.prepare();
  for (int i = 1 + kMaxThreads; i < m.places; ++i) {
    Place& p = place[i];
    const std::byte* at = e.region.data() + p.unit * kUnit;
    p.messages = 1;
    p.message[0].value = 0;
    std::memset(p.loaded_by, 0, sizeof p.loaded_by);
    std::memcpy(&p.message[0].value, at, is_word(at) ? 8 : kUnit);
  }
}

void execute(Bounds bounds) {
  begin_execution();
  m.left = bounds;
  m.running = true;
  while (m.failure[0] == '\0') {
    int ready[kMaxThreads], n = 0;
    for (int i = 0; i < m.threads; ++i)
      if (runnable(m.fiber[i])) ready[n++] = i;
    if (n == 0) break;
    m.current = m.next >= 0 ? m.next : ready[m.search.choose(n)];
    m.next = -1;
    Fiber& f = self();
    arrive(f);
    if (!f.started) {
      f.started = true;
      getcontext(&f.context);
      f.context.uc_stack.ss_sp = stacks[f.id];
      f.context.uc_stack.ss_size = kStack;
      f.context.uc_link = nullptr;
      makecontext(&f.context, entry, 0);
    }
    swapcontext(&m.scheduler, &f.context);
  }
  m.running = false;
  m.current = -1;
  arrived(0);
  if (m.failure[0] == '\0') m.experiment->examine();
  in_arena = false;
}

}  // namespace

Outcome run(const Experiment& experiment, Bounds bounds, std::uint64_t limit, bool at_random) {
  m.experiment = &experiment;
  m.search.begin();
  m.places = 1 + kMaxThreads;
  m.place_at.assign(experiment.region.size() / kUnit, 0);
  m.dirty = m.tracing = false;
  Outcome result;
  while (result.executions < limit) {
    execute(bounds);
    if (m.dirty) {
      m.dirty = false;
      m.search.clear();
      result.executions = 0;
      continue;
    }
    ++result.executions;
    if (m.failure[0] != '\0') {
      m.search.again();
      m.tracing = true;
      execute(bounds);
      m.tracing = false;
      result.failure = m.failure;
      result.trace.assign(m.trace, m.trace_size);
      return result;
    }
    if (at_random) {
      m.search.next_sample(bounds.switches + bounds.stale + bounds.interruptions + 1);  // one: who begins
      continue;
    }
    if (m.search.next()) continue;
    result.complete = true;
    return result;
  }
  return result;
}

void say(const char* format, ...) noexcept {
  if (!m.tracing || m.trace_size + 200 > sizeof m.trace) return;
  char* at = m.trace + m.trace_size;
  int n = m.current >= 0 ? std::snprintf(at, 100, "  thread %d, CPU %d%s: ", m.current, self().cpu, self().handling ? ", handler" : "")
                         : std::snprintf(at, 100, "  afterwards: ");
  std::va_list arguments;
  va_start(arguments, format);
  n += std::vsnprintf(at + n, 90, format, arguments);
  va_end(arguments);
  n = std::min(n, 190);
  at[n++] = '\n';
  m.trace_size += static_cast<std::size_t>(n);
}

void fail(const char* format, ...) noexcept {
  std::va_list arguments;
  va_start(arguments, format);
  if (m.failure[0] == '\0') std::vsnprintf(m.failure, sizeof m.failure, format, arguments);
  va_end(arguments);
  if (m.running) to_scheduler();
}

int choose(int alternatives) noexcept { return m.running ? m.search.choose(alternatives) : 0; }

bool interrupted() noexcept {
  if (!m.running || m.left.interruptions <= 0 || choose(2) == 0) return false;
  --m.left.interruptions;
  return true;
}

void die() noexcept {
  m.quiet = 0;
  say("dies");
  self().dead = true;
  to_scheduler();
}
bool may_die() noexcept { return m.running && self().thread->may_die; }
bool is_dead(int thread) noexcept {
  if (thread < 0 || thread >= m.threads) return false;
  const Fiber& f = m.fiber[thread];
  if (!m.running) return is_over(f);
  point();
  if (is_over(f)) self().now.join(f.now);
  return is_over(f);
}
bool has_died(int thread) noexcept { return thread >= 0 && thread < m.threads && m.fiber[thread].dead; }
void wait_for(int thread) noexcept {
  Fiber& f = self();
  f.waits_for = thread;
  if (!runnable(f)) to_scheduler();
  f.now.join(m.fiber[thread].now);
}
void pause() noexcept {
  if (m.running) point();
}
std::uint64_t old_loads() noexcept { return m.running ? self().old_loads : 0; }
int this_thread() noexcept { return m.current; }
}  // namespace ouro::checker

// What an execution allocates is gone with it: threads that die clean up nothing.
namespace {
void* allocate(std::size_t size) {
  using namespace ouro::checker;
  if (!in_arena) {
    if (void* p = std::malloc(size)) return p;
    std::abort();
  }
  void* const p = arena + arena_used;
  arena_used += (size + 15) / 16 * 16;
  if (arena_used > kArena) std::fputs("checker: an execution allocates too much\n", stderr), std::abort();
  return p;
}
void release(void* p) noexcept {
  using namespace ouro::checker;
  if (p < static_cast<void*>(arena) || p >= static_cast<void*>(arena + kArena)) std::free(p);
}
}  // namespace
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
