// ways.hpp -- every way that a record takes into a ring, each from a state of the ring that leads there. For tests that
// interrupt or kill a writer on the way.
//
//   writer 1   the one that is stopped on its way      writer 2   whoever comes in between       writer 3   was there before
#pragma once
#include <unistd.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ring/internal.hpp"
#include "ring/test_ring.hpp"

namespace ouro::race {

using abi::FullMode;
using ring::Channel;
using ring::LocalChannel;
using ring::Sync;
using ring::TestRing;
using ring::Written;

struct Way {
  std::string name;
  Sync sync;
  FullMode mode;
  std::size_t size;                                       // of the record's body
  std::function<std::uint32_t(TestRing&)> prepare;        // returns how many records it wrote
  std::function<Written(const Channel&, const std::byte* body, std::size_t size)> write;
  bool two_phase = false;
  bool is_inline = false;                                 // `write` cannot say what came of it

  LocalChannel::Options options() const {
    return {.sync = sync, .mode = mode, .subbuf_count = 2, .subbuf_size = 4096};
  }
  std::string title() const {
    return name + (sync == Sync::per_cpu ? ", per_cpu" : sync == Sync::shared ? ", shared" : ", exclusive") +
           (mode == FullMode::discard ? ", discard" : ", overwrite");
  }
};

// The ring that a thread on CPU 0 writes to.
inline abi::RingHead& ring_of(const TestRing& ring) {
  const Channel& c = ring.channel();
  return *(c.per_cpu || c.exclusive ? c.ring[0] : c.shared[0]);
}

inline thread_local ring::Route route;

inline std::uint32_t write_some(TestRing& ring, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) EXPECT_EQ(ring.write(3, i, 100), Written::yes);
  return count;
}
// With a record of 100 bytes, and more until none of 48 bytes fits.
inline std::uint32_t fill_subbuf(TestRing& ring, std::uint32_t number = 0) {
  const auto left = [&] { return 4096 - ring_of(ring).writer.write_word.load() % 4096; };
  const std::uint32_t begin = number;
  EXPECT_EQ(ring.write(3, number++, 100), Written::yes);
  while (left() > 64) EXPECT_EQ(ring.write(3, number++, left() > 250 ? 100 : 12), Written::yes);
  return number - begin;
}
// No slot is free any more.
inline std::uint32_t fill_ring(TestRing& ring) {
  const std::uint32_t first = fill_subbuf(ring), all = first + fill_subbuf(ring, first);
  for (const abi::Word& slot : std::span(ring_of(ring).slot).first(2)) EXPECT_FALSE(abi::Slot{slot.load()}.taken()) << "it is not full";
  return all;
}

inline std::vector<Way> all_ways() {
  using ring::Reservation;
  const auto slowly = [](const Channel& c, const std::byte* body, std::size_t size) { return ring::write_slow(c, 7, body, size); };
  const auto extended = [](const Channel& c, const std::byte* body, std::size_t size) { return ring::write_slow(c, 2000, body, size); };
  const auto inlined = [](const Channel& c, const std::byte* body, std::size_t) {
    ring::write_fixed<40>(route, c, 7, reinterpret_cast<const std::uint64_t*>(body));
    return Written::yes;
  };
  const auto two_phase = [](const Channel& c, const std::byte* body, std::size_t size) {
    const Reservation r = ring::reserve(c, 7, size);
    if (r.body == nullptr) return Written::lost;
    for (std::size_t i = 0; i < size; i += 100) std::memcpy(r.body + i, body + i, std::min<std::size_t>(100, size - i));
    ring::commit(r);
    return Written::yes;
  };
  const auto nothing = [](TestRing&) { return 0u; };
  const auto some = [](TestRing& r) {
    ring::refresh(route, r.channel(), ring::detail::kOnlyTag);
    return write_some(r, 3);
  };
  const auto silence = [](TestRing& r) {  // longer than a compact stamp can tell
    const std::uint32_t count = write_some(r, 3);
    usleep(2500);
    return count;
  };
  const auto no_route = [](TestRing& r) {
    route = {};
    return write_some(r, 3);
  };
  const auto subbuf = [](TestRing& r) { return fill_subbuf(r); };
  const auto all = [](TestRing& r) { return fill_ring(r); };

  std::vector<Way> ways;
  for (const Sync sync : {Sync::per_cpu, Sync::shared, Sync::exclusive})
    for (const FullMode mode : {FullMode::discard, FullMode::overwrite}) {
      ways.push_back({"the ring's first record", sync, mode, 48, nothing, slowly});
      ways.push_back({"a record", sync, mode, 48, some, slowly});
      ways.push_back({"a record after a silence", sync, mode, 48, silence, extended});
      ways.push_back({"into the next sub-buffer", sync, mode, 48, subbuf, slowly});
      ways.push_back({"into a full ring", sync, mode, 48, all, slowly});
      ways.push_back({"in two phases", sync, mode, 48, some, two_phase, true});
      ways.push_back({"in two phases, into the next sub-buffer", sync, mode, 48, subbuf, two_phase, true});
      ways.push_back({"in two phases, into a full ring", sync, mode, 48, all, two_phase, true});
      if (sync != Sync::per_cpu) continue;
      ways.push_back({"inline", sync, mode, 40, some, inlined, false, true});
      ways.push_back({"inline, without a route", sync, mode, 40, no_route, inlined, false, true});
    }
  return ways;
}

// So that what functions a way calls is known to the dynamic linker by the time that it is looked at.
inline void try_out(const Way& way) {
  TestRing ring(way.options());
  way.prepare(ring);
  way.write(ring.channel(), ring::make_body(1, 0, way.size).data(), way.size);
}

// What all tests of this kind want in the end of records that came out: each writer's in order, none twice.
struct Received {
  std::uint64_t count[4]{};
  std::uint64_t next[4]{};
  std::uint64_t all = 0;
  void add(const std::vector<ring::TestRecord>& records) {
    for (const ring::TestRecord& r : records) {
      ASSERT_LT(r.writer, 4u) << "a record that nobody wrote";
      ASSERT_GE(r.number, next[r.writer]) << "writer " << r.writer << ": twice, or out of order";
      next[r.writer] = r.number + 1;
      ++count[r.writer];
      ++all;
    }
  }
};

inline void expect_no_entry_is_left(const abi::RingHead& head) {
  for (const abi::Pending& entry : head.pending) EXPECT_EQ(entry.state.load(), 0u) << "an entry that nobody owns";
}

}  // namespace ouro::race
