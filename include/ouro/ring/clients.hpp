// ouro/ring/clients.hpp -- ready-made buffers, each in a few lines of policy. docs/ring-policies.md says when to take which.
//
//   event_stream      every record, or counted as lost; somebody reads while it runs
//   flight_recorder   the newest records; somebody reads when something happened
//   fifo<T>           one writer, one reader, values of one type, nothing lost: a full one refuses
//   text_log          the newest lines of text; the process itself can print them while it crashes
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ouro/ring/buffer.hpp>

namespace ouro::ring {

using event_stream = Buffer<Policy{}>;
using flight_recorder = Buffer<Policy{.full = Full::overwrite}>;

// push() by one thread at a time, pop() by one thread at a time. No locks, no system calls, no allocation after create().
template <class T>
  requires std::is_trivially_copyable_v<T> && (sizeof(T) >= 4) && (sizeof(T) <= kMaxSingleShotBody)
class fifo {
 public:
  // Room for `capacity` values at least.
  static Result<fifo> create(std::size_t capacity = 4096) {
    // Four sub-buffers: the reader gives room back in quarters, and the last record of each may not fit.
    const std::uint64_t quarter = std::bit_ceil((capacity / 2 + 1) * sizeof(T));
    if (quarter / sizeof(T) > abi::kRecordsMask)
      return errorf(22, "fifo: %zu values, want %llu at most", capacity, static_cast<unsigned long long>(abi::kRecordsMask));
    Result<LocalChannel> made = LocalChannel::create({.sync = Sync::exclusive,
                                                      .subbuf_count = 4,
                                                      .subbuf_size = std::max(quarter, abi::kMinSubbufSize),
                                                      .stamped = false});
    if (!made) return made.error();
    return fifo(std::move(*made));
  }
  // False: full.
  [[gnu::always_inline]] bool push(const T& value) noexcept {
    if (detail::put_exclusive<false>(*ring_, false, 0, sizeof(T), [&](std::byte* at) { std::memcpy(at, &value, sizeof(T)); })) [[likely]]
      return true;
    return write_slow(channel_.channel(), 0, &value, sizeof(T)) == Written::yes;
  }
  // False: empty.
  bool pop(T& value) noexcept {
    if (packet_.bytes.size() - at_ < sizeof(T)) {
      reader_.release();
      at_ = 0;
      packet_ = {};
      if (reader_.next(packet_, true) != Reader::Answer::packet) return false;
    }
    std::memcpy(&value, packet_.bytes.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }

 private:
  explicit fifo(LocalChannel channel) : channel_(std::move(channel)), ring_(&channel_.head(0)), reader_(channel_.reader(0)) {}
  LocalChannel channel_;
  abi::RingHead* ring_;
  Reader reader_;
  Packet packet_{};
  std::size_t at_ = 0;
};

// Lines of text of any thread and signal handler; the oldest go first.
class text_log {
 public:
  static Result<text_log> create(const Shape& shape = {.subbuf_size = 64 * 1024}) {
    Result<flight_recorder> made = flight_recorder::create(shape);
    if (!made) return made.error();
    return text_log(std::move(*made));
  }
  void write(std::string_view line) noexcept { buffer_.write(0, line); }
  // Writes what there is to a descriptor, CPU by CPU, each line behind its CPU and time stamp. Async-signal-safe, allocates
  // nothing: for SIGSEGV handlers, while other threads may still write. If this thread was in the middle of a write of any Buffer (one
  // that it reserved, or one that left the inline path), a last line says at which level of nesting. Returns the number of records.
  std::uint64_t dump(int fd) const noexcept;
  flight_recorder& buffer() noexcept { return buffer_; }

 private:
  explicit text_log(flight_recorder buffer) : buffer_(std::move(buffer)) {}
  flight_recorder buffer_;
};

}  // namespace ouro::ring
