// export/live_protocol.hpp -- the messages between a viewer and who serves it, as LTTng's relay daemon and babeltrace2's
// source.ctf.lttng-live exchange them: protocol 2.4. Bytes in, bytes out; no sockets, no traces.
//
//   viewer                                     server
//   size: u64, command: u32, version: u32,
//   then `size` bytes, by command        --->
//                                        <---  the answer; its form follows from the command
//
//   connect, create session, list sessions     who is there
//   attach session                             its streams; one of them is the metadata
//   get metadata                               text that is not there yet; nothing new
//   get next index                             of a stream: a packet; none yet; none before that time; no more
//   get packet                                 its bytes, piece by piece
//   get new streams, detach session
//
// Everything is big endian and packed; texts are of fixed size, with a NUL.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ouro/result.hpp>

namespace ouro::live {

inline constexpr std::uint32_t kMajor = 2, kMinor = 4;
inline constexpr std::uint16_t kDefaultPort = 5344;

enum class Command : std::uint32_t {
  connect = 1,
  list_sessions = 2,
  attach_session = 3,
  get_next_index = 4,
  get_packet = 5,
  get_metadata = 6,
  get_new_streams = 7,
  create_session = 8,
  detach_session = 9,
};
inline constexpr std::uint32_t kCommands = 9;

struct Request {
  Command command{};
  std::uint32_t major = 0, minor = 0;  // connect
  std::uint64_t session = 0;           // attach_session, get_new_streams, detach_session
  std::uint32_t seek = 0;              // attach_session: 1 the beginning, 2 now
  std::uint64_t stream = 0;            // get_next_index, get_packet, get_metadata
  std::uint64_t offset = 0;            // get_packet
  std::uint32_t bytes = 0;
};

// What a request may have behind its header; viewers send 20 bytes at most.
inline constexpr std::size_t kMostPayload = 4096;
struct Parsed {
  std::size_t bytes = 0;  // how many the request takes; 0: it is not there as a whole yet
  Request request;
};
// Of what has come. Error: this is no viewer, or one that is out of step.
Result<Parsed> parse_request(std::span<const std::byte> bytes);

// The answers. Each appends itself.

using Bytes = std::vector<std::byte>;

struct SessionInfo {
  std::uint64_t id = 0;
  std::uint32_t timer_us = 0, viewers = 0, streams = 0;
  std::string host, name;
};
struct StreamInfo {
  std::uint64_t id = 0;
  std::uint64_t trace = 0;
  bool is_metadata = false;
  std::string path, name;
};

enum class AttachStatus : std::uint32_t { ok = 1, already = 2, unknown = 3, not_live = 4, bad_seek = 5, no_viewer_session = 6 };
enum class NewStreamsStatus : std::uint32_t { ok = 1, none = 2, error = 3, hung_up = 4 };
enum class IndexStatus : std::uint32_t { ok = 1, retry = 2, hung_up = 3, error = 4, inactive = 5, end_of_file = 6 };
enum class PacketStatus : std::uint32_t { ok = 1, retry = 2, error = 3, end_of_file = 4 };
enum class MetadataStatus : std::uint32_t { ok = 1, nothing_new = 2, error = 3 };
enum class CreateStatus : std::uint32_t { ok = 1, error = 2 };
enum class DetachStatus : std::uint32_t { ok = 1, unknown = 2, error = 3 };

inline constexpr std::uint32_t kNewMetadata = 1;  // ask for metadata before that packet

struct Index {
  IndexStatus status{};
  std::uint64_t offset = 0, packet_bytes = 0, content_bytes = 0;  // in bits on the wire, but for the offset
  std::uint64_t begin = 0, end = 0;                               // ticks; inactive: `end` alone
  std::uint64_t discarded = 0;
  std::uint64_t stream_class = 0;
  std::uint32_t flags = 0;
};

void append_connect(Bytes& out, std::uint64_t viewer, std::uint32_t minor);
void append_sessions(Bytes& out, const std::vector<SessionInfo>& sessions);
void append_attached(Bytes& out, AttachStatus status, const std::vector<StreamInfo>& streams);
void append_new_streams(Bytes& out, NewStreamsStatus status);
void append_index(Bytes& out, const Index& index);
// The bytes follow, if there are any.
void append_packet(Bytes& out, PacketStatus status, std::span<const std::byte> bytes);
void append_metadata(Bytes& out, MetadataStatus status, const std::string& text);
void append_created(Bytes& out, CreateStatus status);
void append_detached(Bytes& out, DetachStatus status);

}  // namespace ouro::live
