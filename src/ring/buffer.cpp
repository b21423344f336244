#include <ouro/ring/buffer.hpp>

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "ring/internal.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring::detail {
namespace {

// Who writes, for rings in which that must be told of every record. 0: not asked yet.
thread_local constinit std::uint64_t this_thread __attribute__((tls_model("initial-exec"))) = 0;

std::uint64_t owner() noexcept {
  if (this_thread == 0) this_thread = this_owner();
  return this_thread;
}

std::uint32_t next_tag() noexcept {
  static std::atomic<std::uint32_t> last{kOnlyTag};
  static const int registered = pthread_atfork(nullptr, nullptr, [] { this_thread = 0; });
  (void)registered;
  const std::uint32_t tag = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return tag > kOnlyTag ? tag : next_tag();  // not 0, ever
}

thread_local constinit std::uint32_t under_way __attribute__((tls_model("initial-exec"))) = 0;

// A copy that leaves the caches as they are, where the machine can do that.
void stream(std::byte* to, const std::byte* from, std::size_t size) noexcept {
#if defined(__SSE2__)
  const std::size_t head = std::min(size, -reinterpret_cast<std::uintptr_t>(to) % 64);
  std::memcpy(to, from, head);
  std::size_t at = head;
  for (; size - at >= 64; at += 64)  // whole lines: a part of one would be read first
    for (std::size_t i = at; i < at + 64; i += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
  std::memcpy(to + at, from + at, size - at);
  _mm_sfence();  // before the commit: these stores do not keep the order of others
#else
  std::memcpy(to, from, size);
#endif
}

// An id that means something else to readers. False: the record is lost, and counted.
bool may_have(const Channel& channel, std::uint32_t id) noexcept {
  if (id != kPaddingId) [[likely]]
    return true;
  count_loss(*channel.ring[0], abi::Loss::too_large);
  return false;
}

struct UnderWay {
  UnderWay() noexcept { ++nesting(); }
  ~UnderWay() { --nesting(); }
};

}  // namespace

std::uint32_t& nesting() noexcept { return under_way; }

Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;

Status Core::resize(std::uint32_t subbuf_count, std::uint64_t subbuf_size) {
  Status resized = channel_.resize(subbuf_count, subbuf_size);
  ring_ = &channel_.head(0);
  return resized;
}

Result<Core> create_core(const Policy& policy, const Shape& shape, const SubbufEnds* ends) {
  const bool blocks = policy.full == Full::block;
  Result<LocalChannel> made = LocalChannel::create({.sync = policy.sync,
                               .index = policy.index,
                               .cpus = shape.cpus,
                               .mode = policy.full == Full::overwrite ? abi::FullMode::overwrite : abi::FullMode::discard,
                               .subbuf_count = shape.subbuf_count,
                               .subbuf_size = shape.subbuf_size,
                               .tsc = shape.tsc,
                               .stamped = policy.stamp == Stamp::clock,
                               .client_stamped = policy.stamp == Stamp::client,
                               .stream_from = policy.stream_from,
                               .ends = ends,
                               .memory = shape.memory,
                               .path = std::string(shape.path),
                               .prefault = shape.prefault,
                               .lock = shape.lock,
                               .bell = shape.bell || blocks,
                               .wake_every = shape.wake_every,
                               .event_fd = shape.event_fd,
                               .patience_ns = blocks ? policy.patience_ns : 0});
  if (!made) return made.error();
  return Core(std::move(*made));
}

Core::Core(LocalChannel channel) noexcept
    : channel_(std::move(channel)), ring_(&channel_.head(0)), tag_(next_tag()), tsc_(channel_.channel().tsc) {}

std::size_t collect(std::span<const std::span<const std::byte>> pieces, std::span<std::byte> to) noexcept {
  std::size_t size = 0;
  for (const auto& piece : pieces) {
    if (!piece.empty() && size + piece.size() <= to.size()) std::memcpy(to.data() + size, piece.data(), piece.size());
    size += piece.size();
  }
  return size;
}

Written write_pieces(const Channel& channel, Route& route, std::uint32_t tag, std::uint32_t id,
                     std::span<const std::span<const std::byte>> pieces) noexcept {
  if (!may_have(channel, id)) return Written::lost;
  const UnderWay under_way_here;
  refresh(route, channel, tag);
  alignas(16) std::byte body[kMaxSingleShotBody];
  const std::size_t size = collect(pieces, std::span(body).subspan(kSizeField));
  const auto length = static_cast<std::uint32_t>(size);
  std::memcpy(body, &length, kSizeField);
  if (size + kSizeField <= sizeof body) return write_slow(channel, id, body, size + kSizeField, owner());
  if (!channel.stamped) {  // there are no headers then, and a record in two phases needs one
    count_loss(*channel.ring[0], abi::Loss::too_large);
    return Written::lost;
  }
  const Reservation r = reserve(channel, id, size + kSizeField, owner());
  if (r.body == nullptr) return Written::lost;
  std::memcpy(r.body, &length, kSizeField);
  std::byte* at = r.body + kSizeField;
  for (const auto& piece : pieces) {
    if (piece.size() >= channel.stream_from) stream(at, piece.data(), piece.size());
    else if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  }
  commit(r);
  return Written::yes;
}

namespace {

// Apart, so that dropping saves no registers for it.
[[gnu::noinline]] Written write_whole(const Channel& channel, Route& route, std::uint32_t tag, std::uint32_t id, const void* bytes,
                                      std::size_t size) noexcept {
  const std::span<const std::byte> piece(static_cast<const std::byte*>(bytes), size);
  return write_pieces(channel, route, tag, id, {&piece, 1});
}

}  // namespace

Written write_record(const Channel& channel, Route& route, std::uint32_t tag, std::uint32_t id, const void* bytes, std::size_t size) noexcept {
  if (drop_if_full(channel, route, kSizeField + size)) return Written::lost;
  return write_whole(channel, route, tag, id, bytes, size);
}

Written write_stamped(const Channel& channel, Route& route, std::uint32_t tag, std::uint32_t id, std::uint64_t stamp, const void* bytes,
                      std::size_t size) noexcept {
  if (!may_have(channel, id)) return Written::lost;
  const UnderWay under_way_here;
  refresh(route, channel, tag);
  alignas(16) std::byte body[kMaxSingleShotBody];
  constexpr std::size_t kHead = kExtendedHeader + kSizeField;
  if (size > sizeof body - kHead) {
    count_loss(*channel.ring[0], abi::Loss::too_large);
    return Written::lost;
  }
  put_header(body, id, stamp, true);
  const auto length = static_cast<std::uint32_t>(size);
  std::memcpy(body + kExtendedHeader, &length, kSizeField);
  if (size != 0) std::memcpy(body + kHead, bytes, size);
  return write_slow(channel, 0, body, kHead + size, owner());
}

Written write_bytes(const Channel& channel, Route& route, std::uint32_t tag, const void* bytes, std::size_t size) noexcept {
  if (size == 0) return Written::yes;
  if (drop_if_full(channel, route, size)) return Written::lost;
  const UnderWay under_way_here;
  refresh(route, channel, tag);
  return write_slow(channel, static_cast<std::uint32_t>(size), bytes, size, owner());
}

Reserved reserve_record(const Channel& channel, std::uint32_t id, std::size_t size) noexcept {
  if (!may_have(channel, id)) return {Reservation{}, 0};
  const Reservation r = ring::reserve(channel, id, kSizeField + size, owner());
  if (r.body != nullptr) {
    ++nesting();
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(r.body, &length, kSizeField);
  }
  return {r, size};
}

Result<Core> core_over(LocalChannel channel, const Policy& policy) {
  const Channel& c = channel.channel();
  const auto wrong = [](const char* what, int seen, int want) {
    return errorf(EINVAL, "buffer: the channel's %s is %d, want %d (hint: it was made with another Policy)", what, seen, want);
  };
  if (channel.sync() != policy.sync) return wrong("sync", static_cast<int>(channel.sync()), static_cast<int>(policy.sync));
  const Index index = c.index_at == kByCpu ? Index::cpu : Index::concurrency;
  if (index != policy.index) return wrong("index", static_cast<int>(index), static_cast<int>(policy.index));
  const Full full = c.mode == abi::FullMode::overwrite ? Full::overwrite : c.patience_ns != 0 ? Full::block : Full::discard;
  if (full != policy.full) return wrong("full", static_cast<int>(full), static_cast<int>(policy.full));
  const Stamp stamp = c.stamped ? Stamp::clock : c.client_stamped ? Stamp::client : Stamp::none;
  if (stamp != policy.stamp) return wrong("stamp", static_cast<int>(stamp), static_cast<int>(policy.stamp));
  if (channel.use() != Use::write) return errorf(EACCES, "buffer: the channel was attached to for Use::read, want Use::write");
  return Core(std::move(channel));
}

}  // namespace ouro::ring::detail

namespace ouro::ring {

void Reserved::commit() noexcept {
  if (reservation_.body == nullptr) return;
  ring::commit(std::exchange(reservation_, {}));
  --detail::nesting();
}

void Reserved::discard() noexcept {
  if (reservation_.body == nullptr) return;
  std::memcpy(reservation_.body - kExtendedHeader + 4, &kPaddingId, 4);
  commit();
}

}  // namespace ouro::ring
