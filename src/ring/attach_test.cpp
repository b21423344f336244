// A channel in a memfd or a file is found by other processes, and by those that come after its own was killed; what is damaged is
// refused before it is used.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ouro/abi/channel_layout.hpp>
#include <ouro/ring/buffer.hpp>

#include "ring/test_ring.hpp"

namespace ouro::ring {
namespace {

std::string path_of_test() {
  return (std::filesystem::temp_directory_path() / ("ouro-attach-" + std::to_string(getpid()))).string();
}

std::vector<std::uint64_t> read_values(LocalChannel& channel) {
  Records records(channel, Records::Order::by_ring);
  std::vector<std::uint64_t> values;
  for (Record r; records.next(r);) std::memcpy(&values.emplace_back(), r.bytes.data(), 8);
  EXPECT_FALSE(records.corrupt());
  return values;
}

// In a child process; it is killed at the end.
void run_and_kill(const std::function<void()>& body) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    body();
    [[maybe_unused]] const ssize_t n = write(ends[1], "x", 1);
    for (;;) pause();
  }
  close(ends[1]);
  char c = 0;
  EXPECT_EQ(read(ends[0], &c, 1), 1) << "the child died of itself";
  close(ends[0]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

template <class B>
class AnyChannel : public testing::Test {};
template <Sync kSync, Full kFull, Stamp kStamp>
using Of = Buffer<Policy{.sync = kSync, .full = kFull, .stamp = kStamp}>;
using Policies = testing::Types<Of<Sync::per_cpu, Full::discard, Stamp::clock>, Of<Sync::per_cpu, Full::overwrite, Stamp::none>,
                                Of<Sync::shared, Full::discard, Stamp::clock>, Of<Sync::exclusive, Full::overwrite, Stamp::clock>,
                                Of<Sync::exclusive, Full::block, Stamp::none>>;
TYPED_TEST_SUITE(AnyChannel, Policies);

TYPED_TEST(AnyChannel, IsReadFromItsFileAfterItsProcessWasKilled) {
  const std::string path = path_of_test();
  run_and_kill([&] {
    pin_to(0);
    auto buffer = TypeParam::create({.subbuf_count = 4, .subbuf_size = 4096, .memory = Memory::file, .path = path});
    for (std::uint64_t i = 0; buffer && i < 500; ++i) buffer->write(1, i);
  });
  auto channel = LocalChannel::open(path, Use::read);
  std::filesystem::remove(path);
  ASSERT_TRUE(channel) << channel.error().text;
  const auto values = read_values(*channel);
  ASSERT_EQ(values.size(), 500u);
  for (std::uint64_t i = 0; i < 500; ++i) EXPECT_EQ(values[i], i);
}

TYPED_TEST(AnyChannel, IsWrittenToByOneProcessAndReadByAnother) {
  auto memory = TypeParam::create({.subbuf_count = 4, .subbuf_size = 4096, .memory = Memory::memfd});
  ASSERT_TRUE(memory);
  run_and_kill([&] {
    pin_to(0);
    auto channel = LocalChannel::attach(memory->channel().fd(), Use::write);
    auto buffer = channel ? TypeParam::over(std::move(*channel)) : Result<TypeParam>(channel.error());
    if (!buffer) _exit(1);
    for (std::uint64_t i = 0; i < 500; ++i) buffer->write(1, i);
  });
  EXPECT_EQ(read_values(memory->channel()).size(), 500u);
}

TEST(Attach, OfAWriterThatWasKilledInTheMiddleOfARecordCostsThatRecordOnly) {
  const std::string path = path_of_test();
  run_and_kill([&] {
    pin_to(0);
    auto buffer = Buffer<>::create({.subbuf_count = 4, .subbuf_size = 4096, .memory = Memory::file, .path = path});
    buffer->write(1, std::uint64_t{1});
    reserve(buffer->channel().channel(), 1, 2000);  // and never commits
    buffer->write(1, std::uint64_t{2});
  });
  auto channel = LocalChannel::open(path, Use::read);
  std::filesystem::remove(path);
  ASSERT_TRUE(channel) << channel.error().text;
  Records records(*channel, Records::Order::by_ring);
  Record r;
  std::uint64_t value = 0;
  for (const std::uint64_t want : {1u, 2u}) {
    ASSERT_TRUE(records.next(r));
    std::memcpy(&value, r.bytes.data(), 8);
    EXPECT_EQ(value, want);
  }
  EXPECT_EQ(records.lost(abi::Loss::dead_writer), 1u);
}

TEST(Attach, ReadersAndWritersOfTwoProcessesShareTheBell) {
  using Waiting = Buffer<Policy{.full = Full::block, .patience_ns = 20'000'000'000}>;
  auto memory = Waiting::create({.subbuf_count = 2, .subbuf_size = 4096, .memory = Memory::memfd});
  ASSERT_TRUE(memory);
  constexpr std::uint64_t kCount = 5000;
  const pid_t child = fork();
  if (child == 0) {
    auto channel = LocalChannel::attach(memory->channel().fd(), Use::write);
    auto buffer = Waiting::over(std::move(*channel));
    bool all = bool(buffer);
    for (std::uint64_t i = 0; all && i < kCount; ++i) all = buffer->write(1, i) == Written::yes;
    _exit(all ? 0 : 1);
  }
  auto channel = LocalChannel::attach(memory->channel().fd(), Use::read);
  ASSERT_TRUE(channel);
  Records records(*channel, Records::Order::by_ring);
  for (Record r; records.delivered() + records.lost() < kCount;)
    if (!records.next(r)) records.wait(1'000'000);
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(records.lost(), 0u);
}

// ---- what is refused

class Damaged : public testing::Test {
 protected:
  void SetUp() override {
    channel_ = LocalChannel::create({.subbuf_count = 4, .subbuf_size = 4096, .memory = Memory::file, .path = path_});
    ASSERT_TRUE(*channel_) << channel_->error().text;
    fd_ = (*channel_)->fd();
    void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    ASSERT_NE(p, MAP_FAILED);
    head_ = static_cast<abi::ChannelHead*>(p);
  }
  void TearDown() override {
    munmap(head_, 4096);
    std::filesystem::remove(path_);
  }
  std::string refusal(Use use = Use::read) {
    auto second = LocalChannel::open(path_, use);
    return second ? "" : second.error().text;
  }
  template <class T>
  void refuses(T& field, T value, const std::string& why) {
    const T before = field;
    field = value;
    EXPECT_NE(refusal().find(why), std::string::npos) << "seen: " << refusal() << "\nwant: " << why;
    EXPECT_NE(refusal().find(path_), std::string::npos) << refusal();
    field = before;
    EXPECT_EQ(refusal(), "");
  }
  const std::string path_ = path_of_test();
  std::optional<Result<LocalChannel>> channel_;
  int fd_ = -1;
  abi::ChannelHead* head_ = nullptr;
};

TEST_F(Damaged, HeadsAreRefusedWithWhatWasSeenAndWhatIsWanted) {
  abi::ChannelFacts& f = head_->facts;
  refuses<std::uint64_t>(f.magic, 0, "magic is 0, want 0x316c656e6e616863 (is its creator still starting");
  refuses<std::uint64_t>(f.magic, 0x464c457f, "is it a channel?");
  refuses<std::uint32_t>(f.version, 7, "version is 7, want 3");
  refuses<std::uint32_t>(f.sync, 4, "synchronisation is 4, want 1");
  refuses<std::uint32_t>(f.mode, 0, "mode is 0, want 1");
  refuses<std::uint32_t>(f.clock, 9, "clock is 9, want 1");
  refuses<std::uint32_t>(f.cpus, 0, "0 CPUs, want 1 to 8192");
  refuses<std::uint32_t>(f.cpus, 1u << 31, "2147483648 CPUs");
  refuses<std::uint32_t>(f.cpus, f.cpus + 1, "says it has");
  refuses<std::uint32_t>(f.subbuf_count, 3, "3 sub-buffers, want a power of two");
  refuses<std::uint32_t>(f.subbuf_count, 8, "bytes apart, want");
  refuses<std::uint64_t>(f.subbuf_size, std::uint64_t{1} << 40, "sub-buffers of 1099511627776 bytes");
  refuses<std::uint64_t>(f.ring_stride, 4096, "4096 bytes apart, want");
  refuses<std::uint64_t>(f.total_size, ~std::uint64_t{0}, "18446744073709551615 bytes, want");
}

TEST_F(Damaged, FilesThatWereCutAreRefused) {
  ASSERT_EQ(ftruncate(fd_, 100'000), 0);
  EXPECT_NE(refusal().find("100000 bytes, want "), std::string::npos) << refusal();
  ASSERT_EQ(ftruncate(fd_, 100), 0);
  EXPECT_NE(refusal().find("100 bytes, want at least 4096"), std::string::npos) << refusal();
  ASSERT_EQ(ftruncate(fd_, 4096), 0);  // for TearDown
}

TEST_F(Damaged, ChannelsOfAnEarlierBootAreReadButNotWrittenTo) {
  pin_to(0);
  const Channel& old = (*channel_)->channel();
  const auto body = make_body(1, 1, 20);
  ASSERT_EQ(write_slow(old, 7, body.data(), 20), Written::yes);
  const Reservation open = reserve(old, 7, 700);  // by us, who are alive; after a reboot, somebody else has our number
  ASSERT_NE(open.body, nullptr);
  head_->facts.boot[0] = 'x';
  EXPECT_NE(refusal(Use::write).find("before the last reboot"), std::string::npos) << refusal(Use::write);
  auto channel = LocalChannel::open(path_, Use::read);
  ASSERT_TRUE(channel) << channel.error().text;
  std::uint64_t buried = 0, records = 0;
  for (std::uint32_t i = 0; i < channel->ring_count(); ++i) {
    Reader reader = channel->reader(i);
    buried += reader.bury_dead();
    Packet packet;
    while (reader.next(packet, true) == Reader::Answer::packet) {
      records += packet.records;
      reader.release();
    }
  }
  EXPECT_EQ(buried, 1u);
  EXPECT_EQ(records, 1u);
}

TEST(Attach, AFileSystemWithoutRoomForTheHeadsRefusesTheChannelBeforeAnythingIsStored) {
  char folder[] = "/tmp/ouro-small.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  if (mount("tmpfs", folder, "tmpfs", 0, "size=64k") != 0) {
    rmdir(folder);
    GTEST_SKIP() << "no small file system may be mounted here";
  }
  const auto channel = LocalChannel::create({.cpus = 8, .memory = Memory::file, .path = std::string(folder) + "/ring"});
  umount2(folder, MNT_DETACH);
  rmdir(folder);
  ASSERT_FALSE(channel) << "16 heads are 256 KiB; the first store into one that is not there is SIGBUS";
  EXPECT_NE(channel.error().text.find("heads of 16 rings"), std::string::npos) << channel.error().text;
}

TEST(Attach, RefusesWhatIsNoRegularFile) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto channel = LocalChannel::attach(ends[0], Use::read);
  ASSERT_FALSE(channel);
  EXPECT_NE(channel.error().text.find("want a regular file or a memfd"), std::string::npos) << channel.error().text;
  EXPECT_FALSE(LocalChannel::attach(-1, Use::read));
  EXPECT_FALSE(LocalChannel::open("/nowhere/ring", Use::read));
}

TEST(Attach, OfAChannelWhoseSubBuffersEndsAreItsCreatorsIsForReadersOnly) {
  static const SubbufEnds ends{.begin_size = 8, .begin = [](const SubbufEnds::Info&, std::byte* to) noexcept { std::memset(to, 1, 8); }};
  auto memory = LocalChannel::create({.ends = &ends, .memory = Memory::memfd});
  ASSERT_TRUE(memory);
  EXPECT_TRUE(LocalChannel::attach(memory->fd(), Use::read));
  const auto refused = LocalChannel::attach(memory->fd(), Use::write);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("want nobody else to"), std::string::npos) << refused.error().text;
}

TEST(Attach, RefusesABufferOfAnotherPolicy) {
  auto memory = Buffer<>::create({.memory = Memory::memfd});
  ASSERT_TRUE(memory);
  const auto refusal = [&]<class B>(B*) {
    auto buffer = B::over(std::move(*LocalChannel::attach(memory->channel().fd(), Use::write)));
    return buffer ? "" : buffer.error().text;
  };
  EXPECT_EQ(refusal(static_cast<Buffer<>*>(nullptr)), "");
  EXPECT_NE(refusal(static_cast<Buffer<Policy{.sync = Sync::shared}>*>(nullptr)).find("sync is 0, want 1"), std::string::npos);
  EXPECT_NE(refusal(static_cast<Buffer<Policy{.full = Full::overwrite}>*>(nullptr)).find("full is 0, want 1"), std::string::npos);
  EXPECT_NE(refusal(static_cast<Buffer<Policy{.stamp = Stamp::none}>*>(nullptr)).find("stamp is 0, want 2"), std::string::npos);
}

TEST(Attach, MemoryOfADescriptorCannotBeCutUnderThoseWhoMappedIt) {
  auto memory = LocalChannel::create({.memory = Memory::memfd});
  ASSERT_TRUE(memory);
  EXPECT_NE(ftruncate(memory->fd(), 4096), 0);
  // Nor one that somebody else made without the seal, once we have it.
  const int fd = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  struct stat status{};
  ASSERT_EQ(fstat(memory->fd(), &status), 0);
  ASSERT_EQ(ftruncate(fd, status.st_size), 0);
  char page[4096];
  ASSERT_EQ(pread(memory->fd(), page, sizeof page, 0), 4096);
  ASSERT_EQ(pwrite(fd, page, sizeof page, 0), 4096);
  ASSERT_TRUE(LocalChannel::attach(fd, Use::read));
  EXPECT_NE(ftruncate(fd, 4096), 0);
  close(fd);
}

}  // namespace
}  // namespace ouro::ring
