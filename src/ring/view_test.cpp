// Another process reads a channel's packets where they lie; writers get their memory back when it says so, not before.
#include <ouro/ring/view.hpp>

#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <ouro/abi/view_layout.hpp>
#include <ouro/ring/buffer.hpp>
#include <ouro/ring/mapped_reader.hpp>

#include "base/fd.hpp"

namespace ouro::ring {
namespace {

using Answer = MappedReader::Answer;
constexpr std::uint64_t kPatience = 20'000'000'000;  // ns; nobody waits for its end
const Shape kSmall{.subbuf_count = 4, .subbuf_size = 4096, .memory = Memory::memfd};

// One ring, records of 8 bytes with consecutive values.
template <Full kFull = Full::discard, Sync kSync = Sync::exclusive>
class Exported {
 public:
  using B = Buffer<Policy{.sync = kSync, .full = kFull}>;
  Exported() : buffer(std::move(*B::create(kSmall))), view(std::move(*View::create(buffer.channel()))) {}
  bool write() {
    if (buffer.write(1, next) == Written::lost) return false;
    ++next;
    return true;
  }
  std::uint64_t fill() {
    const std::uint64_t before = next;
    while (write()) {
    }
    return next - before;
  }
  MappedReader attach() {
    base::Fd data(*view.open_data());
    auto reader = MappedReader::attach(view.fd(), data.get());
    EXPECT_TRUE(reader) << reader.error().text;
    return std::move(*reader);
  }
  std::uint64_t update(bool include_current = true) {
    auto published = view.update(include_current);
    EXPECT_TRUE(published) << published.error().text;
    return published ? *published : 0;
  }
  // What a reader, or a test in its place, sees of the page.
  abi::ViewHead& page() {
    void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, view.fd(), 0);
    return *static_cast<abi::ViewHead*>(p);
  }
  B buffer;
  View view;
  std::uint64_t next = 0;
};

std::vector<std::uint64_t> values_of(const MappedPacket& packet) {
  std::vector<std::uint64_t> values;
  MappedRecord r;
  for (std::size_t at = 0; MappedReader::next_record(packet, at, r);) {
    EXPECT_EQ(r.bytes.size(), 8u);
    EXPECT_GE(r.stamp, packet.begin_stamp);
    EXPECT_LE(r.stamp, packet.end_stamp);
    std::memcpy(&values.emplace_back(), r.bytes.data(), 8);
  }
  EXPECT_EQ(values.size(), packet.records);
  return values;
}

// Reads and releases all there is.
std::vector<std::uint64_t> read_all(MappedReader& reader) {
  std::vector<std::uint64_t> values;
  MappedPacket packet;
  while (reader.next(packet) == Answer::packet) {
    const auto some = values_of(packet);
    values.insert(values.end(), some.begin(), some.end());
    reader.release();
  }
  return values;
}

void expect_consecutive(const std::vector<std::uint64_t>& values, std::uint64_t from, std::uint64_t to) {
  ASSERT_EQ(values.size(), to - from);
  for (std::uint64_t i = from; i < to; ++i) ASSERT_EQ(values[i - from], i);
}

TEST(View, GivesAnotherProcessEveryRecordOnceInOrder) {
  Exported<Full::discard, Sync::per_cpu> e;
  constexpr std::uint64_t kCount = 20'000;
  base::Fd data(*e.view.open_data());
  const pid_t child = fork();
  if (child == 0) {
    auto reader = MappedReader::attach(e.view.fd(), data.get());
    if (!reader) _exit(1);
    std::vector<std::uint64_t> next(64);
    std::uint64_t seen = 0;
    for (MappedPacket packet;;) {
      const Answer answer = reader->next(packet);
      if (answer == Answer::nothing) reader->sleep(kPatience);
      if (answer == Answer::corrupt) _exit(2);
      if (answer == Answer::ended) _exit(seen == kCount ? 0 : 3);
      if (answer != Answer::packet) continue;
      if (packet.ring >= next.size()) _exit(4);
      for (const std::uint64_t value : values_of(packet)) {
        if (value < next[packet.ring]) _exit(5);
        next[packet.ring] = value + 1;
        ++seen;
      }
      reader->release();
    }
  }
  while (e.next < kCount) {
    while (e.next < kCount && e.write()) {
    }
    e.update();
    if (e.next < kCount) e.view.sleep(1'000'000);
  }
  e.update();
  while (e.view.consumed() < e.view.produced()) {
    e.view.sleep(1'000'000);
    e.update();
  }
  e.view.end();
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
}

TEST(View, WritersGetASubBufferBackWhenItsPacketIsReleasedAndTheViewUpdated) {
  Exported<> e;
  MappedReader reader = e.attach();
  const std::uint64_t full = e.fill();
  EXPECT_EQ(e.update(), 4u);
  MappedPacket packet;
  ASSERT_EQ(reader.next(packet), Answer::packet);
  e.update();
  EXPECT_FALSE(e.write()) << "it is being looked at";
  expect_consecutive(values_of(packet), 0, packet.records);
  const std::uint64_t records = packet.records;
  reader.release();
  EXPECT_FALSE(e.write()) << "nobody has told the writers";
  e.update();
  const std::uint64_t more = e.fill();
  EXPECT_GT(more, full / 8);
  EXPECT_LT(more, full / 2) << "one sub-buffer, no more";
  auto values = read_all(reader);
  e.update();
  const auto rest = read_all(reader);
  values.insert(values.end(), rest.begin(), rest.end());
  expect_consecutive(values, records, e.next);
}

TEST(View, PartsOfASubBufferThatIsBeingFilledComeOnRequest) {
  Exported<> e;
  MappedReader reader = e.attach();
  e.write();
  EXPECT_EQ(e.update(false), 0u);
  EXPECT_EQ(e.update(true), 1u);
  e.write();
  EXPECT_EQ(e.update(true), 1u);
  expect_consecutive(read_all(reader), 0, 2);
  e.view.end();
  MappedPacket packet;
  EXPECT_EQ(reader.next(packet), Answer::ended);
}

TEST(View, InOverwriteOnePacketOfARingIsOutWhichTheWriterDoesNotTouch) {
  Exported<Full::overwrite> e;
  MappedReader reader = e.attach();
  for (int i = 0; i < 400; ++i) e.write();
  EXPECT_EQ(e.update(), 1u);
  MappedPacket packet;
  ASSERT_EQ(reader.next(packet), Answer::packet);
  const auto before = values_of(packet);
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(e.write());
  EXPECT_EQ(values_of(packet), before);
  EXPECT_EQ(e.update(), 0u) << "there is one spare";
  reader.release();
  std::uint64_t seen = before.size(), lost = packet.lost, last = before.back();
  while (e.update() == 1) {  // the last of it from the sub-buffer that is being filled: a copy
    ASSERT_EQ(reader.next(packet), Answer::packet);
    lost = packet.lost;
    for (const std::uint64_t value : values_of(packet)) {
      EXPECT_GT(value, last);
      last = value;
      ++seen;
    }
    reader.release();
  }
  EXPECT_TRUE(packet.current);
  EXPECT_EQ(last + 1, e.next);
  EXPECT_EQ(seen + lost, e.next);
}

TEST(View, WhatADeadReaderDidNotReleaseTheNextOneGets) {
  Exported<> e;
  e.fill();
  e.update();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  base::Fd data(*e.view.open_data());
  const pid_t child = fork();
  if (child == 0) {
    auto reader = MappedReader::attach(e.view.fd(), data.get());
    MappedPacket packet;
    std::uint64_t released = 0;
    for (int i = 0; i < 2 && reader->next(packet) == Answer::packet; ++i) {
      released += packet.records;
      reader->release();
    }
    if (reader->next(packet) != Answer::packet) released = 0;
    [[maybe_unused]] const ssize_t n = write(ends[1], &released, sizeof released);
    for (;;) pause();
  }
  std::uint64_t released = 0;
  ASSERT_EQ(read(ends[0], &released, sizeof released), static_cast<ssize_t>(sizeof released));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
  ASSERT_GT(released, 0u);

  abi::ViewHead& old = e.page();
  ASSERT_TRUE(e.view.drop_reader());
  MappedReader reader = e.attach();
  old.reader.consumed.store(4);  // a reader that is not dead after all does no harm
  e.fill();
  const auto first = read_all(reader);
  e.update();
  const auto second = read_all(reader);
  auto values = first;
  values.insert(values.end(), second.begin(), second.end());
  expect_consecutive(values, released, e.next);
  munmap(&old, 4096);
}

TEST(View, WhatWasNotConsumedWhenItEndsTheNextViewGives) {
  Exported<> e;
  e.fill();
  e.update();
  std::uint64_t released = 0;
  {
    MappedReader reader = e.attach();
    MappedPacket packet;
    ASSERT_EQ(reader.next(packet), Answer::packet);
    released = packet.records;
    reader.release();
    ASSERT_EQ(reader.next(packet), Answer::packet);
  }
  e.update();
  { View gone = std::move(e.view); }
  e.view = std::move(*View::create(e.buffer.channel()));
  e.update();
  MappedReader reader = e.attach();
  expect_consecutive(read_all(reader), released, e.next);
}

TEST(View, ARecordWhoseWriterDiedIsNotInThePacket) {
  Exported<> e;
  e.write();
  const pid_t child = fork();
  if (child == 0) _exit(reserve(e.buffer.channel().channel(), 7, 500).body != nullptr ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  e.write();
  MappedReader reader = e.attach();
  e.update();  // finds it dead
  e.update();
  expect_consecutive(read_all(reader), 0, 2);
}

template <Sync kSync>
void client_stamps_come_through() {
  using B = Buffer<Policy{.sync = kSync, .stamp = Stamp::client}>;
  auto buffer = B::create(kSmall);
  ASSERT_TRUE(buffer);
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_EQ(buffer->write_at(1000 + i, 5, &i, sizeof i), Written::yes);
  auto view = View::create(buffer->channel());
  ASSERT_TRUE(view->update(true));
  base::Fd data(*view->open_data());
  auto reader = MappedReader::attach(view->fd(), data.get());
  MappedPacket packet;
  std::uint64_t count = 0;
  while (reader->next(packet) == Answer::packet) {
    MappedRecord r;
    for (std::size_t at = 0; MappedReader::next_record(packet, at, r); ++count) {
      std::uint64_t value = 0;
      std::memcpy(&value, r.bytes.data(), 8);
      EXPECT_EQ(r.id, 5u);
      EXPECT_EQ(r.stamp, 1000 + value);
    }
    reader->release();
  }
  EXPECT_EQ(count, 10u);
}
TEST(View, StampsThatTheClientBroughtComeThrough) {
  client_stamps_come_through<Sync::per_cpu>();
  client_stamps_come_through<Sync::shared>();
}

// A reader that died between marking a record and saying so left the mark in the first of two headers.
TEST(View, ADeadWritersMarkIsSteppedOverAlsoWithTwoHeaders) {
  std::vector<std::byte> bytes;
  const auto add = [&](std::initializer_list<std::uint32_t> words) {
    const auto* from = reinterpret_cast<const std::byte*>(words.begin());
    bytes.insert(bytes.end(), from, from + 4 * words.size());
  };
  const auto record = [&](std::uint32_t value) { add({1023, 5, 1, 0, 1023, 5, 77, 0, 4, value}); };
  record(0);
  add({1 << 10 | 1023, 40, 1, 0, 1023, 5, 77, 0, 4, 0xdead});
  record(1);
  MappedPacket packet{};
  packet.has_headers = packet.has_two_headers = true;
  packet.bytes = bytes;
  std::vector<std::uint32_t> values;
  MappedRecord r;
  for (std::size_t at = 0; MappedReader::next_record(packet, at, r);) std::memcpy(&values.emplace_back(), r.bytes.data(), 4);
  EXPECT_EQ(values, (std::vector<std::uint32_t>{0, 1}));
}

TEST(View, ThatHasEndedHasEndedForItsNextReaderToo) {
  Exported<> e;
  e.write();
  e.update();
  e.view.end();
  ASSERT_TRUE(e.view.drop_reader());
  MappedReader reader = e.attach();
  expect_consecutive(read_all(reader), 0, 1);
  MappedPacket packet;
  EXPECT_EQ(reader.next(packet), Answer::ended);
}

TEST(View, RecordsThatWereDiscardedAreLeftOut) {
  auto buffer = Buffer<Policy{.sync = Sync::exclusive}>::create(kSmall);
  for (std::uint32_t i = 0; i < 6; ++i) {
    Reserved r = buffer->reserve(i, 8);
    ASSERT_TRUE(r);
    if (i % 2 == 0) r.commit();
  }
  auto view = View::create(buffer->channel());
  ASSERT_TRUE(view->update(true));
  base::Fd data(*view->open_data());
  auto reader = MappedReader::attach(view->fd(), data.get());
  MappedPacket packet;
  ASSERT_EQ(reader->next(packet), Answer::packet);
  EXPECT_EQ(packet.records, 6u);
  std::vector<std::uint32_t> ids;
  MappedRecord r;
  for (std::size_t at = 0; MappedReader::next_record(packet, at, r);) ids.push_back(r.id);
  EXPECT_EQ(ids, (std::vector<std::uint32_t>{0, 2, 4}));
}

TEST(View, BelievesAReaderNothingThatCannotBe) {
  Exported<> e;
  e.fill();
  e.update();
  abi::ViewHead& page = e.page();
  page.reader.consumed.store(3);
  EXPECT_TRUE(e.view.update(false));
  for (const std::uint64_t wrong : {std::uint64_t{2}, e.view.produced() + 1, ~std::uint64_t{0}}) {
    page.reader.consumed.store(wrong);
    const auto refused = e.view.update(false);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_NE(refused.error().text.find("consumed " + std::to_string(wrong) + " packets, want 3 to"), std::string::npos) << refused.error().text;
  }
  EXPECT_EQ(e.view.consumed(), 3u);
  ASSERT_TRUE(e.view.drop_reader());
  EXPECT_EQ(e.view.produced(), 1u) << "the fourth";
  munmap(&page, 4096);
}

TEST(View, TheDataDescriptorCannotWrite) {
  Exported<> e;
  base::Fd data(*e.view.open_data());
  EXPECT_EQ(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, data.get(), 0), MAP_FAILED);
}

TEST(View, NeedsMemoryWithADescriptor) {
  auto channel = LocalChannel::create({});
  const auto view = View::create(*channel);
  ASSERT_FALSE(view);
  EXPECT_NE(view.error().text.find("want memfd or file"), std::string::npos);
  auto other = LocalChannel::create({.memory = Memory::memfd});
  EXPECT_FALSE(View::create(*other, 3));
}

TEST(View, WakesAReaderThatSleepsAndIsWokenByIt) {
  Exported<> e;
  abi::ViewHead& page = e.page();
  MappedReader reader = e.attach();
  MappedPacket packet;
  ASSERT_EQ(reader.next(packet), Answer::nothing);
  std::thread sleeper([&] { EXPECT_TRUE(reader.sleep(kPatience)); });
  while (page.sleep.readers.load() == 0) std::this_thread::yield();
  e.write();
  EXPECT_EQ(e.update(), 1u);
  sleeper.join();

  std::thread exporter([&] { EXPECT_TRUE(e.view.sleep(kPatience)); });
  while (page.sleep.exporters.load() == 0) std::this_thread::yield();
  ASSERT_EQ(reader.next(packet), Answer::packet);
  reader.release();
  exporter.join();
  munmap(&page, 4096);
}

// ---- pages made by hand, as another version or somebody evil would make them

class PageByHand : public testing::Test {
 protected:
  static constexpr std::uint32_t kEntrySize = 128;  // more than we know of
  void SetUp() override {
    page_fd_ = base::Fd(memfd_create("page", MFD_CLOEXEC));
    data_fd_ = base::Fd(memfd_create("data", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(page_fd_.get(), 8192), 0);
    ASSERT_EQ(ftruncate(data_fd_.get(), 4096), 0);
    memory_ = static_cast<std::byte*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd_.get(), 0));
    head().facts = {abi::kViewMagic, abi::kViewVersion, kEntrySize, 2, abi::kRecords1, 4096, 4096, 8192, 1, 1, 0};
    ASSERT_EQ(pwrite(data_fd_.get(), "one two", 7, 1000), 7);
  }
  void TearDown() override { munmap(memory_, 8192); }
  abi::ViewHead& head() { return *reinterpret_cast<abi::ViewHead*>(memory_); }
  void publish(const abi::ViewEntry& entry) {
    const std::uint64_t at = head().exporter.produced.load();
    std::memcpy(memory_ + 4096 + (at & 1) * kEntrySize, &entry, sizeof entry);
    head().exporter.produced.store(at + 1);
  }
  std::string refusal() {
    auto reader = MappedReader::attach(page_fd_.get(), data_fd_.get());
    return reader ? "" : reader.error().text;
  }
  template <class T>
  void refuses(T& field, T value, const std::string& why) {
    const T before = field;
    field = value;
    EXPECT_NE(refusal().find(why), std::string::npos) << "seen: " << refusal() << "\nwant: " << why;
    field = before;
    EXPECT_EQ(refusal(), "");
  }
  base::Fd page_fd_, data_fd_;
  std::byte* memory_ = nullptr;
};

