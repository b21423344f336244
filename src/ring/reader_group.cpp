#include <ouro/ring/reader_group.hpp>

#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

namespace ouro::ring {

struct ReaderGroup::Ring {
  std::mutex mutex;  // of all that follows
  Reader reader;
  RecordForm form;
  bool broken = false;
  std::deque<bool> is_back;     // of the packets the reader keeps, the oldest first: is the share done with?
  std::uint64_t first_out = 0;  // the oldest one's ticket
  Ring(Reader r, RecordForm f) : reader(std::move(r)), form(f) {}
};

struct ReaderGroup::State {
  LocalChannel* channel;
  mutable std::deque<Ring> rings;
  std::atomic<std::uint32_t> turn{0};
  std::atomic<bool> include_current;

  State(LocalChannel& c, bool current) : channel(&c), include_current(current) {
    for (std::uint32_t i = 0; i < c.ring_count(); ++i) rings.emplace_back(c.reader(i), c.form(i));
  }
  bool take_from(std::uint32_t ring, bool current, Share& share);
  template <class What>
  std::uint64_t sum(What what) const {
    std::uint64_t out = 0;
    for (Ring& ring : rings) {
      const std::lock_guard lock(ring.mutex);
      out += what(ring);
    }
    return out;
  }
};

ReaderGroup::Share::Share(Share&& other) noexcept { *this = std::move(other); }

ReaderGroup::Share& ReaderGroup::Share::operator=(Share&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  packet_ = std::exchange(other.packet_, {});
  records_ = std::exchange(other.records_, {});
  held_ = std::exchange(other.held_, nullptr);
  ticket_ = other.ticket_;
  copy_ = std::move(other.copy_);
  ring_ = other.ring_;
  seen_ = other.seen_;
  return *this;
}

void ReaderGroup::Share::give_back() {
  packet_ = {};
  records_ = {};
  if (held_ == nullptr) return;
  const std::lock_guard lock(held_->mutex);
  held_->is_back[ticket_ - held_->first_out] = true;
  for (; !held_->is_back.empty() && held_->is_back.front(); ++held_->first_out) {
    held_->reader.give_back();
    held_->is_back.pop_front();
  }
  held_ = nullptr;
}

ReaderGroup::ReaderGroup(LocalChannel& channel, bool include_current) : state_(std::make_unique<State>(channel, include_current)) {}
ReaderGroup::ReaderGroup(ReaderGroup&&) noexcept = default;
ReaderGroup& ReaderGroup::operator=(ReaderGroup&&) noexcept = default;
ReaderGroup::~ReaderGroup() = default;

// With the ring's mutex.
bool ReaderGroup::State::take_from(std::uint32_t i, bool current, Share& share) {
  Ring& ring = rings[i];
  if (ring.broken) return false;
  const Reader::Answer answer = ring.reader.next_past_dead(share.packet_, current);
  ring.broken = answer == Reader::Answer::corrupt;
  if (answer != Reader::Answer::packet) return false;
  if (ring.reader.keep()) {
    share.held_ = &ring;
    share.ticket_ = ring.first_out + ring.is_back.size();
    ring.is_back.push_back(false);
  } else {
    share.copy_.assign(share.packet_.bytes.begin(), share.packet_.bytes.end());
    share.packet_.bytes = share.copy_;
    ring.reader.release();
  }
  share.ring_ = i;
  share.records_ = PacketRecords(share.packet_, ring.form, {.ring = i});
  return true;
}

bool ReaderGroup::take(Share& share) {
  share.give_back();
  State& s = *state_;
  share.seen_ = s.channel->bell_count();  // before we look
  const auto n = static_cast<std::uint32_t>(s.rings.size());
  const std::uint32_t first = s.turn.fetch_add(1, std::memory_order_relaxed);
  // First whole sub-buffers of rings that nobody is at, then whatever there is.
  for (const bool any : {false, true})
    for (std::uint32_t k = 0; k < n; ++k) {
      const std::uint32_t i = (first + k) % n;
      std::unique_lock lock(s.rings[i].mutex, std::defer_lock);
      if (any) lock.lock();
      else if (!lock.try_lock()) continue;
      if (s.take_from(i, any && s.include_current.load(std::memory_order_acquire), share)) return true;
    }
  return false;
}

void ReaderGroup::wait(const Share& share, std::uint64_t patience_ns) { state_->channel->sleep(share.seen_, patience_ns); }

void ReaderGroup::writers_are_done() { state_->include_current.store(true, std::memory_order_release); }

std::uint64_t ReaderGroup::reset() {
  return state_->sum([](Ring& ring) { return ring.broken ? 0 : ring.reader.reset(); });
}

std::uint64_t ReaderGroup::delivered() const {
  return state_->sum([](const Ring& ring) { return ring.reader.delivered(); });
}
std::uint64_t ReaderGroup::dropped() const {
  return state_->sum([](const Ring& ring) { return ring.reader.dropped(); });
}
std::uint64_t ReaderGroup::lost() const {
  return state_->sum([](const Ring& ring) { return ring.reader.lost_total(); });
}
std::uint64_t ReaderGroup::lost(abi::Loss cause) const {
  return state_->sum([cause](const Ring& ring) { return ring.reader.lost(cause); });
}
bool ReaderGroup::corrupt() const {
  return state_->sum([](const Ring& ring) { return std::uint64_t{ring.broken}; }) != 0;
}

}  // namespace ouro::ring
