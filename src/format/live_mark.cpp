#include "format/live_mark.hpp"

#include <cstring>

namespace ouro::format {
namespace {

constexpr std::uint64_t kMagic = 0x6576696c6f72756f;  // "ourolive"
constexpr std::uint32_t kVersion = 1;

struct Bytes {
  std::uint64_t magic;
  std::uint32_t version, cpus;
  std::uint64_t complete_until, check;
};
static_assert(sizeof(Bytes) == kLiveMarkSize);

}  // namespace

std::array<std::byte, kLiveMarkSize> encode(const LiveMark& mark) {
  const Bytes bytes{kMagic, kVersion, mark.cpus, mark.complete_until, ~mark.complete_until};
  std::array<std::byte, kLiveMarkSize> out;
  std::memcpy(out.data(), &bytes, sizeof bytes);
  return out;
}

std::optional<LiveMark> decode_live_mark(std::span<const std::byte> bytes) {
  Bytes mark;
  if (bytes.size() != sizeof mark) return std::nullopt;
  std::memcpy(&mark, bytes.data(), sizeof mark);
  if (mark.magic != kMagic || mark.version != kVersion || mark.cpus > kMostMarkedCpus || mark.check != ~mark.complete_until) return std::nullopt;
  return LiveMark{mark.complete_until, mark.cpus};
}

}  // namespace ouro::format
