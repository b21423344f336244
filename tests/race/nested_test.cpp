// A signal handler comes between every two instructions of every way into a ring, and writes to that ring itself: one record, so
// many that it goes round the ring, or in two phases. Books balance, contents and order are right, at every instruction. And at some
// instructions of that handler, at some instructions of each way, comes another one.
#if defined(__x86_64__)
#include <sys/mman.h>

#include "stepper.hpp"
#include "ways.hpp"

namespace ouro::race {
namespace {

// What the child says of what it did.
struct Answers {
  struct {
    std::uint64_t yes, lost, handled;
  } of[2];                   // by handler
  std::uint64_t interrupted; // Written of the record that was interrupted, + 1
};
const Channel* channel;
Answers* answers = static_cast<Answers*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

struct Handler {
  const char* name;
  std::uint32_t records;
  std::size_t size;
  bool two_phase, is_inline;
};
constexpr Handler kHandlers[] = {
    {"one record", 1, 40, false, true}, {"round the ring", 120, 100, false, false}, {"two phases", 1, 500, true, false}};

// The handler, and the one that may come within it: writers 2 and 0.
const Handler* handlers[2];
std::vector<std::vector<std::byte>> bodies[2];
bool handler_stops = false;  // before and behind what it does

void set_handler(int which, const Handler& h) {
  handlers[which] = &h;
  bodies[which].clear();
  for (std::uint32_t i = 0; i < h.records; ++i) bodies[which].push_back(ring::make_body(which == 0 ? 2 : 0, i, h.size));
}

void write_in_handler(const int which) {
  const Handler& h = *handlers[which];
  for (std::uint32_t i = 0; i < h.records; ++i) {
    const std::byte* const body = bodies[which][i].data();
    Written written = Written::lost;
    if (h.two_phase) {
      const ring::Reservation r = ring::reserve(*channel, 7, h.size);
      if (r.body != nullptr) {
        std::memcpy(r.body, body, h.size);
        ring::commit(r);
        written = Written::yes;
      }
    } else if (h.is_inline) {  // inline; where it is lost, the ring counts it, and nobody says so
      ring::write_fixed<40>(route, *channel, 7, reinterpret_cast<const std::uint64_t*>(body));
      written = Written::yes;
    } else {
      written = ring::write_slow(*channel, 7, body, h.size);
    }
    ++(written == Written::yes ? answers->of[which].yes : answers->of[which].lost);
  }
  ++answers->of[which].handled;
}
void on_signal(int) {
  if (handler_stops) stop_here();
  write_in_handler(0);
  if (handler_stops) stop_here();
}
void on_signal_within(int) { write_in_handler(1); }

struct Setting {
  TestRing ring;
  std::uint64_t before;  // records
  std::vector<std::byte> body;
  Stepped child;
  explicit Setting(const Way& way)
      : ring(way.options()), before(way.prepare(ring)), body(ring::make_body(1, 0, way.size)),
        child([&] { channel = &ring.channel(), std::signal(SIGUSR1, on_signal), std::signal(SIGUSR2, on_signal_within); },
              [&] { answers->interrupted = static_cast<std::uint64_t>(way.write(ring.channel(), body.data(), way.size)) + 1; }) {}
};

void expect_balance(Setting& s, const Way& way, int nested) {
  Received received;
  received.add(s.ring.drain());
  std::uint64_t tried = s.before + 1;
  for (int i = 0; i < nested; ++i) {
    EXPECT_EQ(answers->of[i].handled, 1u);
    tried += handlers[i]->records;
  }
  EXPECT_EQ(received.all + s.ring.lost(), tried) << "the books do not balance";
  EXPECT_NE(s.ring.last_answer, ring::Reader::Answer::waiting);
  if (way.mode == FullMode::discard) {
    if (!way.is_inline) { EXPECT_EQ(received.count[1], answers->interrupted == 1) << "what write() said is not so"; }
    for (int i = 0; i < nested; ++i)
      if (!handlers[i]->is_inline) { EXPECT_EQ(received.count[i == 0 ? 2 : 0], answers->of[i].yes) << "what write() said is not so"; }
    EXPECT_EQ(received.count[3], s.before);
    EXPECT_EQ(s.ring.lost(abi::Loss::lapped), 0u);
  } else {
    EXPECT_GT(received.all, 0u);
  }
  for (std::uint32_t i = 0; i < s.ring.local().ring_count(); ++i) expect_no_entry_is_left(s.ring.local().head(i));
}

// The handler comes at one place. False: the way did not lead there this time.
bool interrupt_at(const Way& way, const Place& place, bool& in_section) {
  *answers = {};
  Setting s(way);
  if (!s.child.run_to(place)) return false;
  in_section = s.child.section() != nullptr;
  EXPECT_TRUE(s.child.interrupt(SIGUSR1)) << "status " << std::hex << s.child.status();
  expect_balance(s, way, 1);
  return true;
}

// ... and the other one at one place of it.
bool interrupt_within(const Way& way, const Place& place, const Place& within) {
  *answers = {};
  Setting s(way);
  if (!s.child.run_to(place) || !s.child.interrupt(SIGUSR1) || !s.child.run_to(within)) return false;
  EXPECT_TRUE(s.child.interrupt(SIGUSR2)) << "status " << std::hex << s.child.status();
  EXPECT_EQ(answers->of[1].handled, 1u);
  EXPECT_TRUE(s.child.interrupt(0)) << "status " << std::hex << s.child.status();
  expect_balance(s, way, 2);
  return true;
}

TEST(Nested, AHandlerAfterEachInstructionOfEachWayIntoTheRing) {
  ring::pin_to(0);
  std::uint64_t points = 0, in_sections = 0, missed = 0;
  for (const Way& way : all_ways()) {
    if (way.sync == Sync::exclusive) continue;  // whose client promised that there are no such handlers
    try_out(way);
    Setting first(way);
    const std::vector<Place> all = places(first.child);
    EXPECT_GT(all.size(), 20u) << way.title();
    for (const Handler& h : kHandlers) {
      set_handler(0, h);
      for (const Place& place : all) {
        bool in_section = false;
        const bool reached = interrupt_at(way, place, in_section);
        ++(reached ? points : missed);
        in_sections += in_section;
        ASSERT_FALSE(HasFailure()) << way.title() << ", handler: " << h.name << ", at " << std::hex << place.address - image().base
                                   << ", time " << place.nth;
      }
    }
  }
  std::printf("%llu points, %llu of them in sections; %llu missed\n", static_cast<unsigned long long>(points),
              static_cast<unsigned long long>(in_sections), static_cast<unsigned long long>(missed));
  EXPECT_LT(missed, points / 10) << "the ways are not what they were a moment ago";
  if (TestRing({.subbuf_count = 2, .subbuf_size = 4096}).channel().per_cpu) { EXPECT_GT(in_sections, 1000u); }
}

// Of each way and each handler some places, others each time; so that all that a handler does is interrupted somewhere.
TEST(Nested, AHandlerWithinAHandlerAtSomeInstructionsOfBoth) {
  ring::pin_to(0);
  handler_stops = true;
  std::uint64_t points = 0, missed = 0, turn = 0;
  const auto each = [&turn](const std::vector<Place>& all, std::size_t count, auto&& what) {
    const std::size_t stride = all.size() / count + 1;
    for (std::size_t i = 7 * turn++ % stride; i < all.size(); i += stride) what(all[i]);
  };
  for (const Way& way : all_ways()) {
    if (way.sync == Sync::exclusive) continue;
    try_out(way);
    Setting first(way);
    const std::vector<Place> all = places(first.child);
    for (const Handler& outer : kHandlers) {
      if (outer.records > 1) continue;
      set_handler(0, outer);
      each(all, 4, [&](const Place& place) {
        std::vector<Place> of_handler;
        {
          Setting s(way);
          if (!s.child.run_to(place) || !s.child.interrupt(SIGUSR1)) return void(++missed);
          of_handler = places(s.child);
        }
        for (const Handler& inner : kHandlers) {
          set_handler(1, inner);
          each(of_handler, 4, [&](const Place& within) {
            ++(interrupt_within(way, place, within) ? points : missed);
            EXPECT_FALSE(HasFailure()) << way.title() << ", handler: " << outer.name << ", within it: " << inner.name << ", at " << std::hex
                                       << place.address - image().base << ", time " << place.nth << ", and " << within.address - image().base << ", time " << within.nth;
          });
          if (HasFailure()) return;
        }
      });
      ASSERT_FALSE(HasFailure());
    }
  }
  handler_stops = false;
  std::printf("%llu points; %llu missed\n", static_cast<unsigned long long>(points), static_cast<unsigned long long>(missed));
  EXPECT_GT(points, 1000u);
  EXPECT_LT(missed, points / 2) << "handlers are not what they were a moment ago";  // stepped through, they often meet the deadline of stamps
}

}  // namespace
}  // namespace ouro::race
#endif
