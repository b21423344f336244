// A relay gives back the bytes that were written, framed by what the client puts at the ends of sub-buffers.
#include <ouro/ring/relay.hpp>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

struct Framed {
  static constexpr std::size_t begin_size = 24, end_size = 16;
  static constexpr std::uint64_t kMagic = 0x6f75726f;
  static void begin(const SubbufEnds::Info& info, std::byte* to) noexcept {
    const std::uint64_t words[] = {kMagic, info.ring, info.sequence};
    std::memcpy(to, words, sizeof words);
  }
  static void end(const SubbufEnds::Info& info, std::byte* to) noexcept {
    const std::uint64_t words[] = {~kMagic, info.bytes};
    std::memcpy(to, words, sizeof words);
  }
};

// Sub-buffers put together again out of chunks, ring by ring.
struct Assembled {
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::string> subbufs;
  void read(RelayReader& reader) {
    for (Chunk c; reader.next(c);)
      subbufs[{c.ring, c.sequence}].append(reinterpret_cast<const char*>(c.bytes.data()), c.bytes.size());
    EXPECT_FALSE(reader.corrupt());
  }
  // What was written, by ring, once the frames have proved right. The newest sub-buffer of a ring has no end yet.
  std::map<std::uint32_t, std::string> unframe() {
    std::map<std::uint32_t, std::string> out;
    for (auto it = subbufs.begin(); it != subbufs.end(); ++it) {
      const auto [ring, sequence] = it->first;
      const bool is_newest = std::next(it) == subbufs.end() || std::next(it)->first.first != ring;
      const std::string& text = it->second;
      std::uint64_t begin[3]{}, end[2]{};
      EXPECT_GE(text.size(), sizeof begin);
      std::memcpy(begin, text.data(), sizeof begin);
      EXPECT_EQ(begin[0], Framed::kMagic);
      EXPECT_EQ(begin[1], ring);
      EXPECT_EQ(begin[2], sequence);
      std::string body = text.substr(sizeof begin);
      if (body.size() >= sizeof end) std::memcpy(end, body.data() + body.size() - sizeof end, sizeof end);
      const bool is_ended = body.size() >= sizeof end && end[0] == ~Framed::kMagic;
      EXPECT_TRUE(is_ended || is_newest);
      if (is_ended) {
        body.resize(body.size() - sizeof end);
        EXPECT_EQ(end[1], body.size());
      }
      out[ring] += body;
    }
    return out;
  }
};

std::string piece(std::uint32_t number, std::size_t size) {
  std::string text = std::to_string(number) + ":";
  while (text.size() < size) text.push_back(static_cast<char>('a' + (text.size() + number) % 26));
  text.back() = '\n';
  return text;
}

TEST(Relay, GivesBackTheBytesAndNothingElse) {
  pin_to(0);
  auto bytes = relay<>::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(bytes);
  RelayReader reader(bytes->channel());
  std::string written, read;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    const std::string text = std::string(1 + i % 97, static_cast<char>('a' + i % 26));
    ASSERT_EQ(bytes->write(text.data(), text.size()), Written::yes);
    written += text;
    if (i % 7 == 0)
      for (Chunk c; reader.next(c);) read.append(reinterpret_cast<const char*>(c.bytes.data()), c.bytes.size());
  }
  for (Chunk c; reader.next(c);) read.append(reinterpret_cast<const char*>(c.bytes.data()), c.bytes.size());
  EXPECT_EQ(read, written);
  EXPECT_EQ(reader.lost(), 0u);
}

template <class T>
class FramedRelay : public testing::Test {};
struct PerCpu {
  static constexpr bool tsc = true;
};
struct AsWithoutRseq {  // shared rings, which is what there is without the TSC too
  static constexpr bool tsc = false;
};
using Ways = testing::Types<PerCpu, AsWithoutRseq>;
TYPED_TEST_SUITE(FramedRelay, Ways);

TYPED_TEST(FramedRelay, HasTheClientsBeginAndEndAroundEverySubBuffer) {
  pin_to(0);
  for (const bool include_current : {false, true}) {
    auto bytes = relay<Framed>::create({.subbuf_count = 4, .subbuf_size = 4096, .tsc = TypeParam::tsc});
    ASSERT_TRUE(bytes);
    RelayReader reader(bytes->channel(), include_current);
    Assembled all;
    std::string written;
    for (std::uint32_t i = 0; i < 2000; ++i) {
      const std::string text = piece(i, 10 + i * 7 % 900);
      ASSERT_EQ(bytes->write(text.data(), text.size()), Written::yes);
      written += text;
      if (i % 3 == 0) all.read(reader);
    }
    all.read(reader);
    EXPECT_GT(all.subbufs.size(), 200u);
    std::string read;
    for (const auto& [ring, text] : all.unframe()) read += text;  // one CPU, so one ring
    if (include_current) EXPECT_EQ(read, written);
    else EXPECT_EQ(read, written.substr(0, read.size()));
    EXPECT_EQ(reader.lost(), 0u);
  }
}

