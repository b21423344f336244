// Every instruction of every section is the one at which a writer is interrupted: a parent plants a breakpoint there, the
// kernel then restarts the section (rseq(2)). Whatever the instruction, and however often in a row, the record is there, once, whole
// and in order; after 32 restarts in a row it is in the shared ring.
#include "ring/test_ring.hpp"

#if OURO_HAS_RSEQ
#include "ring/writer_sections.hpp"
#include "tracee.hpp"

namespace ouro::race {
namespace {

using ring::make_body;
using ring::TestRing;

thread_local ring::Route route;

// One record through each inline way of writing, and one by the slow path; the ends of sub-buffers come by themselves.
void write_all_ways(const ring::Channel& channel, std::uint32_t& number) {
  const auto body = [&](std::size_t size) { return make_body(1, number++, size); };
  alignas(16) std::uint64_t words[8]{};
  const auto load = [&](std::size_t size) {
    std::memcpy(words, body(size).data(), size);
    return words;
  };
  ring::write_fixed<12>(route, channel, 7, load(12));
  ring::write_fixed<40>(route, channel, 7, load(40));
  const auto sized = body(100);
  ring::write_sized(route, channel, 7, sized.data(), 100);
  ring::write_text(route, channel, body(70), 70);
  ring::write_text(route, channel, body(24), 24);
  ring::write_text(route, channel, body(17), 17);
  // The first that comes to the section of both is the one that is interrupted there.
  const auto slowly = [&] {
    const auto slow = body(30);
    ring::write_slow(channel, 7, slow.data(), 30);
  };
  const bool slow_first = number / 8 % 2 == 0;
  if (slow_first) slowly();
  const ring::Reservation r = ring::reserve(channel, 7, 300);
  std::memcpy(r.body, body(300).data(), 300);
  ring::commit(r);
  if (!slow_first) slowly();
}

TEST(Aborts, AtEveryInstructionLeaveTheRecordThereOnceAndInOrder) {
  ring::pin_to(0);
  TestRing ring({.mode = abi::FullMode::discard, .subbuf_count = 4, .subbuf_size = 4096});
  if (!ring.channel().per_cpu) GTEST_SKIP() << "no restartable sequences here";
  const Image exe = image();
  Tracee tracee([&](std::uint32_t& number) { write_all_ways(ring.channel(), number); });
  std::uint32_t next = 0, reached = 0;
  for (const ring::TestRecord& record : ring.drain()) ASSERT_EQ(record.number, next++);
  std::set<const Descriptor*> never = descriptors();
  for (const Descriptor* d : descriptors())
    for (const std::uint64_t address : addresses_of(*d)) {
      // At each place in a sub-buffer, its end included.
      for (int turn = 0; turn < 9; ++turn) {
        if (tracee.turn_with_breakpoint(*d, address)) ++reached, never.erase(d);
        ASSERT_TRUE(tracee.is_well()) << std::hex << address - exe.base;
        for (const ring::TestRecord& record : ring.drain())
          ASSERT_EQ(record.number, next++) << std::hex << address - exe.base;
        ASSERT_EQ(next % 8, 0u) << "a record is missing: " << std::hex << address - exe.base;
      }
    }
  EXPECT_EQ(ring.lost(), 0u);
  for (const abi::Pending& entry : ring.local().head(0).pending) EXPECT_EQ(entry.state.load(), 0u) << "an entry that nobody owns";
  EXPECT_GT(reached, 900u) << "few breakpoints were reached: what was tested?";
  // The counter's is come to in a full ring only: aborts_clients_test.cpp.
  for (const Descriptor* d : never)
    EXPECT_LT(d->start - reinterpret_cast<std::uint64_t>(&ring::count_in_section), 300u) << "a section that was never reached: " << std::hex << d->start - exe.base;
}

TEST(Aborts, ManyInARowSendTheRecordToTheSharedRing) {
  ring::pin_to(0);
  TestRing ring({.mode = abi::FullMode::discard, .subbuf_count = 4, .subbuf_size = 4096});
  if (!ring.channel().per_cpu) GTEST_SKIP() << "no restartable sequences here";
  const Image exe = image();
  Tracee tracee([&](std::uint32_t& number) { write_all_ways(ring.channel(), number); });
  std::uint32_t next = 0, shared = 0;
  ring.drain();
  for (const Descriptor* d : descriptors())
    for (const std::uint64_t address : addresses_of(*d))
      for (const int times : {2, 3, 31, 40}) {
        next += 8;
        tracee.turn_with_breakpoint(*d, address, times);
        ASSERT_TRUE(tracee.is_well()) << std::hex << address - exe.base;
        std::set<std::uint32_t> numbers;
        std::vector<ring::TestRecord> records;
        for (std::uint32_t i = 0; i < ring.local().ring_count(); ++i) {
          const std::size_t before = records.size();
          ring.drain(i, true, records);
          if (i >= ring.channel().cpus) shared += static_cast<std::uint32_t>(records.size() - before);
        }
        for (const ring::TestRecord& record : records) ASSERT_TRUE(numbers.insert(record.number).second) << "twice: " << record.number;
        ASSERT_EQ(numbers.size(), 8u) << std::hex << address - exe.base << ", " << std::dec << times << " times";
        ASSERT_EQ(*numbers.begin(), next);
        ASSERT_EQ(*numbers.rbegin(), next + 7);
      }
  EXPECT_EQ(ring.lost(), 0u);
  EXPECT_GT(shared, 20u) << "nothing went by way of the shared ring";
}

}  // namespace
}  // namespace ouro::race
#endif
