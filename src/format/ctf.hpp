// format/ctf.hpp -- CTF 1.8 as Ouro writes it: metadata text and packet headers. docs/trace-format.md is the
// specification. Pure: bytes and text in, bytes and text out.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ouro/abi/context_layout.hpp>
#include <ouro/abi/ring_layout.hpp>

#include "format/event_class.hpp"

namespace ouro::format {

using Uuid = std::array<std::uint8_t, 16>;

// How ticks become time: seconds since the epoch = offset_s + (offset_ticks + ticks) / frequency.
struct ClockDescription {
  std::string name;              // "tsc" or "monotonic"
  std::string description;
  std::uint64_t frequency = 0;   // Hz
  std::int64_t offset_s = 0;
  std::uint64_t offset_ticks = 0;  // < frequency
  std::uint64_t precision_ticks = 0;
};

struct TraceDescription {
  Uuid uuid{};
  ClockDescription clock;
  std::vector<std::pair<std::string, std::string>> env;          // text values: hostname, tracer_name, ...
  std::vector<std::pair<std::uint32_t, EventClass>> events;      // id, class: those of stream 0
  std::uint64_t contexts = 0;                                    // of stream 0 (ouro/abi/context_layout.hpp)
};

// The metadata file's whole text. Stream 0: the program's events. Stream 1: the state events (ids below).
std::string metadata_text(const TraceDescription&);

// In front of each packet; 84 bytes, packed, little endian.
struct PacketHeader {
  Uuid uuid{};
  std::uint32_t stream_id = 0;
  std::uint64_t stream_instance_id = 0;
  std::uint64_t timestamp_begin = 0, timestamp_end = 0;
  std::uint64_t content_bytes = 0;   // header included; written in bits
  std::uint64_t packet_seq_num = 0;
  std::uint64_t events_discarded = 0;
  std::uint32_t cpu_id = 0;
};
inline constexpr std::size_t kPacketHeaderSize = 84;
inline constexpr std::size_t kEventsDiscardedOffset = 72;  // in the header: a late loss is written over it at the end
std::array<std::byte, kPacketHeaderSize> encode(const PacketHeader&);
// None: no header that encode() made.
std::optional<PacketHeader> decode(const std::array<std::byte, kPacketHeaderSize>& bytes);

// Event headers in stream 0: u32 {id:10, stamp:22}; id 1023 announces {u32 id, u64 stamp} behind it. Then the
// context: u32 thread id, and what else the session asked for. Then the payload.
inline constexpr std::uint32_t kCompactIds = 1023;
inline constexpr int kStampBits = 22;

// Stream 1, file "ouro_state": event header {u16 id, u64 stamp}, no context.
enum class StateEvent : std::uint16_t { process = 0, thread = 1, lost = 2, left_out = 3, stream = 4 };
// Appends one event's bytes to a packet's contents.
//   ouro:process {i32 pid, i32 parent_pid, string name, string cmdline}
//   ouro:thread  {i32 pid, i32 tid, string name}
//   ouro:lost    {u32 cpu, enum u8 ring, string cause, u64 count}
//   ouro:left_out {string event, u64 over_rate, u64 not_sampled}
//   ouro:stream  {string file, u64 packets}
void append_process(std::vector<std::byte>&, std::uint64_t stamp, std::int32_t pid, std::int32_t parent_pid,
                    const std::string& name, const std::string& cmdline);
void append_thread(std::vector<std::byte>&, std::uint64_t stamp, std::int32_t pid, std::int32_t tid, const std::string& name);
void append_lost(std::vector<std::byte>&, std::uint64_t stamp, std::uint32_t cpu, abi::RingKind ring, const std::string& cause,
                 std::uint64_t count);
void append_left_out(std::vector<std::byte>&, std::uint64_t stamp, const std::string& event, std::uint64_t over_rate, std::uint64_t not_sampled);
void append_stream(std::vector<std::byte>&, std::uint64_t stamp, const std::string& file, std::uint64_t packets);

}  // namespace ouro::format
