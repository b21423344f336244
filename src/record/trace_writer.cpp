#include "record/trace_writer.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

namespace ouro::record {
namespace {

bool is_empty(int folder) {
  DIR* dir = ::fdopendir(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir == nullptr) return false;
  bool empty = true;
  while (const dirent* entry = ::readdir(dir))
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) empty = false;
  ::closedir(dir);
  return empty;
}

constexpr std::uint64_t kMostTorn = abi::kMaxSubbufSize + format::kPacketHeaderSize;

// All of it, or an errno.
int write_all(int fd, iovec* parts, int count) {
  while (count > 0) {
    const ssize_t n = ::writev(fd, parts, count);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    auto left = static_cast<std::size_t>(n);
    while (count > 0 && left >= parts->iov_len) {
      left -= parts->iov_len;
      ++parts;
      --count;
    }
    if (count > 0) {
      parts->iov_base = static_cast<char*>(parts->iov_base) + left;
      parts->iov_len -= left;
    }
  }
  return 0;
}

int write_all(int fd, const std::string& text) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  return write_all(fd, &part, 1);
}

}  // namespace

Result<TraceFolder> TraceFolder::create(const std::string& path) {
  TraceFolder out;
  out.path_ = path;
  out.made_ = ::mkdir(path.c_str(), 0777) == 0;
  if (!out.made_ && errno != EEXIST) {
    Error error = error_from_errno("trace '%s': cannot make the folder", path.c_str());
    if (error.code == ENOENT) error.text += " (hint: the folder that it is to be in must be there)";
    return error;
  }
  out.fd_ = base::Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out.fd_) {
    Error error = error_from_errno("trace '%s'", path.c_str());
    if (error.code == ENOTDIR) error.text += ", want a new or an empty folder (hint: another -o DIR)";
    return error;
  }
  if (!out.made_ && !is_empty(out.fd_.get()))
    return errorf(EEXIST, "trace '%s': the folder is not empty, want a new or an empty one (hint: another -o DIR)",
                  path.c_str());
  return out;
}

Result<TraceFolder> TraceFolder::reopen(const std::string& path) {
  TraceFolder out;
  out.path_ = path;
  out.fd_ = base::Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out.fd_) return error_from_errno("trace '%s'", path.c_str());
  return out;
}