TEST_F(PageByHand, IsReadWithoutAnyRingAlsoIfItsEntriesHaveGrown) {
  auto reader = MappedReader::attach(page_fd_.get(), data_fd_.get());
  ASSERT_TRUE(reader) << reader.error().text;
  const auto text = [](const MappedPacket& p) { return std::string(reinterpret_cast<const char*>(p.bytes.data()), p.bytes.size()); };
  MappedPacket packet;
  for (std::uint64_t i = 0; i < 5; ++i) {
    publish({7, 0, i, 1000, 3, 1, 10, 20, 0});
    publish({7, 0, i, 1004, 3, 1, 20, 30, 2});
    ASSERT_EQ(reader->next(packet), Answer::packet);
    EXPECT_EQ(text(packet), "one");
    reader->release();
    ASSERT_EQ(reader->next(packet), Answer::packet);
    EXPECT_EQ(text(packet), "two");
    EXPECT_EQ(packet.ring, 7u);
    EXPECT_EQ(packet.sequence, i);
    EXPECT_EQ(packet.begin_stamp, 20u);
    EXPECT_EQ(packet.end_stamp, 30u);
    EXPECT_EQ(packet.lost, 2u);
    reader->release();
    EXPECT_EQ(reader->next(packet), Answer::nothing);
    EXPECT_EQ(head().reader.consumed.load(), 2 * i + 2);
  }
}