TYPED_TEST(FramedRelay, TakesWhatFillsASubBufferAndCountsWhatDoesNotFit) {
  auto bytes = relay<Framed>::create({.subbuf_count = 4, .subbuf_size = 4096, .tsc = TypeParam::tsc});
  ASSERT_TRUE(bytes);
  RelayReader reader(bytes->channel());
  Assembled all;
  const std::string large = piece(7, 4000), too_large = piece(8, 4090);
  EXPECT_EQ(bytes->write(large.data(), large.size()), Written::yes);
  EXPECT_EQ(bytes->write(too_large.data(), too_large.size()), Written::lost);
  EXPECT_EQ(bytes->write(large.data(), large.size()), Written::yes);
  all.read(reader);
  EXPECT_EQ(reader.lost(), 1u);
  std::string read;
  for (const auto& [ring, text] : all.unframe()) read += text;
  EXPECT_EQ(read, large + large);
}

relay<Framed>* interrupted;
std::atomic<std::uint32_t> in_handlers{0};

// Threads that change CPUs, and handlers that write in the midst of their writes, whatever these are doing.
TYPED_TEST(FramedRelay, LosesNothingToHandlersAndMigration) {
  auto bytes = relay<Framed>::create({.subbuf_count = 64, .subbuf_size = 4096, .tsc = TypeParam::tsc});
  ASSERT_TRUE(bytes);
  interrupted = &*bytes;
  in_handlers = 0;
  struct sigaction act {}, before {};
  act.sa_handler = [](int) {
    const std::string_view text = "h\n";
    if (interrupted->write(text.data(), text.size()) == Written::yes) in_handlers.fetch_add(1);
  };
  ASSERT_EQ(sigaction(SIGALRM, &act, &before), 0);
  const itimerval often{{0, 50}, {0, 50}}, never{};
  setitimer(ITIMER_REAL, &often, nullptr);
  std::atomic<bool> ends{false};
  std::atomic<std::uint32_t> written{0};
  const auto write = [&](std::uint32_t who) {
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      if (i % 500 == 0) pin_to(static_cast<int>((who + i / 500) % std::thread::hardware_concurrency()));
      const std::string text = "w" + std::string(i % 100, 'x') + "\n";
      while (bytes->write(text.data(), text.size()) == Written::lost) std::this_thread::yield();
      written.fetch_add(1);
    }
  };
  RelayReader reader(bytes->channel());
  Assembled all;
  std::thread a(write, 0), b(write, 1), c([&] {
    while (!ends) all.read(reader);
    all.read(reader);
  });
  a.join();
  b.join();
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  ends = true;
  c.join();
  std::uint32_t of_writers = 0, of_handlers = 0;
  for (const auto& [ring, text] : all.unframe()) {
    std::size_t at = 0;
    for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      const std::string line = text.substr(at, end - at);
      if (line == "h") ++of_handlers;
      else if (line.size() >= 1 && line[0] == 'w' && line.find_first_not_of('x', 1) == std::string::npos) ++of_writers;
      else ADD_FAILURE() << "torn: " << line;
    }
    EXPECT_EQ(at, text.size());
  }
  EXPECT_EQ(of_writers, written.load());
  EXPECT_EQ(of_handlers, in_handlers.load());
  EXPECT_GT(of_handlers, 10u);
}

TEST(Relay, RefusesSubBuffersWhoseWritesItCouldNotCount) {
  EXPECT_FALSE(relay<>::create({.subbuf_count = 2, .subbuf_size = 1 << 20}));
}

TEST(Relay, OfTheNewestBytesKeepsFramesWhole) {
  pin_to(0);
  auto bytes = relay<Framed, Full::overwrite>::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(bytes);
  for (std::uint32_t i = 0; i < 5000; ++i) {
    const std::string text = piece(i, 50);
    ASSERT_EQ(bytes->write(text.data(), text.size()), Written::yes);
  }
  RelayReader reader(bytes->channel());
  Assembled all;
  all.read(reader);
  const auto read = all.unframe();
  ASSERT_EQ(read.size(), 1u);
  const std::string& text = read.begin()->second;
  EXPECT_GT(text.size(), 3 * 2500u) << "three closed sub-buffers, even with a shared ring's headers";
  EXPECT_EQ(text.substr(text.size() - 50), piece(4999, 50));
  EXPECT_EQ(text.size() / 50 + reader.lost(), 5000u);
}

}  // namespace
}  // namespace ouro::ring
