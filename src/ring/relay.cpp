#include <ouro/ring/relay.hpp>

#include <cstring>

#include "ring/internal.hpp"

namespace ouro::ring {

RelayReader::RelayReader(LocalChannel& channel, bool include_current) : ends_(channel.channel().ends), include_current_(include_current) {
  for (std::uint32_t i = 0; i < channel.ring_count(); ++i)
    rings_.push_back({.reader = channel.reader(i), .is_shared = channel.geometry(i).kind == abi::RingKind::shared, .info = {.ring = i}});
}

void RelayReader::add(std::size_t size, void (*callback)(const SubbufEnds::Info&, std::byte*) noexcept, const SubbufEnds::Info& info) {
  copy_.resize(copy_.size() + size);
  if (size != 0) callback(info, copy_.data() + copy_.size() - size);
}

// A shared ring's writers leave the ends to us. The end of a sub-buffer that was read to its end before it was closed is late:
// only the next one shows that it was.
void RelayReader::begin(Ring& ring, const Packet& packet) {
  ring.info.sequence = packet.sequence;
  ring.info.bytes = 0;
  ring.is_begun = true;
  if (ends_ != nullptr) add(ends_->begin_size, ends_->begin, ring.info);
}

void RelayReader::end(Ring& ring) {
  ring.is_begun = false;
  if (ends_ != nullptr) add(ends_->end_size, ends_->end, ring.info);
}

// A shared ring's records have headers, which say their size where others have an id.
bool RelayReader::unwrap(Ring& ring, std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    skip_dead(bytes, at);
    if (at == bytes.size()) break;
    std::uint32_t head[2]{};
    if (bytes.size() - at < kExtendedHeader) return false;
    std::memcpy(head, bytes.data() + at, sizeof head);
    at += kExtendedHeader;
    if ((head[0] & kExtendedId) != kExtendedId || bytes.size() - at < head[1]) return false;
    copy_.insert(copy_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(at + head[1]));
    at += head[1];
    ring.info.bytes += head[1];
  }
  return true;
}

bool RelayReader::take_shared(Ring& ring, Chunk& out) {
  copy_.clear();
  ring.info.lost = ring.packet.lost_counted + ring.packet.lost_lapped;
  ring.waits = ring.is_begun && ring.info.sequence != ring.packet.sequence;
  if (ring.waits) {
    end(ring);
  } else {
    if (!ring.is_begun) begin(ring, ring.packet);
    if (!unwrap(ring, ring.packet.bytes)) return false;
    if (!ring.packet.current) end(ring);
  }
  out = {ring.info.ring, ring.info.sequence, copy_};
  return true;
}

bool RelayReader::take(Ring& ring, Chunk& out) {
  if (ring.broken) return false;
  if (ring.holds && !ring.waits) {
    ring.reader.release();
    ring.holds = false;
  }
  if (!ring.holds) {
    const Reader::Answer answer = ring.reader.next_past_dead(ring.packet, include_current_);
    ring.broken = answer == Reader::Answer::corrupt;
    ring.holds = answer == Reader::Answer::packet;
  }
  if (ring.holds && ring.is_shared) ring.broken = !take_shared(ring, out);
  else if (ring.holds) out = {ring.info.ring, ring.packet.sequence, ring.packet.bytes};
  corrupt_ = corrupt_ || ring.broken;
  return ring.holds && !ring.broken;
}

bool RelayReader::next(Chunk& out) {
  for (std::size_t tried = 0; tried <= rings_.size(); ++tried) {
    if (take(rings_[at_], out)) return true;
    at_ = (at_ + 1) % static_cast<std::uint32_t>(rings_.size());
  }
  return false;
}

std::uint64_t RelayReader::lost() const {
  std::uint64_t sum = 0;
  for (const Ring& ring : rings_) sum += ring.reader.lost_total();
  return sum;
}

}  // namespace ouro::ring
