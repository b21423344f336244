#include "record/state_stream.hpp"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/proc.hpp"

namespace ouro::record {
namespace {

constexpr std::uint64_t kPatience_ns = 1'000'000'000;  // with a claimed row
constexpr std::size_t kNamesPerRound = 64;
constexpr std::size_t kMaxThreads = 1 << 16;  // whose names are looked up again
constexpr std::size_t kPacketRoom = 1 << 20;
constexpr std::size_t kStampAt = 2;  // event header {u16 id, u64 stamp}

template <std::size_t N>
std::string text_of(const char (&shared)[N]) {
  char copy[N];
  std::memcpy(copy, shared, N);
  return {copy, ::strnlen(copy, N)};
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

std::string command_line_of(std::int32_t pid) {
  std::string out = read_proc(pid, "cmdline");
  while (!out.empty() && out.back() == '\0') out.pop_back();
  std::replace(out.begin(), out.end(), '\0', ' ');
  return out;
}

void StateStream::update(std::uint64_t now_ns) {
  // Acquire; pairs with the claim: a row below head is claimed, or about to be.
  const std::uint64_t capacity = session_->options().thread_capacity;
  const std::uint64_t head = session_->header().threads_head.load(std::memory_order_acquire);
  for (std::uint64_t room = std::min(head > tail_ ? head - tail_ : 0, capacity); room > 0; --room) {
    if (!take_thread(static_cast<std::uint32_t>(tail_ % capacity))) {
      if (waiting_since_ns_ == 0) waiting_since_ns_ = now_ns;
      if (now_ns - waiting_since_ns_ < kPatience_ns) break;
      ++threads_skipped_;
    }
    waiting_since_ns_ = 0;
    ++tail_;
    // Release: the row was read and freed before a program may claim it again.
    session_->header().threads_tail.store(tail_, std::memory_order_release);
  }
  const auto state = [&](std::uint32_t i) { return session_->process(i).state.load(std::memory_order_acquire); };
  std::erase_if(claimed_processes_, [&](std::uint32_t i) {
    if (state(i) != abi::row_ready) return false;
    take_process(i);
    return true;
  });
  for (; next_process_ < session_->options().process_capacity; ++next_process_) {
    const std::uint32_t seen = state(next_process_);
    if (seen == abi::row_free) break;
    if (seen == abi::row_ready)
      take_process(next_process_);
    else
      claimed_processes_.push_back(next_process_);
  }
}

bool StateStream::take_thread(std::uint32_t index) {
  abi::ThreadRow& row = session_->thread(index);
  if (row.state.load(std::memory_order_acquire) != abi::row_ready) return false;
  Thread thread{row.pid, row.tid, text_of(row.name)};
  const std::uint64_t stamp = row.stamp;
  row.state.store(abi::row_free, std::memory_order_relaxed);
  std::vector<std::byte> bytes;
  format::append_thread(bytes, stamp, thread.pid, thread.tid, thread.name);
  add_event(stamp, std::move(bytes));
  if (threads_.size() < kMaxThreads) threads_.push_back(std::move(thread));
  return true;
}

void StateStream::take_process(std::uint32_t index) {
  const abi::ProcessRow& row = session_->process(index);
  const std::int32_t pid = row.pid, parent = row.parent_pid;
  const std::uint64_t stamp = row.stamp, start = row.start_time;
  const std::string cmdline = base::is_alive(pid, start) ? command_line_of(pid) : std::string();
  std::vector<std::byte> bytes;
  format::append_process(bytes, stamp, pid, parent, text_of(row.name), cmdline);
  add_event(stamp, std::move(bytes));
  ++processes_;
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
    const std::uint64_t stamp = clock::now(session_->options().clock);
    std::vector<std::byte> bytes;
    format::append_thread(bytes, stamp, thread.pid, thread.tid, name);
    add_event(stamp, std::move(bytes));
  }
}

void StateStream::add_lost(std::uint32_t cpu, abi::RingKind ring, const std::string& cause, std::uint64_t count) {
  const std::uint64_t stamp = clock::now(session_->options().clock);
  std::vector<std::byte> bytes;
  format::append_lost(bytes, stamp, cpu, ring, cause, count);
  add_event(stamp, std::move(bytes));
}

void StateStream::add_event(std::uint64_t stamp, std::vector<std::byte> bytes) {
  pending_.push_back({stamp, std::move(bytes)});
}

std::uint64_t StateStream::clamp(std::uint64_t stamp) const {
  return std::clamp(stamp, last_stamp_, std::max(last_stamp_, clock::now(session_->options().clock)));
}

Status StateStream::flush(const TraceFolder& folder) {
  std::stable_sort(pending_.begin(), pending_.end(), [](const Event& a, const Event& b) { return a.stamp < b.stamp; });
  for (std::size_t i = 0; i < pending_.size();) {
    std::vector<std::byte> bytes;
    const std::uint64_t begin = clamp(pending_[i].stamp);
    for (; i < pending_.size() && bytes.size() < kPacketRoom; ++i) {
      Event& event = pending_[i];
      last_stamp_ = clamp(event.stamp);
      std::memcpy(event.bytes.data() + kStampAt, &last_stamp_, sizeof last_stamp_);
      bytes.insert(bytes.end(), event.bytes.begin(), event.bytes.end());
    }
    if (Status written = file_.append(folder, begin, last_stamp_, 0, bytes); !written) {
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(i));
      return written;
    }
  }
  pending_.clear();
  return Ok{};
}

}  // namespace ouro::record
