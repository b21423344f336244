// A signal handler comes between every two instructions of every way into a ring, and writes to that ring itself: one record, so
// many that it goes round the ring, or in two phases. Books balance, contents and order are right, at every instruction.
#if defined(__x86_64__)
#include <sys/mman.h>

#include "stepper.hpp"
#include "ways.hpp"

namespace ouro::race {
namespace {

// What the child says of what it did.
struct Answers {
  std::uint64_t yes, lost;   // of the handler
  std::uint64_t interrupted; // Written of the record that was interrupted, + 1
  std::uint64_t handled;
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

const Handler* handler;
std::vector<std::vector<std::byte>> bodies;

void on_signal(int) {
  for (std::uint32_t i = 0; i < handler->records; ++i) {
    Written written = Written::lost;
    if (handler->two_phase) {
      const ring::Reservation r = ring::reserve(*channel, 7, handler->size);
      if (r.body != nullptr) {
        std::memcpy(r.body, bodies[i].data(), handler->size);
        ring::commit(r);
        written = Written::yes;
      }
    } else if (handler->is_inline) {  // inline; where it is lost, the ring counts it, and nobody says so
      ring::write_fixed<40>(route, *channel, 7, reinterpret_cast<const std::uint64_t*>(bodies[i].data()));
      written = Written::yes;
    } else {
      written = ring::write_slow(*channel, 7, bodies[i].data(), handler->size);
    }
    ++(written == Written::yes ? answers->yes : answers->lost);
  }
  ++answers->handled;
}

struct Setting {
  TestRing ring;
  std::uint64_t before;  // records
  std::vector<std::byte> body;
  Stepped child;
  explicit Setting(const Way& way)
      : ring(way.options()), before(way.prepare(ring)), body(ring::make_body(1, 0, way.size)), child([&] { channel = &ring.channel(), std::signal(SIGUSR1, on_signal); }, [&] {
          answers->interrupted = static_cast<std::uint64_t>(way.write(ring.channel(), body.data(), way.size)) + 1;
        }) {}
};

// The handler comes at one place. False: the way did not lead there this time.
bool interrupt_at(const Way& way, const Place& place, bool& in_section) {
  *answers = {};
  Setting s(way);
  if (!s.child.run_to(place)) return false;
  in_section = s.child.section() != nullptr;
  EXPECT_TRUE(s.child.interrupt(SIGUSR1)) << "status " << std::hex << s.child.status();
  EXPECT_EQ(answers->handled, 1u);

  Received received;
  received.add(s.ring.drain());
  const std::uint64_t tried = s.before + 1 + handler->records;
  EXPECT_EQ(received.all + s.ring.lost(), tried) << "the books do not balance";
  EXPECT_NE(s.ring.last_answer, ring::Reader::Answer::waiting);
  if (way.mode == FullMode::discard) {
    if (!way.is_inline) { EXPECT_EQ(received.count[1], answers->interrupted == 1) << "what write() said is not so"; }
    if (!handler->is_inline) { EXPECT_EQ(received.count[2], answers->yes) << "what write() said is not so"; }
    EXPECT_EQ(received.count[3], s.before);
    EXPECT_EQ(s.ring.lost(abi::Loss::lapped), 0u);
  } else {
    EXPECT_GT(received.all, 0u);
  }
  for (std::uint32_t i = 0; i < s.ring.local().ring_count(); ++i) expect_no_entry_is_left(s.ring.local().head(i));
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
      handler = &h;
      bodies.clear();
      for (std::uint32_t i = 0; i < h.records; ++i) bodies.push_back(ring::make_body(2, i, h.size));
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

}  // namespace
}  // namespace ouro::race
#endif
