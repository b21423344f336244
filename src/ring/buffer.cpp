#include <ouro/ring/buffer.hpp>

#include <atomic>

namespace ouro::ring::detail {
namespace {

constexpr std::size_t kSizeField = 4;

void count_too_large(const Channel& channel) noexcept {
  channel.ring[0]->losses.lost[static_cast<std::size_t>(abi::Loss::too_large)].fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

std::uint32_t next_tag() noexcept {
  static std::atomic<std::uint32_t> last{kOnlyTag};
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
    return write_slow(channel, id, body, size + kSizeField);
  }
  // Without stamps there are no headers, and a record in two phases needs one.
  if (size >= channel.subbuf_size || !channel.stamped) {
    count_too_large(channel);
    return Written::lost;
  }
  const Reservation r = reserve(channel, id, size + kSizeField);
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
