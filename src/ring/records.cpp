#include <ouro/ring/records.hpp>

#include <algorithm>
#include <cerrno>

#include "ring/internal.hpp"
#include "ring/wait.hpp"

namespace ouro::ring {
namespace {

// Longer than writers take from reading their stamp to their commit. Who is interrupted in between begins anew, if its ring is a CPU's. For others see late().
constexpr std::uint64_t kInFlight = 1'000'000;  // ticks

const char* stamps_of(const Channel& c) {
  if (c.client_stamped) return "the client's";
  return !c.stamped ? "no stamps" : c.tsc ? "the TSC's" : "CLOCK_MONOTONIC's";
}
bool compare(const Channel& a, const Channel& b) {
  return a.client_stamped == b.client_stamped && a.stamped == b.stamped && (a.client_stamped || (a.stamped && a.tsc == b.tsc));
}

}  // namespace

bool PacketRecords::next(Record& out) {
  while (!corrupt_ && at_ < bytes_.size()) {
    if (form_.has_headers) skip_dead(bytes_, at_);
    if (at_ == bytes_.size()) break;
    RecordHead head;
    at_ = std::min(at_ + form_.prefix, bytes_.size());
    if (!parse_record(bytes_, at_, form_.has_headers, now_, head)) {
      corrupt_ = true;
      break;
    }
    out = of_;
    out.id = head.id;
    out.stamp = now_;
    out.bytes = bytes_.subspan(at_, head.size);
    at_ += head.size;
    if (out.id != kPaddingId) return true;
    ++discarded_;
  }
  return false;
}

Records::Records(LocalChannel& channel, Order order, bool include_current) : Records(order, include_current) { add(channel); }

void Records::add(LocalChannel& channel) {
  const auto number = static_cast<std::uint32_t>(channels_.size());
  channels_.push_back(&channel);
  bells_.push_back(0);
  for (std::uint32_t i = 0; i < channel.ring_count(); ++i)
    rings_.push_back({channel.reader(i), {}, {.channel = number, .ring = i}, channel.form(i)});
}

Records::Records(const Snapshot& snapshot, Order order) : Records(order, true) {
  snapshot_ = &snapshot;
  std::uint32_t i = 0;
  for (const Snapshot::Ring& ring : snapshot.rings()) {
    rings_.push_back({std::nullopt, ring.packets, {.ring = i++}, ring.form});
    corrupt_ = corrupt_ || ring.corrupt;
  }
}

Result<Records> Records::of(std::span<LocalChannel* const> channels, Order order, bool include_current) {
  if (channels.empty()) return errorf(EINVAL, "records: no channel, want at least one");
  Records out(order, include_current);
  for (LocalChannel* channel : channels) {
    const Channel &first = channels[0]->channel(), &c = channel->channel();
    if (order == Order::by_time && channels.size() > 1 && !compare(first, c))
      return errorf(EINVAL, "records: channel %zu of %zu has %s; by time, all want stamps of one clock, %s (hint: Order::by_ring)",
                    out.channels_.size() + 1, channels.size(), stamps_of(c), stamps_of(first));
    out.add(*channel);
  }
  return out;
}

Reader::Answer Records::next_packet(Cursor& c) {
  if (c.reader) {
    if (c.holds) c.reader->release();
    const Reader::Answer answer = c.reader->next_past_dead(c.packet, include_current_);
    if (answer == Reader::Answer::waiting) horizon_ = std::min(horizon_, c.record.stamp);  // what it waits for may be this old
    return answer;
  }
  if (c.copied.empty()) return Reader::Answer::nothing;
  c.packet = c.copied.front();
  c.copied = c.copied.subspan(1);
  return Reader::Answer::packet;
}

// The ring's next record, from the packet in hand or the next one.
bool Records::advance(Cursor& c) {
  c.has = false;
  while (!c.broken) {
    if (c.holds) {
      const std::uint64_t discarded = c.records.discarded();
      c.has = c.records.next(c.record);
      discarded_ += c.records.discarded() - discarded;
      if (c.has) return true;
    }
    Reader::Answer answer = Reader::Answer::corrupt;
    if (!c.holds || !c.records.corrupt()) answer = next_packet(c);
    if (answer == Reader::Answer::corrupt) c.broken = corrupt_ = true;
    c.holds = answer == Reader::Answer::packet;
    if (!c.holds) break;
    c.records = PacketRecords(c.packet, c.form, c.of);
  }
  return false;
}

void Records::note_bells() {
  for (std::size_t i = 0; i < channels_.size(); ++i) bells_[i] = channels_[i]->bell_count();
}

// Looks at all rings that had nothing, after noting the time: whatever they get later is younger.
void Records::refill() {
  note_bells();
  horizon_ = ~std::uint64_t{0};
  if (!final_ && snapshot_ == nullptr && channels_[0]->channel().stamped) {
    const std::uint64_t now = channels_[0]->channel().now();
    horizon_ = now > kInFlight ? now - kInFlight : 0;
  }
  for (std::uint32_t i = 0; i < rings_.size(); ++i)
    if (!rings_[i].has && advance(rings_[i])) heap_.push({rings_[i].record.stamp, i});
}

void Records::wait(std::uint64_t patience_ns) {
  constexpr std::uint64_t kHeldBack_ns = 500'000;  // about kInFlight
  if (!heap_.empty()) patience_ns = std::min(patience_ns, kHeldBack_ns);
  std::vector<Sleep> sleeps;
  for (std::size_t i = 0; i < channels_.size(); ++i)
    if (abi::Bell* bell = channels_[i]->channel().bell) sleeps.push_back({&bell->closed, &bell->readers, bells_[i]});
  if (sleeps.size() == channels_.size()) sleep_on_any(sleeps, patience_ns);
}

bool Records::next_of_a_ring(Record& out) {
  if (ring_ == 0) note_bells();
  for (std::size_t tried = 0; tried <= rings_.size(); ++tried, ring_ = (ring_ + 1) % rings_.size()) {
    if (!advance(rings_[ring_])) continue;
    out = rings_[ring_].record;
    ++delivered_;
    return true;
  }
  return false;
}

bool Records::next(Record& out) {
  if (order_ == Order::by_ring) return next_of_a_ring(out);
  for (int round = 0; round < 2; ++round) {
    if (top_is_out_) {  // now its bytes may go: the next record of that ring takes its place, or the ring leaves the heap
      top_is_out_ = false;
      const std::uint32_t ring = heap_.top().ring;
      if (advance(rings_[ring])) heap_.replace_top({rings_[ring].record.stamp, ring});
      else heap_.pop();
    }
    if (!heap_.empty() && heap_.top().stamp <= horizon_) {
      out = rings_[heap_.top().ring].record;
      top_is_out_ = true;
      ++delivered_;
      if (out.stamp < newest_) ++late_;
      newest_ = std::max(newest_, out.stamp);
      return true;
    }
    if (round == 0) refill();
  }
  return false;
}

std::uint64_t Records::reset() {
  std::uint64_t count = 0;
  const auto in_hand = [&](std::size_t ring) { return top_is_out_ && heap_.top().ring == ring; };
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    Cursor& c = rings_[i];
    if (order_ == Order::by_time && c.has && !in_hand(i)) ++count;  // read, not yet delivered
    if (!c.reader) {
      while (advance(c)) ++count;
      continue;
    }
    const std::uint64_t discarded = c.records.discarded();
    while (c.holds && c.records.next(c.record)) ++count;
    discarded_ += c.records.discarded() - discarded;
    c.has = c.holds = false;
    c.reader->release();
    if (!c.broken) count += c.reader->reset();
  }
  heap_.clear();
  top_is_out_ = false;
  dropped_ += count;
  return count;
}

std::uint64_t Records::lost() const {
  std::uint64_t sum = snapshot_ != nullptr ? snapshot_->lost() : 0;
  for (const Cursor& c : rings_) sum += c.reader ? c.reader->lost_total() : 0;
  return sum;
}

std::uint64_t Records::lost(abi::Loss cause) const {
  std::uint64_t sum = snapshot_ != nullptr ? snapshot_->lost(cause) : 0;
  for (const Cursor& c : rings_) sum += c.reader ? c.reader->lost(cause) : 0;
  return sum;
}

}  // namespace ouro::ring
