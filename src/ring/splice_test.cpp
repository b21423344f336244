// What arrives in files, pipes and sockets is what was written, although the writer overwrites whatever it gets back at once: the
// other end reads slowly, in odd pieces, and looks at every byte.
#include <ouro/ring/splice.hpp>

#include <gtest/gtest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <ouro/ring/buffer.hpp>

#include "base/fd.hpp"
#include "ring/numbers.hpp"

namespace ouro::ring {
namespace {

using base::Fd;

// Two ends: `in` is the target, `out` where what it took is read. Both do not block.
struct Ends {
  Fd in, out;
};

Ends make_file() {
  Ends e;
  e.in = Fd(memfd_create("target", MFD_CLOEXEC));
  e.out = Fd(open(("/proc/self/fd/" + std::to_string(e.in.get())).c_str(), O_RDONLY | O_CLOEXEC));
  return e;
}
Ends make_pipe() {
  int fds[2];
  EXPECT_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
  return {Fd(fds[1]), Fd(fds[0])};
}
Ends make_unix() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}
Ends make_tcp() {
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof a;
  EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&a), size), 0);
  EXPECT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&a), &size), 0);
  EXPECT_EQ(listen(listener.get(), 1), 0);
  Ends e{Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}};
  EXPECT_EQ(connect(e.in.get(), reinterpret_cast<sockaddr*>(&a), size), 0);
  e.out = Fd(accept(listener.get(), nullptr, nullptr));
  for (const int fd : {e.in.get(), e.out.get()}) EXPECT_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  return e;
}

// A ring of records {value, ~value}, without headers: the bytes of all packets are the records one behind the other.
template <Full kFull>
class Source {
 public:
  using B = Buffer<Policy{.sync = Sync::exclusive, .full = kFull, .stamp = Stamp::none}>;
  explicit Source(Memory memory) : buffer(std::move(*B::create({.subbuf_count = 4, .subbuf_size = 16384, .memory = memory}))) {}
  bool write() {
    const std::array<std::uint64_t, 2> words{next, ~next};
    if (buffer.write(0, words) == Written::lost) return false;
    ++next;
    return true;
  }
  // All it takes; in overwrite mode, three laps.
  void fill() {
    for (int i = 0; i < 10'000 && write(); ++i) {
    }
  }
  B buffer;
  std::uint64_t next = 0;
};

// Takes the stream apart again.
class Checker {
 public:
  // Up to so many bytes. How many there were.
  std::size_t read_from(int fd, std::size_t most) {
    std::vector<char> piece(most);
    const ssize_t n = ::read(fd, piece.data(), most);
    if (n <= 0) return 0;
    text_.append(piece.data(), static_cast<std::size_t>(n));
    while (text_.size() - at_ >= kRecord) {
      std::uint32_t size = 0;
      std::uint64_t words[2];
      std::memcpy(&size, text_.data() + at_, 4);
      std::memcpy(words, text_.data() + at_ + 4, 16);
      if (size != 16 || words[1] != ~words[0] || words[0] < next) {
        ++wrong;
      } else {
        missing += words[0] - next;
        next = words[0] + 1;
      }
      at_ += kRecord;
      ++records;
    }
    return static_cast<std::size_t>(n);
  }
  static constexpr std::size_t kRecord = 20;
  std::uint64_t records = 0, wrong = 0, missing = 0, next = 0;

 private:
  std::string text_;
  std::size_t at_ = 0;
};

struct Kind {
  const char* name;
  Ends (*make)();
  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};
class Splice : public testing::TestWithParam<std::tuple<Kind, Memory>> {
 protected:
  static Ends make() { return std::get<0>(GetParam()).make(); }
  static Memory memory() { return std::get<1>(GetParam()); }
  template <Full kFull>
  void slow_reader_sees_what_was_written();
};
INSTANTIATE_TEST_SUITE_P(Targets, Splice,
                         testing::Combine(testing::Values(Kind{"file", make_file}, Kind{"pipe", make_pipe}, Kind{"unix", make_unix},
                                                          Kind{"tcp", make_tcp}),
                                          testing::Values(Memory::memfd, Memory::anonymous)),
                         [](const auto& p) {
                           return std::string(std::get<0>(p.param).name) + (std::get<1>(p.param) == Memory::memfd ? "_memfd" : "_anonymous");
                         });

