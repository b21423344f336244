#include "record/everyone.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include <ouro/abi/registry_layout.hpp>

#include "base/fd.hpp"

namespace ouro::record {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto kOffered = static_cast<std::uint32_t>(abi::SlotState::offered);

// Locked; none if it is not there and not to be made, or is none of ours.
base::Fd open_locked(const std::string& folder, uid_t owner, bool create) {
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0);
  for (int tries = 0; tries < 200; ++tries) {
    base::Fd fd(::open((folder + "/everyone").c_str(), flags, 0600));
    struct stat status;
    if (!fd || ::fstat(fd.get(), &status) != 0) return {};
    if (status.st_uid != owner && status.st_uid == ::geteuid() && status.st_size == 0 && status.st_nlink == 1 &&
        ::fchown(fd.get(), owner, static_cast<gid_t>(-1)) == 0)
      status.st_uid = owner;
    if (!S_ISREG(status.st_mode) || status.st_uid != owner) {
      errno = EPERM;
      return {};
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
      ::usleep(10'000);
    else if (::fstat(fd.get(), &status) == 0 && status.st_nlink != 0)  // else whoever had the lock has removed it
      return fd;
  }
  errno = EBUSY;
  return {};
}

void read(int fd, abi::Everyone& all) {
  if (::pread(fd, static_cast<void*>(&all), sizeof all, 0) == static_cast<ssize_t>(sizeof all) && all.magic == abi::kEveryoneMagic) return;
  std::memset(static_cast<void*>(&all), 0, sizeof all);
  all.magic = abi::kEveryoneMagic;
}

bool write(int fd, const abi::Everyone& all) {
  return ::pwrite(fd, static_cast<const void*>(&all), sizeof all, 0) == static_cast<ssize_t>(sizeof all);
}

bool is(const abi::SessionSlot& slot, const SessionName& session) {
  return slot.state.load(relaxed) == kOffered && slot.generation.load(relaxed) == session.generation &&
         std::strncmp(slot.file, session.file.c_str(), sizeof slot.file) == 0;
}

// Its session's file is gone: nobody took it out.
bool is_stale(const std::string& folder, abi::SessionSlot& slot) {
  slot.file[sizeof slot.file - 1] = '\0';
  return std::strchr(slot.file, '/') != nullptr || ::access((folder + "/" + slot.file).c_str(), F_OK) != 0;
}

}  // namespace

Status open_to_everyone(const std::string& folder, const SessionName& session, uid_t owner) {
  const base::Fd fd = open_locked(folder, owner, true);
  if (!fd) return error_from_errno("'%s/everyone', which tells programs that start of the session", folder.c_str());
  abi::Everyone all;
  read(fd.get(), all);
  for (const abi::SessionSlot& slot : all.slot)
    if (is(slot, session)) return Ok{};
  for (abi::SessionSlot& slot : all.slot) {
    if (slot.state.load(relaxed) == kOffered && !is_stale(folder, slot)) continue;
    std::memset(slot.file, 0, sizeof slot.file);
    std::memcpy(slot.file, session.file.c_str(), std::min(session.file.size(), sizeof slot.file - 1));
    slot.generation.store(session.generation, relaxed);
    slot.state.store(kOffered, relaxed);
    if (!write(fd.get(), all)) return error_from_errno("'%s/everyone'", folder.c_str());
    return Ok{};
  }
  return errorf(EBUSY, "%u sessions are open to all programs, want fewer (hint: ouro list --sessions)", abi::kSessionSlots);
}

bool is_open_to_everyone(const std::string& folder, const SessionName& session, uid_t owner) {
  const base::Fd fd = open_locked(folder, owner, false);
  if (!fd) return errno == EBUSY;
  abi::Everyone all;
  read(fd.get(), all);
  return std::any_of(std::begin(all.slot), std::end(all.slot), [&](const abi::SessionSlot& slot) { return is(slot, session); });
}

void close_to_everyone(const std::string& folder, const SessionName& session, uid_t owner) {
  const base::Fd fd = open_locked(folder, owner, false);
  if (!fd) return;
  abi::Everyone all;
  read(fd.get(), all);
  bool changed = false, left = false;
  for (abi::SessionSlot& slot : all.slot) {
    if (is(slot, session)) {
      slot.state.store(static_cast<std::uint32_t>(abi::SlotState::free), relaxed);
      changed = true;
    }
    left |= slot.state.load(relaxed) == kOffered && !is_stale(folder, slot);
  }
  if (changed) write(fd.get(), all);
  if (changed && !left) ::unlink((folder + "/everyone").c_str());
}

}  // namespace ouro::record
