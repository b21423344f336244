// Who makes a channel in a file, and who attaches to one, is killed behind each of its system calls and of its stores into that memory.
// Afterwards another process finds a channel, whole and with all that was in it, or is told why there is none, and can make one there.
#if defined(__x86_64__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <optional>

#include <ouro/abi/channel_layout.hpp>
#include <ouro/ring/buffer.hpp>

#include "base/fd.hpp"
#include "ring/internal.hpp"
#include "ring/owner.hpp"
#include "ring/test_ring.hpp"
#include "everywhere.hpp"

namespace ouro::race {
namespace {

using ring::LocalChannel;
using ring::Memory;
using ring::Use;
using ring::Written;

template <ring::Sync kSync>
using Of = ring::Buffer<ring::Policy{.sync = kSync}>;

std::string path_of_test() { return (std::filesystem::temp_directory_path() / ("ouro-kills-" + std::to_string(getpid()))).string(); }

template <class B>
auto make(const std::string& path) {
  return B::create({.subbuf_count = 4, .subbuf_size = 4096, .memory = Memory::file, .path = path});
}

void expect_values(LocalChannel& channel, std::uint64_t first, std::uint64_t end) {
  ring::Records records(channel, ring::Records::Order::by_ring);
  records.writers_are_done();
  for (ring::Record r; records.next(r); ++first) {
    std::uint64_t value = 0;
    std::memcpy(&value, r.bytes.data(), 8);
    EXPECT_EQ(value, first);
  }
  EXPECT_EQ(first, end);
  EXPECT_EQ(records.lost(), 0u);
  EXPECT_FALSE(records.corrupt());
}
template <class B>
void write(B& buffer, std::uint64_t first, std::uint64_t end) {
  for (; first < end; ++first) EXPECT_EQ(buffer.write(1, first), Written::yes);
}

// The channel works: for those who attach to it now.
template <class B>
void expect_use(const std::string& path, std::uint64_t written) {
  auto channel = LocalChannel::open(path, Use::write);
  ASSERT_TRUE(channel) << channel.error().text;
  auto buffer = B::over(std::move(*channel));
  ASSERT_TRUE(buffer) << buffer.error().text;
  write(*buffer, written, written + 20);
  auto reading = LocalChannel::open(path, Use::read);
  ASSERT_TRUE(reading) << reading.error().text;
  expect_values(*reading, 0, written + 20);
}

// What is in a file that may not be there.
class FileChanges {
 public:
  explicit FileChanges(const std::string& path) : path_(path) {}
  bool operator()() {
    std::array<std::byte, sizeof(abi::ChannelHead) + 8> now{};
    const base::Fd file(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (file && fstat(file.get(), &status) == 0 && pread(file.get(), now.data(), sizeof(abi::ChannelHead), 0) >= 0)
      std::memcpy(now.data() + sizeof(abi::ChannelHead), &status.st_size, 8);
    return std::exchange(last_, now) != now;
  }

 private:
  std::string path_;
  std::array<std::byte, sizeof(abi::ChannelHead) + 8> last_{};
};

template <class B>
bool kill_creator_at(const Place& place, const std::string& path, unsigned& whole) {
  Stepped creator([] {}, [&] { EXPECT_TRUE(make<B>(path)); });
  if (!creator.run_to(place)) return std::filesystem::remove(path), false;
  creator.kill();
  if (auto channel = LocalChannel::open(path, Use::write); channel) {
    ++whole;
    expect_use<B>(path, 0);
  } else if (std::filesystem::exists(path)) {
    const std::string& why = channel.error().text;
    EXPECT_TRUE(why.find("was it killed while it did") != std::string::npos || why.find("0 bytes") != std::string::npos) << why;
    EXPECT_FALSE(make<B>(path)) << "somebody's file is not overwritten";
  }
  std::filesystem::remove(path);
  EXPECT_TRUE(make<B>(path));
  expect_use<B>(path, 0);
  std::filesystem::remove(path);
  return true;
}

template <class B>
void kill_creators(const char* name) {
  const std::string path = path_of_test();
  EXPECT_TRUE(make<B>(path));  // so that what it calls is known to the dynamic linker
  std::filesystem::remove(path);
  std::vector<Place> all;
  {
    Stepped first([] {}, [&] { EXPECT_TRUE(make<B>(path)); });
    FileChanges changed(path);
    all = places(first, [&] { return changed() || behind_system_call(first); });
    std::filesystem::remove(path);
  }
  EXPECT_GE(all.size(), 20u);
  unsigned whole = 0;
  Tally kills;
  ASSERT_NO_FATAL_FAILURE(kills.at_each(all, name, [&](const Place& place) { return kill_creator_at<B>(place, path, whole); }));
  kills.say();
  EXPECT_GE(whole, 1u);
  EXPECT_LT(whole, kills.points);
  EXPECT_LE(kills.missed, kills.points / 20);
}

TEST(Kills, WhoMakesAChannelInAFileBehindEachOfItsSideEffects) {
  ring::pin_to(0);
  kill_creators<Of<ring::Sync::per_cpu>>("per_cpu");
  kill_creators<Of<ring::Sync::shared>>("shared");
}

// Attaches, and writes or reads: whose writes and reads other tests kill.
template <class B>
struct Attaching {
  B buffer;
  std::string path;
  Use use;
  Stepped victim;
  Attaching(const std::string& where, Use for_what)
      : buffer(std::move(*make<B>(where))), path((write(buffer, 0, 50), where)), use(for_what), victim([] {}, [&] {
          auto channel = LocalChannel::open(path, use);
          if (!channel) _exit(1);
        }) {}
  ~Attaching() { std::filesystem::remove(path); }
};

template <class B>
bool kill_attacher_at(const Place& place, Use use) {
  Attaching<B> s(path_of_test(), use);
  if (!s.victim.run_to(place)) return false;
  write(s.buffer, 50, 60);
  s.victim.kill();
  write(s.buffer, 60, 70);
  expect_use<B>(s.path, 70);
  write(s.buffer, 90, 95);
  expect_values(s.buffer.channel(), 90, 95);
  return true;
}

TEST(Kills, WhoAttachesBehindEachOfItsSystemCalls) {
  ring::pin_to(0);
  Tally kills;
  const auto at_all = [&]<class B>(B*, Use use) {
    std::vector<Place> all;
    {
      Attaching<B> first(path_of_test(), use);
      EXPECT_TRUE(LocalChannel::open(first.path, use));
      Changes changed{bytes_of(first.buffer.channel().head(0)), bytes_of(first.buffer.channel().head(1))};
      all = places(first.victim, [&] { return behind_system_call(first.victim) || changed(); });
    }
    EXPECT_GE(all.size(), 10u);
    ASSERT_NO_FATAL_FAILURE(kills.at_each(all, "attach", [&](const Place& place) { return kill_attacher_at<B>(place, use); }));
  };
  for (const Use use : {Use::read, Use::write}) {
    at_all(static_cast<Of<ring::Sync::per_cpu>*>(nullptr), use);
    at_all(static_cast<Of<ring::Sync::shared>*>(nullptr), use);
  }
  kills.say();
  EXPECT_LE(kills.missed, kills.points / 20);
}

// A channel of before the last reboot, in which writers stood in the midst of records: whoever opens it first says so of all of them, and may
// die meanwhile.
struct OfAnotherBoot {
  using B = Of<ring::Sync::shared>;
  static constexpr int kOpen = 5;
  std::string path = path_of_test();
  std::optional<B> buffer = std::move(*make<B>(path));
  OfAnotherBoot() {
    write(*buffer, 0, 1);
    for (int i = 0; i < kOpen; ++i) reserve(buffer->channel().channel(), 1, 100);  // by us, who live
    void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->channel().fd(), 0);
    static_cast<abi::ChannelHead*>(p)->facts.boot[0] = 'x';
    munmap(p, 4096);
  }
  ~OfAnotherBoot() { std::filesystem::remove(path); }
};

TEST(Kills, WhoOpensAChannelOfAnotherBootBehindEachOfItsSideEffects) {
  ring::pin_to(0);
  std::vector<Place> all;
  {
    OfAnotherBoot file;
    Stepped first([] {}, [&] { EXPECT_TRUE(LocalChannel::open(file.path, Use::read)); });
    Changes changed{bytes_of(*file.buffer->channel().channel().shared[0])};
    all = places(first, [&] { return behind_system_call(first) || changed(); });
  }
  EXPECT_GE(all.size(), 10u);
  Tally kills;
  ASSERT_NO_FATAL_FAILURE(kills.at_each(all, "of another boot", [&](const Place& place) {
    OfAnotherBoot file;
    Stepped victim([] {}, [&] { EXPECT_TRUE(LocalChannel::open(file.path, Use::read)); });
    if (!victim.run_to(place)) return false;
    victim.kill();
    auto channel = LocalChannel::open(file.path, Use::read);
    EXPECT_TRUE(channel) << channel.error().text;
    ring::Records records(*channel, ring::Records::Order::by_ring);
    records.writers_are_done();
    ring::Record r;
    EXPECT_TRUE(records.next(r));
    EXPECT_FALSE(records.next(r));
    EXPECT_EQ(records.lost(abi::Loss::dead_writer), std::uint64_t{OfAnotherBoot::kOpen});
    return true;
  }));
  kills.say();
}

}  // namespace
}  // namespace ouro::race
#endif
