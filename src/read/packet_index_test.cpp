// Places of packets are remembered, in the cache or LTTng's index. What they say is checked: whatever stands there, the events are the same.
#include <endian.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include <ouro/read.hpp>

#include "format/test_trace.hpp"
#include "read/packet_index.hpp"

namespace ouro::read {
namespace {

namespace fs = std::filesystem;
using format::test::Bytes;
using format::test::one_number;
using format::test::TestTrace;

constexpr std::int64_t kSecond0 = 1'577'836'800'000'000'000;
constexpr std::uint64_t kPackets = 130, kEvents = 5400, kPacketTicks = 10 * kEvents;  // of 64 KiB: 8 MiB in all
constexpr std::uint64_t kPacketBytes = format::kPacketHeaderSize + 12 * kEvents;

std::uint64_t begin_of(std::uint64_t packet) { return 1000 + packet * kPacketTicks; }

void write_packet(TestTrace& trace, const std::string& file, std::uint64_t packet, std::uint64_t events) {
  Bytes records;
  for (std::uint64_t i = 0; i < events; ++i) records.compact(5, begin_of(packet) + 10 * i, 1).put(static_cast<std::uint32_t>(packet * kEvents + i));
  trace.packet(file, {.timestamp_begin = begin_of(packet), .timestamp_end = begin_of(packet) + 10 * events - 1, .packet_seq_num = packet}, records.get());
}
void write_packets(TestTrace& trace, const std::string& file, std::uint64_t packets, std::uint64_t events) {
  for (std::uint64_t p = 0; p < packets; ++p) write_packet(trace, file, p, events);
}

// What one sees after a seek to the begin of a packet: the next event's number, how many packets were opened for it, and how many events there are from there on.
struct Seen {
  std::uint64_t number = 0, packets_opened = 0, events = 0;
  bool operator==(const Seen&) const = default;
};
Seen seen_from(Trace& trace, std::uint64_t packet) {
  Seen out;
  trace.seek(kSecond0 + static_cast<std::int64_t>(begin_of(packet)));
  for (const Event* event; (event = trace.next()) != nullptr; ++out.events) {
    if (out.events != 0) continue;
    out.number = event->fields()[0].u;
    out.packets_opened = trace.streams()[0].packets;
  }
  return out;
}
Seen seen_from(const TestTrace& folder, std::uint64_t packet) {
  Result<Trace> trace = Trace::open(folder.folder());
  EXPECT_TRUE(trace) << trace.error().text;
  return trace ? seen_from(*trace, packet) : Seen{};
}
Seen straight(std::uint64_t packet, std::uint64_t opened = 1) { return {packet * kEvents, opened, (kPackets - packet) * kEvents}; }

class PacketIndexTest : public testing::Test {
 protected:
  PacketIndexTest() : home_(std::getenv("HOME") != nullptr ? std::getenv("HOME") : ""), folder_(one_number()) {
    ::unsetenv("OURO_CACHE");
    ::setenv("HOME", "/nonexistent", 1);
    ::setenv("XDG_CACHE_HOME", cache_.folder().c_str(), 1);
  }
  ~PacketIndexTest() override {
    ::setenv("OURO_CACHE", "0", 1);
    ::setenv("HOME", home_.c_str(), 1);
  }

  std::vector<std::string> cached() const {
    std::vector<std::string> out;
    if (fs::exists(cache_.folder() + "/ouro"))
      for (const auto& entry : fs::recursive_directory_iterator(cache_.folder() + "/ouro"))
        if (entry.is_regular_file()) out.push_back(fs::relative(entry.path(), cache_.folder()));
    return out;
  }
  std::string only_cached() const { return cached().size() == 1 ? cached()[0] : "none, or several"; }
  PacketIndex loaded(const std::string& name) const {
    const Result<MappedFile> file = MappedFile::open(folder_.file(name));
    return load_packet_index(folder_.file(name), file->identity());
  }
  void save(const std::string& name, std::vector<PacketPlace> places) const {
    const Result<MappedFile> file = MappedFile::open(folder_.file(name));
    save_packet_index(folder_.file(name), {file->identity(), std::move(places), true});
  }
  static std::vector<PacketPlace> all_places() {
    std::vector<PacketPlace> out;
    for (std::uint64_t p = 0; p < kPackets; ++p) out.push_back({p * kPacketBytes, kPacketBytes, begin_of(p), begin_of(p + 1) - 1});
    return out;
  }

