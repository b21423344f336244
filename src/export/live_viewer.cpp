#include "export/live_viewer.hpp"

#include <algorithm>
#include <cerrno>

namespace ouro::live {
namespace {

// Ids of streams: {session, stream + 1}; 0 is the metadata.
constexpr int kStreamBits = 32;
constexpr std::uint64_t kMetadataStream = 0;
std::uint64_t stream_id(std::uint64_t session, std::uint64_t stream) { return session << kStreamBits | stream; }

constexpr std::uint32_t kTimerUs = 1'000'000;    // how often a recorder looks into sub-buffers that are not full
constexpr std::uint64_t kApartTicks = 16;        // at least a nanosecond
constexpr std::uint32_t kMostPiece = 1 << 20;    // of a packet in one answer
constexpr std::size_t kMostMetadataPiece = 64 << 20;

}  // namespace

Viewer::~Viewer() {
  for (const auto& [id, attached] : attached_) --(*sessions_)[id].viewers;
}

Status Viewer::answer(const Request& request, Bytes& out) {
  if (!is_connected_ && request.command != Command::connect) return errorf(EPROTO, "command %u, want 1 first", static_cast<unsigned>(request.command));
  switch (request.command) {
    case Command::connect:
      append_connect(out, id_, std::min(request.minor, kMinor));
      is_connected_ = true;
      if (request.major != kMajor) return errorf(EPROTO, "it speaks version %u.%u, want %u.x", request.major, request.minor, kMajor);
      break;
    case Command::list_sessions: list(out); break;
    case Command::create_session: append_created(out, CreateStatus::ok); break;
    case Command::attach_session: attach(request, out); break;
    case Command::detach_session: detach(request.session, out); break;
    case Command::get_new_streams: new_streams(request.session, out); break;
    case Command::get_next_index: next_index(request.stream, out); break;
    case Command::get_packet: packet(request, out); break;
    case Command::get_metadata: metadata(request.stream, out); break;
  }
  return Ok{};
}

Viewer::Place Viewer::place(std::uint64_t id) {
  const auto found = attached_.find(id >> kStreamBits);
  if (found == attached_.end()) return {};
  const std::uint64_t stream = id & ((std::uint64_t{1} << kStreamBits) - 1);
  if (stream > found->second.streams.size()) return {};
  return {&(*sessions_)[found->first], &found->second, stream == kMetadataStream ? 0 : stream - 1, stream == kMetadataStream};
}

void Viewer::list(Bytes& out) {
  std::vector<SessionInfo> infos;
  for (std::size_t i = 0; i < sessions_->size(); ++i) {
    if (had_.contains(i)) continue;  // who looks again wants another one
    LiveSession& session = (*sessions_)[i];
    session.trace.look();
    infos.push_back({i, kTimerUs, session.viewers, static_cast<std::uint32_t>(session.trace.streams().size()), options_->host, session.name});
  }
  append_sessions(out, infos);
}

void Viewer::attach(const Request& request, Bytes& out) {
  if (request.session >= sessions_->size()) return append_attached(out, AttachStatus::unknown, {});
  if (attached_.contains(request.session)) return append_attached(out, AttachStatus::already, {});
  LiveSession& session = (*sessions_)[request.session];
  session.trace.look();
  Attached& attached = attached_[request.session];
  std::vector<StreamInfo> infos = {{stream_id(request.session, kMetadataStream), request.session, true, session.name, "metadata"}};
  for (const LiveTrace::Stream& stream : session.trace.streams()) {
    Stream& mine = attached.streams.emplace_back();
    const std::vector<LiveTrace::Packet>& packets = stream.packets;
    if (options_->from_now && stream.stream_class == 0)  // who wrote them, it gets all the same
      mine.next = static_cast<std::size_t>(
          std::partition_point(packets.begin(), packets.end(), [&](const LiveTrace::Packet& packet) { return packet.end < session.trace.complete_until(); }) - packets.begin());
    infos.push_back({stream_id(request.session, infos.size()), request.session, false, session.name, stream.name});
  }
  append_attached(out, AttachStatus::ok, infos);
  ++session.viewers;
  has_attached_ = true;
}

void Viewer::detach(std::uint64_t session, Bytes& out) {
  if (attached_.erase(session) == 0) return append_detached(out, DetachStatus::unknown);
  --(*sessions_)[session].viewers;
  append_detached(out, DetachStatus::ok);
}

// There are none: all were there from the beginning.
void Viewer::new_streams(std::uint64_t session, Bytes& out) {
  const auto found = attached_.find(session);
  if (found == attached_.end()) return append_new_streams(out, NewStreamsStatus::error);
  const std::vector<Stream>& streams = found->second.streams;
  const bool is_over = (*sessions_)[session].trace.is_over() && std::all_of(streams.begin(), streams.end(), [](const Stream& stream) { return stream.is_over; });
  if (is_over) had_.insert(session);
  append_new_streams(out, is_over ? NewStreamsStatus::hung_up : NewStreamsStatus::none);
}

void Viewer::next_index(std::uint64_t id, Bytes& out) {
  const Place at = place(id);
  if (at.session == nullptr || at.is_metadata) return append_index(out, {.status = IndexStatus::error});
  LiveTrace& trace = at.session->trace;
  Stream& mine = at.attached->streams[at.stream];
  if (mine.next == trace.streams()[at.stream].packets.size()) trace.look();
  const LiveTrace::Stream& stream = trace.streams()[at.stream];
  Index index{.stream_class = stream.stream_class};
  for (; mine.next < stream.packets.size() && stream.packets[mine.next].begin < mine.told; ++mine.next) ++served_.late;
  if (trace.preamble().empty()) {
    index.status = IndexStatus::retry;
  } else if (mine.next < stream.packets.size()) {
    const LiveTrace::Packet& packet = stream.packets[mine.next++];
    index.status = IndexStatus::ok;
    index.offset = packet.offset;
    index.packet_bytes = index.content_bytes = packet.bytes;
    index.begin = packet.begin;
    index.end = mine.told = packet.end;
    index.discarded = packet.discarded;
    if (!at.attached->has_preamble || at.attached->declarations < trace.declarations().size()) index.flags |= kNewMetadata;
    ++served_.packets;
    served_.bytes += packet.bytes;
  } else if (trace.is_over()) {
    index.status = IndexStatus::hung_up;
    mine.is_over = true;
  } else {
    const std::uint64_t apart = kApartTicks * at.stream;
    mine.told = std::max(mine.told, trace.complete_until() - std::min(apart, trace.complete_until()));
    index.status = mine.told == 0 ? IndexStatus::retry : IndexStatus::inactive;
    index.end = mine.told;
  }
  append_index(out, index);
}

void Viewer::packet(const Request& request, Bytes& out) {
  const Place at = place(request.stream);
  Bytes bytes;
  if (at.session != nullptr && !at.is_metadata) {
    const LiveTrace::Stream& stream = at.session->trace.streams()[at.stream];
    if (request.offset < stream.end) bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>({request.bytes, kMostPiece, stream.end - request.offset})));
    if (at.session->trace.read(at.stream, request.offset, bytes) != bytes.size()) bytes.clear();
  }
  append_packet(out, bytes.empty() ? PacketStatus::error : PacketStatus::ok, bytes);
}

void Viewer::metadata(std::uint64_t id, Bytes& out) {
  const Place at = place(id);
  if (at.session == nullptr || !at.is_metadata) return append_metadata(out, MetadataStatus::error, "");
  LiveTrace& trace = at.session->trace;
  if (trace.preamble().empty()) trace.look();
  if (trace.preamble().empty()) return append_metadata(out, MetadataStatus::nothing_new, "");
  std::string text = std::exchange(at.attached->has_preamble, true) ? "" : trace.preamble();
  const std::vector<std::string>& declarations = trace.declarations();
  for (std::size_t& i = at.attached->declarations; i < declarations.size() && text.size() < kMostMetadataPiece; ++i) text += declarations[i];
  append_metadata(out, text.empty() ? MetadataStatus::nothing_new : MetadataStatus::ok, text);
}

}  // namespace ouro::live
