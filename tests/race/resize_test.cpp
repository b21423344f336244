// A signal handler comes between every two instructions of resize(), and writes to the channel that is being resized: to the memory of
// before or the next. All of it comes out, in order; nothing is lost but what the ring had no room for. (Who is killed there takes the channel
// with it: only memory of one process is resized.)
#if defined(__x86_64__)
#include <sys/mman.h>

#include <memory>
#include <optional>

#include <ouro/ring/buffer.hpp>

#include "ring/test_ring.hpp"
#include "stepper.hpp"

namespace ouro::race {
namespace {

using ring::Full;
using ring::Sync;
using ring::Written;

// What the child says of what it did.
struct Answers {
  std::uint64_t tried, delivered, lost, handled, resized, done;
  bool in_order;
};
Answers* answers = static_cast<Answers*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

// Of the child alone.
template <class B>
struct Resizing {
  static inline std::optional<B> buffer;

  static void write(int count) {
    for (int i = 0; i < count; ++i) buffer->write(1, answers->tried++);
  }
  static void on_signal(int) {
    write(3);
    ++answers->handled;
  }
  static void prepare() {
    *answers = {};
    std::signal(SIGUSR1, on_signal);
    buffer.emplace(std::move(*B::create({.subbuf_count = 2, .subbuf_size = 4096, .cpus = 1})));
    write(20);
    if (!buffer->resize(2, 8192)) _exit(1);  // so that what it calls is known to the dynamic linker
    write(20);
  }
  static void resize() { answers->resized = static_cast<bool>(buffer->resize(4, 4096)); }
  static void look() {
    write(20);
    ring::Records records(buffer->channel(), ring::Records::Order::by_time);
    records.writers_are_done();
    answers->in_order = true;
    std::uint64_t next = 0;
    for (ring::Record r; records.next(r); ++answers->delivered) {
      std::uint64_t value = 0;
      std::memcpy(&value, r.bytes.data(), 8);
      answers->in_order = answers->in_order && value >= next;
      next = value + 1;
    }
    answers->in_order = answers->in_order && !records.corrupt();
    answers->lost = records.lost();
    answers->done = 1;
  }
};

template <class B>
void interrupt_everywhere(const char* name) {
  ring::pin_to(0);
  const auto child = [] {
    return new Stepped([] { Resizing<B>::prepare(); },
                       [] {
                         Resizing<B>::resize();
                         stop_here();
                         Resizing<B>::look();
                       });
  };
  std::vector<Place> all;
  {
    const std::unique_ptr<Stepped> first(child());
    const Image here = image();
    all = places(*first, [&] { return first->pc() - here.text_begin < here.text_end - here.text_begin; });  // not those of libc
  }
  EXPECT_GT(all.size(), 200u);
  std::uint64_t points = 0, missed = 0;
  for (const Place& place : all) {
    const std::unique_ptr<Stepped> s(child());
    if (!s->run_to(place)) {
      ++missed;
      continue;
    }
    ++points;
    EXPECT_TRUE(s->interrupt(SIGUSR1) && s->interrupt(0)) << "status " << std::hex << s->status();
    EXPECT_EQ(answers->handled, 1u);
    EXPECT_EQ(answers->resized, 1u);
    EXPECT_EQ(answers->done, 1u);
    EXPECT_TRUE(answers->in_order);
    EXPECT_EQ(answers->delivered, answers->tried);
    EXPECT_EQ(answers->lost, 0u);
    ASSERT_FALSE(testing::Test::HasFailure()) << name << ", at " << std::hex << place.address - image().base << ", time " << place.nth;
  }
  std::printf("%llu points; %llu missed\n", static_cast<unsigned long long>(points), static_cast<unsigned long long>(missed));
  EXPECT_LT(missed, points / 10) << "resize() is not what it was a moment ago";
}

template <Sync kSync>
using Of = ring::Buffer<ring::Policy{.sync = kSync}>;

TEST(Nested, AHandlerAfterEachInstructionOfResizePerCpu) { interrupt_everywhere<Of<Sync::per_cpu>>("per_cpu"); }
TEST(Nested, AHandlerAfterEachInstructionOfResizeShared) { interrupt_everywhere<Of<Sync::shared>>("shared"); }

}  // namespace
}  // namespace ouro::race
#endif