  std::string home_;
  TestTrace cache_{one_number()};  // a folder for it
  TestTrace folder_;
};

TEST_F(PacketIndexTest, IsKeptInTheCacheOnceSomebodySought) {
  write_packets(folder_, "s", kPackets, kEvents);
  Result<Trace> trace = Trace::open(folder_.folder());
  ASSERT_TRUE(trace);
  while (trace->next() != nullptr) continue;
  EXPECT_TRUE(cached().empty()) << "reading from the beginning needs none";
  EXPECT_EQ(seen_from(*trace, 100), straight(100));
  EXPECT_EQ(cached().size(), 1u);
  EXPECT_EQ(loaded("s").places, all_places());
  EXPECT_EQ(seen_from(folder_, 77), straight(77));
  EXPECT_EQ(fs::status(cache_.file(only_cached())).permissions() & fs::perms::all, fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(PacketIndexTest, IsBelowTheHomeUnlessTheUserSaysWhere) {
  write_packets(folder_, "s", kPackets, kEvents);
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", cache_.folder().c_str(), 1);
  save("s", all_places());
  EXPECT_EQ(loaded("s").places, all_places());
  EXPECT_TRUE(fs::is_directory(cache_.file(".cache/ouro/packets")));
}

TEST_F(PacketIndexTest, OfTheCacheIsUsed) {
  write_packets(folder_, "s", kPackets, kEvents);
  std::vector<PacketPlace> places = all_places();
  ++places[20].begin;  // not where anybody reads: it stays as it is
  save("s", places);
  EXPECT_EQ(seen_from(folder_, 100), straight(100));
  EXPECT_EQ(loaded("s").places, places);
  EXPECT_EQ(Trace::open(folder_.folder())->time_range()->end_ns, kSecond0 + static_cast<std::int64_t>(begin_of(kPackets)) - 10);
}

TEST_F(PacketIndexTest, StaysInMemoryWhileTheFileIsTheSame) {
  write_packets(folder_, "s", kPackets, kEvents);
  Result<Trace> trace = Trace::open(folder_.folder());
  EXPECT_EQ(seen_from(*trace, 100), straight(100));
  fs::remove(cache_.file(only_cached()));
  EXPECT_EQ(seen_from(*trace, 50), straight(50));
  EXPECT_TRUE(trace->time_range());
  EXPECT_TRUE(cached().empty()) << "headers were read again";
}

TEST_F(PacketIndexTest, IsMadeAnewWhenTheFileGrew) {
  write_packets(folder_, "s", kPackets - 1, kEvents);
  TestTrace other(one_number());
  write_packets(other, "t", 1, 1);
  Result<Trace> trace = Trace::open(std::vector{folder_.folder(), other.folder()});  // of several, files are closed at their ends
  ASSERT_TRUE(trace);
  EXPECT_EQ(seen_from(*trace, 100).events, (kPackets - 1 - 100) * kEvents);
  write_packet(folder_, "s", kPackets - 1, kEvents);
  EXPECT_EQ(seen_from(*trace, 100), straight(100));
  EXPECT_EQ(loaded("s").places, all_places());
  EXPECT_EQ(cached().size(), 1u) << "it takes the place of the one before";
}

TEST_F(PacketIndexTest, IsOfTheFileAsItWas) {
  write_packets(folder_, "s", kPackets, kEvents);
  save("s", all_places());
  ASSERT_FALSE(loaded("s").places.empty());
  fs::last_write_time(folder_.file("s"), fs::last_write_time(folder_.file("s")) + std::chrono::nanoseconds(1));
  EXPECT_TRUE(loaded("s").places.empty()) << "modified";
  save("s", all_places());
  fs::copy_file(folder_.file("s"), folder_.file("copy"));
  fs::last_write_time(folder_.file("copy"), fs::last_write_time(folder_.file("s")));
  fs::rename(folder_.file("copy"), folder_.file("s"));
  EXPECT_TRUE(loaded("s").places.empty()) << "another file of the same name";
}

TEST_F(PacketIndexTest, OfAFewPacketsOrBytesIsNotWorthAFile) {
  write_packets(folder_, "many_small", 1000, 10);
  write_packets(folder_, "few_large", 100, kEvents);
  Result<Trace> trace = Trace::open(folder_.folder());
  trace->seek(kSecond0 + static_cast<std::int64_t>(begin_of(50)));
  EXPECT_TRUE(cached().empty());
}

TEST_F(PacketIndexTest, IsNotKeptWhereNobodyWantsItOrThereIsNoPlace) {
  write_packets(folder_, "s", kPackets, kEvents);
  ::setenv("OURO_CACHE", "0", 1);
  EXPECT_EQ(seen_from(folder_, 100), straight(100));
  EXPECT_TRUE(cached().empty());
  ::unsetenv("OURO_CACHE");
  for (const char* place : {"relative", "/proc/self", "/dev/null", "/nonexistent/folder"}) {
    ::setenv("XDG_CACHE_HOME", place, 1);
    EXPECT_EQ(seen_from(folder_, 100), straight(100)) << place;
  }
  ::setenv("XDG_CACHE_HOME", cache_.folder().c_str(), 1);
  cache_.write("ouro", "a file where the folder should be");
  EXPECT_EQ(seen_from(folder_, 100), straight(100));
}

TEST_F(PacketIndexTest, ThatIsDamagedIsMadeAnew) {
  write_packets(folder_, "s", kPackets, kEvents);
  save("s", all_places());
  const std::string name = only_cached(), sound = cache_.read(name);
  const auto expect_made_anew = [&](const std::string& bytes, const std::string& what) {
    cache_.write(name, bytes);
    EXPECT_EQ(seen_from(folder_, 100), straight(100)) << what;
    EXPECT_EQ(cache_.read(name), sound) << what;
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{47}, std::size_t{48}, std::size_t{49}, sound.size() / 2, sound.size() - 16, sound.size() - 1})
    expect_made_anew(sound.substr(0, size), "cut off at " + std::to_string(size));
  for (std::size_t byte = 0; byte < 48; byte += 3) {
    std::string flipped = sound;
    flipped[byte] = static_cast<char>(flipped[byte] ^ 4);
    expect_made_anew(flipped, "bit flipped in byte " + std::to_string(byte));
  }
  const auto with = [&](const std::function<void(std::vector<PacketPlace>&)>& change) {
    std::vector<PacketPlace> places = all_places();
    change(places);
    std::string out = sound.substr(0, 48);
    const std::uint64_t count = places.size();
    std::memcpy(&out[40], &count, sizeof count);
    return out.append(reinterpret_cast<const char*>(places.data()), places.size() * sizeof places[0]);
  };
  using Places = std::vector<PacketPlace>&;
  expect_made_anew(with([](Places p) { p[99].size += 12, p[100].offset += 12, p[100].size -= 12; }), "no packet there");
  expect_made_anew(with([](Places p) { --p[100].begin; }), "a packet of another begin there");
  expect_made_anew(with([](Places p) { --p[99].end; }), "the one ahead has another end");
  expect_made_anew(with([](Places p) { p[99].size += p[100].size, p.erase(p.begin() + 100); }), "two packets in one");
  expect_made_anew(with([](Places p) { p.erase(p.begin() + 50); }), "a gap");
  expect_made_anew(with([](Places p) { p[20].begin = p[22].begin; }), "times go back");
  expect_made_anew(with([](Places p) { p[20].end = p[20].begin - 1; }), "an end before the begin");
  expect_made_anew(with([](Places p) { p.pop_back(); }), "a part of the file");
  expect_made_anew(with([](Places p) { p.push_back({kPackets * kPacketBytes, 1, p.back().end, p.back().end}); }), "more than the file");
  expect_made_anew(with([](Places p) { p.back().size = ~std::uint64_t{0}; }), "more bytes than there are");
  expect_made_anew(with([](Places p) { p.clear(); }), "nothing");
  expect_made_anew(with([](Places p) { --p[0].end; p[0].begin -= 2; }), "the first");
}

TEST_F(PacketIndexTest, OfTheLastPacketIsCheckedByWhoAsksForTheEnd) {
  write_packets(folder_, "s", kPackets, kEvents);
  std::vector<PacketPlace> wrong = all_places();
  ++wrong.back().begin;
  save("s", wrong);
  EXPECT_EQ(Trace::open(folder_.folder())->time_range()->end_ns, kSecond0 + static_cast<std::int64_t>(begin_of(kPackets)) - 10);
  EXPECT_EQ(loaded("s").places, all_places());
}

TEST_F(PacketIndexTest, InALargeCacheTakesThePlaceOfTheOldest) {
  write_packets(folder_, "s", kPackets, kEvents);
  save("s", all_places());
  const fs::path cache = fs::path(cache_.file(only_cached())).parent_path();
  const auto now = fs::file_time_type::clock::now();
  for (int i = 0; i < 5; ++i) {
    std::ofstream(cache / std::to_string(i)) << "";
    fs::resize_file(cache / std::to_string(i), 60 << 20);
    fs::last_write_time(cache / std::to_string(i), now - std::chrono::hours(i + 1));
  }
  save("s", all_places());
  EXPECT_EQ(loaded("s").places, all_places());
  EXPECT_TRUE(fs::exists(cache / "0"));
  EXPECT_TRUE(fs::exists(cache / "3"));
  EXPECT_FALSE(fs::exists(cache / "4"));
}

// A number is missing: there is more to be said of the trace than where its packets are.
TEST_F(PacketIndexTest, OfADamagedFileIsNotKept) {
  for (std::uint64_t p = 0; p < kPackets; ++p)
    if (p != 20) write_packet(folder_, "s", p, kEvents);
  write_packet(folder_, "s", kPackets, kEvents);
  EXPECT_EQ(seen_from(folder_, 100).number, 100 * kEvents);
  EXPECT_TRUE(cached().empty());
}

TEST_F(PacketIndexTest, ServesWhoPartsTheTrace) {
  write_packets(folder_, "s", kPackets, kEvents);
  const std::vector<std::int64_t> cuts = Trace::open(folder_.folder())->cuts(1 << 20);
  EXPECT_GT(cuts.size(), 5u);
  ASSERT_EQ(cached().size(), 1u);
  EXPECT_EQ(Trace::open(folder_.folder())->cuts(1 << 20), cuts);
}

// ---- LTTng's

// As it is written with packets of kPacketBytes; `change` makes it wrong.
using Entry = std::array<std::uint64_t, 9>;  // offset, packet and content size in bits, begin, end, events discarded, stream, instance, number
void write_lttng(const TestTrace& folder, const std::function<void(std::vector<Entry>&)>& change, std::uint32_t magic = 0xc1f1dcc1, std::uint32_t each = sizeof(Entry)) {
  std::vector<Entry> entries;
  for (std::uint64_t p = 0; p < kPackets; ++p) entries.push_back({p * kPacketBytes, 8 * kPacketBytes, 8 * kPacketBytes, begin_of(p), begin_of(p + 1) - 1, 0, 0, 0, p});
  change(entries);
  fs::create_directory(folder.file("index"));
  std::ofstream out(folder.file("index/s.idx"), std::ios::binary);
  for (const std::uint32_t word : {magic, 1U, 1U, each}) {
    const std::uint32_t big = htobe32(word);
    out.write(reinterpret_cast<const char*>(&big), sizeof big);
  }
  for (const Entry& entry : entries)
    for (const std::uint64_t word : entry) {
      const std::uint64_t big = htobe64(word);
      out.write(reinterpret_cast<const char*>(&big), sizeof big);
    }
}

// Where it is used, nothing needs to be kept in the cache.
TEST_F(PacketIndexTest, OfLttngIsUsedInPlaceOfTheHeaders) {
  write_packets(folder_, "s", kPackets, kEvents);
  const auto is_used = [&] {
    EXPECT_EQ(seen_from(folder_, 100), straight(100));
    const bool out = cached().empty();
    fs::remove_all(cache_.file("ouro"));
    return out;
  };
  using Entries = std::vector<Entry>&;
  const auto none = [](Entries) {};
  EXPECT_FALSE(is_used()) << "there is none yet";
  write_lttng(folder_, none);
  EXPECT_TRUE(is_used());
  EXPECT_EQ(loaded("s").places, all_places());
  write_lttng(folder_, none, 0xc1f1dcc2);
  EXPECT_FALSE(is_used()) << "another kind of file";
  write_lttng(folder_, none, 0xc1f1dcc1, 56);
  EXPECT_FALSE(is_used()) << "of version 1.0";
  write_lttng(folder_, [](Entries e) { e.pop_back(); });
  EXPECT_FALSE(is_used()) << "of a part of the file";
  write_lttng(folder_, [](Entries e) { e[100][1] += 8; });
  EXPECT_FALSE(is_used()) << "sizes and places contradict each other";
  write_lttng(folder_, [](Entries e) { --e[100][3]; });
  EXPECT_FALSE(is_used()) << "the packet there begins at another time";
  write_lttng(folder_, [](Entries e) { ++e[100][8]; });
  EXPECT_FALSE(is_used()) << "packets are missing";
  write_lttng(folder_, [](Entries e) { e.clear(); });
  EXPECT_FALSE(is_used()) << "empty";
}

}  // namespace
}  // namespace ouro::read
