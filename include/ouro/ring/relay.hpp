// ouro/ring/relay.hpp -- bytes in, bytes out: what relayfs was. No header, no clock, no size before a write: what stands in the
// sub-buffers is what was written, and, at their beginnings and ends, what the client's callbacks put there.
//
//   struct Ends {                                             // or NoEnds
//     static constexpr std::size_t begin_size = 16, end_size = 8;   // bytes; multiples of 8, 64 at most
//     static void begin(const SubbufEnds::Info&, std::byte* to) noexcept;
//     static void end(const SubbufEnds::Info&, std::byte* to) noexcept;
//   };
//   auto bytes = ouro::ring::relay<Ends>::create();
//   bytes->write(data, size);                                 // any thread, any signal handler
//   RelayReader reader(bytes->channel());
//   for (Chunk c; reader.next(c);) fwrite(c.bytes.data(), 1, c.bytes.size(), file[c.ring]);
//
// The callbacks are called by the writer that goes from one sub-buffer to the next, in whatever context it is: they must be
// async-signal-safe, and their output is thrown away if another writer was faster. Where there is no rseq, the reader
// calls them, as it delivers.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include <ouro/ring/buffer.hpp>

namespace ouro::ring {

struct NoEnds {
  static constexpr std::size_t begin_size = 0, end_size = 0;
  static void begin(const SubbufEnds::Info&, std::byte*) noexcept {}
  static void end(const SubbufEnds::Info&, std::byte*) noexcept {}
};

template <class Ends = NoEnds, Full kFull = Full::discard>
class relay {
  static_assert(Ends::begin_size % 8 == 0 && Ends::begin_size <= SubbufEnds::kMaxSize);
  static_assert(Ends::end_size % 8 == 0 && Ends::end_size <= SubbufEnds::kMaxSize);

 public:
  static constexpr std::uint64_t kMaxSubbufSize = 512 * 1024;  // a sub-buffer counts its writes, which may be of one byte, in 19 bits

  static Result<relay> create(const Shape& shape = kDefaultShape) {
    if (shape.subbuf_size > kMaxSubbufSize)
      return errorf(22, "relay: sub-buffers of %llu bytes, want %llu at most", static_cast<unsigned long long>(shape.subbuf_size),
                    static_cast<unsigned long long>(kMaxSubbufSize));
    Result<Bytes> made = Bytes::create(shape, &kEnds);
    if (!made) return made.error();
    return relay(std::move(*made));
  }

  // Bytes that stay together: in one sub-buffer, one behind the other. As many as fit there beside the ends. Lost: counted as a
  // record by cause. Async-signal-safe but for Full::block, never allocates.
  [[gnu::always_inline]] Written write(const void* bytes, std::size_t size) noexcept {
    if (size - 1 < kMaxSingleShotBody &&
        detail::shoot_bytes<0, 0, false, false, false, kByCpu, Ends::end_size>(route_, bytes_.tag(), 0, detail::no_context, nullptr, bytes, size)) [[likely]]
      return Written::yes;
    return detail::write_bytes(bytes_.channel().channel(), route_, bytes_.tag(), bytes, size);
  }

  LocalChannel& channel() noexcept { return bytes_.channel(); }
  const LocalChannel& channel() const noexcept { return bytes_.channel(); }

 private:
  using Bytes = Buffer<Policy{.full = kFull, .stamp = Stamp::none}>;
  explicit relay(Bytes bytes) : bytes_(std::move(bytes)) {}
  static constexpr SubbufEnds kEnds{Ends::begin_size, Ends::end_size, Ends::begin, Ends::end};
  static thread_local constinit inline Route route_ __attribute__((tls_model("initial-exec"))){};
  Bytes bytes_;
};

// What was written to one ring, in the order of that ring: a sub-buffer, or as much of it as was there to be read.
struct Chunk {
  std::uint32_t ring = 0;
  std::uint64_t sequence = 0;         // of the sub-buffer; the next one's is 1 more, unless some were lapped
  std::span<const std::byte> bytes;   // until the next call
};

// The only reader of a relay. Not thread-safe.
class RelayReader {
 public:
  // include_current: also from sub-buffers that are being filled.
  explicit RelayReader(LocalChannel& channel, bool include_current = true);
  bool next(Chunk& out);  // false: nothing to read now
  std::uint64_t lost() const;
  bool corrupt() const { return corrupt_; }

 private:
  struct Ring {
    Reader reader;
    bool is_shared;
    Packet packet{};
    bool holds = false;     // the packet is out
    bool waits = false;     // and comes after what was just delivered
    bool broken = false;
    bool is_begun = false;  // of a shared ring: the sub-buffer that `info` tells of was begun and not ended yet
    SubbufEnds::Info info{};
  };
  bool take(Ring& ring, Chunk& out);
  bool take_shared(Ring& ring, Chunk& out);
  bool unwrap(Ring& ring, std::span<const std::byte> bytes);
  void begin(Ring& ring, const Packet& packet);
  void end(Ring& ring);
  void add(std::size_t size, void (*callback)(const SubbufEnds::Info&, std::byte*) noexcept, const SubbufEnds::Info& info);

  const SubbufEnds* ends_;
  std::vector<Ring> rings_;
  std::vector<std::byte> copy_;  // a shared ring's packet without the headers
  std::uint32_t at_ = 0;
  bool include_current_, corrupt_ = false;
};

}  // namespace ouro::ring
