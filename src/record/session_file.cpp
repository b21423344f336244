#include "record/session_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include <ouro/abi/schema.hpp>

#include "base/fd.hpp"
#include "base/linked_file.hpp"

namespace ouro::record {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::uint32_t kMaxRows = 1 << 20;
constexpr std::uint64_t kMaxSchemas = std::uint64_t{1} << 30;

}  // namespace

std::vector<std::string> find_sessions(const std::string& folder) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir))
    if (std::strncmp(entry->d_name, kSessionPrefix, std::strlen(kSessionPrefix)) == 0) out.emplace_back(entry->d_name);
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

Result<SessionFile> SessionFile::open(const std::string& folder, const std::string& file, uid_t owner) {
  const auto refuse = [&](int code, const std::string& what) {
    return errorf(code, "session '%s'%s", file.c_str(), what.c_str());
  };
  if (file.rfind(kSessionPrefix, 0) != 0 || file.find('/') != std::string::npos)
    return refuse(EINVAL, ": want a name that begins with session- and has no '/'");
  SessionFile out;
  out.name_ = file.substr(std::strlen(kSessionPrefix));
  out.fd_ = base::Fd(base::open_linked_of((folder + "/" + file).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK, owner));
  struct stat status;
  if (!out.fd_ || ::fstat(out.fd_.get(), &status) != 0) return error_from_errno("session '%s'", file.c_str());
  if (!S_ISREG(status.st_mode) || status.st_uid != owner)
    return refuse(EPERM, " is of user " + std::to_string(status.st_uid) + ", want a regular file of user " + std::to_string(owner));
  out.size_ = static_cast<std::uint64_t>(status.st_size);

  abi::SessionHeader h;
  if (base::read_at(out.fd_.get(), static_cast<void*>(&h), sizeof h, 0) != sizeof h ||
      h.magic.load(relaxed) != abi::kSessionMagic)
    return refuse(EAGAIN, " has no header, want one (is it being made?)");
  if (h.version != abi::kSessionVersion)
    return refuse(EINVAL, ": version is " + std::to_string(h.version) + ", want " +
                              std::to_string(abi::kSessionVersion) + " (hint: another Ouro made it)");
  const auto mode = static_cast<abi::FullMode>(h.mode);
  const bool sane = (mode == abi::FullMode::discard || mode == abi::FullMode::overwrite) && h.cpus < 8192 &&
                    h.event_capacity <= kMaxRows && h.schemas_size <= kMaxSchemas &&
                    h.subbuf_count <= abi::kMaxSubbufs && h.subbuf_size <= abi::kMaxSubbufSize &&
                    h.ring_stride >= sizeof(abi::RingHead) && h.ring_stride <= 2 * abi::kMaxRingData &&
                    out.fits(h.rings_offset, 2 * h.cpus * h.ring_stride) &&
                    out.fits(h.events_offset, std::uint64_t{h.event_capacity} * sizeof(abi::EventRow)) &&
                    out.fits(h.schemas_offset, h.schemas_size);
  if (!sane) return refuse(EINVAL, ": its header makes no sense (hint: a program wrote over the session's memory)");
  out.mode_ = mode;
  out.clock_ = static_cast<abi::ClockKind>(h.clock);
  out.open_ = h.state.load(relaxed) == static_cast<std::uint32_t>(abi::SessionState::open);
  out.kept_ = h.is_kept != 0 && out.open_;
  out.watched_ = h.is_watched != 0;
  out.creator_pid_ = h.creator_pid;
  out.generation_ = h.generation;
  out.cpus_ = h.cpus;
  out.event_capacity_ = h.event_capacity;
  out.buffer_size_ = h.subbuf_count * h.subbuf_size;
  out.rings_offset_ = h.rings_offset;
  out.ring_stride_ = h.ring_stride;
  out.events_offset_ = h.events_offset;
  out.schemas_offset_ = h.schemas_offset;
  out.schemas_size_ = h.schemas_size;
  return out;
}

bool SessionFile::is_left_behind() const {
  if (kept_) return false;
  if (::flock(fd_.get(), LOCK_SH | LOCK_NB) != 0) return false;
  ::flock(fd_.get(), LOCK_UN);
  return true;
}

std::uint64_t SessionFile::memory() const {
  struct stat status;
  return ::fstat(fd_.get(), &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

// The rows as they were at one moment each; rows that are free end them, for rows are taken in order.
template <class T>
std::vector<T> SessionFile::rows(std::uint64_t offset, std::uint32_t count) const {
  std::vector<T> out(count);
  const std::size_t got = base::read_at(fd_.get(), static_cast<void*>(out.data()), count * sizeof(T), offset) / sizeof(T);
  std::size_t used = 0;
  while (used < got && out[used].state.load(relaxed) != abi::row_free) ++used;
  std::vector<T> cut(used);
  if (used != 0) std::memcpy(static_cast<void*>(cut.data()), static_cast<const void*>(out.data()), used * sizeof(T));
  return cut;
}

std::vector<SessionFile::Event> SessionFile::events() const {
  std::vector<Event> out;
  for (const abi::EventRow& row : rows<abi::EventRow>(events_offset_, event_capacity_)) {
    if (row.state.load(relaxed) != abi::row_ready || row.schema_size > abi::kMaxSchemaSize ||
        row.schema_offset > schemas_size_ || row.schema_size > schemas_size_ - row.schema_offset)
      continue;
    Event event{std::vector<std::byte>(row.schema_size), row.count.load(relaxed)};
    if (base::read_at(fd_.get(), event.schema.data(), row.schema_size, schemas_offset_ + row.schema_offset) ==
        row.schema_size)
      out.push_back(std::move(event));
  }
  return out;
}

std::uint64_t SessionFile::lost() const {
  std::uint64_t out = 0;
  for (std::uint64_t i = 0; i < 2 * std::uint64_t{cpus_}; ++i) {
    abi::LossLine losses;
    const std::uint64_t at = rings_offset_ + i * ring_stride_ + offsetof(abi::RingHead, losses);
    if (base::read_at(fd_.get(), static_cast<void*>(&losses), sizeof losses, at) != sizeof losses) continue;
    for (std::size_t cause = 0; cause < abi::kLossCauses; ++cause)
      if (cause != static_cast<std::size_t>(abi::Loss::lapped)) out += losses.lost[cause].load(relaxed);
    out += losses.full_in_section.load(relaxed);
  }
  return out;
}

}  // namespace ouro::record
