// read/names.hpp -- who a thread id was at a time. The state events of a recording say so:
//
//   ouro:thread {pid, tid, name} at t     from t on, until the next one of the same tid; before the first: the first
//   ouro:process {pid, ...} at t          likewise
//
// A tid can be used again by another process, and a name can change: so an answer holds for a span of time.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include <ouro/read.hpp>

namespace ouro::read {

class Names {
 public:
  // In order of time per pid and tid.
  void add_process(std::int64_t time_ns, Process process);
  void add_thread(std::int64_t time_ns, Thread thread);
  // After the last addition: joins threads to their processes.
  void finish();

  const Thread* find(std::int32_t tid, std::int64_t time_ns) const {
    const Cached& cached = cache_[static_cast<std::uint32_t>(tid) % cache_.size()];
    if (cached.tid == tid && time_ns >= cached.from_ns && time_ns < cached.until_ns) return cached.thread;
    return find_slow(tid, time_ns);
  }

  const std::vector<Thread>& threads() const { return threads_; }
  const std::vector<Process>& processes() const { return processes_; }

 private:
  struct Entry {
    std::int64_t from_ns = 0;
    std::size_t index = 0;  // in threads_ or processes_
  };
  struct Cached {
    std::int32_t tid = -1;
    std::int64_t from_ns = 0, until_ns = 0;
    const Thread* thread = nullptr;
  };
  using Entries = std::unordered_map<std::int32_t, std::vector<Entry>>;

  static const Entry& at(const std::vector<Entry>& entries, std::int64_t time_ns);
  const Thread* find_slow(std::int32_t tid, std::int64_t time_ns) const;

  std::vector<Process> processes_;
  std::vector<Thread> threads_;
  std::vector<std::int64_t> thread_times_;
  Entries by_pid_, by_tid_;
  mutable std::array<Cached, 256> cache_{};
};

}  // namespace ouro::read