TEST_F(PageByHand, FactsThatCannotBeAreRefused) {
  abi::ViewFacts& f = head().facts;
  refuses<std::uint64_t>(f.magic, 5, "magic is 0x5, want");
  refuses<std::uint32_t>(f.version, 2, "version is 2 with records 1, want 1 with 1");
  refuses<std::uint32_t>(f.record_format, 2, "version is 1 with records 2, want 1 with 1");
  refuses<std::uint32_t>(f.entry_count, 3, "3 entries, want a power of two");
  refuses<std::uint32_t>(f.entry_count, 64, "64 entries of 128 bytes at 4096 do not fit in 8192 bytes");
  refuses<std::uint32_t>(f.entry_size, 56, "entries of 56 bytes, want");
  refuses<std::uint64_t>(f.entries_offset, ~std::uint64_t{7}, "do not fit");
  refuses<std::uint64_t>(f.data_size, 5000, "its data has 4096 bytes, want 5000");
}

TEST_F(PageByHand, EntriesThatPointOutsideAreNotFollowed) {
  const auto answer = [&](const abi::ViewEntry& entry) {
    head().reader.consumed.store(head().exporter.produced.load());
    publish(entry);
    auto reader = MappedReader::attach(page_fd_.get(), data_fd_.get());
    MappedPacket packet;
    return reader->next(packet);
  };
  EXPECT_EQ(answer({0, 0, 0, 4000, 96, 0, 0, 0, 0}), Answer::packet);
  EXPECT_EQ(answer({0, 0, 0, 4000, 97, 0, 0, 0, 0}), Answer::corrupt);
  EXPECT_EQ(answer({0, 0, 0, ~std::uint64_t{0}, 2, 0, 0, 0, 0}), Answer::corrupt);
  EXPECT_EQ(answer({0, abi::kCopied, 0, 8000, 192, 0, 0, 0, 0}), Answer::packet);
  EXPECT_EQ(answer({0, abi::kCopied, 0, 8000, 193, 0, 0, 0, 0}), Answer::corrupt);
  head().exporter.produced.store(head().reader.consumed.load() + 3);
  auto reader = MappedReader::attach(page_fd_.get(), data_fd_.get());
  MappedPacket packet;
  EXPECT_EQ(reader->next(packet), Answer::corrupt) << "three of two entries";
}

}  // namespace
}  // namespace ouro::ring
