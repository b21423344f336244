#include <ouro/ring/records.hpp>

#include <algorithm>

#include "ring/internal.hpp"

namespace ouro::ring {
namespace {

// Longer than any writer takes from reading its stamp to its commit: if it is interrupted in between, it starts over.
constexpr std::uint64_t kInFlight = 1'000'000;  // ticks

}  // namespace

Records::Records(LocalChannel& channel, Order order, bool include_current)
    : memory_(&channel), channel_(&channel.channel()), order_(order), include_current_(include_current) {
  rings_.reserve(channel.ring_count());
  for (std::uint32_t i = 0; i < channel.ring_count(); ++i)
{
    const bool is_shared = channel.geometry(i).kind == abi::RingKind::shared;
    rings_.push_back({channel.reader(i), channel_->stamped || channel_->client_stamped || is_shared,
                      is_shared && channel_->client_stamped ? kExtendedHeader : 0});
  }
}

// One record out of the packet in hand. False: it ends here, or is none.
bool Records::parse(Cursor& c, std::uint32_t ring) {
  RecordHead head;
  c.at = std::min(c.at + c.prefix, c.packet.bytes.size());
  if (!parse_record(c.packet.bytes, c.at, c.has_headers, c.now, head)) return false;
  c.record = {ring, head.id, c.now, c.packet.bytes.subspan(c.at, head.size)};
  c.at += head.size;
  return true;
}

// The ring's next record, from the packet in hand or the next one.
bool Records::advance(Cursor& c, std::uint32_t ring) {
  c.has = false;
  while (!c.broken) {
    if (c.holds && c.at < c.packet.bytes.size()) {
      if (!parse(c, ring)) {
        c.broken = corrupt_ = true;
        break;
      }
      if (c.record.id != kPaddingId) return c.has = true;
      ++discarded_;
      continue;
    }
    if (c.holds) c.reader.release();
    c.holds = false;
    const Reader::Answer answer = c.reader.next(c.packet, include_current_);
    if (answer == Reader::Answer::corrupt) c.broken = corrupt_ = true;
    if (answer == Reader::Answer::waiting) {
      if (c.reader.bury_dead() != 0) continue;  // what stands behind may be read now
      horizon_ = std::min(horizon_, c.now);  // what it waits for may be this old
    }
    if (answer != Reader::Answer::packet) break;
    c.holds = true;
    c.at = 0;
    c.now = c.packet.begin_stamp;
  }
  return false;
}

// Looks at all rings that had nothing, after noting the time: whatever they get later is younger.
void Records::refill() {
  bell_ = memory_->bell_count();
  const std::uint64_t now = channel_->now();
  horizon_ = now > kInFlight ? now - kInFlight : 0;
  if (!channel_->stamped || final_) horizon_ = ~std::uint64_t{0};
  for (std::uint32_t i = 0; i < rings_.size(); ++i) {
    if (rings_[i].has || !advance(rings_[i], i)) continue;
    heap_.push_back(i);
    std::push_heap(heap_.begin(), heap_.end(), [this](auto a, auto b) { return later(a, b); });
  }
}

void Records::wait(std::uint64_t patience_ns) {
  constexpr std::uint64_t kHeldBack_ns = 500'000;  // about kInFlight
  memory_->sleep(bell_, heap_.empty() ? patience_ns : std::min(patience_ns, kHeldBack_ns));
}

bool Records::next(Record& out) {
  if (order_ == Order::by_ring) {
    if (ring_ == 0) bell_ = memory_->bell_count();
    for (std::uint32_t tried = 0; tried <= rings_.size(); ++tried, ring_ = (ring_ + 1) % static_cast<std::uint32_t>(rings_.size())) {
      if (!advance(rings_[ring_], ring_)) continue;
      out = rings_[ring_].record;
      ++delivered_;
      return true;
    }
    return false;
  }
  const auto order = [this](std::uint32_t a, std::uint32_t b) { return later(a, b); };
  for (int round = 0; round < 2; ++round) {
    if (top_is_out_) {  // now its bytes may go: the next record of that ring takes its place, or the ring leaves the heap
      top_is_out_ = false;
      std::pop_heap(heap_.begin(), heap_.end(), order);
      const std::uint32_t ring = heap_.back();
      if (advance(rings_[ring], ring)) std::push_heap(heap_.begin(), heap_.end(), order);
      else heap_.pop_back();
    }
    if (!heap_.empty() && rings_[heap_.front()].record.stamp <= horizon_) {
      out = rings_[heap_.front()].record;
      top_is_out_ = true;
      ++delivered_;
      return true;
    }
    if (round == 0) refill();
  }
  return false;
}

std::uint64_t Records::lost() const {
  std::uint64_t sum = 0;
  for (const Cursor& c : rings_) sum += c.reader.lost_total();
  return sum;
}

std::uint64_t Records::lost(abi::Loss cause) const {
  std::uint64_t sum = 0;
  for (const Cursor& c : rings_) sum += c.reader.lost(cause);
  return sum;
}

}  // namespace ouro::ring
