#include "litmus.hpp"

#include <cstdio>
#include <cstring>
#include <set>
#include <vector>

#include "machine.hpp"

namespace ouro::checker {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto acq_rel = std::memory_order_acq_rel;

alignas(64) std::byte memory[64];
abi::Word& word(int i) { return reinterpret_cast<abi::Word*>(memory)[i]; }
std::byte* const bytes = memory + 32;  // plain from here on

std::uint64_t result[4];

// All that `threads` can leave in result[], by their own stores and loads of words 0 to 3. Empty: some execution failed.
using Results = std::set<std::vector<std::uint64_t>>;
Results all_of(std::vector<std::function<void()>> bodies, bool one_cpu = false) {
  Experiment e;
  e.region = memory;
  e.stride = 64;
  e.words = 32;
  e.prepare = [] { std::memset(memory, 0, sizeof memory), std::memset(result, 0, sizeof result); };
  std::vector<std::uint64_t> row(4);
  Results found;
  // The set outlives an execution, and so must what it allocates: one number each.
  static std::uint64_t seen[256];
  static int count;
  count = 0;
  e.examine = [] {
    std::uint64_t packed = 0;
    for (int i = 0; i < 4; ++i) packed |= result[i] << (8 * i);
    for (int i = 0; i < count; ++i)
      if (seen[i] == packed) return;
    seen[count++] = packed;
  };
  for (std::size_t i = 0; i < bodies.size(); ++i) e.threads.push_back({.cpu = one_cpu ? 0 : static_cast<int>(i), .body = bodies[i]});
  const Outcome outcome = run(e, {8, 8, 0});
  if (!outcome.failure.empty()) return {};
  for (int i = 0; i < count; ++i) {
    for (std::size_t k = 0; k < 4; ++k) row[k] = seen[i] >> (8 * k) & 0xff;
    found.insert(row);
  }
  return found;
}

void put(int i, std::uint64_t value, std::memory_order order) { word(i).store(value, order); }
void get(int to, int i, std::memory_order order) { result[to] = word(i).load(order); }
void add(int i, std::memory_order order) { word(i).fetch_add(1, order); }

struct Shape {
  const char* name;
  Results got;
  std::vector<std::uint64_t> outcome;
  bool allowed;
};

}  // namespace

