#include "record/recorder.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>

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
constexpr std::uint64_t kMarkSlack = 10;  // a tenth of a second
constexpr auto kFirstCalibration = 100ms;  // then each time the recording is twice as old
constexpr auto kShortestBaseline = 10ms;
constexpr auto kTryAgain = 1s;  // what could not be written
constexpr off_t kReserve = 256 << 10;
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
  last_step_ = last_second_ = last_names_ = last_counts_ = piece_begun_ = Clock::now();
  next_calibration_ = last_step_ + kFirstCalibration;
  // What is said at the end of a trace has room also when others have filled the disk. A file without a name: nobody finds it left behind.
  reserve_ = base::Fd(::openat(folder.fd(), ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
  if (reserve_ && ::fallocate(reserve_.get(), 0, 0, kReserve) != 0) reserve_.reset();
}

Status Recorder::resume() {
  const Result<Journal> journal = read_journal(folder_->path());
  if (!journal) return journal.error();
  if (journal->session.file != session_->file() || journal->session.generation != session_->generation())
    return errorf(EINVAL, "trace '%s': is of session '%s', not of '%s'", folder_->path().c_str(), journal->session.file.c_str(), session_->file().c_str());
  metadata_.uuid = uuid_ = journal->uuid;
  has_journal_ = true;
  left_out_before_ = journal->left_out;
  counts_.resume(*session_);
  for (RingDrain& ring : rings_) {
    ring.begin(uuid_);
    const auto lost = journal->lost.find(ring.index());
    if (Status resumed = ring.resume(*folder_, lost != journal->lost.end() ? lost->second : std::array<std::uint64_t, abi::kLossCauses>{}); !resumed) return resumed;
  }
  state_.begin(uuid_);
  return state_.resume(*folder_);
}

// For the recorder after us, should we be killed: before the first packet. `folder`: with what is lost before it.
void Recorder::keep_journal(TraceFolder& folder) {
  Journal journal{session_->session_name(), metadata_.uuid, {}, left_out_before_};
  for (const RingDrain& ring : rings_)
    if (std::any_of(ring.lost_by_cause().begin(), ring.lost_by_cause().end(), [](std::uint64_t n) { return n != 0; })) journal.lost[ring.index()] = ring.lost_by_cause();
  has_journal_ = true;
  if (Status written = write_journal(folder.fd(), journal); !written) begin_outage(written.error());
}

// For those who follow what we write.
void Recorder::begin_mark() {
  Result<RecordingMark> mark = RecordingMark::create(*folder_, session_->ring_count() / 2);
  if (!mark) options_.warn("warning: " + mark.error().text + " (hint: `ouro live` takes the trace for one that is over)");
  mark_ = mark ? std::move(*mark) : RecordingMark();
  marked_until_ = 0;
}

// A writer may have taken its stamp and not have made its record visible yet: for nanoseconds, or while it is kept from running.
void Recorder::move_mark() {
  const std::uint64_t slack = calibration_.frequency / kMarkSlack, until = complete_until_ - std::min(complete_until_, slack);
  if (slack == 0 || until <= marked_until_) return;
  marked_until_ = until;
  state_.not_before(until);
  mark_->set_complete_until(until);
}

microseconds Recorder::step() {
  if (!has_journal_) keep_journal(*folder_);
  if (!mark_) begin_mark();
  const auto now = Clock::now();
  const bool new_second = now - last_second_ >= 1s;
  if (new_second) last_second_ = now;
  const bool again = !outage_ || now >= outage_->next_try;
  if (outage_ && again) outage_->next_try = now + kTryAgain;
  double share = 0;
  if (!in_overwrite_mode()) fullest_ = share = drain_all(new_second, again);
  // At every step: a dead writer keeps its entry of the table, of which there are few, and the sub-buffer of its record.
  for (RingDrain& ring : rings_) bury_dead(ring);
  update_tables(false, again);
  move_mark();
  end_outage_if_over();
  const auto since_last = std::chrono::duration_cast<microseconds>(now - last_step_);
  last_step_ = now;
  return in_overwrite_mode() ? kOverwritePause : pause_after(share, since_last);
}

// One round over all rings; `again`: also over those with a packet that could not be written. Returns how full the fullest was.
double Recorder::drain_all(bool include_current, bool again) {
  double share = 0;
  complete_until_ = include_current ? clock::now(session_->options().clock) : 0;
  for (RingDrain& ring : rings_) {
    if (!ring.poison().empty()) continue;
    if (ring.holds() && !again) {
      complete_until_ = std::min(complete_until_, ring.last_end());
      continue;
    }
    const RingDrain::Round round = ring.drain(*folder_, counts_, include_current, [this] { return describe(); }, RingDrain::Unwritten::hold);
    if (round.failed) begin_outage(*round.failed);
    note(ring, round);
    if (!round.is_complete) complete_until_ = std::min(complete_until_, ring.last_end());
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
Status Recorder::describe() {
  events_.update();
  return events_.events().size() != events_described_ ? write_metadata() : Ok{};
}

void Recorder::update_tables(bool is_end, bool again) {
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
  if (is_end || again || !state_waits_) {
    const Status flushed = state_.flush(*folder_);
    state_waits_ = !flushed;
    if (!flushed) is_end ? fail(flushed.error()) : begin_outage(flushed.error());
  }
  if (is_end || !metadata_is_old_ || now - last_metadata_ < (outage_ ? std::chrono::milliseconds(kTryAgain) : kMetadataEvery)) return;
  if (Status written = write_metadata(); !written) begin_outage(written.error());
}

Status Recorder::write_metadata(const clock::Pair* end) {
  const Result<clock::Calibration> written = record::write_metadata(*session_, events_, metadata_, *folder_, end);
  metadata_is_old_ = !written;
  last_metadata_ = Clock::now();
  if (!written) return written.error();
  calibration_ = *written;
  events_described_ = events_.events().size();
  return Ok{};
}

void Recorder::bury_dead(RingDrain& ring) {
  const AskOwners ask([this](std::uint64_t owner) {
    // It said its name before it wrote anything.
    if (!state_.foreign().has(static_cast<std::int32_t>(owner))) state_.update_processes(now_ns());
    return state_.foreign().is_dead(owner);
  });
  ring.bury_dead();
}

std::uint64_t Recorder::lost_in_all() const {
  return std::accumulate(rings_.begin(), rings_.end(), std::uint64_t{0}, [](std::uint64_t sum, const RingDrain& ring) { return sum + ring.lost_in_all(); });
}

void Recorder::begin_outage(const Error& error) {
  const auto now = Clock::now();
  if (!outage_) {
    outage_ = Outage{now, now + kTryAgain, now, lost_in_all(), std::nullopt};
    ++sum_.outages;
    options_.warn("warning: " + error.text + "; recording goes on in memory, and tries again every second (hint: make room)");
  }
  outage_->last_failure = now;
  outage_->went_on.reset();
}

// All was written, and for as long that whatever is tried now and then was, too: a disk that is filled again at once has one outage, not many.
void Recorder::end_outage_if_over() {
  if (!outage_ || state_waits_ || std::any_of(rings_.begin(), rings_.end(), [](const RingDrain& ring) { return ring.holds(); })) return;
  const auto now = Clock::now();
  if (!outage_->went_on) outage_->went_on = now;
  if (now - outage_->last_failure < 2 * kTryAgain) return;
  const std::uint64_t lost = lost_in_all() - outage_->lost_before;
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f", std::chrono::duration<double>(*outage_->went_on - outage_->begun).count());
  options_.warn("the trace is written again, after " + std::string(seconds) + " s; " + std::to_string(lost) + " events were lost meanwhile");
  if (lost != 0) complete_ = false;
  outage_.reset();
}

// The first failure is said in full; the summary counts the rest.
void Recorder::fail(const Error& error) {
  complete_ = false;
  if (!failure_said_) options_.warn("error: " + error.text);
  failure_said_ = true;
}

void Recorder::note(const RingDrain& ring, const RingDrain::Round& round) {
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
    const RingDrain::Round round = ring.drain(*folder_, counts_, true, [this] { return describe(); }, RingDrain::Unwritten::drop);
    if (round.failed) fail(*round.failed);
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

void Recorder::add_left_out() {
  for (const auto& [id, event] : events_.events()) {
    const abi::EventRow& row = session_->event(id);
    auto& [rate_before, sampled_before] = left_out_before_[id];
    const std::uint64_t rate_now = std::max(rate_before, row.over_rate.load(std::memory_order_relaxed)),
                        sampled_now = std::max(sampled_before, row.not_sampled.load(std::memory_order_relaxed));
    const std::uint64_t over_rate = rate_now - std::exchange(rate_before, rate_now), not_sampled = sampled_now - std::exchange(sampled_before, sampled_now);
    if (over_rate + not_sampled == 0) continue;
    state_.add_left_out(event.name, over_rate, not_sampled);
    sum_.over_rate += over_rate;
    sum_.not_sampled += not_sampled;
  }
}

Recorder::Piece Recorder::piece() const {
  Piece out;
  for (const RingDrain& ring : rings_) {
    out.events += ring.written();
    out.event_bytes += ring.file().bytes();
  }
  out.bytes = out.event_bytes + state_.file().bytes() + folder_->metadata_bytes();
  out.begun = piece_begun_;
  return out;
}

// All that is said of a trace at its end. What that is, the recorder after us need not know any more, or knows it of the `next` one.
void Recorder::end_piece(TraceFolder* next) {
  for (RingDrain& ring : rings_) {
    if (Status finished = ring.finish(); !finished) fail(finished.error());
    sum_.events += ring.written();
    sum_.unwritten += ring.unwritten();
    sum_.bytes += ring.file().bytes();
    state_.add_stream(ring.file());
    if (ring.unwritten() != 0) state_.add_lost(ring.cpu(), ring.kind(), "unwritten", ring.unwritten());
    if (!ring.poison().empty()) continue;  // its counters say nothing
    for (std::size_t i = 0; i < abi::kLossCauses; ++i) {
      const std::uint64_t lost = ring.lost(static_cast<abi::Loss>(i));
      sum_.lost[i] += lost;
      if (lost != 0) state_.add_lost(ring.cpu(), ring.kind(), kLossNames[i], lost);
    }
  }
  events_.update();
  add_left_out();
  const format::Uuid uuid = metadata_.uuid;
  if (next != nullptr) {
    metadata_.uuid = random_uuid();
    keep_journal(*next);
  }
  update_tables(true, true);
  if (Status closed = state_.close(); !closed) fail(closed.error());
  const clock::Pair end = clock::read_pair(session_->options().clock);
  const format::Uuid next_uuid = std::exchange(metadata_.uuid, uuid);
  if (Status written = write_metadata(&end); !written) fail(written.error());
  metadata_.uuid = next_uuid;
  if (mark_) mark_->remove();
  remove_journal(folder_->fd());
  sum_.bytes += state_.file().bytes() + folder_->metadata_bytes();
  sum_.clock_error_ns = std::max(sum_.clock_error_ns, calibration_.error_ns);
  // As the next trace begins: the clock's line has no step there.
  if (end.ns - metadata_.begin.ns >= std::chrono::nanoseconds(1s).count()) metadata_.earlier = metadata_.begin;
  metadata_.begin = end;
}

Recorder::Piece Recorder::rotate(TraceFolder& next) {
  if (!in_overwrite_mode()) drain_all(true, true);
  end_piece(&next);
  const Piece out = piece();
  folder_ = &next;
  // Somebody may have set the clock.
  if (const clock::Pair realtime = clock::read_realtime_offset(); std::abs(realtime.ns - metadata_.realtime.ns) > realtime.error_ns + metadata_.realtime.error_ns)
    metadata_.realtime = realtime;
  for (RingDrain& ring : rings_) ring.begin(metadata_.uuid);
  state_.begin(metadata_.uuid);
  piece_begun_ = Clock::now();
  next_calibration_ = piece_begun_ + kFirstCalibration;
  events_described_ = 0;
  begin_mark();
  if (Status written = write_metadata(); !written) begin_outage(written.error());
  return out;
}

Summary Recorder::finish() {
  for (RingDrain& ring : rings_) {
    if (in_overwrite_mode()) bury_dead(ring);
    drain_rest(ring);
  }
  if (outage_ && std::all_of(rings_.begin(), rings_.end(), [](const RingDrain& ring) { return ring.unwritten() == 0; })) {
    outage_->last_failure -= 2 * kTryAgain;  // all was written: there is nothing to wait for
    end_outage_if_over();
  }
  reserve_.reset();
  const std::int64_t age_ns = clock::read_pair(abi::ClockKind::monotonic).ns - metadata_.earlier.ns;
  if (const auto age = std::chrono::nanoseconds(age_ns); age < kShortestBaseline)
    std::this_thread::sleep_for(kShortestBaseline - age);
  const std::uint64_t lost_before = outage_ ? outage_->lost_before : lost_in_all();
  end_piece(nullptr);
  Summary out = sum_;
  if (outage_ && lost_in_all() != lost_before) complete_ = false;
  for (const RingDrain& ring : rings_) {
    out.streams += ring.has_stream();
    out.rings_poisoned += !ring.poison().empty();
  }
  const abi::SessionHeader& header = session_->header();
  out.threads_lost = header.threads_lost.load(std::memory_order_relaxed) + state_.skipped();
  out.processes_lost = header.processes_lost.load(std::memory_order_relaxed);
  out.rings_refused = header.rings_refused.load(std::memory_order_relaxed);
  out.processes = state_.processes();
  out.rings_unfinished = unfinished_;
  out.complete = complete_ && out.unwritten == 0;
  return out;
}

}  // namespace ouro::record
