#include "export/live_protocol.hpp"

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <cstring>
#include <type_traits>

namespace ouro::live {
namespace {

constexpr std::size_t kHeader = 16;
constexpr std::size_t kHostSize = 64, kNameSize = 255, kPathSize = 4096;

template <std::unsigned_integral T>
T take(std::span<const std::byte>& from) {
  T out = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) out = static_cast<T>(out << 8 | static_cast<T>(from[i]));
  from = from.subspan(sizeof(T));
  return out;
}

template <std::unsigned_integral T>
void put(Bytes& out, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}
template <class T>
requires std::is_enum_v<T>
void put(Bytes& out, T value) { put(out, static_cast<std::underlying_type_t<T>>(value)); }

void put(Bytes& out, std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// Cut, so that a NUL ends it.
void put(Bytes& out, const std::string& text, std::size_t size) {
  const std::size_t used = std::min(text.size(), size - 1);
  put(out, std::as_bytes(std::span(text.data(), used)));
  out.resize(out.size() + size - used);
}

std::size_t payload_of(Command command) {
  switch (command) {
    case Command::connect: return 20;
    case Command::attach_session: return 20;
    case Command::get_packet: return 20;
    case Command::get_next_index:
    case Command::get_metadata:
    case Command::get_new_streams:
    case Command::detach_session: return 8;
    case Command::list_sessions:
    case Command::create_session: return 0;
  }
  return 0;
}

Request request_of(Command command, std::span<const std::byte> in) {
  Request out;
  out.command = command;
  switch (command) {
    case Command::connect:
      take<std::uint64_t>(in);
      out.major = take<std::uint32_t>(in);
      out.minor = take<std::uint32_t>(in);
      break;
    case Command::attach_session:
      out.session = take<std::uint64_t>(in);
      take<std::uint64_t>(in);
      out.seek = take<std::uint32_t>(in);
      break;
    case Command::get_packet:
      out.stream = take<std::uint64_t>(in);
      out.offset = take<std::uint64_t>(in);
      out.bytes = take<std::uint32_t>(in);
      break;
    case Command::get_next_index:
    case Command::get_metadata: out.stream = take<std::uint64_t>(in); break;
    case Command::get_new_streams:
    case Command::detach_session: out.session = take<std::uint64_t>(in); break;
    case Command::list_sessions:
    case Command::create_session: break;
  }
  return out;
}

}  // namespace

Result<Parsed> parse_request(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeader) return Parsed{};
  std::span<const std::byte> header = bytes.first(kHeader);
  const auto size = take<std::uint64_t>(header);
  const auto number = take<std::uint32_t>(header);
  if (number == 0 || number > kCommands) return errorf(EINVAL, "command %u, want 1 to %u (is it a viewer of LTTng's live protocol?)", number, kCommands);
  const auto command = static_cast<Command>(number);
  if (size < payload_of(command) || size > kMostPayload)
    return errorf(EINVAL, "%llu bytes behind command %u, want %zu", static_cast<unsigned long long>(size), number, payload_of(command));
  if (bytes.size() - kHeader < size) return Parsed{};
  return Parsed{kHeader + static_cast<std::size_t>(size), request_of(command, bytes.subspan(kHeader))};
}

void append_connect(Bytes& out, std::uint64_t viewer, std::uint32_t minor) {
  put(out, viewer);
  put(out, kMajor);
  put(out, minor);
  put(out, std::uint32_t{1});  // commands, as all viewers say
}

void append_sessions(Bytes& out, const std::vector<SessionInfo>& sessions) {
  put(out, static_cast<std::uint32_t>(sessions.size()));
  for (const SessionInfo& session : sessions) {
    put(out, session.id);
    put(out, session.timer_us);
    put(out, session.viewers);
    put(out, session.streams);
    put(out, session.host, kHostSize);
    put(out, session.name, kNameSize);
  }
}

void append_attached(Bytes& out, AttachStatus status, const std::vector<StreamInfo>& streams) {
  put(out, status);
  put(out, static_cast<std::uint32_t>(streams.size()));
  for (const StreamInfo& stream : streams) {
    put(out, stream.id);
    put(out, stream.trace);
    put(out, std::uint32_t{stream.is_metadata});
    put(out, stream.path, kPathSize);
    put(out, stream.name, kNameSize);
  }
}

void append_new_streams(Bytes& out, NewStreamsStatus status) {
  put(out, status);
  put(out, std::uint32_t{0});
}

void append_index(Bytes& out, const Index& index) {
  put(out, index.offset);
  put(out, index.packet_bytes * 8);
  put(out, index.content_bytes * 8);
  put(out, index.begin);
  put(out, index.end);
  put(out, index.discarded);
  put(out, index.stream_class);
  put(out, index.status);
  put(out, index.flags);
}

void append_packet(Bytes& out, PacketStatus status, std::span<const std::byte> bytes) {
  put(out, status);
  put(out, static_cast<std::uint32_t>(bytes.size()));
  put(out, std::uint32_t{0});
  put(out, bytes);
}

void append_metadata(Bytes& out, MetadataStatus status, const std::string& text) {
  put(out, std::uint64_t{text.size()});
  put(out, status);
  put(out, std::as_bytes(std::span(text.data(), text.size())));
}

void append_created(Bytes& out, CreateStatus status) { put(out, status); }
void append_detached(Bytes& out, DetachStatus status) { put(out, status); }

}  // namespace ouro::live
