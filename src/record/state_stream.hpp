// record/state_stream.hpp -- who wrote the events: processes and threads with their names, and at the end what was
// lost. Stream 1 of the trace, file "ouro_state" (docs/trace-format.md).
//
//   rows   ... | read | read | ready | claimed | ready | free ...     two queues that go round, of threads and of processes. A row that
//                       ^tail                            ^head        stays claimed (its program was killed) is skipped after a second
//
// A thread often gets its name only after its first event: names are looked up again while the process lives.
#pragma once
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "clock/calibrate.hpp"
#include "record/foreign_processes.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::record {

class StateStream {
 public:
  // take: rows are freed for others. look: they stay as they are, and what a program is just writing is not waited for.
  enum class Rows { take, look };
  StateStream(const Session& session, format::Uuid uuid, Rows rows = Rows::take);

  // Reads new rows. `now_ns`: any steady clock.
  void update(std::uint64_t now_ns);
  void update_processes(std::uint64_t now_ns);
  // Processes of other PID namespaces, as far as rows were read.
  const ForeignProcesses& foreign() const { return foreign_; }
  // Looks up names that may have changed; some of them, so that a round stays short.
  void refresh_names();
  // Those who have the session now and live where we do: whatever became of their rows.
  void add_living();
  void add_left_out(const std::string& event, std::uint64_t over_rate, std::uint64_t not_sampled);
  // Of a stream file that is complete: who reads the trace can tell whether all of it is there.
  void add_stream(const StreamFile& file);
  void add_lost(std::uint32_t cpu, abi::RingKind ring, const std::string& cause, std::uint64_t count);
  // Writes what has come together as one packet; nothing if there is nothing. What could not be written is kept for the next time, up to some
  // number of events: older ones go, and are counted as skipped.
  Status flush(const TraceFolder& folder);
  Status close() { return file_.close(); }
  // What is written from now on has no earlier stamps.
  void not_before(std::uint64_t stamp) { last_stamp_ = std::max(last_stamp_, stamp); }
  // At the beginning: goes on in the file of a recorder that was killed. Names that it had read and not written are asked for again.
  Status resume(const TraceFolder& folder);
  // Behind close(): on in another trace, which begins with those who are there, or were since the last one began.
  void begin(format::Uuid uuid);

  std::uint64_t processes() const { return processes_ + pids_.size(); }
  std::uint64_t skipped() const { return skipped_; }  // rows that their programs were killed at, names that found no room
  const StreamFile& file() const { return file_; }

 private:
  struct Thread {
    std::int32_t pid, tid;
    std::string name;
  };
  struct Process {
    std::int32_t pid, parent;
    std::uint64_t start;
    std::string name, cmdline;
  };
  struct Event {
    std::uint64_t stamp;
    std::vector<std::byte> bytes;  // with `stamp` in it, at kStampAt
  };
  bool take_thread(std::uint32_t index);
  bool take_process(std::uint32_t index);
  struct Queue {  // of rows that programs add
    std::uint64_t tail = 0;  // ours; the shared one only tells the programs
    std::uint64_t waiting_since_ns = 0;  // for a claimed row
    std::uint64_t waiting_below = 0;     // the queue's head then
  };
  void empty(Queue& queue, std::uint64_t capacity, abi::Word& head, abi::Word& tail, std::uint64_t now_ns, bool (StateStream::*take)(std::uint32_t));
  void add_event(std::uint64_t stamp, std::vector<std::byte> bytes);
  void add_process(std::uint64_t stamp, const Process& process);
  void add_thread(std::uint64_t stamp, const Thread& thread);
  bool is_gone(const Process& process) const;
  bool is_gone(const Thread& thread) const;
  std::uint64_t clamp(std::uint64_t stamp) const;

  const Session* session_;
  bool takes_;
  ForeignProcesses foreign_;
  StreamFile file_;
  Queue new_threads_, new_processes_;
  std::vector<Thread> threads_;
  std::size_t next_refresh_ = 0;
  std::vector<Process> known_processes_;  // of this trace: the next one is to have those who are there by then
  std::vector<Thread> known_threads_;
  std::set<std::int32_t> pids_;  // those that were looked at
  std::vector<Event> pending_;
  std::uint64_t last_stamp_ = 0;
  std::uint64_t processes_ = 0, skipped_ = 0;
};

// A text of /proc, up to 64 KiB; empty if it cannot be read.
std::string read_proc(std::int32_t pid, const std::string& name);
// NULs between arguments become spaces.
std::string command_line_of(std::int32_t pid);

}  // namespace ouro::record
