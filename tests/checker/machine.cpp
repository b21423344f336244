#include "machine.hpp"

#include <ucontext.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "search.hpp"

namespace ouro::checker {
namespace {

constexpr int kMaxThreads = 6, kMaxPlaces = 320, kMaxMessages = 96, kMaxSteps = 4000;
constexpr std::size_t kStack = 128 << 10, kArena = 8 << 20, kUnit = 4;

// Places 1 to kMaxThreads are clocks: how often a thread has loaded plain bytes in place. 0 is none.
struct View {
  std::array<std::uint8_t, kMaxPlaces> at;
  void join(const View& other) {
    for (std::size_t i = 0; i < at.size(); ++i) at[i] = std::max(at[i], other.at[i]);
  }
};
static_assert(kMaxMessages < 256);

struct Message {
  std::uint64_t value;
  View view;
};

struct Place {
  std::size_t unit;
  int messages;
  std::uint8_t loaded_by[kMaxThreads];  // in place, by the thread's clock
  Message message[kMaxMessages];
};

struct Fiber {
  ucontext_t context;
  const Thread* thread;
  int id, cpu;
  bool started, done, dead, handling, handled, migrated;
  int waits_for;                 // thread, or -1
  View now, acquired, released;  // released: at the last release fence
};

struct Cpu {
  int last = -1;  // thread
  View view;      // what threads that ran here had seen
};

struct Machine {
  const Experiment* experiment = nullptr;
  Search search;
  bool running = false, tracing = false, dirty = false;
  int quiet = 0;     // in a section nothing comes between
  Bounds left;
  std::uint64_t clock = 0;
  int steps = 0, threads = 0, current = -1, next = -1, places = 0;
  std::vector<std::uint16_t> place_at;  // by unit of the region
  Fiber fiber[kMaxThreads];
  Cpu cpu[kMaxThreads];
  ucontext_t scheduler;
  char failure[512], trace[1 << 16];
  std::size_t trace_size = 0;
  Site twin;
  int check = 0;
};

Machine m;
Place place[kMaxPlaces];
alignas(64) std::byte stacks[kMaxThreads][kStack];
alignas(64) std::byte arena[kArena];
std::size_t arena_used = 0;
bool in_arena = false;

struct Seen {
  const char* file;
  int line;
  Weaken what;
};
Seen seen[2048];  // by a hash of line and what

Fiber& self() { return m.fiber[m.current]; }

const char* base_name(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

// Is this the access that the twin weakens in this way?
bool twin(Line line, Weaken what) {
  for (std::size_t i = static_cast<std::size_t>(line.number) * 7 + static_cast<std::size_t>(what);; ++i) {
    Seen& s = seen[i % std::size(seen)];
    if (s.line == line.number && s.what == what && s.file == line.file) break;
    if (s.file != nullptr) continue;
    s = {line.file, line.number, what};
    break;
  }
  return m.twin.line == line.number && m.twin.what == what && m.twin.file == base_name(line.file);
}
bool is_acquire(std::memory_order o) { return o != std::memory_order_relaxed && o != std::memory_order_release; }
bool is_release(std::memory_order o) { return o != std::memory_order_relaxed && o != std::memory_order_acquire; }
bool acquires(std::memory_order o, Line line) { return is_acquire(o) && !twin(line, Weaken::acquire); }
bool releases(std::memory_order o, Line line) { return is_release(o) && !twin(line, Weaken::release); }

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
bool runnable(const Fiber& f) { return !is_over(f) && (f.waits_for < 0 || is_over(m.fiber[f.waits_for])); }

void to_scheduler() { swapcontext(&self().context, &m.scheduler); }

void entry() {
  self().thread->body();
  self().done = true;
  to_scheduler();
}

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

// Memory.

std::size_t unit_of(const void* at) {
  return static_cast<std::size_t>(static_cast<const std::byte*>(at) - m.experiment->region.data()) / kUnit;
}
bool is_ours(const void* at) { return m.running && unit_of(at) < m.place_at.size(); }
bool is_word(const void* at) { return unit_of(at) * kUnit % m.experiment->stride < m.experiment->words; }

// 0: nobody has ever stored there, in any execution, so it is constant.
int place_of(const void* at) { return is_ours(at) ? m.place_at[unit_of(at)] : 0; }

int place_to_store(const void* at, std::uint64_t old) {
  std::uint16_t& p = m.place_at[unit_of(at)];
  if (p != 0) return p;
  if (m.places == kMaxPlaces) std::fputs("checker: too many places\n", stderr), std::abort();
  p = static_cast<std::uint16_t>(m.places++);
  m.dirty = true;  // what was loaded from it before would have been a point: begin again
  place[p].unit = unit_of(at);
  place[p].messages = 1;
  place[p].message[0].value = old;
  return p;
}

Message& append(int p, std::uint64_t value, const View& view) {
  Place& at = place[p];
  if (at.messages == kMaxMessages) fail("checker: too many messages");
  Message& message = at.message[at.messages];
  message.value = value;
  message.view = view;
  message.view.at[static_cast<std::size_t>(p)] = self().now.at[static_cast<std::size_t>(p)] = static_cast<std::uint8_t>(at.messages++);
  return message;
}

std::uint64_t take(int p, int which, bool acquire) {
  Fiber& f = self();
  const Message& message = place[p].message[which];
  std::uint8_t& floor = f.now.at[static_cast<std::size_t>(p)];
  floor = std::max(floor, static_cast<std::uint8_t>(which));
  f.acquired.join(message.view);
  if (acquire) f.now.join(message.view);
  return message.value;
}

int oldest_of(int p) { return self().now.at[static_cast<std::size_t>(p)]; }
int newest_of(int p) { return place[p].messages - 1; }

// Which of `count` messages, the newest first.
int choose_stale(int count) {
  if (m.left.stale <= 0) return 0;
  const int chosen = m.search.choose(count);
  if (chosen != 0) --m.left.stale;
  return chosen;
}

void store_plain(const std::byte* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, kUnit);
  const int p = place_to_store(at, 0);
  if (oldest_of(p) != newest_of(p)) fail("race: plain bytes are stored over a store that was not seen");
  for (int i = 0; i < m.threads; ++i)
    if (i != self().id && self().now.at[static_cast<std::size_t>(1 + i)] < place[p].loaded_by[i])
      fail("race: plain bytes are stored while thread %d loads them", i);
  append(p, value, self().released);
}

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
  if (!m.running) return m.fiber[thread].dead;
  point();
  const Fiber& f = m.fiber[thread];
  if (f.dead) self().now.join(f.now);
  return f.dead;
}
void wait_for(int thread) noexcept {
  Fiber& f = self();
  f.waits_for = thread;
  if (!runnable(f)) to_scheduler();
  f.now.join(m.fiber[thread].now);
}
void pause() noexcept {
  if (m.running) point();
}
int this_thread() noexcept { return m.current; }
int this_cpu() noexcept { return m.running ? self().cpu : 0; }
bool in_handler() noexcept { return m.running && self().handling; }
std::uint64_t tick() noexcept { return ++m.clock; }

void weaken(const Site& site) { m.twin = site; }
void break_check(int number) noexcept { m.check = number; }
bool broken(int number) noexcept { return m.check == number; }

std::vector<Site> sites_seen() {
  std::vector<Site> sites;
  for (const Seen& s : seen)
    if (s.file != nullptr) sites.push_back({base_name(s.file), s.line, s.what});
  std::sort(sites.begin(), sites.end());
  sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
  return sites;
}

const char* name_of(Weaken what) noexcept {
  switch (what) {
    case Weaken::nothing: return "nothing";
    case Weaken::acquire: return "not acquire";
    case Weaken::release: return "not release";
    case Weaken::acquire_failed: return "not acquire where it fails";
    case Weaken::compare: return "does not compare";
    case Weaken::split: return "load, then store";
    case Weaken::absent: return "left out";
  }
  return "";
}

// What ouro/abi/word.hpp calls.

std::uint64_t load(const std::uint64_t& word, std::memory_order order, Line line) noexcept {
  if (!is_ours(&word)) return word;
  const int p = place_of(&word);
  if (p == 0) return word;
  const bool acquire = acquires(order, line);
  point();
  const std::uint64_t value = take(p, newest_of(p) - choose_stale(newest_of(p) - oldest_of(p) + 1), acquire);
  say("%s:%d loads %#llx", base_name(line.file), line.number, static_cast<unsigned long long>(value));
  return value;
}

void store(std::uint64_t& word, std::uint64_t value, std::memory_order order, Line line) noexcept {
  if (!is_ours(&word)) return void(word = value);
  const bool release = releases(order, line);
  const int p = place_to_store(&word, word);
  point();
  say("%s:%d stores %#llx", base_name(line.file), line.number, static_cast<unsigned long long>(value));
  append(p, word = value, release ? self().now : self().released);
}

namespace {

// The store of a read-modify-write goes on with the message that was loaded: C11's release sequence.
void exchange_newest(std::uint64_t& word, int p, std::uint64_t value, std::memory_order order, Line line) {
  const bool acquire = acquires(order, line), release = releases(order, line);
  const int from = newest_of(p);
  take(p, from, acquire);
  if (twin(line, Weaken::split)) {
    point();
    append(p, word = value, release ? self().now : self().released);
    return;
  }
  append(p, word = value, release ? self().now : self().released).view.join(place[p].message[from].view);
}

}  // namespace

std::uint64_t add(std::uint64_t& word, std::uint64_t value, std::memory_order order, Line line) noexcept {
  if (!is_ours(&word)) return std::exchange(word, word + value);
  const int p = place_to_store(&word, word);
  point();
  const std::uint64_t old = place[p].message[newest_of(p)].value;
  say("%s:%d adds %#llx to %#llx", base_name(line.file), line.number, static_cast<unsigned long long>(value), static_cast<unsigned long long>(old));
  exchange_newest(word, p, old + value, order, line);
  return old;
}

bool exchange_if(std::uint64_t& word, std::uint64_t& expected, std::uint64_t value, std::memory_order done, std::memory_order failed,
                 Line line) noexcept {
  if (!is_ours(&word)) {
    if (word != expected) return expected = word, false;
    return word = value, true;
  }
  const bool acquire_failed = is_acquire(failed) && !twin(line, Weaken::acquire_failed);
  const int p = place_to_store(&word, word);
  point();
  const std::uint64_t newest = place[p].message[newest_of(p)].value;
  if (newest == expected || twin(line, Weaken::compare)) {
    say("%s:%d exchanges %#llx for %#llx", base_name(line.file), line.number, static_cast<unsigned long long>(newest), static_cast<unsigned long long>(value));
    exchange_newest(word, p, value, done, line);
    return true;
  }
  int different[kMaxMessages], n = 0;  // a failure may come from an old message
  for (int i = newest_of(p); i >= oldest_of(p); --i)
    if (place[p].message[i].value != expected) different[n++] = i;
  expected = take(p, different[choose_stale(n)], acquire_failed);
  say("%s:%d fails to exchange %#llx", base_name(line.file), line.number, static_cast<unsigned long long>(expected));
  return false;
}

void fence(std::memory_order order, Line line) noexcept {
  if (!m.running || twin(line, Weaken::absent)) return;
  point();
  Fiber& f = self();
  if (is_acquire(order)) f.now.join(f.acquired);
  if (is_release(order)) f.released = f.now;
}

void stored(const void* at, std::size_t size) noexcept {
  if (!is_ours(at)) return;
  const std::byte* const bytes = static_cast<const std::byte*>(at);
  if (is_word(at)) {
    for (std::size_t i = 0; i < size; i += 8) {
      std::uint64_t value = 0;
      std::memcpy(&value, bytes + i, 8);
      const int p = place_to_store(bytes + i, 0);
      point();
      append(p, value, self().released);
    }
    return;
  }
  say("stores %zu bytes at %zu", size, unit_of(at) * kUnit % m.experiment->stride - m.experiment->words);
  for (std::size_t i = 0; i < size; i += kUnit) store_plain(bytes + i);
}

void loaded(const void* at, std::size_t size) noexcept {
  if (!is_ours(at)) return;
  Fiber& f = self();
  const std::uint8_t now = ++f.now.at[static_cast<std::size_t>(1 + f.id)];
  for (std::size_t i = 0; i < size; i += kUnit) {
    const int p = place_of(static_cast<const std::byte*>(at) + i);
    if (p == 0) continue;
    if (oldest_of(p) != newest_of(p)) fail("race: plain bytes are loaded whose store was not seen");
    place[p].loaded_by[f.id] = now;
  }
}

// Of all that the copy may hold, those that can deceive: everything as old as may be, but for one unit. For newer units elsewhere
// could only let the thread see more of what it looks at next.
void copied(void* to, const void* from, std::size_t size) noexcept {
  if (!is_ours(from)) return;
  point();
  std::memcpy(to, from, size);
  const std::byte* const bytes = static_cast<const std::byte*>(from);
  int alternatives = 1;  // all is the newest
  for (std::size_t i = 0; i < size; i += kUnit)
    if (const int p = place_of(bytes + i); p != 0) alternatives += newest_of(p) - oldest_of(p);
  int chosen = alternatives > 1 ? choose_stale(alternatives + 1) : 0;
  const bool newest = chosen == 0;
  if (!newest) --chosen;  // 0: all is as old as may be; else the chosen one is newer
  for (std::size_t i = 0; i < size; i += kUnit) {
    const int p = place_of(bytes + i);
    if (p == 0) continue;
    const int oldest = oldest_of(p), newer = newest_of(p) - oldest;
    int which = newest ? newest_of(p) : oldest;
    if (!newest && chosen > 0 && chosen <= newer) which = oldest + chosen;
    if (!newest) chosen -= newer;
    const std::uint64_t value = take(p, which, false);
    std::memcpy(static_cast<std::byte*>(to) + i, &value, kUnit);
  }
  say("copies %zu bytes%s", size, newest ? "" : ", some of them old");
}

// A section's own accesses.
Quiet::Quiet() noexcept { ++m.quiet; }
Quiet::~Quiet() { --m.quiet; }

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
