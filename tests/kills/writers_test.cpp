// A writer is stopped behind every instruction of every way into a ring, those of sections included, while a healthy one on the
// same CPU goes round that ring, and is then killed. The healthy one loses nothing but what the ring had no room for, and nothing
// at all once the dead one is buried; the reader gets to the end; the books balance; what is there is whole and in order.
#if defined(__x86_64__)
#include "../race/ways.hpp"
#include "everywhere.hpp"

namespace ouro::race {
namespace {

using Answer = ring::Reader::Answer;

struct Setting {
  TestRing ring;
  Received received;
  std::uint64_t tried[4]{}, lost[4]{};  // by writer
  std::vector<std::byte> body;
  Stepped victim;

  explicit Setting(const Way& way)
      : ring(way.options()), tried{0, 0, 0, way.prepare(ring)}, body(ring::make_body(1, 0, way.size)),
        victim([] {}, [&] { way.write(ring.channel(), body.data(), way.size); }) {}
  void write(std::uint32_t writer, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i)
      if (ring.write(writer, static_cast<std::uint32_t>(tried[writer]++), 100) == Written::lost) ++lost[writer];
  }
  std::uint64_t no_earlier = 0;  // are records of writer 2
  void drain() {
    const auto records = ring.drain();
    for (const ring::TestRecord& r : records) {
      if (r.writer == 2) { EXPECT_GE(r.stamp, no_earlier) << "a stamp of before it was written"; }
    }
    received.add(records);
  }
  void bury_and_drain() {
    for (int i = 0; i < 3; ++i) {
      for (std::uint32_t r = 0; r < ring.local().ring_count(); ++r) ring.reader(r).bury_dead();
      drain();
    }
  }
};

constexpr std::uint32_t kLap = 3 * 4096 / 104;  // records of 100 bytes, and more than a lap

// Killed at one place. False: the way did not lead there this time.
bool kill_at(const Way& way, const Place& place) {
  Setting s(way);
  if (!s.victim.run_to(place)) return false;

  s.no_earlier = s.ring.channel().now();
  if (way.mode == FullMode::discard) s.drain();
  // While it stands still. (An exclusive ring has one writer.)
  if (way.sync != Sync::exclusive)
    for (int i = 0; i < 8; ++i) {
      s.write(2, kLap / 8);
      if (way.mode == FullMode::discard) s.drain();
    }
  // Only an open record of the other may be in its way.
  if (way.sync == Sync::per_cpu && !way.two_phase) { EXPECT_EQ(s.lost[2], 0u) << "the healthy writer loses records beside one that stands still"; }
  const std::uint64_t lost_before = s.lost[2];
  s.victim.kill();
  s.bury_and_drain();  // an overwriting writer buries nobody: this is the reader's
  for (int i = 0; i < 16; ++i) {
    s.write(2, kLap / 8);
    s.drain();
  }
  EXPECT_EQ(s.lost[2], lost_before) << "the healthy writer loses records beside a dead one";
  if (way.mode == FullMode::discard) {
    EXPECT_EQ(s.received.count[2], s.tried[2] - s.lost[2]) << "records of the healthy writer are missing";
    EXPECT_EQ(s.received.count[3], s.tried[3]) << "what was there before is missing";
    EXPECT_EQ(s.ring.lost(abi::Loss::lapped), 0u);
  }
  EXPECT_EQ(s.ring.last_answer, Answer::nothing) << "the reader does not get to the end";
  const std::uint64_t seen = s.received.all + s.ring.lost(), tried = s.tried[2] + s.tried[3];
  EXPECT_TRUE(seen == tried || seen == tried + 1) << "seen " << seen << ", tried " << tried << " and the dead writer's";
  for (std::uint32_t i = 0; i < s.ring.local().ring_count(); ++i) expect_no_entry_is_left(s.ring.local().head(i));
  return true;
}

TEST(Kills, AWriterBehindEachInstructionOfEachWayIntoTheRing) {
  ring::pin_to(0);
  Tally kills;
  for (const Way& way : all_ways()) {
    try_out(way);
    Setting first(way);
    const std::vector<Place> all = places(first.victim);
    EXPECT_GT(all.size(), 20u) << way.title();
    ASSERT_NO_FATAL_FAILURE(kills.at_each(all, way.title(), [&](const Place& place) { return kill_at(way, place); }));
  }
  kills.say();
  EXPECT_LT(kills.missed, kills.points / 10) << "the ways are not what they were a moment ago";
}

}  // namespace
}  // namespace ouro::race
#endif
