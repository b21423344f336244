#include <ouro/ring/records.hpp>

#include <algorithm>
#include <cerrno>

#include "ring/internal.hpp"
#include "ring/wait.hpp"

namespace ouro::ring {
namespace {

// Longer than any writer takes from reading its stamp to its commit: if it is interrupted in between, it starts over.
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
    rings_.push_back({channel.reader(i), {.channel = number, .ring = i}, channel.form(i)});
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

// The ring's next record, from the packet in hand or the next one.
bool Records::advance(Cursor& c) {
  c.has = false;
  while (!c.broken) {
    if (c.holds) {
      const std::uint64_t discarded = c.records.discarded();
      c.has = c.records.next(c.record);
      discarded_ += c.records.discarded() - discarded;
      if (c.has) return true;
      if (c.records.corrupt()) {
        c.broken = corrupt_ = true;
        break;
      }
      c.reader.release();
    }
    c.holds = false;
    const Reader::Answer answer = c.reader.next(c.packet, include_current_);
    if (answer == Reader::Answer::corrupt) c.broken = corrupt_ = true;
    if (answer == Reader::Answer::waiting) {
      c.reader.bury_dead();
      horizon_ = std::min(horizon_, c.record.stamp);  // what it waits for may be this old
    }
    if (answer != Reader::Answer::packet) break;
    c.holds = true;
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
  const Channel& channel = channels_[0]->channel();
  const std::uint64_t now = channel.now();
  horizon_ = now > kInFlight ? now - kInFlight : 0;
  if (!channel.stamped || final_) horizon_ = ~std::uint64_t{0};
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
