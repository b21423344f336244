// machine.hpp -- a machine with the memory of C11 (release, acquire, relaxed, fences), threads that it switches where it likes,
// and a search through all that it may do.
//
//   word of a ring      messages, oldest first         a thread's view: the oldest message that it may still load, for each word
//   +---+---+---+---+
//   | 0 | 7 | 7 | 9 |   <- a store appends             store, release     the message carries the thread's view
//   +---+---+---+---+   <- an exchange loads the last  load, acquire      joins the message's view to the thread's
//         ^view: loads one of the last three           fences             the same, earlier or later (C11)
//
// An execution is a row of choices. All are walked, depth first: after each execution the last choice that has an alternative
// takes it, and everything runs again from the beginning. Bounds cost: a switch away from a thread that could go on, an old message
// loaded, an interruption (a section that is aborted, a nested handler, a migration, a death).
//
// Bytes between the words are plain: stored and read in place they must be ordered (a race is a failure); copied by those who
// check afterwards, each copy chooses among all that each 4 bytes may be.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <ouro/abi/word.hpp>

namespace ouro::checker {

struct Bounds {
  int switches = 0, stale = 0, interruptions = 0;
};

struct Thread {
  int cpu = 0;
  std::function<void()> body;
  std::function<void()> handler{};   // may run at any point of the body, but not within itself
  int migrates_to = -1;              // once, at any point; -1: stays
  bool may_die = false;              // once, at any point
  int after = -1;                    // begins when that thread is over, and need not have seen what it did
  bool lags = false;                 // its loads give what is oldest; newer values cost
};

struct Outcome {
  std::uint64_t executions = 0;
  bool complete = false;             // all within the bounds; else it was stopped by a failure or by `limit`
  std::string failure;               // what was wrong; empty: nothing
  std::string trace;                 // of the execution that failed
};

// Runs `threads` on the memory at `region`, in all ways within `bounds`. Before each execution `prepare` fills the memory (its stores
// are not choices), after each `examine` looks at it, when all that was stored has arrived. `words` bytes of each `stride` hold words,
// the rest is plain.
struct Experiment {
  std::span<std::byte> region;
  std::size_t stride = 0, words = 0;
  std::vector<Thread> threads;
  std::function<void()> prepare, examine;
};
// at_random: `limit` of them, drawn.
Outcome run(const Experiment&, Bounds, std::uint64_t limit = ~std::uint64_t{0}, bool at_random = false);

// For what runs in it.

[[gnu::format(printf, 1, 2)]] void fail(const char* format, ...) noexcept;  // does not come back within a thread
int choose(int alternatives) noexcept;
bool interrupted() noexcept;             // chooses whether, if the bound allows it
void die() noexcept;                     // the thread that runs
bool may_die() noexcept;
bool is_dead(int thread) noexcept;       // or has ended. True: whoever asked sees all that it did, as the kernel's answer implies
bool has_died(int thread) noexcept;      // before its end; asked afterwards
void wait_for(int thread) noexcept;      // until it has ended or died
void pause() noexcept;                   // anything may come between here
int this_thread() noexcept;
std::uint64_t old_loads() noexcept;      // how often it was given what is not the newest
int this_cpu() noexcept;
inline void (*arrived)(int cpu) = [](int) {};  // the thread that runs now is on this CPU
bool in_handler() noexcept;
std::uint64_t tick() noexcept;           // a clock that all CPUs share
void say(const char* format, ...) noexcept;  // into the trace

// While one is there nothing comes between: a restartable section.
struct Quiet {
  Quiet() noexcept;
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
};

// Weakened twins. One at a time: an access at a line of source, or a check by its name.
enum class Weaken : std::uint8_t { nothing, acquire, release, acquire_failed, compare, split, absent };
struct Site {
  std::string file;   // behind the last "ring/"
  int line = 0;
  Weaken what = Weaken::nothing;
  auto operator<=>(const Site&) const = default;
};
void weaken(const Site&);
std::vector<Site> sites_seen();          // all that could be weakened among what ran, since the program's start
const char* name_of(Weaken) noexcept;
void break_check(int number) noexcept;   // 0: none
bool broken(int number) noexcept;

}  // namespace ouro::checker
