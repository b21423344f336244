#include <ouro/ring/buffer.hpp>

#include <pthread.h>

#include <atomic>

#include "ring/writer_internal.hpp"

namespace ouro::ring::detail {
namespace {

constexpr std::size_t kSizeField = 4;

void count_too_large(const Channel& channel) noexcept {
  channel.ring[0]->losses.lost[static_cast<std::size_t>(abi::Loss::too_large)].fetch_add(1, std::memory_order_relaxed);
}

// Who writes, for rings in which that must be told of every record. 0: not asked yet.
thread_local constinit std::uint64_t this_thread __attribute__((tls_model("initial-exec"))) = 0;

std::uint64_t owner() noexcept {
  if (this_thread == 0) this_thread = this_owner();
  return this_thread;
}

}  // namespace

std::uint32_t next_tag() noexcept {
  static std::atomic<std::uint32_t> last{kOnlyTag};
  static const int registered = pthread_atfork(nullptr, nullptr, [] { this_thread = 0; });
  (void)registered;
  const std::uint32_t tag = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return tag > kOnlyTag ? tag : next_tag();  // not 0, ever
}

Written write_pieces(const Channel& channel, Route* route, std::uint32_t tag, std::uint32_t id,
                     std::span<const std::span<const std::byte>> pieces) noexcept {
  if (route != nullptr) refresh(*route, channel, tag);
  std::size_t size = 0;
  for (const auto& piece : pieces) size += piece.size();
  const auto length = static_cast<std::uint32_t>(size);
  const auto put = [&](std::byte* at) {
    std::memcpy(at, &length, kSizeField);
    at += kSizeField;
    for (const auto& piece : pieces) {
      if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
      at += piece.size();
    }
  };
  if (size + kSizeField <= kMaxSingleShotBody) {
    alignas(16) std::byte body[kMaxSingleShotBody];
    put(body);
    return write_slow(channel, id, body, size + kSizeField, owner());
  }
  // Without stamps there are no headers, and a record in two phases needs one.
  if (size >= channel.subbuf_size || !channel.stamped) {
    count_too_large(channel);
    return Written::lost;
  }
  const Reservation r = reserve(channel, id, size + kSizeField, owner());
  if (r.body == nullptr) return Written::lost;
  put(r.body);
  commit(r);
  return Written::yes;
}

Written write_record(const Channel& channel, Route* route, std::uint32_t tag, std::uint32_t id, const void* bytes, std::size_t size) noexcept {
  const std::span<const std::byte> piece(static_cast<const std::byte*>(bytes), size);
  return write_pieces(channel, route, tag, id, {&piece, 1});
}

}  // namespace ouro::ring::detail
