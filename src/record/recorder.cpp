#include "record/recorder.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <thread>

#include "ring/owner.hpp"
#include <utility>

namespace ouro::record {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr microseconds kShortestPause = 500us;
constexpr microseconds kLongestPause = 10ms;
constexpr microseconds kOverwritePause = 50ms;
constexpr auto kMetadataEvery = 200ms;
constexpr auto kNamesEvery = 100ms;
constexpr auto kCountsEvery = 100ms;
constexpr auto kFirstCalibration = 100ms;  // then each time the recording is twice as old
constexpr auto kShortestBaseline = 10ms;
constexpr int kLastTries = 20;
constexpr auto kLastTryPause = 10ms;
// Twice what one thread writes in a second, about: a ring is looked at when it is half full at most. The default one
// every 2 ms, which costs an idle recorder about half a percent of a CPU.
constexpr std::uint64_t kBytesPerSecond = 2'000'000'000;

format::Uuid uuid_of(const Session& session) {
  format::Uuid out;
  std::memcpy(out.data(), session.uuid(), out.size());
  return out;
}

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

microseconds longest_pause_of(const SessionOptions& options) {
  const std::uint64_t ring = options.subbuf_count * options.subbuf_size;
  return std::clamp(microseconds(static_cast<std::int64_t>(ring * 1'000'000 / kBytesPerSecond)), kShortestPause,
                    kLongestPause);
}

}  // namespace

std::uint64_t Summary::lost_total() const { return std::accumulate(lost.begin(), lost.end(), unwritten); }

Recorder::Recorder(const Session& session, TraceFolder& folder, Options options)
    : session_(&session),
      folder_(&folder),
      options_(std::move(options)),
      uuid_(uuid_of(session)),
      events_(session),
      counts_(events_, session.options().contexts),
      state_(session, uuid_),
      metadata_{uuid_, std::move(options_.env), session.begin(), session.realtime()},
      pause_(kShortestPause),
      longest_pause_(longest_pause_of(session.options())) {
  rings_.reserve(session.ring_count());
  for (std::uint32_t i = 0; i < session.ring_count(); ++i) rings_.emplace_back(session, i, uuid_);
  last_step_ = last_second_ = last_names_ = last_counts_ = Clock::now();
  next_calibration_ = last_step_ + kFirstCalibration;
}

microseconds Recorder::step() {
  const auto now = Clock::now();
  const bool new_second = now - last_second_ >= 1s;
  if (new_second) last_second_ = now;
  double share = 0;
  if (!in_overwrite_mode()) fullest_ = share = drain_all(new_second);
  // At every step: a dead writer keeps its entry of the table, of which there are few, and the sub-buffer of its record.
  for (RingDrain& ring : rings_) bury_dead(ring);
  update_tables(false);
  const auto since_last = std::chrono::duration_cast<microseconds>(now - last_step_);
  last_step_ = now;
  return in_overwrite_mode() ? kOverwritePause : pause_after(share, since_last);
}

// One round over all rings. Returns how full the fullest was.
double Recorder::drain_all(bool include_current) {
  double share = 0;
  for (RingDrain& ring : rings_) {
    if (!ring.poison().empty()) continue;
    const RingDrain::Round round = ring.drain(*folder_, counts_, include_current, [this] { describe(); });
    note(ring, round);
    share = std::max(share, static_cast<double>(round.subbufs) / session_->options().subbuf_count);
  }
  return share;
}

// Aims at finding the fullest ring a quarter full. A ring that was half full is looked at again at once.
microseconds Recorder::pause_after(double share, microseconds since_last) {
  if (share >= 0.5) return pause_ = 0us;
  if (share == 0) {
    pause_ = pause_ + pause_ / 2;
  } else {
    pause_ = microseconds(static_cast<std::int64_t>(static_cast<double>(since_last.count()) * 0.25 / share));
  }
  return pause_ = std::clamp(pause_, kShortestPause, longest_pause_);
}

// Whoever reads the trace of a recorder that was killed knows the events of all that is in it.
void Recorder::describe() {
  events_.update();
  if (events_.events().size() != events_described_) write_metadata();
}

void Recorder::update_tables(bool is_end) {
  const auto now = Clock::now();
  events_.update();
  if (events_.events().size() != events_described_) metadata_is_old_ = true;
  if (now >= next_calibration_) {  // so that a trace whose recorder is killed has a good frequency too
    next_calibration_ = now + std::chrono::nanoseconds(clock::read_pair(abi::ClockKind::monotonic).ns - metadata_.begin.ns);
    metadata_is_old_ = true;
  }
  for (; spoiled_said_ < events_.spoiled().size(); ++spoiled_said_) {
    complete_ = false;
    options_.warn("warning: " + events_.spoiled()[spoiled_said_] + " (hint: records of it cannot be read)");
  }
  state_.update(now_ns());
  if (is_end || now - last_counts_ >= kCountsEvery) {
    last_counts_ = now;
    counts_.publish(*session_);
  }
  if (is_end || now - last_names_ >= kNamesEvery) {
    last_names_ = now;
    state_.refresh_names();
  }
  if (Status flushed = state_.flush(*folder_); !flushed) fail(flushed.error());
  if (!is_end && metadata_is_old_ && now - last_metadata_ >= kMetadataEvery) write_metadata();
}

void Recorder::write_metadata() {
  const Result<clock::Calibration> written = record::write_metadata(*session_, events_, metadata_, *folder_);
  if (written) calibration_ = *written;
  else fail(written.error());
  metadata_is_old_ = !written;
  events_described_ = events_.events().size();
  last_metadata_ = Clock::now();
}

