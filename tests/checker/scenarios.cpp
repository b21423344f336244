#include "scenarios.hpp"

namespace ouro::checker {
namespace {

constexpr int kElsewhere = 4;  // a CPU that no writer runs on
constexpr auto discard = abi::FullMode::discard;
constexpr auto overwrite = abi::FullMode::overwrite;

Thread writes(int cpu, int writer, int records) {
  return {.cpu = cpu, .body = [=] {
            for (int i = 0; i < records; ++i) world.write(writer);
          }};
}
Thread reads(int rounds, bool include_current) {
  return {.cpu = kElsewhere, .body = [=] { world.read(rounds, include_current); }};
}
Thread with_handler(Thread thread, int writer, int records) {
  thread.handler = [=] {
    for (int i = 0; i < records; ++i) world.write(writer);
  };
  return thread;
}
Thread dying(Thread thread) {
  thread.may_die = true;
  return thread;
}
Thread migrating(Thread thread, int to) {
  thread.migrates_to = to;
  return thread;
}
Thread lagging(Thread thread) {
  thread.lags = true;
  return thread;
}
Thread behind(int other, Thread thread) {
  thread.after = other;
  return thread;
}
Thread buries(int times) {
  return {.cpu = kElsewhere, .body = [=] {
            for (int i = 0; i < times; ++i) world.bury();
          }};
}
Thread commits_open(int cpu) {
  return {.cpu = cpu, .body = [] { world.commit_open(); }};
}
Thread writes_in_two(int cpu, int writer, int records) {
  return {.cpu = cpu, .body = [=] {
            for (int i = 0; i < records; ++i) world.write_in_two(writer);
          }};
}

// What a full ring is in this mode.
unsigned when_full(abi::FullMode mode) { return mode == discard ? lost_full : lost_lapped; }
unsigned may_lose(abi::FullMode mode, unsigned more = 0) { return (mode == discard ? lost_full : 0) | more; }

// Few steps each, from a moment that is reached late elsewhere: what one order, compare or check is for.
void add_small(const auto& add) {
  const Shape shared{.sync = Writers::shared, .may_lose = lost_busy};
  const auto with = [](Shape shape, auto&& change) {
    change(shape);
    return shape;
  };
  const auto left = [&](Shape shape, Left what, int warm, int behind, std::uint64_t size) {
    shape.left = what, shape.warm = warm, shape.warm_behind = behind, shape.subbuf_size = size;
    return shape;
  };
  const Shape two{.may_lose = lost_busy};
  // Who wins the opening of a ring's memory is late with its stamp; a handler comes between claim and exchange.
  add("handler, fits", {.subbuf_size = 64, .warm = 2, .fits = true}, {with_handler(writes(0, 0, 1), 1, 1), reads(1, true)}, current_packet, {1, 1, 1}, {2, 2, 1});
  add("first records", {.subbuf_size = 64, .fits = true}, {writes(0, 0, 1), writes(0, 1, 1), reads(1, true)}, current_packet, {1, 1, 0}, {2, 2, 0});
  add("death", {.subbuf_size = 64, .warm = 1, .fits = true}, {writes(0, 0, 1), dying(writes(0, 1, 1)), reads(1, true)}, current_packet, {1, 0, 1}, {2, 2, 1});
  add("exclusive, slow", {.sync = Writers::exclusive, .subbuf_size = 128, .warm = 1}, {writes(0, 0, 2), reads(2, true)}, current_packet, {2, 1, 0}, {3, 2, 0});
  // Somebody switches, somebody else writes there first, or goes on from the claim.
  add("shared, opened by another", with(shared, [](Shape& s) { s.warm = 2, s.subbuf_size = 32; }), {reads(1, false), behind(0, writes(0, 0, 1)), writes(1, 1, 1)}, closed_packet, {1, 1, 0}, {2, 2, 0});
  add("shared, how many were lapped", with(shared, [](Shape& s) { s.warm = 2; }), {writes(0, 0, 3), lagging({.cpu = kElsewhere, .body = [] { world.ask(); }})}, 0, {1, 1, 0}, {2, 2, 0});
  const Shape shared_pairs = with(shared, [](Shape& s) { s.subbuf_size = 64, s.warm = 4; });
  add("laps at once", {.subbuf_size = 64, .warm = 4}, {writes(0, 0, 1), writes_in_two(0, 1, 1)}, 0, {1, 1, 0}, {2, 2, 0});
  add("shared, lap at once", shared_pairs, {writes(0, 0, 1), writes(1, 1, 1)}, 0, {1, 2, 0}, {2, 2, 0});
  add("shared, opened for another", with(shared, [](Shape& s) { s.warm = 2; }), {writes(0, 0, 1), writes(1, 1, 2), behind(1, lagging(writes(2, 2, 1))), behind(2, reads(3, true))}, 0, {1, 1, 0}, {2, 2, 0});
  add("shared, claimed by another", left(shared, Left::open, 0, 1, 32), {commits_open(0), writes(1, 1, 1), writes(2, 2, 1), lagging(reads(1, false))}, 0, {1, 1, 0}, {2, 2, 0});
  add("shared, laps behind one", with(shared, [](Shape& s) { s.warm = 2; }), {lagging(writes(0, 0, 1)), writes(1, 1, 2), behind(1, reads(2, true))}, 0, {1, 1, 0}, {2, 2, 0});
  // The dead left an entry; a reader decides by old values what it is worth.
  add("shared, named by the dead", left(shared, Left::named, 0, 0, 64), {writes(0, 0, 1), lagging(reads(2, true))}, current_packet, {2, 1, 0}, {3, 2, 0});
  add("shared, named by the dead, an entry again", left(shared, Left::named, 0, 0, 64), {writes(0, 0, 1), behind(0, writes(1, 1, 1)), lagging(buries(1))}, 0, {0, 2, 0}, {1, 2, 0});
  add("shared, named by the dead, claimed", left(shared, Left::named, 0, 0, 32), {writes(0, 0, 2), behind(0, writes(1, 1, 1)), lagging(buries(1))}, 0, {1, 1, 0}, {2, 2, 0});
  add("shared, the dead in the midst of it", left(shared, Left::exchanged, 1, 0, 64), {writes(0, 0, 2), lagging(buries(1))}, lost_dead, {2, 1, 0}, {3, 2, 0});
  for (const Left what : {Left::marked, Left::counted}) {
    const std::string how = what == Left::marked ? ", death before its count" : ", death behind its count";
    add(("shared" + how).c_str(), left(shared, what, 0, 0, 64), {writes(0, 0, 2), lagging(buries(1))}, 0, {2, 1, 0}, {3, 2, 0});
    add(("two phases" + how).c_str(), left(two, what, 0, 0, 64), {writes_in_two(0, 0, 2), lagging(buries(1))}, 0, {2, 1, 0}, {3, 2, 0});
    add(("shared" + how + ", next use").c_str(), left(shared, what, 0, 0, 32), {writes(0, 0, 2), writes(1, 1, 1), reads(3, true)}, 0, {1, 1, 0}, {3, 2, 0});
    add(("two phases" + how + ", next use").c_str(), left(two, what, 0, 0, 32), {writes_in_two(0, 0, 2), writes(0, 1, 1), reads(3, true)}, 0, {1, 1, 0}, {3, 2, 0});
  }
  // The dead one's sub-buffer is in its next use but one, which holds more of two phases; he died on another CPU than his ring's.
  add("two phases, death behind its count, two laps", left(two, Left::counted, 0, 0, 64),
      {{.cpu = 0, .body = [] {
          world.write(0);
          for (int i = 0; i < 5; ++i) world.write_in_two(0);
        }}, lagging(buries(1))}, 0, {0, 2, 0}, {1, 2, 0});
  add("two phases, death behind its count, lapped", left(two, Left::counted, 0, 1, 32), {writes(0, 0, 1), buries(1)}, 0, {2, 0, 1}, {3, 1, 1});
  Shape two_cpus = two;
  two_cpus.cpus = 2;
  add("two phases, death elsewhere", two_cpus, {dying(migrating(writes_in_two(0, 0, 1), 1)), behind(0, buries(1)), behind(1, writes(0, 1, 2))}, 0, {0, 1, 2}, {1, 1, 2});
  add("shared, death elsewhere", shared, {dying(writes(0, 0, 1)), behind(0, buries(1)), behind(0, writes(1, 1, 2))}, 0, {0, 1, 1}, {1, 1, 1});
  add("shared, two die, one lives", left(shared, Left::named, 0, 0, 64), {dying(writes(0, 0, 1)), behind(0, writes(1, 1, 1)), behind(0, reads(2, true))}, lost_dead, {1, 0, 1}, {2, 1, 1});
  add("two phases, entry of another", {.subbuf_size = 64, .may_lose = lost_busy}, {writes_in_two(0, 0, 1), writes_in_two(0, 1, 1), buries(1)}, current_packet, {1, 1, 0}, {2, 2, 0});
}

std::vector<Scenario> make() {
  std::vector<Scenario> all;
  for (const auto mode : {discard, overwrite}) {
    const std::string in = mode == discard ? ", discard" : ", overwrite";
    const auto add = [&](const char* name, Shape shape, std::vector<Thread> threads, unsigned must_reach, Bounds quick, Bounds full) {
      shape.mode = mode;
      if (mode == discard) shape.may_lose &= ~lost_busy;  // what is claimed was read
      if (!shape.fits) shape.may_lose |= may_lose(mode);
      all.push_back({name + in, shape, std::move(threads), must_reach, quick, full, false});
    };
    // The reader takes closed sub-buffers, in place or by exchange, while the writer switches and laps.
    add("switch", {}, {writes(0, 0, 4), reads(3, false)}, closed_packet | when_full(mode), {3, 1, 0}, {3, 3, 0});
    // ... and what is readable of the current one.
    add("current", {.subbuf_size = 64, .compact = true, .fits = true}, {writes(0, 0, 6), reads(3, true)}, closed_packet | current_packet, {2, 2, 0}, {3, 3, 0});
    add("current, lapped", {.warm = 1}, {writes(0, 0, 3), reads(2, true)}, current_packet | when_full(mode), {2, 2, 0}, {3, 3, 0});
    // The first record of all opens the ring's memory; writers preempt each other anywhere, sections are aborted.
    add("two writers", {}, {writes(0, 0, 2), writes(0, 1, 2), reads(2, true)}, closed_packet | current_packet | when_full(mode), {1, 1, 1}, {3, 2, 1});
    add("two writers, compact", {.subbuf_size = 64, .compact = true, .fits = true}, {writes(0, 0, 3), writes(0, 1, 3), reads(2, true)}, closed_packet | current_packet, {1, 1, 1}, {3, 2, 1});
    add("handler", {.warm = 1}, {with_handler(writes(0, 0, 2), 1, 2), reads(2, true)}, closed_packet | current_packet | when_full(mode), {1, 2, 1}, {2, 3, 2});
    add("migration", {.cpus = 2}, {migrating(writes(0, 0, 2), 1), writes(0, 1, 2), reads(2, true)}, closed_packet | current_packet, {1, 1, 1}, {3, 1, 2});
    add("two phases", {.subbuf_size = 64, .may_lose = lost_busy}, {with_handler(writes_in_two(0, 0, 2), 1, 2), writes_in_two(0, 2, 2), reads(3, true)},
        closed_packet | current_packet | waited, {1, 1, 1}, {2, 2, 1});
    add("two phases, death", {.subbuf_size = 64, .may_lose = lost_busy}, {dying(writes_in_two(0, 0, 2)), writes(0, 1, 2), reads(3, true)},
        closed_packet | current_packet | waited | lost_dead, {1, 1, 1}, {2, 2, 1});
    add("shared", {.sync = Writers::shared, .may_lose = lost_busy}, {writes(0, 0, 2), writes(1, 1, 2), reads(3, true)},
        closed_packet | current_packet | waited | when_full(mode), {1, 2, 0}, {3, 2, 0});
    add("shared, handler", {.sync = Writers::shared, .may_lose = lost_busy, .warm = 1}, {with_handler(writes(0, 0, 2), 1, 2), reads(3, true)},
        closed_packet | current_packet | waited, {1, 1, 1}, {2, 2, 1});
    add("shared, death", {.sync = Writers::shared, .subbuf_size = 64, .may_lose = lost_busy}, {dying(writes(0, 0, 2)), writes(1, 1, 2), reads(3, true)},
        closed_packet | current_packet | waited | lost_dead, {1, 1, 1}, {2, 2, 1});
    add("snapshot", {.warm = 2}, {writes(0, 0, 3), {.cpu = kElsewhere, .body = [] { world.snapshot(); }}, reads(2, false)},
        closed_packet | whole_snapshot | partial_snapshot, {1, 1, 0}, {3, 2, 0});
    add("snapshot, shared", {.sync = Writers::shared, .may_lose = lost_busy, .warm = 2}, {writes(0, 0, 3), {.cpu = kElsewhere, .body = [] { world.snapshot(); }}, reads(1, false)},
        whole_snapshot | partial_snapshot, {1, 1, 0}, {3, 2, 0});
    add("reader after reader", {.warm = 2, .reader_dies = true},
        {writes(0, 0, 3), dying(reads(2, false)), {.cpu = kElsewhere + 1, .body = [] { wait_for(1), world.succeed(2); }}}, closed_packet, {1, 1, 1}, {2, 2, 1});
    // What dead writers leave to each other and to the reader: at every record another sub-buffer, or two that die in one of them.
    const Shape shared_small{.sync = Writers::shared, .may_lose = lost_busy}, shared_two{.sync = Writers::shared, .subbuf_size = 64, .may_lose = lost_busy};
    add("shared, death, lapped", shared_small, {dying(writes(0, 0, 2)), writes(1, 1, 3), reads(2, true)}, closed_packet | when_full(mode), {1, 0, 1}, {2, 2, 1});
    add("two phases, death, lapped", {.may_lose = lost_busy}, {dying(writes_in_two(0, 0, 2)), writes(0, 1, 3), reads(2, true)}, closed_packet | when_full(mode), {1, 0, 1}, {2, 2, 1});
    add("shared, two die", shared_two, {dying(writes(0, 0, 1)), dying(writes(1, kLongWriter, 1)), reads(2, true)},
        current_packet | waited | lost_dead, {0, 1, 2}, {2, 1, 2});
    add("two phases, two die", {.subbuf_size = 64, .may_lose = lost_busy}, {dying(writes_in_two(0, 0, 1)), dying(writes_in_two(0, 1, 1)), reads(2, true)},
        current_packet | waited | lost_dead, {0, 1, 2}, {2, 1, 2});
    Shape in_hand = shared_two;
    in_hand.reader_dies = true;
    add("shared, reader after reader", in_hand, {dying(writes(0, 0, 2)), dying(reads(3, true)), {.cpu = kElsewhere + 1, .body = [] { wait_for(1), world.succeed(3); }}},
        current_packet | waited | lost_dead, {1, 0, 2}, {2, 1, 2});
    // The second reader finds sub-buffers that the first had read, or held, or buried in, lapped.
    Shape in_part = shared_small;
    in_part.warm = 1;
    in_part.reader_dies = true;
    add("shared, reader after reader, lapped", in_part, {writes(0, 0, 3), dying(reads(2, true)), {.cpu = kElsewhere + 1, .body = [] { wait_for(1), world.succeed(2); }}},
        closed_packet | current_packet | when_full(mode), {1, 0, 1}, {2, 2, 1});
    add("two phases, reader after reader", {.subbuf_size = 64, .may_lose = lost_busy, .reader_dies = true},
        {dying(writes_in_two(0, 0, 2)), dying(reads(3, true)), {.cpu = kElsewhere + 1, .body = [] { wait_for(1), world.succeed(3); }}},
        current_packet | waited | lost_dead, {1, 0, 2}, {2, 1, 2});
    // Somebody stalls while others go round the ring.
    add("stalled", {.may_lose = lost_busy, .warm = 1}, {writes(0, 0, 1), writes_in_two(0, 1, 4), reads(1, true)}, current_packet | when_full(mode), {2, 0, 0}, {3, 2, 0});
    Shape shared_warm = shared_small;
    shared_warm.warm = 1;
    add("shared, stalled", shared_warm, {writes(0, 0, 1), writes(1, 1, 4), reads(1, true)}, current_packet | when_full(mode), {2, 0, 0}, {3, 2, 0});
    // Records of two lengths: some fill a sub-buffer to its end, some find no room where others do.
    add("to the brim", {.subbuf_size = 64}, {writes(0, kLongWriter, 3), reads(2, true)}, closed_packet | current_packet, {2, 1, 0}, {3, 2, 0});
    add("shared, two lengths", {.sync = Writers::shared, .subbuf_size = 64, .may_lose = lost_busy}, {writes(0, kLongWriter, 2), writes(1, 1, 3), reads(2, true)},
        closed_packet | current_packet, {1, 1, 0}, {2, 2, 0});
    add("exclusive", {.sync = Writers::exclusive, .subbuf_size = 64, .compact = true}, {writes(0, 0, 7), reads(3, true)},
        closed_packet | current_packet, {2, 1, 0}, {3, 2, 0});
    const std::size_t large = all.size();
    add_small(add);
    for (std::size_t i = large; i < all.size(); ++i) all[i].is_small = true;
  }
  return all;
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = make();
  return all;
}

Experiment experiment_of(const Scenario& scenario) {
  return {.region = world.region(), .stride = World::kStride, .words = abi::kRingDataOffset, .threads = scenario.threads,
          .prepare = [&scenario] { world.begin(scenario.shape); }, .examine = [] { world.examine(); }};
}

}  // namespace ouro::checker
