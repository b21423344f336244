#include "record/recording_mark.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "format/live_mark.hpp"

namespace ouro::record {

Result<RecordingMark> RecordingMark::create(const TraceFolder& folder, std::uint32_t cpus) {
  RecordingMark out;
  out.fd_ = base::Fd(::openat(folder.fd(), format::kLiveMarkName, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
  if (!out.fd_) return error_from_errno("trace '%s': %s", folder.path().c_str(), format::kLiveMarkName);
  if (::flock(out.fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    const Error error = error_from_errno("trace '%s': %s cannot be locked", folder.path().c_str(), format::kLiveMarkName);
    if (error.code != EWOULDBLOCK) ::unlinkat(folder.fd(), format::kLiveMarkName, 0);
    return error;
  }
  out.folder_ = &folder;
  out.cpus_ = cpus;
  out.set_complete_until(0);
  return out;
}

RecordingMark& RecordingMark::operator=(RecordingMark&& other) noexcept {
  remove();
  fd_ = std::move(other.fd_);
  folder_ = other.folder_;
  cpus_ = other.cpus_;
  return *this;
}

// If it fails, readers have what it said before.
void RecordingMark::set_complete_until(std::uint64_t stamp) {
  if (!fd_) return;
  const auto bytes = format::encode(format::LiveMark{stamp, cpus_});
  [[maybe_unused]] const ssize_t written = ::pwrite(fd_.get(), bytes.data(), bytes.size(), 0);
}

void RecordingMark::remove() {
  if (fd_ && folder_ != nullptr) ::unlinkat(folder_->fd(), format::kLiveMarkName, 0);
  fd_.reset();
}

}  // namespace ouro::record
