#include "record/state_stream.hpp"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "base/foreign.hpp"
#include "base/proc.hpp"
#include "record/registry_file.hpp"

namespace ouro::record {
namespace {

constexpr std::uint64_t kPatience_ns = 1'000'000'000;  // with a claimed row
constexpr std::size_t kNamesPerRound = 64;
constexpr std::size_t kMaxThreads = 1 << 16;  // whose names are looked up again
constexpr std::size_t kPacketRoom = 1 << 20;
constexpr std::size_t kMostPending = 1 << 16;  // events that the file system does not take
constexpr std::size_t kMostKnown = 1 << 16;    // of those who are there, the newest
constexpr std::size_t kStampAt = 2;  // event header {u16 id, u64 stamp}

template <std::size_t N>
std::string text_of(const char (&shared)[N]) {
  char copy[N];
  std::memcpy(copy, shared, N);
  return {copy, ::strnlen(copy, N)};
}

// Those who are gone make room for others, where there is none.
template <class T, class Gone>
void make_room(std::vector<T>& known, Gone is_gone) {
  if (known.size() < kMostKnown) return;
  std::erase_if(known, is_gone);
  if (known.size() >= kMostKnown) known.erase(known.begin(), known.begin() + kMostKnown / 4);
}

// Was all that was read of a row one program's? Others take rows over where nobody empties the queue.
template <class Row>
bool is_still(const Row& row, std::uint64_t stamp) {
  abi::fence(std::memory_order_acquire);  // pairs with claim_row() in trace/session.cpp
  return row.state.load(std::memory_order_relaxed) == abi::row_ready && base::read_once(row.stamp) == stamp;
}

}  // namespace

std::string read_proc(std::int32_t pid, const std::string& name) {
  if (pid <= 0) return {};
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  const base::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  std::string out;
  char part[4096];
  for (ssize_t n = 0; out.size() < (64u << 10) && (n = ::read(fd.get(), part, sizeof part)) > 0;)
    out.append(part, static_cast<std::size_t>(n));
  return out;
}

// Field 4 of /proc/PID/stat, behind the name, which may be anything; 0: unknown.
std::int32_t parent_of(std::int32_t pid) {
  const std::string text = read_proc(pid, "stat");
  const std::size_t at = text.rfind(") ");
  return at == std::string::npos || at + 4 >= text.size() ? 0 : std::atoi(text.c_str() + at + 4);
}

std::string command_line_of(std::int32_t pid) {
  std::string out = read_proc(pid, "cmdline");
  while (!out.empty() && out.back() == '\0') out.pop_back();
  std::replace(out.begin(), out.end(), '\0', ' ');
  return out;
}

StateStream::StateStream(const Session& session, format::Uuid uuid, Rows rows)
    : session_(&session), takes_(rows == Rows::take), foreign_(session), file_("ouro_state", uuid, 1, session.ring_count(), 0) {
  // Rows below are read, by a recorder that was killed or by nobody yet.
  new_threads_.tail = session.header().threads_tail.load(std::memory_order_acquire);
  new_processes_.tail = session.header().processes_tail.load(std::memory_order_acquire);
}

void StateStream::update_processes(std::uint64_t now_ns) {
  abi::SessionHeader& header = session_->header();
  empty(new_processes_, session_->options().process_capacity, header.processes_head, header.processes_tail, now_ns, &StateStream::take_process);
}

void StateStream::update(std::uint64_t now_ns) {
  abi::SessionHeader& header = session_->header();
  // Processes first: who knows a thread by its process finds that.
  update_processes(now_ns);
  empty(new_threads_, session_->options().thread_capacity, header.threads_head, header.threads_tail, now_ns, &StateStream::take_thread);
}

void StateStream::empty(Queue& queue, std::uint64_t capacity, abi::Word& shared_head, abi::Word& shared_tail, std::uint64_t now_ns,
                        bool (StateStream::*take)(std::uint32_t)) {
  // Acquire; pairs with the claim: a row below head is claimed, or about to be.
  const std::uint64_t head = shared_head.load(std::memory_order_acquire);
  for (std::uint64_t room = std::min(head > queue.tail ? head - queue.tail : 0, capacity); room > 0; --room) {
    const bool is_there = (this->*take)(static_cast<std::uint32_t>(queue.tail % capacity));
    if (!takes_) {
      ++queue.tail;
      continue;
    }
    if (!is_there) {
      if (queue.waiting_since_ns == 0) {
        queue.waiting_since_ns = now_ns;
        queue.waiting_below = head;
      }
      if (now_ns - queue.waiting_since_ns < kPatience_ns) break;
      ++skipped_;
    }
    // Rows that had been claimed when we began to wait have had as long.
    if (++queue.tail >= queue.waiting_below) queue.waiting_since_ns = 0;
    // Release: the row was read and freed before a program may claim it again.
    shared_tail.store(queue.tail, std::memory_order_release);
  }
}

bool StateStream::take_thread(std::uint32_t index) {
  abi::ThreadRow& row = session_->thread(index);
  if (row.state.load(std::memory_order_acquire) != abi::row_ready) return false;
  Thread thread{base::read_once(row.pid), base::read_once(row.tid), text_of(row.name)};
  const std::uint64_t stamp = base::read_once(row.stamp);
  if (!takes_ && !is_still(row, stamp)) return false;
  if (takes_) row.state.store(abi::row_free, std::memory_order_relaxed);
  add_thread(stamp, thread);
  if (threads_.size() < kMaxThreads && !foreign_.has(thread.pid)) threads_.push_back(std::move(thread));
  return true;
}

bool StateStream::take_process(std::uint32_t index) {
  abi::ProcessRow& row = session_->process(index);
  if (row.state.load(std::memory_order_acquire) != abi::row_ready) return false;
  const std::int32_t pid = base::read_once(row.pid), parent = base::read_once(row.parent_pid);
  const std::uint64_t stamp = base::read_once(row.stamp), start = base::read_once(row.start_time);
  const std::string name = text_of(row.name), registry = text_of(row.registry);
  const std::uint64_t pid_namespace = base::read_once(row.pid_namespace);
  if (!takes_ && !is_still(row, stamp)) return false;
  foreign_.add(pid, pid_namespace, registry);
  if (takes_) row.state.store(abi::row_free, std::memory_order_relaxed);
  add_process(stamp, {pid, parent, start, name, !session_->is_image() && !foreign_.has(pid) && base::is_alive(pid, start) ? command_line_of(pid) : std::string()});
  if (takes_) ++processes_;
  else pids_.insert(pid);
  return true;
}

void StateStream::refresh_names() {
  const std::size_t count = std::min(threads_.size(), kNamesPerRound);
  for (std::size_t i = 0; i < count && !threads_.empty(); ++i) {
    if (next_refresh_ >= threads_.size()) next_refresh_ = 0;
    Thread& thread = threads_[next_refresh_];
    std::string name = read_proc(thread.pid, "task/" + std::to_string(thread.tid) + "/comm");
    if (name.empty()) {  // gone
      thread = std::move(threads_.back());
      threads_.pop_back();
      continue;
    }
    ++next_refresh_;
    name.erase(std::min(name.find('\n'), name.size()));
    if (name == thread.name) continue;
    thread.name = name;
    add_thread(session_->now(), thread);
  }
}

void StateStream::add_living() {
  const std::string folder = session_->path().substr(0, session_->path().rfind('/'));
  const std::uint64_t stamp = session_->now();
  for (const std::string& path : find_registries(folder)) {
    const Result<RegistryFile> registry = RegistryFile::open(path, RegistryFile::Access::read_only, session_->options().owner);
    if (!registry || !registry->is_in_our_pid_namespace() || !registry->is_of_living_process() || !registry->slot_of(session_->session_name())) continue;
    const std::int32_t pid = registry->pid();
    if (pids_.insert(pid).second) add_process(stamp, {pid, parent_of(pid), 0, registry->process_name(), command_line_of(pid)});
    std::error_code ignored;
    for (std::filesystem::directory_iterator task("/proc/" + std::to_string(pid) + "/task", ignored), end; task != end && !ignored; task.increment(ignored)) {
      const std::string tid = task->path().filename().string();
      std::string name = read_proc(pid, "task/" + tid + "/comm");
      name.erase(std::min(name.find('\n'), name.size()));
      if (name.empty()) continue;  // it has just ended
      add_thread(stamp, {pid, std::atoi(tid.c_str()), name});
    }
  }
}

void StateStream::add_process(std::uint64_t stamp, const Process& process) {
  std::vector<std::byte> bytes;
  format::append_process(bytes, stamp, process.pid, process.parent, process.name, process.cmdline);
  add_event(stamp, std::move(bytes));
  make_room(known_processes_, [this](const Process& p) { return is_gone(p); });
  known_processes_.push_back(process);
}

void StateStream::add_thread(std::uint64_t stamp, const Thread& thread) {
  std::vector<std::byte> bytes;
  format::append_thread(bytes, stamp, thread.pid, thread.tid, thread.name);
  add_event(stamp, std::move(bytes));
  make_room(known_threads_, [this](const Thread& t) { return is_gone(t); });
  known_threads_.push_back(thread);
}

bool StateStream::is_gone(const Process& process) const {
  if (foreign_.has(process.pid)) return foreign_.are_gone(process.pid);
  return process.start != 0 ? !base::is_alive(process.pid, process.start) : ::kill(process.pid, 0) != 0 && errno == ESRCH;
}

bool StateStream::is_gone(const Thread& thread) const {
  if (foreign_.has(thread.pid)) return foreign_.are_gone(thread.pid);
  return ::access(("/proc/" + std::to_string(thread.pid) + "/task/" + std::to_string(thread.tid)).c_str(), F_OK) != 0;
}

Status StateStream::resume(const TraceFolder& folder) {
  StreamFile::Last last;
  if (Status reopened = file_.reopen(folder, last); !reopened) return reopened;
  last_stamp_ = last.end;
  add_living();
  pids_.clear();  // rows are counted
  return Ok{};
}

void StateStream::begin(format::Uuid uuid) {
  file_ = StreamFile(file_.name(), uuid, 1, session_->ring_count(), 0);
  // Of names that one had one behind the other, the last; of those who are gone too: events of theirs may still be in memory.
  const std::uint64_t stamp = session_->now();
  const std::vector<Process> processes = std::exchange(known_processes_, {});
  const std::vector<Thread> threads = std::exchange(known_threads_, {});
  std::map<std::int32_t, const Process*> by_pid;
  std::map<std::pair<std::int32_t, std::int32_t>, const Thread*> by_tid;
  for (const Process& process : processes) by_pid[process.pid] = &process;
  for (const Thread& thread : threads) by_tid[{thread.pid, thread.tid}] = &thread;
  for (const auto& [pid, process] : by_pid) add_process(stamp, *process);
  for (const auto& [tid, thread] : by_tid) add_thread(stamp, *thread);
  std::erase_if(known_processes_, [this](const Process& p) { return is_gone(p); });
  std::erase_if(known_threads_, [this](const Thread& t) { return is_gone(t); });
}

void StateStream::add_lost(std::uint32_t cpu, abi::RingKind ring, const std::string& cause, std::uint64_t count) {
  const std::uint64_t stamp = session_->now();
  std::vector<std::byte> bytes;
  format::append_lost(bytes, stamp, cpu, ring, cause, count);
  add_event(stamp, std::move(bytes));
}

void StateStream::add_stream(const StreamFile& file) {
  if (file.packets() == 0) return;
  const std::uint64_t stamp = session_->now();
  std::vector<std::byte> bytes;
  format::append_stream(bytes, stamp, file.name(), file.packets());
  add_event(stamp, std::move(bytes));
}

void StateStream::add_left_out(const std::string& event, std::uint64_t over_rate, std::uint64_t not_sampled) {
  const std::uint64_t stamp = session_->now();
  std::vector<std::byte> bytes;
  format::append_left_out(bytes, stamp, event, over_rate, not_sampled);
  add_event(stamp, std::move(bytes));
}

void StateStream::add_event(std::uint64_t stamp, std::vector<std::byte> bytes) {
  pending_.push_back({stamp, std::move(bytes)});
}

std::uint64_t StateStream::clamp(std::uint64_t stamp) const {
  return std::clamp(stamp, last_stamp_, std::max(last_stamp_, session_->now()));
}

Status StateStream::flush(const TraceFolder& folder) {
  std::stable_sort(pending_.begin(), pending_.end(), [](const Event& a, const Event& b) { return a.stamp < b.stamp; });
  for (std::size_t i = 0, done = 0; i < pending_.size();) {
    std::vector<std::byte> bytes;
    const std::uint64_t begin = clamp(pending_[i].stamp);
    for (; i < pending_.size() && bytes.size() < kPacketRoom; ++i) {
      Event& event = pending_[i];
      last_stamp_ = clamp(event.stamp);
      std::memcpy(event.bytes.data() + kStampAt, &last_stamp_, sizeof last_stamp_);
      bytes.insert(bytes.end(), event.bytes.begin(), event.bytes.end());
    }
    if (Status written = file_.append(folder, begin, last_stamp_, 0, bytes); !written) {
      const std::size_t kept = pending_.size() - done, most = std::min(kept, kMostPending);
      skipped_ += kept - most;
      pending_.erase(pending_.begin(), pending_.end() - static_cast<std::ptrdiff_t>(most));
      return written;
    }
    done = i;
  }
  pending_.clear();
  return Ok{};
}

}  // namespace ouro::record
