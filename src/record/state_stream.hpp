// record/state_stream.hpp -- who wrote the events: processes and threads with their names, and at the end what was
// lost. Stream 1 of the trace, file "ouro_state" (docs/trace-format.md).
//
//   ThreadRow[]   ... | read | read | ready | claimed | ready | free ...     a queue that goes round. A row that
//                              ^tail                            ^head        stays claimed (its thread was killed)
//                                                                            is skipped after a second
//   ProcessRow[]  | read | ready | claimed | free ...                        a table that grows
//
// A thread often gets its name only after its first event: names are looked up again while the process lives.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "clock/calibrate.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::record {

class StateStream {
 public:
  StateStream(const Session& session, format::Uuid uuid)
      : session_(&session), file_("ouro_state", uuid, 1, session.ring_count(), 0) {}

  // Reads new rows. `now_ns`: any steady clock.
  void update(std::uint64_t now_ns);
  // Looks up names that may have changed; some of them, so that a round stays short.
  void refresh_names();
  void add_lost(std::uint32_t cpu, abi::RingKind ring, const std::string& cause, std::uint64_t count);
  // Writes what has come together as one packet; nothing if there is nothing.
  Status flush(const TraceFolder& folder);
  Status close() { return file_.close(); }

  std::uint64_t processes() const { return processes_; }
  std::uint64_t threads_skipped() const { return threads_skipped_; }
  const StreamFile& file() const { return file_; }

 private:
  struct Thread {
    std::int32_t pid, tid;
    std::string name;
  };
  struct Event {
    std::uint64_t stamp;
    std::vector<std::byte> bytes;  // with `stamp` in it, at kStampAt
  };
  bool take_thread(std::uint32_t index);
  void take_process(std::uint32_t index);
  void add_event(std::uint64_t stamp, std::vector<std::byte> bytes);
  std::uint64_t clamp(std::uint64_t stamp) const;

  const Session* session_;
  StreamFile file_;
  std::uint64_t tail_ = 0;  // of the threads: ours; the shared one only tells the programs
  std::uint64_t waiting_since_ns_ = 0;
  std::uint32_t next_process_ = 0;  // the first row never seen in use
  std::vector<std::uint32_t> claimed_processes_;
  std::vector<Thread> threads_;
  std::size_t next_refresh_ = 0;
  std::vector<Event> pending_;
  std::uint64_t last_stamp_ = 0;
  std::uint64_t processes_ = 0, threads_skipped_ = 0;
};

// A text of /proc, up to 64 KiB; empty if it cannot be read.
std::string read_proc(std::int32_t pid, const std::string& name);
// NULs between arguments become spaces.
std::string command_line_of(std::int32_t pid);

}  // namespace ouro::record