// {thread id:32, process id:32}, as the owner has them: in another PID namespace these are somebody else's here, or nobody's.
bool Recorder::is_dead(std::uint64_t owner) {
  const auto pid = static_cast<std::int32_t>(owner);
  // It said its name before it wrote anything.
  if (!state_.foreign().has(pid)) state_.update_processes(now_ns());
  return state_.foreign().has(pid) ? state_.foreign().are_gone(pid) : ring::kernel_says_dead(owner);
}

void Recorder::bury_dead(RingDrain& ring) {
  static thread_local Recorder* asked = nullptr;
  const auto others = ring::owner_is_dead;
  asked = this;
  if (others == ring::kernel_says_dead) ring::owner_is_dead = [](std::uint64_t owner) { return asked->is_dead(owner); };
  ring.bury_dead();
  ring::owner_is_dead = others;
}

// The first failure is said in full; the summary counts the rest.
void Recorder::fail(const Error& error) {
  complete_ = false;
  if (!failure_said_) options_.warn("error: " + error.text);
  failure_said_ = true;
}

void Recorder::note(const RingDrain& ring, const RingDrain::Round& round) {
  if (round.failed) fail(*round.failed);
  const std::string name = "warning: ring '" + session_->file() + "/" + ring.name() + "'";
  const std::string hint = " (hint: a program wrote over the session's memory)";
  if (!ring.poison().empty()) {
    complete_ = false;
    options_.warn(name + " is given up: " + ring.poison() + hint);
  }
  if (!round.nonsense.empty()) {  // the trace has the bytes as they are: what can be read of them, readers find
    complete_ = false;
    options_.warn(name + " holds records that make no sense: " + round.nonsense + hint);
  }
}

// Until nothing is left. A record that its owner is still writing gets a little time: programs left running may be
// stopped in the middle of one. Ends also if somebody goes on writing: after two laps.
void Recorder::drain_rest(RingDrain& ring) {
  int tries = 0;
  for (std::uint32_t rounds = 2 * session_->options().subbuf_count + kLastTries; rounds > 0 && ring.poison().empty();
       --rounds) {
    const RingDrain::Round round = ring.drain(*folder_, counts_, true, [this] { describe(); });
    note(ring, round);
    if (!round.waiting && round.subbufs == 0 && !round.failed) return;
    if (!round.waiting) continue;
    bury_dead(ring);
    if (++tries > kLastTries) break;
    if (tries > 1) std::this_thread::sleep_for(kLastTryPause);
  }
  if (tries <= kLastTries) return;
  ++unfinished_;
  complete_ = false;
  options_.warn("warning: ring '" + session_->file() + "/" + ring.name() +
                "': a record was never finished, and what stands behind it is left out");
}

void Recorder::add_left_out(Summary& out) {
  for (const auto& [id, event] : events_.events()) {
    const abi::EventRow& row = session_->event(id);
    const std::uint64_t over_rate = row.over_rate.load(std::memory_order_relaxed), not_sampled = row.not_sampled.load(std::memory_order_relaxed);
    if (over_rate + not_sampled == 0) continue;
    state_.add_left_out(event.name, over_rate, not_sampled);
    out.over_rate += over_rate;
    out.not_sampled += not_sampled;
  }
}

Summary Recorder::finish() {
  for (RingDrain& ring : rings_) {
    if (in_overwrite_mode()) bury_dead(ring);
    drain_rest(ring);
  }
  Summary out;
  for (RingDrain& ring : rings_) {
    if (Status finished = ring.finish(); !finished) fail(finished.error());
    out.events += ring.written();
    out.unwritten += ring.unwritten();
    out.bytes += ring.file().bytes();
    out.streams += ring.file().packets() != 0;
    if (ring.unwritten() != 0) state_.add_lost(ring.cpu(), ring.kind(), "unwritten", ring.unwritten());
    if (!ring.poison().empty()) {  // its counters say nothing
      ++out.rings_poisoned;
      continue;
    }
    for (std::size_t i = 0; i < abi::kLossCauses; ++i) {
      const std::uint64_t lost = ring.lost(static_cast<abi::Loss>(i));
      out.lost[i] += lost;
      if (lost != 0) state_.add_lost(ring.cpu(), ring.kind(), kLossNames[i], lost);
    }
  }
  events_.update();
  add_left_out(out);
  update_tables(true);
  if (Status closed = state_.close(); !closed) fail(closed.error());
  const std::int64_t age_ns = clock::read_pair(abi::ClockKind::monotonic).ns - metadata_.begin.ns;
  if (const auto age = std::chrono::nanoseconds(age_ns); age < kShortestBaseline)
    std::this_thread::sleep_for(kShortestBaseline - age);
  write_metadata();
  const abi::SessionHeader& header = session_->header();
  out.threads_lost = header.threads_lost.load(std::memory_order_relaxed) + state_.skipped();
  out.processes_lost = header.processes_lost.load(std::memory_order_relaxed);
  out.rings_refused = header.rings_refused.load(std::memory_order_relaxed);
  out.bytes += state_.file().bytes() + folder_->metadata_bytes();
  out.processes = state_.processes();
  out.rings_unfinished = unfinished_;
  out.clock_error_ns = calibration_.error_ns;
  out.complete = complete_ && out.unwritten == 0;
  return out;
}

}  // namespace ouro::record