bool run_litmus() {
  const auto mp = [](std::memory_order s, std::memory_order l) {
    return all_of({[=] { put(0, 1, relaxed), put(1, 1, s); }, [=] { get(0, 1, l), get(1, 0, relaxed); }});
  };
  const auto mp_fences = [](bool first, bool second) {
    return all_of({[=] {
                     put(0, 1, relaxed);
                     if (first) abi::fence(release);
                     put(1, 1, relaxed);
                   },
                   [=] {
                     get(0, 1, relaxed);
                     if (second) abi::fence(acquire);
                     get(1, 0, relaxed);
                   }});
  };
  const auto sequence = [](bool add_in_between) {  // a release sequence goes on through an addition, not through a store
    return all_of({[] { put(0, 1, relaxed), put(1, 1, release); },
                   [=] {
                     if (add_in_between) add(1, relaxed);
                     else if (word(1).load(relaxed) == 1) put(1, 2, relaxed);
                   },
                   [] { get(0, 1, acquire), get(1, 0, relaxed); }});
  };
  const auto plain = [](std::memory_order s, std::memory_order l) {
    return all_of({[=] {
                     std::memset(bytes, 1, 4);
                     abi::stored(bytes, 4);
                     put(0, 1, s);
                   },
                   [=] {
                     get(0, 0, l);
                     if (result[0] != 0) abi::loaded(bytes, 4);
                   }});
  };
  const auto seqlock = [](bool writer_fence, bool reader_fence) {  // claim, fence, content; content, fence, claim
    return all_of({[=] {
                     put(0, 1, relaxed);
                     if (writer_fence) abi::fence(release);
                     std::memset(bytes, 1, 4);
                     abi::stored(bytes, 4);
                   },
                   [=] {
                     std::uint32_t copy = 0;
                     abi::copied(&copy, bytes, 4);
                     if (reader_fence) abi::fence(acquire);
                     result[0] = copy != 0 ? 1 : 0;
                     get(1, 0, relaxed);
                   }});
  };
  const Shape shapes[] = {
      {"message passing, relaxed", mp(relaxed, relaxed), {1, 0, 0, 0}, true},
      {"message passing, release only", mp(release, relaxed), {1, 0, 0, 0}, true},
      {"message passing, acquire only", mp(relaxed, acquire), {1, 0, 0, 0}, true},
      {"message passing", mp(release, acquire), {1, 0, 0, 0}, false},
      {"message passing, fences", mp_fences(true, true), {1, 0, 0, 0}, false},
      {"message passing, first fence only", mp_fences(true, false), {1, 0, 0, 0}, true},
      {"message passing, second fence only", mp_fences(false, true), {1, 0, 0, 0}, true},
      {"message passing, one CPU", all_of({[] { put(0, 1, relaxed), put(1, 1, relaxed); }, [] { get(0, 1, relaxed), get(1, 0, relaxed); }}, true), {1, 0, 0, 0}, false},
      {"store, then plain store seen first", all_of({[] { put(0, 1, release), put(1, 1, relaxed); }, [] { get(0, 1, acquire), get(1, 0, relaxed); }}), {1, 0, 0, 0}, true},
      {"store buffering", all_of({[] { put(0, 1, release), get(0, 1, acquire); }, [] { put(1, 1, release), get(1, 0, acquire); }}), {0, 0, 0, 0}, true},
      {"coherence of loads", all_of({[] { put(0, 1, relaxed), put(0, 2, relaxed); }, [] { get(0, 0, relaxed), get(1, 0, relaxed); }}), {2, 1, 0, 0}, false},
      {"independent readers", all_of({[] { put(0, 1, release); }, [] { put(1, 1, release); }, [] { get(0, 0, acquire), get(1, 1, acquire); }, [] { get(2, 1, acquire), get(3, 0, acquire); }}), {1, 0, 1, 0}, true},
      {"write to read causality, relaxed", all_of({[] { put(0, 1, relaxed); }, [] { if (word(0).load(acquire) == 1) put(1, 1, relaxed); }, [] { get(0, 1, acquire), get(1, 0, relaxed); }}), {1, 0, 0, 0}, true},
      {"write to read causality", all_of({[] { put(0, 1, release); }, [] { if (word(0).load(acquire) == 1) put(1, 1, release); }, [] { get(0, 1, acquire), get(1, 0, relaxed); }}), {1, 0, 0, 0}, false},
      {"release sequence through an addition", sequence(true), {2, 0, 0, 0}, false},
      {"release sequence cut by a store", sequence(false), {2, 0, 0, 0}, true},
      {"two additions", all_of({[] { add(0, acq_rel); }, [] { add(0, acq_rel), get(0, 0, relaxed); }, [] { add(0, acq_rel); }}), {0, 0, 0, 0}, false},
      {"plain bytes, ordered", plain(release, acquire), {1, 0, 0, 0}, true},
      {"copy, then look", seqlock(true, true), {1, 0, 0, 0}, false},
      {"copy, then look, no fence of the writer", seqlock(false, true), {1, 0, 0, 0}, true},
      {"copy, then look, no fence of the reader", seqlock(true, false), {1, 0, 0, 0}, true},
  };
  int wrong = 0;
  for (const Shape& s : shapes) {
    const bool seen = s.got.contains(s.outcome), good = !s.got.empty() && seen == s.allowed;
    if (!good) std::printf("%s: %s, want %s\n", s.name, s.got.empty() ? "failed" : seen ? "seen" : "not seen", s.allowed ? "seen" : "not seen"), ++wrong;
  }
  for (const auto& [s, l] : {std::pair{relaxed, acquire}, {release, relaxed}})
    if (!plain(s, l).empty()) std::printf("plain bytes: a race was not noticed\n"), ++wrong;
  std::printf("%zu shapes, %d wrong\n", std::size(shapes) + 2, wrong);
  return wrong == 0;
}

}  // namespace ouro::checker
