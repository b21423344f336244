#include "record/housekeeper.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "format/live_mark.hpp"
#include "format/pieces.hpp"
#include "record/compress.hpp"
#include "record/journal.hpp"

namespace ouro::record {
namespace {

base::Fd open_folder(int folder, const std::string& name) {
  return base::Fd(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool is_of_a_trace(std::string name) {
  if (name == kJournalFile || name == format::kLiveMarkName) return true;
  if (name.starts_with('.')) name.erase(0, 1);  // while it is compressed
  for (const std::string_view suffix : {std::string_view(".new"), format::kCompressedSuffix})
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  return name == "metadata" || name == "recorder" || name == "ouro_state" || name.starts_with("stream_");
}

}  // namespace

std::vector<std::string> entries_of(int folder) {
  std::vector<std::string> out;
  DIR* dir = ::fdopendir(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir))
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) out.emplace_back(entry->d_name);
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

bool is_trace_of_ours(int folder, const std::string& name) {
  const base::Fd trace = open_folder(folder, name);
  if (!trace) return false;
  const std::vector<std::string> files = entries_of(trace.get());
  return std::all_of(files.begin(), files.end(), [&](const std::string& file) {
    struct stat status;
    return is_of_a_trace(file) && ::fstatat(trace.get(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
  });
}

std::uint64_t bytes_of_trace(int folder, const std::string& name) {
  const base::Fd trace = open_folder(folder, name);
  std::uint64_t out = 0;
  struct stat status;
  if (trace)
    for (const std::string& file : entries_of(trace.get()))
      if (::fstatat(trace.get(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode)) out += static_cast<std::uint64_t>(status.st_size);
  return out;
}

Housekeeper::Housekeeper(const std::string& folder) : folder_(folder), fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

Housekeeper::~Housekeeper() { finish(); }

void Housekeeper::finish() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Housekeeper::add(std::deque<std::string>& to, const std::string& trace) {
  {
    const std::lock_guard lock(mutex_);
    to.push_back(trace);
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_one();
}

void Housekeeper::remove(const std::string& trace) {
  {
    const std::lock_guard lock(mutex_);
    std::erase(to_compress_, trace);
  }
  add(to_remove_, trace);
}

void Housekeeper::compress(const std::string& trace) { add(to_compress_, trace); }

bool Housekeeper::is_idle() {
  const std::lock_guard lock(mutex_);
  return !busy_ && to_remove_.empty() && to_compress_.empty();
}

void Housekeeper::stop_compressing() {
  const std::lock_guard lock(mutex_);
  to_compress_.clear();
  stops_ = true;
}

std::vector<Housekeeper::Done> Housekeeper::take_done() {
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

void Housekeeper::run() {
  ::setpriority(PRIO_PROCESS, 0, 19);  // of this thread alone
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || !to_remove_.empty() || !to_compress_.empty(); });
    const bool removes = !to_remove_.empty();
    std::deque<std::string>& jobs = removes ? to_remove_ : to_compress_;
    if (jobs.empty()) return;
    const std::string trace = std::move(jobs.front());
    jobs.pop_front();
    busy_ = true;
    lock.unlock();
    removes ? remove_now(trace) : compress_now(trace);
    lock.lock();
    busy_ = false;
  }
}

// What is to go goes at once. Is it what is being compressed, or is that to end?
bool Housekeeper::remove_waiting(const std::string& compressing) {
  std::unique_lock lock(mutex_);
  while (!stops_ && !to_remove_.empty()) {
    if (to_remove_.front() == compressing) return true;
    const std::string trace = std::move(to_remove_.front());
    to_remove_.pop_front();
    lock.unlock();
    remove_now(trace);
    lock.lock();
  }
  return stops_;
}

void Housekeeper::compress_now(const std::string& trace) {
  const Status compressed = compress_trace(fd_.get(), trace, [&] { return remove_waiting(trace); });
  const std::lock_guard lock(mutex_);
  done_.push_back({trace, bytes_of_trace(fd_.get(), trace), compressed ? "" : "folder '" + folder_ + "': " + compressed.error().text});
}

// Its metadata first: what is left of it, should we be killed, is no trace.
void Housekeeper::remove_now(const std::string& trace) {
  const base::Fd fd = open_folder(fd_.get(), trace);
  std::vector<std::string> files = entries_of(fd.get());
  std::stable_partition(files.begin(), files.end(), [](const std::string& file) { return file == "metadata"; });
  int error = 0;
  for (const std::string& file : files)
    if (::unlinkat(fd.get(), file.c_str(), 0) != 0 && error == 0) error = errno;
  if (::unlinkat(fd_.get(), trace.c_str(), AT_REMOVEDIR) == 0) return;
  if (error == 0) error = errno;
  const std::lock_guard lock(mutex_);
  done_.push_back({trace, bytes_of_trace(fd_.get(), trace), "trace '" + folder_ + "/" + trace + "': cannot be removed: " + std::strerror(error)});
}

}  // namespace ouro::record
