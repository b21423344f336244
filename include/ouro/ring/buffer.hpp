// ouro/ring/buffer.hpp -- a ring buffer whose policy is a constant: nobody pays for what the policy leaves out.
//
//   using Samples = ouro::ring::Buffer<ouro::ring::Policy{.full = ouro::ring::Full::overwrite}>;
//   auto samples = Samples::create({.subbuf_size = 128 * 1024});
//   samples->write(kTemperature, reading);                          // any thread, any signal handler
//   for (ouro::ring::Record r; records.next(r);) ...                // Records records(samples->channel());
//
// Which policy to take, and what it costs: docs/ring-policies.md. Ready-made ones: ouro/ring/clients.hpp.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ouro/ring/local.hpp>
#include <ouro/ring/records.hpp>

namespace ouro::ring {

using Loss = abi::Loss;

enum class Full : std::uint8_t {
  discard,    // the newest record is lost, and counted
  overwrite,  // the oldest sub-buffer is lost, and counted
  block,      // the writer waits for a reader, for `patience_ns` at most; then as `discard`
};

enum class Stamp : std::uint8_t {
  clock,  // each record has its time: rdtsc, or CLOCK_MONOTONIC
  client, // each record has what its writer says is its time, in units of his; they should not go back within a thread
  none,   // none has
};

struct Policy {
  Sync sync = Sync::per_cpu;
  Index index = Index::cpu;
  Full full = Full::discard;
  Stamp stamp = Stamp::clock;
  std::uint64_t patience_ns = 1'000'000'000;  // of Full::block
  // Pieces of records of at least so many bytes (more than 1,020) are stored with non-temporal stores, which leave the caches to the program.
  std::uint64_t stream_from = ~std::uint64_t{0};
};

struct Shape {
  std::uint32_t subbuf_count = 16;         // a power of two, 2 to 128
  std::uint64_t subbuf_size = 256 * 1024;  // bytes; a power of two, 4 KiB to 4 MiB. Per ring there is one sub-buffer more
  Memory memory = Memory::anonymous;
  std::string_view path{};
  bool tsc = true;
  std::uint32_t cpus = 0;                  // as in LocalChannel::Options, also the next
  bool prefault = false, lock = false;
  bool bell = false;
  std::uint32_t wake_every = 1;
  bool event_fd = false;
};
inline constexpr Shape kDefaultShape{};

namespace detail {

template <class T>
concept Holds = requires(const T& v) {
  v.size();
  requires std::is_trivially_copyable_v<std::remove_cvref_t<decltype(*v.data())>>;
};

// What all buffers have.
class Core {
 public:
  explicit Core(LocalChannel channel) noexcept;
  Core& operator=(Core&&) noexcept;
  Core(Core&&) noexcept;  // here and there out of line: each client would have its own
  LocalChannel& channel() noexcept { return channel_; }
  const LocalChannel& channel() const noexcept { return channel_; }
  std::uint32_t tag() const noexcept { return tag_; }
  // LocalChannel::resize, which says more. With Sync::exclusive, in the writer's place.
  Status resize(std::uint32_t subbuf_count, std::uint64_t subbuf_size);