Status TraceFolder::write_metadata(const std::string& text) {
  constexpr const char* kNew = "metadata.new";
  const base::Fd fd(::openat(fd_.get(), kNew, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!fd) return error_from_errno("trace '%s': metadata", path_.c_str());
  const int error = write_all(fd.get(), text);
  if (error == 0 && ::renameat(fd_.get(), kNew, fd_.get(), "metadata") == 0) {
    metadata_bytes_ = text.size();
    return Ok{};
  }
  errno = error != 0 ? error : errno;
  Error out = error_from_errno("trace '%s': metadata of %zu bytes", path_.c_str(), text.size());
  ::unlinkat(fd_.get(), kNew, 0);
  return out;
}

void TraceFolder::discard() {
  if (made_ && is_empty(fd_.get())) ::rmdir(path_.c_str());
}

Status StreamFile::append(const TraceFolder& folder, std::uint64_t begin, std::uint64_t end, std::uint64_t discarded,
                          std::span<const std::byte> bytes) {
  if (broken_ && !cut()) return errorf(EIO, "trace '%s': stream %s ends with a part of a packet that cannot be taken back", folder.path().c_str(), name_.c_str());
  if (!fd_) {
    fd_ = base::Fd(::openat(folder.fd(), name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!fd_) return error_from_errno("trace '%s': stream %s", folder.path().c_str(), name_.c_str());
  }
  format::PacketHeader header;
  header.uuid = uuid_;
  header.stream_id = stream_id_;
  header.stream_instance_id = instance_;
  header.timestamp_begin = begin;
  header.timestamp_end = end;
  header.content_bytes = format::kPacketHeaderSize + bytes.size();
  header.packet_seq_num = packets_;
  header.events_discarded = discarded;
  header.cpu_id = cpu_;
  auto head = format::encode(header);
  iovec parts[2] = {{head.data(), head.size()}, {const_cast<std::byte*>(bytes.data()), bytes.size()}};
  if (const int error = write_all(fd_.get(), parts, 2); error != 0) {
    const bool is_whole = cut();
    errno = error;
    Error out = error_from_errno("trace '%s': stream %s: a packet of %zu bytes", folder.path().c_str(), name_.c_str(),
                                 static_cast<std::size_t>(header.content_bytes));
    if (!is_whole) out.text += ", and its first part could not be taken back";
    if (end_ == 0) {  // an empty file is no stream
      ::unlinkat(folder.fd(), name_.c_str(), 0);
      fd_.reset();
    }
    return out;
  }
  last_packet_ = end_;
  end_ += header.content_bytes;
  discarded_ = discarded;
  ++packets_;
  return Ok{};
}

Status StreamFile::reopen(const TraceFolder& folder, Last& last) {
  fd_ = base::Fd(::openat(folder.fd(), name_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd_ && errno == ENOENT) return Ok{};
  struct stat status;
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) return error_from_errno("trace '%s': stream %s", folder.path().c_str(), name_.c_str());
  if (!S_ISREG(status.st_mode)) return errorf(EINVAL, "trace '%s': stream %s is no regular file", folder.path().c_str(), name_.c_str());
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::array<std::byte, format::kPacketHeaderSize> head;
  std::uint64_t last_bytes = 0;
  while (end_ + head.size() <= size && ::pread(fd_.get(), head.data(), head.size(), static_cast<off_t>(end_)) == static_cast<ssize_t>(head.size())) {
    const std::optional<format::PacketHeader> packet = format::decode(head);
    if (!packet || packet->uuid != uuid_ || packet->packet_seq_num != packets_ || packet->content_bytes > size - end_) break;
    last = {packet->timestamp_begin, packet->timestamp_end, {}};
    last_packet_ = end_;
    last_bytes = packet->content_bytes - head.size();
    discarded_ = packet->events_discarded;
    end_ += packet->content_bytes;
    ++packets_;
  }
  // What does not go on as it began: torn if it is the last, else no file of this trace.
  if (end_ != size && size - end_ > kMostTorn) return errorf(EINVAL, "trace '%s': stream %s makes no sense behind byte %llu", folder.path().c_str(), name_.c_str(), static_cast<unsigned long long>(end_));
  if (!cut()) return error_from_errno("trace '%s': stream %s: its last packet is torn, and cannot be cut off", folder.path().c_str(), name_.c_str());
  last.bytes.resize(last_bytes);
  if (last_bytes != 0 && ::pread(fd_.get(), last.bytes.data(), last_bytes, static_cast<off_t>(last_packet_ + head.size())) != static_cast<ssize_t>(last_bytes))
    return error_from_errno("trace '%s': stream %s: its last packet", folder.path().c_str(), name_.c_str());
  if (end_ == 0) {  // an empty file is no stream
    ::unlinkat(folder.fd(), name_.c_str(), 0);
    fd_.reset();
  }
  return Ok{};
}

bool StreamFile::cut() {
  broken_ = ::ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0 || ::lseek(fd_.get(), static_cast<off_t>(end_), SEEK_SET) < 0;
  return !broken_;
}

Status StreamFile::set_discarded(std::uint64_t discarded) {
  if (packets_ == 0 || discarded == discarded_) return Ok{};
  const auto at = static_cast<off_t>(last_packet_ + format::kEventsDiscardedOffset);
  if (::pwrite(fd_.get(), &discarded, sizeof discarded, at) != static_cast<ssize_t>(sizeof discarded))
    return error_from_errno("stream %s: losses after its last packet", name_.c_str());
  discarded_ = discarded;
  return Ok{};
}

Status StreamFile::close() {
  if (!fd_) return Ok{};
  if (::close(fd_.release()) != 0) return error_from_errno("stream %s", name_.c_str());
  return Ok{};
}

}  // namespace ouro::record
