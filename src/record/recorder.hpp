// record/recorder.hpp -- drains a session's rings into a trace folder, while programs write and once they are done.
//
//   step()    now and then: closed sub-buffers -> stream files; events -> metadata; processes, threads -> ouro_state
//   rotate()  ends the trace as finish() would, and goes on in another folder: nothing is lost between the two, nothing twice
//   finish()  once: what is left, losses, final metadata with the clock as measured over the whole recording
//
// What the file system does not take stays in memory, and is tried again each second: a full disk ends nothing.
//
// Programs are never stopped, signalled or waited for. What they wrote into shared memory is read once, checked,
// then used; what makes no sense costs its ring or its row, and the summary says so.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clock/calibrate.hpp"
#include "record/event_counts.hpp"
#include "record/event_table.hpp"
#include "record/journal.hpp"
#include "record/metadata.hpp"
#include "record/recording_mark.hpp"
#include "record/ring_drain.hpp"
#include "record/session.hpp"
#include "record/state_stream.hpp"
#include "record/trace_writer.hpp"

namespace ouro::record {

struct Summary {
  std::uint64_t events = 0;
  std::array<std::uint64_t, abi::kLossCauses> lost{};  // by abi::Loss
  std::uint64_t unwritten = 0;                         // events that the file system did not take
  std::uint64_t streams = 0, bytes = 0, processes = 0;
  std::uint64_t threads_lost = 0, processes_lost = 0;  // names that found no row
  std::uint64_t rings_refused = 0;                     // CPU buffers without memory
  std::uint64_t rings_poisoned = 0;
  std::uint64_t rings_unfinished = 0;  // with a record that was still being written
  std::uint64_t clock_error_ns = 0;
  std::uint64_t over_rate = 0, not_sampled = 0;  // events left out because that was asked for
  std::uint64_t outages = 0;                     // times at which the file system took nothing for a while
  bool complete = true;  // nothing is missing by the recorder's own fault or somebody's poison

  std::uint64_t lost_total() const;
};

class Recorder {
 public:
  struct Options {
    std::vector<std::pair<std::string, std::string>> env;  // for the metadata
    std::function<void(const std::string&)> warn;          // one line, without prefix; each trouble once
  };
  // `session` and `folder` must outlive it. Time begins here: make it before the program runs.
  Recorder(const Session& session, TraceFolder& folder, Options options);
  // Of a session whose recorder was killed (Session::Adopt::inherit): behind the constructor, goes on in the trace that it wrote, which is `folder`. Nothing
  // is twice then, and nothing lost that memory still held.
  Status resume();

  // Returns how long the caller may sleep before the next call.
  std::chrono::microseconds step();
  // How full the fullest ring was as step() came to it: 0 to 1. Overwrite: 0.
  double fullest() const { return fullest_; }

  // What is in the trace that is being written, and since when.
  struct Piece {
    std::uint64_t events = 0, event_bytes = 0, bytes = 0;
    std::chrono::steady_clock::time_point begun;
  };
  Piece piece() const;
  // Ends this trace with what has come up to now; the next one is in `next`, which must outlive this. What went wrong was warned of, and is in
  // finish()'s summary, which is of all traces together. Returns what the trace has become.
  Piece rotate(TraceFolder& next);
  // The file system does not take what is to be written.
  bool is_stuck() const { return outage_ && !outage_->went_on; }
  // After the programs ended, or Session::close().
  Summary finish();

 private:
  using Clock = std::chrono::steady_clock;
  bool in_overwrite_mode() const { return session_->options().mode == abi::FullMode::overwrite; }
  double drain_all(bool include_current, bool again);
  void begin_mark();
  void move_mark();
  void drain_rest(RingDrain& ring);
  void bury_dead(RingDrain& ring);
  void add_left_out();
  Status describe();
  void update_tables(bool is_end, bool again);
  Status write_metadata(const clock::Pair* end = nullptr);
  void end_piece(TraceFolder* next);
  void keep_journal(TraceFolder& folder);
  void begin_outage(const Error& error);
  void end_outage_if_over();
  std::uint64_t lost_in_all() const;
  std::chrono::microseconds pause_after(double share, std::chrono::microseconds since_last);
  void fail(const Error& error);
  void note(const RingDrain& ring, const RingDrain::Round& round);

  const Session* session_;
  TraceFolder* folder_;
  Options options_;
  format::Uuid uuid_{};
  std::vector<RingDrain> rings_;
  EventTable events_;
  EventCounts counts_;
  std::size_t events_described_ = 0;  // in the metadata
  StateStream state_;
  Metadata metadata_;
  clock::Calibration calibration_;
  std::chrono::microseconds pause_, longest_pause_;
  double fullest_ = 0;
  std::optional<RecordingMark> mark_;  // of the trace that is being written; empty if there can be none
  std::uint64_t complete_until_ = 0;   // by the last round over all rings
  std::uint64_t marked_until_ = 0;
  Clock::time_point last_step_, last_second_, last_metadata_, last_names_, last_counts_, next_calibration_;
  bool metadata_is_old_ = true;
  std::size_t spoiled_said_ = 0;
  Summary sum_;  // of the traces that have ended
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> left_out_before_;  // by event: above the rate, not among the samples
  Clock::time_point piece_begun_;
  struct Outage {
    Clock::time_point begun, next_try, last_failure;
    std::uint64_t lost_before = 0;
    std::optional<Clock::time_point> went_on;  // since when nothing waits
  };
  std::optional<Outage> outage_;
  bool state_waits_ = false;  // names could not be written
  bool has_journal_ = false;  // of the trace that is being written
  base::Fd reserve_;          // room on the disk, for the end
  std::uint64_t unfinished_ = 0;
  bool complete_ = true;
  bool failure_said_ = false;
};

}  // namespace ouro::record
