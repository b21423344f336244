// read/names.cpp -- see the header.
#include "read/names.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace ouro::read {

void Names::add_process(std::int64_t time_ns, Process process) {
  by_pid_[process.pid].push_back({time_ns, processes_.size()});
  processes_.push_back(std::move(process));
}

void Names::add_thread(std::int64_t time_ns, Thread thread) {
  std::vector<Entry>& entries = by_tid_[thread.tid];
  if (!entries.empty()) {
    const Thread& last = threads_[entries.back().index];
    if (last.pid == thread.pid && last.name == thread.name) return;
  }
  entries.push_back({time_ns, threads_.size()});
  thread_times_.push_back(time_ns);
  threads_.push_back(std::move(thread));
}

// The last one that began at or before the time, else the first.
const Names::Entry& Names::at(const std::vector<Entry>& entries, std::int64_t time_ns) {
  const auto after = std::upper_bound(entries.begin(), entries.end(), time_ns,
                                      [](std::int64_t t, const Entry& entry) { return t < entry.from_ns; });
  return after == entries.begin() ? entries.front() : *(after - 1);
}

void Names::finish() {
  for (std::size_t i = 0; i < threads_.size(); ++i)
    if (const auto it = by_pid_.find(threads_[i].pid); it != by_pid_.end())
      threads_[i].process = &processes_[at(it->second, thread_times_[i]).index];
}

const Thread* Names::find_slow(std::int32_t tid, std::int64_t time_ns) const {
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min(),
                         kLast = std::numeric_limits<std::int64_t>::max();
  Cached& cached = cache_[static_cast<std::uint32_t>(tid) % cache_.size()];
  cached = {tid, kFirst, kLast, nullptr};
  const auto it = by_tid_.find(tid);
  if (it == by_tid_.end()) return nullptr;
  const std::vector<Entry>& entries = it->second;
  const Entry& entry = at(entries, time_ns);
  const auto index = static_cast<std::size_t>(&entry - entries.data());
  cached.thread = &threads_[entry.index];
  if (index > 0) cached.from_ns = entry.from_ns;
  if (index + 1 < entries.size()) cached.until_ns = entries[index + 1].from_ns;
  return cached.thread;
}

}  // namespace ouro::read