template <Full kFull>
void Splice::slow_reader_sees_what_was_written() {
  Source<kFull> source(memory());
  Ends ends = make();
  auto splice = SpliceReader::create(source.buffer.channel(), 0, ends.in.get());
  ASSERT_TRUE(splice) << splice.error().text;
  Checker checker;
  for (int round = 0; round < 300; ++round) {
    source.fill();
    const auto moved = splice->move(round % 5 == 0);
    ASSERT_TRUE(moved) << moved.error().text;
    source.fill();
    checker.read_from(ends.out.get(), 3001);
    ASSERT_EQ(checker.wrong, 0u) << "round " << round;
  }
  ASSERT_GT(checker.records, 10'000u);
  // The rest: nobody writes any more.
  for (int idle = 0; idle < 1000; ++idle) {
    ASSERT_TRUE(splice->move(true));
    while (checker.read_from(ends.out.get(), 3001) != 0) idle = 0;
    if (checker.next == source.next && splice->held() == 0) break;
    usleep(100);  // TCP takes its time
  }
  EXPECT_EQ(checker.wrong, 0u);
  EXPECT_EQ(checker.next, source.next);
  EXPECT_EQ(checker.missing, kFull == Full::overwrite ? splice->reader().lost(abi::Loss::lapped) : 0);
  EXPECT_EQ(splice->sent(), checker.records * Checker::kRecord);
  EXPECT_EQ(splice->held(), 0u);
}

TEST_P(Splice, ASlowReaderSeesWhatWasWrittenInDiscard) { slow_reader_sees_what_was_written<Full::discard>(); }
TEST_P(Splice, ASlowReaderSeesWhatWasWrittenInOverwrite) { slow_reader_sees_what_was_written<Full::overwrite>(); }

TEST_P(Splice, PacketsCanBePrecededByAHeaderOfTheClients) {
  Source<Full::discard> source(memory());
  Ends ends = make();
  struct Head {
    std::uint64_t sequence, bytes;
  };
  auto splice = SpliceReader::create(source.buffer.channel(), 0, ends.in.get(), [](const Packet& packet, std::span<std::byte> room) {
    const Head head{packet.sequence, packet.bytes.size()};
    std::memcpy(room.data(), &head, sizeof head);
    return sizeof head;
  });
  ASSERT_TRUE(splice);
  source.fill();
  std::string all;
  char piece[4096];
  for (int idle = 0; idle < 200; ++idle) {
    ASSERT_TRUE(splice->move(true));
    for (ssize_t n; (n = read(ends.out.get(), piece, sizeof piece)) > 0; idle = 0) all.append(piece, static_cast<std::size_t>(n));
    usleep(100);
  }
  std::uint64_t records = 0, packets = 0;
  for (std::size_t at = 0; at < all.size(); ++packets) {
    Head head;
    ASSERT_LE(at + sizeof head, all.size());
    std::memcpy(&head, all.data() + at, sizeof head);
    EXPECT_EQ(head.sequence, 4 + packets);
    at += sizeof head + head.bytes;
    records += head.bytes / Checker::kRecord;
  }
  EXPECT_EQ(packets, 4u);
  EXPECT_EQ(records, source.next);
}

class SpliceOfReferences : public testing::TestWithParam<std::tuple<Kind, Memory>> {};
INSTANTIATE_TEST_SUITE_P(Targets, SpliceOfReferences,
                         testing::Values(std::tuple(Kind{"pipe", make_pipe}, Memory::memfd), std::tuple(Kind{"pipe", make_pipe}, Memory::anonymous),
                                         std::tuple(Kind{"unix", make_unix}, Memory::memfd)));

TEST_P(SpliceOfReferences, HoldsASubBufferUntilTheOtherEndHasReadItAndNoLonger) {
  Source<Full::discard> source(std::get<1>(GetParam()));
  Ends ends = std::get<0>(GetParam()).make();
  auto splice = SpliceReader::create(source.buffer.channel(), 0, ends.in.get());
  ASSERT_TRUE(splice);
  source.fill();
  ASSERT_TRUE(splice->move(false));
  EXPECT_GE(splice->sent(), 32'000u) << "two sub-buffers at least";
  EXPECT_GE(splice->held(), 16'000u);
  const std::uint64_t held = splice->held();
  EXPECT_FALSE(source.write()) << "all are held";
  Checker checker;
  checker.read_from(ends.out.get(), 10'000);
  ASSERT_TRUE(splice->move(false));
  EXPECT_FALSE(source.write()) << "the first is not read to its end";
  while (checker.read_from(ends.out.get(), 10'000) != 0) {
  }
  ASSERT_TRUE(splice->move(false));
  EXPECT_TRUE(source.write());
  EXPECT_LE(splice->held(), held) << "the third, at most";
  EXPECT_EQ(checker.wrong, 0u);
}

TEST_P(SpliceOfReferences, WhatTheOtherEndHadNotReadWhenItDiedTheNextReaderGets) {
  Source<Full::discard> source(std::get<1>(GetParam()));
  Ends ends = std::get<0>(GetParam()).make();
  source.fill();
  std::uint64_t read = 0;
  {
    auto splice = SpliceReader::create(source.buffer.channel(), 0, ends.in.get());
    ASSERT_TRUE(splice);
    ASSERT_TRUE(splice->move(false));
    Checker checker;
    checker.read_from(ends.out.get(), 10'000);
    read = checker.records;
    ends.out.reset();
    for (int i = 0; i < 2; ++i) {
      const auto gone = splice->move(true);  // SIGPIPE would end us
      ASSERT_FALSE(gone);
      EXPECT_TRUE(gone.error().code == EPIPE || gone.error().code == ECONNRESET) << gone.error().text;
    }
  }
  ends.in.reset();
  ASSERT_GT(read, 0u);
  Reader next = source.buffer.channel().reader(0);
  Packet packet;
  ASSERT_EQ(next.next(packet, true), Reader::Answer::packet);
  std::uint64_t first = 0;
  std::memcpy(&first, packet.bytes.data() + 4, 8);
  EXPECT_EQ(first, 0u) << "all of the sub-buffer that was not read to its end";
  EXPECT_LT(read, packet.records);
  next.release();
}

// The kernel numbers what it sends without a copy, per socket.
TEST(SpliceToASocket, ThatSomebodyElseSplicedToBeforeHoldsNothingForEver) {
  Source<Full::discard> source(Memory::memfd);
  Ends ends = make_tcp();
  Checker checker;
  for (int i = 0; i < 2; ++i) {
    auto splice = SpliceReader::create(source.buffer.channel(), 0, ends.in.get());
    ASSERT_TRUE(splice);
    source.fill();
    for (int rounds = 0; rounds < 10'000 && (checker.records < source.next || splice->held() != 0); ++rounds) {
      ASSERT_TRUE(splice->move(true));
      if (checker.read_from(ends.out.get(), 10'000) == 0) usleep(100);
    }
    EXPECT_EQ(splice->held(), 0u);
    EXPECT_EQ(checker.records, source.next);
  }
  EXPECT_EQ(checker.wrong, 0u);
}

TEST(SpliceToAPipe, OfOnePageGoesOnWhereItFilledUp) {
  Source<Full::discard> source(Memory::memfd);
  Ends ends = make_pipe();
  ASSERT_EQ(fcntl(ends.in.get(), F_SETPIPE_SZ, 4096), 4096);
  auto splice = SpliceReader::create(source.buffer.channel(), 0, ends.in.get());
  ASSERT_TRUE(splice);
  source.fill();
  Checker checker;
  std::uint64_t times_full = 0;
  for (std::size_t n = 1; n != 0;) {
    const auto moved = splice->move(true);
    ASSERT_TRUE(moved);
    EXPECT_LE(*moved, 4096u);
    times_full += splice->is_full();
    n = checker.read_from(ends.out.get(), 5000);
  }
  EXPECT_EQ(checker.next, source.next);
  EXPECT_EQ(checker.wrong + checker.missing, 0u);
  EXPECT_GE(times_full, 4 * 16384 / 4096 - 4u);
}

TEST(SpliceTo, RefusesTargetsThatItCannotServe) {
  auto channel = LocalChannel::create({.memory = Memory::memfd});
  const auto refusal = [&](int fd, std::uint32_t ring = 0) {
    const auto splice = SpliceReader::create(*channel, ring, fd);
    return splice ? "" : splice.error().text;
  };
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const Fd in(fds[1]), out(fds[0]);
  EXPECT_NE(refusal(in.get()).find("want O_NONBLOCK"), std::string::npos) << refusal(in.get());
  const Fd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  EXPECT_NE(refusal(null.get()).find("want a regular file, a pipe or a stream socket"), std::string::npos) << refusal(null.get());
  const Fd datagram(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  EXPECT_NE(refusal(datagram.get()).find("socket of type 2, want 1"), std::string::npos) << refusal(datagram.get());
  EXPECT_NE(refusal(-1).find("Bad file descriptor"), std::string::npos) << refusal(-1);
  const Ends file = make_file();
  EXPECT_NE(refusal(file.in.get(), 99999).find("ring 99999, want less than"), std::string::npos);
  EXPECT_EQ(refusal(file.in.get()), "");
}

TEST(SpliceTo, AFileThatIsOnlyAppendedTo) {
  Source<Full::discard> source(Memory::memfd);
  Ends ends = make_file();
  ASSERT_EQ(fcntl(ends.in.get(), F_SETFL, O_APPEND), 0);
  auto splice = SpliceReader::create(source.buffer.channel(), 0, ends.in.get());
  ASSERT_TRUE(splice);
  source.fill();
  ASSERT_TRUE(splice->move(true));
  Checker checker;
  while (checker.read_from(ends.out.get(), 5000) != 0) {
  }
  EXPECT_EQ(checker.next, source.next);
}

TEST(Numbers, AreDoneWhenAllBeforeThemAre) {
  Numbers n;
  n.done = 0xffff'fffe;  // so many sends that the kernel's 32 bits wrap
  n.add(0xffff'ffff, 0xffff'ffff);
  EXPECT_EQ(n.done, 0xffff'fffe);
  n.add(2, 3);
  n.add(0xffff'fffe, 0xffff'fffe);
  EXPECT_EQ(n.done, 0x1'0000'0000);
  n.add(0, 1);
  EXPECT_EQ(n.done, 0x1'0000'0004);
}

}  // namespace
}  // namespace ouro::ring