 protected:
  LocalChannel channel_;
  abi::RingHead* ring_;  // of Sync::exclusive
  std::uint32_t tag_;    // of its own among all
  bool tsc_;
};
Result<Core> create_core(const Policy& policy, const Shape& shape, const SubbufEnds* ends);
Result<Core> core_over(LocalChannel channel, const Policy& policy);
inline constexpr std::size_t kSizeField = 4;  // before a record's bytes
// What does not depend on the policy, and is rare.
Written write_stamped(const Channel& channel, Route& route, std::uint32_t tag, std::uint32_t id, std::uint64_t stamp, const void* bytes,
                      std::size_t size) noexcept;
Written write_bytes(const Channel& channel, Route& route, std::uint32_t tag, const void* bytes, std::size_t size) noexcept;
Written write_record(const Channel& channel, Route& route, std::uint32_t tag, std::uint32_t id, const void* bytes, std::size_t size) noexcept;
// Puts pieces one behind the other, if they fit. Returns their size.
std::size_t collect(std::span<const std::span<const std::byte>> pieces, std::span<std::byte> to) noexcept;
Written write_pieces(const Channel& channel, Route& route, std::uint32_t tag, std::uint32_t id,
                     std::span<const std::span<const std::byte>> pieces) noexcept;


// How many writes of this thread are under way: reservations not yet committed, and writes off the inline path. In a signal handler
// therefore: what it interrupted.
std::uint32_t& nesting() noexcept;

}  // namespace detail

// A record whose bytes its writer fills in place; see Buffer::reserve.
class Reserved {
 public:
  Reserved(const Reservation& r, std::size_t size) noexcept : reservation_(r), size_(size) {}
  Reserved(Reserved&& other) noexcept : reservation_(std::exchange(other.reservation_, {})), size_(other.size_) {}
  Reserved& operator=(Reserved&&) = delete;
  ~Reserved() { discard(); }
  // False: there was no room; the loss is counted.
  explicit operator bool() const noexcept { return reservation_.body != nullptr; }
  std::span<std::byte> bytes() const noexcept { return {reservation_.body + detail::kSizeField, size_}; }
  void commit() noexcept;   // readers see it
  void discard() noexcept;  // readers skip it; what it took is taken until its sub-buffer is reused

 private:
  Reservation reservation_;
  std::size_t size_;
};

namespace detail {
Reserved reserve_record(const Channel& channel, std::uint32_t id, std::size_t size) noexcept;
}

template <Policy kPolicy = Policy{}>
class Buffer : detail::Core {
 public:
  explicit Buffer(detail::Core&& core) noexcept : detail::Core(std::move(core)) {}  // of create() and over() only

  // `ends`: constant; for clients such as ouro/ring/relay.hpp, whose own inline write leaves room for them.
  static Result<Buffer> create(const Shape& shape = kDefaultShape, const SubbufEnds* ends = nullptr) {
    return Result<Buffer>(detail::create_core(kPolicy, shape, ends));
  }
  // A buffer in the memory of another process (LocalChannel::attach, open), whose policy must be this one; patience is its creator's.
  static Result<Buffer> over(LocalChannel channel) {
    return Result<Buffer>(detail::core_over(std::move(channel), kPolicy));
  }

