// format/live_mark.hpp -- what a recorder says beside the trace that it is writing, in the folder's file ".recording": that it is at it,
// and up to when nothing is missing. Readers that follow a recording need both; others skip files whose names begin with a dot.
//
//   0     8         12     16               24                 32
//   magic | version | cpus | complete_until | ~complete_until      little endian
//
// The recorder has the file locked (flock) from before its first packet until after its last metadata, and removes it then: a mark
// that nobody has locked was left by one that was killed. It is rewritten in place, so the last word tells a half-read one.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ouro::format {

inline constexpr const char* kLiveMarkName = ".recording";
inline constexpr std::uint32_t kMostMarkedCpus = 8192;

struct LiveMark {
  // Ticks. Packets with earlier events are in the files, but for a writer's that took its stamp before and was held up for long.
  std::uint64_t complete_until = 0;
  std::uint32_t cpus = 0;  // streams are ouro_state, stream_cpuN and stream_sharedN, N below this
};

inline constexpr std::size_t kLiveMarkSize = 32;
std::array<std::byte, kLiveMarkSize> encode(const LiveMark& mark);
// Nothing if these are no mark, of another version, or half written.
std::optional<LiveMark> decode_live_mark(std::span<const std::byte> bytes);

}  // namespace ouro::format
