// machine_state.hpp -- what the machine's two sources share: machine.cpp (threads, executions), memory.cpp (words, plain bytes, twins).
#pragma once
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "machine.hpp"
#include "search.hpp"

namespace ouro::checker {

inline constexpr int kMaxThreads = 6, kMaxPlaces = 320, kMaxMessages = 96, kMaxSteps = 4000;
inline constexpr std::size_t kUnit = 4;

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
  std::uint64_t old_loads;
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

extern Machine m;
extern Place place[kMaxPlaces];

inline Fiber& self() { return m.fiber[m.current]; }
inline const char* base_name(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

void point();  // anything may come between here

inline std::size_t unit_of(const void* at) {
  return static_cast<std::size_t>(static_cast<const std::byte*>(at) - m.experiment->region.data()) / kUnit;
}
inline bool is_ours(const void* at) { return m.running && unit_of(at) < m.place_at.size(); }
inline bool is_word(const void* at) { return unit_of(at) * kUnit % m.experiment->stride < m.experiment->words; }

}  // namespace ouro::checker