  // One record. `id` is the client's (up to 1022 without detour; 2^32 - 1 is refused; without a stamp it is not kept). The bytes are copied: with a stamp as many as
  // fit in a sub-buffer beside 20 of ours, without 1,020. Async-signal-safe but for Full::block, never allocates. Yes: it is there.
  // Lost: it is not, will not be, and is counted by cause (Records::lost).
  [[gnu::always_inline]] Written write(std::uint32_t id, const void* bytes, std::size_t size) noexcept
    requires(kPolicy.stamp != Stamp::client)
  {
    if (put(id, bytes, size)) [[likely]]
      return Written::yes;
    return detail::write_record(channel_.channel(), route_, tag_, id, bytes, size);
  }
  // A value as its bytes; of strings, vectors, spans and the like, what they hold.
  template <class T>
    requires std::is_trivially_copyable_v<T> && (!std::is_pointer_v<T>) && (!detail::Holds<T>) && (kPolicy.stamp != Stamp::client)
  [[gnu::always_inline]] Written write(std::uint32_t id, const T& value) noexcept {
    if constexpr (kPolicy.sync == Sync::per_cpu && kStamped && sizeof(T) <= 56) {  // by way of registers
      // Word by word: no stores of parts that a load of the whole would wait for.
      constexpr std::size_t kWords = (kSizeField + sizeof(T) + 7) / 8;
      std::uint64_t body[kWords], rest = sizeof(T);
      for (std::size_t i = 0; i < kWords; ++i) {
        std::uint64_t word = 0;
        if (8 * i < sizeof(T)) std::memcpy(&word, reinterpret_cast<const std::byte*>(&value) + 8 * i, std::min<std::size_t>(8, sizeof(T) - 8 * i));
        body[i] = rest | word << 32;
        rest = word >> 32;
      }
      if (id < kExtendedId && detail::shoot_fixed<kSizeField + sizeof(T), false, kIndexAt>(route_, tag_, id, detail::no_context, body)) [[likely]]
        return Written::yes;
      return detail::write_record(channel_.channel(), route_, tag_, id, &value, sizeof value);
    } else {
      return write(id, &value, sizeof value);
    }
  }
  template <detail::Holds T>
    requires(kPolicy.stamp != Stamp::client)
  [[gnu::always_inline]] Written write(std::uint32_t id, const T& values) noexcept {
    return write(id, values.data(), values.size() * sizeof *values.data());
  }
  // The same with the client's stamp; at most 1,004 bytes.
  [[gnu::always_inline]] Written write_at(std::uint64_t stamp, std::uint32_t id, const void* bytes, std::size_t size) noexcept
    requires(kPolicy.stamp == Stamp::client)
  {
    if constexpr (kPolicy.sync == Sync::per_cpu) {
      const std::uint64_t head[3] = {kExtendedId | std::uint64_t{id} << 32, stamp, static_cast<std::uint32_t>(size)};
      if (size <= kMaxInline - kExtendedHeader && id != kPaddingId &&
          detail::shoot_bytes<kExtendedHeader + kSizeField, 0, false, false, false, kIndexAt>(route_, tag_, 0, detail::no_context, head, bytes, size)) [[likely]]
        return Written::yes;
    }
    return detail::write_stamped(channel_.channel(), route_, tag_, id, stamp, bytes, size);
  }
  // Room for a record that its writer fills himself and then commits or discards, in any order with others that he has open, on the
  // thread that reserved it. Meanwhile readers wait where it stands; if the thread dies, they step over it. As many bytes as fit in a sub-buffer
  // beside 20 of ours.
  Reserved reserve(std::uint32_t id, std::size_t size) noexcept
    requires(kPolicy.stamp == Stamp::clock)
  {
    return detail::reserve_record(channel_.channel(), id, size);
  }
  // One record gathered from any number of pieces (std::as_bytes(std::span(&value, 1)) makes one).
  Written gather(std::uint32_t id, std::span<const std::span<const std::byte>> pieces) noexcept
    requires(kPolicy.stamp != Stamp::client)
  {
    if constexpr (kPolicy.sync != Sync::shared) {
      alignas(16) std::byte record[kMaxInline];
      const std::size_t size = detail::collect(pieces, record);
      if (size <= sizeof record && put(id, record, size)) [[likely]]
        return Written::yes;
    }
    return detail::write_pieces(channel_.channel(), route_, tag_, id, pieces);
  }

  using detail::Core::resize;
  using detail::Core::tag;  // of routes to it
  using detail::Core::channel;

 private:

  static constexpr bool kStamped = kPolicy.stamp == Stamp::clock;
  static constexpr std::uint32_t kIndexAt = kPolicy.index == Index::cpu ? kByCpu : kByConcurrency;
  static constexpr std::size_t kSizeField = detail::kSizeField;

  // The inline path. False: nothing was written.
  [[gnu::always_inline]] bool put(std::uint32_t id, const void* bytes, std::size_t size) noexcept {
    const auto length = static_cast<std::uint32_t>(size);
    if constexpr (kPolicy.sync == Sync::exclusive) {
      if (size > kMaxInline || id >= kExtendedId) return false;
      return detail::put_exclusive<kStamped>(*ring_, tsc_, id, kSizeField + size, [&](std::byte* at) {
        std::memcpy(at, &length, kSizeField);
        std::memcpy(at + kSizeField, bytes, size);
      });
    } else if constexpr (kPolicy.sync == Sync::per_cpu) {
      if (size > kMaxInline || id >= kExtendedId) return false;
      const std::uint64_t head[1] = {length};
      return detail::shoot_bytes<kSizeField, 0, false, kStamped, false, kIndexAt>(route_, tag_, id, detail::no_context, head, bytes, size);
    } else {
      return false;
    }
  }
  static constexpr std::size_t kMaxInline = kMaxSingleShotBody - kSizeField;

  // One per thread, for all buffers of this policy: a thread that writes to two of them in turns looks its ring up each time.
  static thread_local constinit inline Route route_ __attribute__((tls_model("initial-exec"))){};
};

}  // namespace ouro::ring
