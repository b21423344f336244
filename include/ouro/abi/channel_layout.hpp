// ouro/abi/channel_layout.hpp -- how the memory of a channel begins, so that other processes, or those that come after its own
// was killed, find their way in it. Version 2.
//
//   0             128    192       4096     4096 + stride           4096 + rings * stride
//   +-------------+------+---------+--------+--------+-----+--------+
//   | ChannelHead | Bell | 0       | ring 0 | ring 1 | ... |        |      each as in ring_layout.hpp, then up to a whole page
//   +-------------+------+---------+--------+--------+-----+--------+
//     creator,     readers
//     then const   and writers
//
// per_cpu, shared   2 * cpus rings: those of kind per_cpu, then those of kind shared
// exclusive         one ring
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/ring_layout.hpp>

namespace ouro::abi {

inline constexpr std::uint64_t kChannelMagic = 0x316c656e6e616863;  // "channel1"
inline constexpr std::uint32_t kChannelVersion = 3;
inline constexpr std::size_t kRingsOffset = 4096;
inline constexpr std::size_t kRingAlignment = 4096;
inline constexpr std::uint32_t kMaxCpus = 8192;

// none: records have no header, but in shared rings. client: they begin with an extended one of the client's; in shared rings, behind ours.
enum class StampKind : std::uint32_t { none = 0, clock = 1, client = 2 };

struct ChannelFacts {
  std::uint64_t magic;       // stored last by the creator (release)
  std::uint32_t version;
  std::uint32_t sync;        // RingKind of the rings that are written to first
  std::uint64_t total_size;  // of the memory, in bytes
  std::uint64_t ring_stride;
  std::uint32_t mode;        // FullMode
  std::uint32_t clock;       // ClockKind
  std::uint32_t cpus;        // exclusive: 1
  std::uint32_t subbuf_count;
  std::uint64_t subbuf_size;
  std::uint32_t stamps;      // StampKind
  std::uint32_t has_bell;
  std::uint64_t patience_ns;  // discard: how long a writer waits for room
  std::uint32_t wake_every;
  char boot[40];              // of the kernel, as /proc/sys/kernel/random/boot_id has it: whose clock and process numbers these are
  std::uint32_t has_ends;     // 1: what sub-buffers begin and end with is its creator's
  std::uint64_t stream_from;  // bytes: pieces of records as large are stored past the caches
};

struct ChannelHead {
  alignas(64) ChannelFacts facts;
  Bell bell;
};
static_assert(sizeof(ChannelFacts) == 128 && offsetof(ChannelHead, bell) == 128 && sizeof(ChannelHead) == 192);

}  // namespace ouro::abi
