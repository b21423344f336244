// record/rotation.hpp -- a recording as a folder of whole traces (format/pieces.hpp), a new one now and then, the oldest removed where they are to
// take no more than so much room.
//
//   step()    is it time? then a new folder is made, Recorder::rotate() goes on there, and the old one loses its ".part"
//   rotate()  the same now
//
// One recording at a time has the folder: its lock (flock).
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "record/housekeeper.hpp"
#include "record/recorder.hpp"
#include "record/trace_writer.hpp"

namespace ouro::record {

struct RotationOptions {
  std::optional<std::uint64_t> size;              // of a trace, about: by what is written at once, it is more
  std::optional<std::chrono::milliseconds> time;  // if there was any event
  std::optional<std::uint64_t> keep;              // bytes of all traces; those of earlier recordings count, and go first
  bool compress = false;                          // what is whole, with zstd
  std::function<void(const std::string&)> warn;   // one line, without prefix
};

class Rotation {
 public:
  // A new folder, an empty one, or one with such traces and nothing else.
  static Result<std::unique_ptr<Rotation>> create(const std::string& path, RotationOptions options);
  // One whose recorder was killed: current() is the trace that it wrote last, for Recorder::resume().
  static Result<std::unique_ptr<Rotation>> resume(const std::string& path, RotationOptions options);

  const std::string& path() const { return path_; }
  // That is being written.
  TraceFolder& current() { return *current_; }
  // At the beginning, in place of finish(): nothing is to be recorded.
  void discard();

  // Behind each Recorder::step().
  void step(Recorder& recorder);
  // An error: there is no new folder; the trace goes on.
  Status rotate(Recorder& recorder);
  // Behind Recorder::finish(). `is_enough`: what is not compressed by then stays as it is.
  void finish(const Recorder& recorder, const std::function<bool()>& is_enough = [] { return false; });

  std::uint64_t traces() const { return traces_; }  // that this recording has made
  struct Removed {
    std::uint64_t traces = 0, bytes = 0;
    std::uint64_t events = 0;  // of this recording
  };
  const Removed& removed() const { return removed_; }
  // What compressing has saved.
  std::uint64_t saved_bytes() const { return saved_bytes_; }

 private:
  struct Whole {
    std::string name;
    std::uint64_t bytes, events;
  };
  Rotation() = default;
  static Result<std::unique_ptr<Rotation>> open(const std::string& path, RotationOptions options);
  Status take_up();
  Status look_around();
  Result<TraceFolder> make_next();
  void become_whole(const std::string& name, const Recorder::Piece& piece);
  void keep_within(std::uint64_t current_bytes, std::size_t least = 0);
  void take_done();
  bool is_due(const Recorder& recorder) const;

  std::string path_;
  base::Fd fd_;
  bool made_ = false;
  RotationOptions options_;
  std::unique_ptr<TraceFolder> current_;
  std::string current_name_;  // without ".part"
  std::uint64_t next_number_ = 1, traces_ = 0;
  std::deque<Whole> whole_;  // oldest first
  std::uint64_t whole_bytes_ = 0;
  Removed removed_;
  std::uint64_t saved_bytes_ = 0;
  std::chrono::steady_clock::time_point next_try_;
  std::unique_ptr<Housekeeper> housekeeper_;
};

}  // namespace ouro::record
