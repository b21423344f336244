// ring/test_ring.hpp -- helpers of the ring's tests: a channel in this process's memory whose records are
// {u32 writer, u32 number, then filling whose bytes follow from both}, and a reader that checks every byte.
#pragma once
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <cstring>
#include <map>
#include <vector>

#include <ouro/ring/local.hpp>

namespace ouro::ring {

struct TestRecord {
  std::uint32_t writer, number;
  std::uint64_t stamp;
  std::size_t size;  // of the body
};

inline void pin_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  ASSERT_EQ(pthread_setaffinity_np(pthread_self(), sizeof set, &set), 0);
}

// Undoes it; also for threads made from here on.
inline void run_anywhere() {
  cpu_set_t set;
  std::memset(&set, 0xff, sizeof set);
  ASSERT_EQ(pthread_setaffinity_np(pthread_self(), sizeof set, &set), 0);
}

// Body: writer, number, size, then (size - 12) bytes of a pattern.
inline void put_body(std::byte* body, std::uint32_t writer, std::uint32_t number, std::size_t size) {
  const std::uint32_t words[3] = {writer, number, static_cast<std::uint32_t>(size)};
  std::memcpy(body, words, 12);
  for (std::size_t i = 12; i < size; ++i) body[i] = static_cast<std::byte>(writer * 31 + number * 7 + i);
}
inline std::vector<std::byte> make_body(std::uint32_t writer, std::uint32_t number, std::size_t size) {
  std::vector<std::byte> body(size + 16);
  put_body(body.data(), writer, number, size);
  return body;
}

#if OURO_HAS_RSEQ
// A body as text: 12 bytes before it, one behind it.
inline void write_text(Route& route, const Channel& channel, const std::vector<std::byte>& body, std::size_t size) {
  std::uint64_t words[3]{};
  std::memcpy(words, body.data(), 12);
  std::memcpy(words + 2, body.data() + size - 1, 1);
  const std::vector<char> text(reinterpret_cast<const char*>(body.data()) + 12, reinterpret_cast<const char*>(body.data()) + size - 1);
  if (detail::shoot_bytes<12, 1, true, true, false>(route, detail::kOnlyTag, 7, detail::no_context, words, text.data(), text.size())) return;
  refresh(route, channel, detail::kOnlyTag);
  write_slow(channel, 7, body.data(), size);
}
#endif

class TestRing {
 public:
  explicit TestRing(const LocalChannel::Options& options) : channel_(std::move(*LocalChannel::create(options))) {
    for (std::uint32_t i = 0; i < channel_.ring_count(); ++i) {
      readers_.emplace_back(channel_.head(i), channel_.geometry(i));
      said_lost_.push_back(0);
      end_.push_back(0);
    }
  }
  const Channel& channel() const { return channel_.channel(); }
  LocalChannel& local() { return channel_; }
  Reader& reader(std::uint32_t i) { return readers_[i]; }

  // Also in signal handlers.
  Written write(std::uint32_t writer, std::uint32_t number, std::size_t size) {
    std::byte body[kMaxSingleShotBody + 16];
    put_body(body, writer, number, size);
    return write_slow(channel(), 7, body, size);
  }

  // Everything that can be read now, of all rings, ring by ring.
  std::vector<TestRecord> drain(bool include_current = true) {
    std::vector<TestRecord> all;
    for (std::uint32_t i = 0; i < readers_.size(); ++i) drain(i, include_current, all);
    return all;
  }
  void drain(std::uint32_t i, bool include_current, std::vector<TestRecord>& all) {
    Packet packet;
    for (;;) {
      const Reader::Answer answer = readers_[i].next(packet, include_current);
      ASSERT_NE(answer, Reader::Answer::corrupt);
      if (answer != Reader::Answer::packet) {
        last_answer = answer;
        return;
      }
      decode(i, packet, all);
      readers_[i].release();
    }
  }
  std::uint64_t lost() const {
    std::uint64_t sum = 0;
    for (const Reader& r : readers_) sum += r.lost_total();
    return sum;
  }
  std::uint64_t lost(abi::Loss cause) const {
    std::uint64_t sum = 0;
    for (const Reader& r : readers_) sum += r.lost(cause);
    return sum;
  }
  Reader::Answer last_answer{};
  std::uint64_t packets = 0;

 private:
  void decode(std::uint32_t i, const Packet& packet, std::vector<TestRecord>& all) {
    ++packets;
    EXPECT_GE(packet.begin_stamp, end_[i]) << "packets of a ring overlap in time";
    EXPECT_GE(packet.end_stamp, packet.begin_stamp);
    EXPECT_GE(packet.lost_counted + packet.lost_lapped, said_lost_[i]) << "the loss count went back";
    said_lost_[i] = packet.lost_counted + packet.lost_lapped;
    end_[i] = packet.end_stamp;
    std::uint64_t now = packet.begin_stamp, records = 0;
    std::size_t at = 0;
    const auto take = [&](void* to, std::size_t n) {
      ASSERT_LE(at + n, packet.bytes.size());
      std::memcpy(to, packet.bytes.data() + at, n);
      at += n;
    };
    while (at < packet.bytes.size()) {
      std::uint32_t head = 0;
      take(&head, 4);
      std::uint32_t id = head & 1023;
      if (id == kExtendedId) {
        std::uint64_t stamp = 0;
        take(&id, 4);
        take(&stamp, 8);
        ASSERT_GE(stamp, now) << "time went back";
        now = stamp;
      } else {
        const std::uint64_t low = head >> 10, mask = (std::uint64_t{1} << kStampBits) - 1;
        std::uint64_t stamp = (now & ~mask) | low;
        if (stamp < now) stamp += mask + 1;
        now = stamp;
      }
      ASSERT_LE(now, packet.end_stamp);
      std::uint32_t words[3];
      take(words, 12);
      ASSERT_GE(words[2], 12u);
      ASSERT_LE(at + words[2] - 12, packet.bytes.size());
      const auto expected = make_body(words[0], words[1], words[2]);
      ASSERT_EQ(std::memcmp(packet.bytes.data() + at, expected.data() + 12, words[2] - 12), 0) << "torn record";
      at += words[2] - 12;
      ++records;
      all.push_back({words[0], words[1], now, words[2]});
    }
    EXPECT_EQ(records, packet.records);
  }

  LocalChannel channel_;
  std::vector<Reader> readers_;
  std::vector<std::uint64_t> said_lost_, end_;
};

}  // namespace ouro::ring
