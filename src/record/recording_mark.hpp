// record/recording_mark.hpp -- the file ".recording" in a trace's folder, as long as the trace is being written (format/live_mark.hpp).
#pragma once
#include <cstdint>

#include "base/fd.hpp"
#include "record/trace_writer.hpp"

namespace ouro::record {

class RecordingMark {
 public:
  RecordingMark() = default;
  // `folder` must outlive it. One that a killed recorder left is taken over.
  static Result<RecordingMark> create(const TraceFolder& folder, std::uint32_t cpus);
  ~RecordingMark() { remove(); }
  RecordingMark(RecordingMark&&) noexcept = default;
  RecordingMark& operator=(RecordingMark&& other) noexcept;

  // What the files have up to then is whole.
  void set_complete_until(std::uint64_t stamp);
  // Nothing more comes.
  void remove();

 private:
  base::Fd fd_;
  const TraceFolder* folder_ = nullptr;
  std::uint32_t cpus_ = 0;
};

}  // namespace ouro::record
