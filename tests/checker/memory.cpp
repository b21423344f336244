// memory.cpp -- the machine's memory: messages, views, fences, plain bytes; and which access a twin weakens.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "machine_state.hpp"

namespace ouro::checker {
namespace {

struct Seen {
  const char* file;
  int line;
  Weaken what;
};
Seen seen[2048];  // by a hash of line and what

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
  f.old_loads += which != place[p].messages - 1 ? 1 : 0;
  f.acquired.join(message.view);
  if (acquire) f.now.join(message.view);
  return message.value;
}

int oldest_of(int p) { return self().now.at[static_cast<std::size_t>(p)]; }
int newest_of(int p) { return place[p].messages - 1; }

// One of several that a load may give; all but the first cost.
int choose_load(int count) {
  const int chosen = m.left.stale > 0 ? m.search.choose(count) : 0;
  if (chosen != 0) --m.left.stale;
  return chosen;
}
// Which of `count` messages, counted from the newest. What a thread gets that lags is old unless it pays for newer.
int choose_stale(int count) {
  const int chosen = choose_load(count);
  return self().thread->lags ? count - 1 - chosen : chosen;
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
}  // namespace

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
  expected = take(p, different[choose_load(n)], acquire_failed);
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
  int alternatives = 0;
  for (std::size_t i = 0; i < size; i += kUnit)
    if (const int p = place_of(bytes + i); p != 0) alternatives += newest_of(p) - oldest_of(p);
  int chosen = alternatives > 0 ? choose_load(alternatives + 2) : 0;  // 0: all is the newest
  if (alternatives > 0 && chosen < 2 && self().thread->lags) chosen = 1 - chosen;
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
