// A reader is stopped behind everything that it does to a ring: every instruction behind which the memory is another. A healthy
// writer goes on, the reader is killed, another one takes its place; or that one, too, is killed as it begins, and a third does. The last
// gets to the end, with what is whole and in order; it counts again nothing that the dead one had given back, and the packet that the
// dead one held is somewhere: with one of the two, or among the lost. To the record, also where writers lapped what was read in part,
// held or buried.
#if defined(__x86_64__)
#include <sys/mman.h>
#include <sys/syscall.h>

#include <optional>

#include "../race/ways.hpp"
#include "everywhere.hpp"

namespace ouro::race {
namespace {

using ring::Packet;
using ring::Reader;

// The reader's own books, which outlive it.
struct Mirror {
  std::uint64_t done;  // records in packets that it gave back
  std::uint64_t hand;  // ... in the one that it holds
};
Mirror* mirror = static_cast<Mirror*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

struct Scene {
  const char* name;
  Sync sync;
  FullMode mode;
  std::uint32_t (*prepare)(TestRing&);                             // returns how many records were tried
  std::uint32_t (*prepare_child)(TestRing&, Reader&);              // ... in the child. Of these, `mirror` says what was read
  void (*act)(TestRing&, Reader&);
  std::string title() const {
    return std::string(name) + (sync == Sync::per_cpu ? ", per_cpu" : ", shared") + (mode == FullMode::discard ? ", discard" : ", overwrite");
  }
};

void give_back(Reader& reader) {
  reader.release();
  mirror->done += mirror->hand;
  mirror->hand = 0;
}
void read_all(Reader& reader) {
  for (Packet packet; reader.next(packet, true) == Reader::Answer::packet; give_back(reader)) mirror->hand = packet.records;
}

std::uint32_t number = 0;  // of writer 3
std::uint32_t write_old(TestRing& ring, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) ring.write(3, number++, 100);
  return count;
}
std::uint32_t nothing(TestRing&, Reader&) { return 0; }

// A writer that dies: in the midst of a record, of its commit, or behind that.
enum class Dies { open, committing, committed };
template <Dies kWhen>
std::uint32_t dead_writer(TestRing& ring) {
  write_old(ring, 5);
  const auto body = ring::make_body(1, 0, 700);
  const pid_t child = fork();
  if (child == 0) {
    const ring::Reservation r = ring::reserve(ring.channel(), 7, 700);
    if (kWhen == Dies::open) std::memset(r.body, 0x55, 100), _exit(0);
    std::memcpy(r.body, body.data(), 700);
    r.pending->length.store(r.size | abi::kCommitting);
    const bool shared = !ring.channel().per_cpu;
    if (kWhen == Dies::committed)
      r.ring->image[(r.where & abi::kOffsetMask) / 4096].commits.fetch_add(shared ? std::uint64_t{1} << 32 | r.size : 1);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  write_old(ring, 5);
  return 11;
}

void bury(TestRing&, Reader& reader) {
  read_all(reader);
  reader.bury_dead();
  read_all(reader);
}
// ... and of what it buried nobody reads anything before it is lapped.
std::uint32_t bury_and_lap(TestRing& ring, Reader& reader) {
  reader.bury_dead();
  return write_old(ring, 400);
}
void hold_and_bury(TestRing&, Reader& reader) {
  Packet packet;
  if (reader.next(packet, true) == Reader::Answer::packet) mirror->hand = packet.records;
  reader.bury_dead();
  give_back(reader);
  read_all(reader);
}
void keep_some(TestRing&, Reader& reader) {
  Packet packet;
  std::uint64_t kept[2]{};
  for (std::uint64_t& records : kept) {
    EXPECT_EQ(reader.next(packet, false), Reader::Answer::packet);
    records = packet.records;
    mirror->hand += records;
    EXPECT_TRUE(reader.keep());
  }
  for (const std::uint64_t records : kept) {
    reader.give_back();
    mirror->done += records;
    mirror->hand -= records;
  }
}

std::vector<Scene> all_scenes() {
  std::vector<Scene> scenes;
  for (const Sync sync : {Sync::per_cpu, Sync::shared})
    for (const FullMode mode : {FullMode::discard, FullMode::overwrite}) {
      const auto read = [](TestRing&, Reader& reader) { read_all(reader); };
      scenes.push_back({"the first that it reads", sync, mode, [](TestRing& r) { return write_old(r, 80); }, nothing, read});
      const auto again = [](TestRing& ring, Reader& reader) {
        read_all(reader);
        return write_old(ring, 10);
      };
      scenes.push_back({"more of the current sub-buffer", sync, mode, [](TestRing& r) { return write_old(r, 45); }, again, read});
      const auto rest = [](TestRing& ring, Reader& reader) {
        read_all(reader);
        return write_old(ring, 50);
      };
      scenes.push_back({"the rest of a sub-buffer", sync, mode, [](TestRing& r) { return write_old(r, 20); }, rest, read});
      const auto lapped = [](TestRing& ring, Reader& reader) {
        read_all(reader);
        return write_old(ring, 400);
      };
      scenes.push_back({"after it was lapped", sync, mode, [](TestRing& r) { return write_old(r, 45); }, lapped, read});
      scenes.push_back({"burying", sync, mode, dead_writer<Dies::open>, nothing, bury});
      scenes.push_back({"after what it buried was lapped", sync, mode, dead_writer<Dies::open>, bury_and_lap, hold_and_bury});
      scenes.push_back({"settling", sync, mode, dead_writer<Dies::committing>, nothing, bury});
      scenes.push_back({"settling what is counted", sync, mode, dead_writer<Dies::committed>, nothing, bury});
      if (mode == FullMode::discard) scenes.push_back({"keeping", sync, mode, [](TestRing& r) { return write_old(r, 120); }, nothing, keep_some});
    }
  return scenes;
}

struct Setting {
  TestRing ring;
  std::uint64_t* tried;  // by the child
  std::uint64_t tried_here;
  Received received;
  std::uint64_t written = 0;
  std::optional<Reader> reader;  // the child's
  Stepped victim;

  explicit Setting(const Scene& scene)
      : ring({.sync = scene.sync, .mode = scene.mode, .subbuf_count = 4, .subbuf_size = 4096}),
        tried(reinterpret_cast<std::uint64_t*>(mirror + 1)), tried_here((*mirror = {}, *tried = 0, number = 0, scene.prepare(ring))),
        victim(
            [&] {
              reader.emplace(reader_of_it());
              *tried = scene.prepare_child(ring, *reader);
            },
            [&] { scene.act(ring, *reader); }) {}

  std::uint32_t index() const { return ring.channel().per_cpu ? 0 : ring.channel().cpus; }
  Reader reader_of_it() { return Reader(ring.local().head(index()), ring.local().geometry(index())); }
  void write(std::uint32_t count, std::uint64_t& lost) {
    for (std::uint32_t i = 0; i < count; ++i) lost += ring.write(2, static_cast<std::uint32_t>(written++), 100) == Written::lost;
  }
};

// `between`: what a writer writes before a successor comes.
bool kill_at(const Scene& scene, const Place& place, std::uint32_t between, const Place* second = nullptr) {
  Setting s(scene);
  if (!s.victim.run_to(place)) return false;
  std::uint64_t lost_before = 0, lost_after = 0;
  s.write(20, lost_before);  // it is in the midst of something
  s.victim.kill();
  const Mirror dead = *mirror;
  s.write(between, lost_before);
  if (second != nullptr) {
    Stepped victim([] {}, [&] { s.reader_of_it(); });
    if (!victim.run_to(*second)) return false;
    victim.kill();
  }
  Reader& successor = s.ring.reader(s.index()) = s.reader_of_it();
  for (int i = 0; i < 20; ++i) {
    successor.bury_dead();
    s.received.add(s.ring.drain());
    s.write(30, lost_after);
  }
  s.received.add(s.ring.drain());
  EXPECT_EQ(s.ring.last_answer, Reader::Answer::nothing) << "its successor does not get to the end";
  EXPECT_EQ(lost_after, 0u) << "writers lose records beside a dead reader";
  const std::uint64_t seen = s.received.all + s.ring.lost(), gone = s.tried_here + *s.tried + s.written - seen;
  const bool by_packets = scene.act != keep_some;  // of which several are in its hands
  EXPECT_TRUE(gone == dead.done || gone == dead.done + dead.hand || (!by_packets && gone > dead.done && gone < dead.done + dead.hand))
      << "delivered by the dead one: " << dead.done << ", in its hands: " << dead.hand << ", not seen by its successor: "
      << static_cast<std::int64_t>(gone);
  if (scene.mode == FullMode::discard) { EXPECT_EQ(s.ring.lost(abi::Loss::lapped), 0u); }
  expect_no_entry_is_left(s.ring.local().head(s.index()));
  return true;
}

std::vector<Place> side_effects(const Scene& scene) {
  Setting first(scene);
  return places(first.victim, Changes{bytes_of(first.ring.local().head(first.index())), bytes_of(*mirror)});
}

constexpr std::uint32_t kLap = 6 * 4096 / 104;  // records of 100 bytes, and more than a lap

TEST(Kills, AReaderBehindEachOfItsSideEffects) {
  ring::pin_to(0);
  Tally kills;
  for (const Scene& scene : all_scenes()) {
    const std::vector<Place> all = side_effects(scene);
    EXPECT_GE(all.size(), 4u) << scene.title();
    ASSERT_NO_FATAL_FAILURE(kills.at_each(all, scene.title(), [&](const Place& place) { return kill_at(scene, place, 20); }));
    if (scene.mode == FullMode::discard) continue;
    ASSERT_NO_FATAL_FAILURE(kills.at_each(all, scene.title() + ", lapped", [&](const Place& place) { return kill_at(scene, place, kLap); }));
  }
  kills.say();
  EXPECT_LT(kills.missed, kills.points / 20) << "the scenes are not what they were a moment ago";
}

// Of the second's side effects those are listed that it has after a packet that the first one held was lapped or was not, and both come
// by them in the same order.
TEST(Kills, TwoReadersOneAfterTheOtherTheSecondAsItBegins) {
  ring::pin_to(0);
  Tally kills;
  for (const Scene& scene : all_scenes()) {
    if (scene.mode == FullMode::discard) continue;
    const std::vector<Place> all = side_effects(scene);
    for (std::size_t i = 0; i < all.size(); i += 3) {  // of the first's, one in three
      const Place& place = all[i];
      std::vector<Place> seconds;
      {
        Setting s(scene);
        std::uint64_t lost = 0;
        if (!s.victim.run_to(place)) continue;
        s.write(20, lost);
        s.victim.kill();
        s.write(kLap, lost);
        Stepped second([] {}, [&] { s.reader_of_it(); });
        seconds = places(second, Changes{bytes_of(s.ring.local().head(s.index()))});
      }
      ASSERT_NO_FATAL_FAILURE(kills.at_each(seconds, scene.title(), [&](const Place& second) { return kill_at(scene, place, kLap, &second); }));
    }
  }
  kills.say();
  EXPECT_GT(kills.points, 200u);
  EXPECT_LT(kills.missed, kills.points / 20) << "the scenes are not what they were a moment ago";
}

}  // namespace
}  // namespace ouro::race
#endif
