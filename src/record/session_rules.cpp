#include "record/session_rules.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bus_guard.hpp"
#include "base/linked_file.hpp"

namespace ouro::record {

Result<SessionRules> SessionRules::open(const std::string& folder, const std::string& name, uid_t owner) {
  SessionRules out;
  out.file_ = name.rfind("session-", 0) == 0 ? name : "session-" + name;
  if (name.empty() || name.find('/') != std::string::npos)
    return errorf(EINVAL, "session: name is '%s', want one without '/' (hint: ouro list --sessions)", name.c_str());
  out.path_ = folder + "/" + out.file_;
  const base::Fd fd(base::open_linked_of(out.path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK, owner));
  if (!fd) {
    Error error = error_from_errno("session '%s'", name.c_str());
    if (error.code == ENOENT) error.text = "there is no session '" + name + "', want one that somebody records (hint: ouro list --sessions)";
    return error;
  }
  struct stat status;
  abi::SessionHeader header;
  if (::fstat(fd.get(), &status) != 0) return error_from_errno("session '%s'", name.c_str());
  if (!S_ISREG(status.st_mode) || status.st_uid != owner)
    return errorf(EPERM, "session '%s' is of user %u, want a regular file of user %u", name.c_str(), status.st_uid, owner);
  // The constants are read once, into `header`.
  if (::pread(fd.get(), static_cast<void*>(&header), sizeof header, 0) != static_cast<ssize_t>(sizeof header) ||
      header.magic.load(std::memory_order_relaxed) != abi::kSessionMagic)
    return errorf(EAGAIN, "session '%s' is not whole (hint: is it just being made?)", name.c_str());
  if (header.version != abi::kSessionVersion)
    return errorf(EINVAL, "session '%s': version is %u, want %u (hint: it was made by another Ouro)", name.c_str(), header.version,
                  abi::kSessionVersion);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (header.rules_size < sizeof(abi::RuleList) || header.rules_size > abi::kRulesSize || header.rules_offset % 8 != 0 ||
      header.rules_offset < sizeof header || header.rules_offset > size || 2 * header.rules_size > size - header.rules_offset)
    return errorf(EINVAL, "session '%s': its rules lie outside of it (hint: a program wrote over its memory)", name.c_str());
  out.generation_ = header.generation;
  out.rules_offset_ = header.rules_offset;
  out.rules_size_ = header.rules_size;
  out.mapped_ = out.rules_offset_ + 2 * out.rules_size_;
  void* memory = ::mmap(nullptr, out.mapped_, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return error_from_errno("session '%s': cannot map it", name.c_str());
  out.base_ = static_cast<std::byte*>(memory);
  if (!base::guard_mapping(out.base_, out.mapped_)) return errorf(ENOMEM, "session '%s': too many are looked at at once", name.c_str());
  if (!out.is_open()) return errorf(ESHUTDOWN, "session '%s' has ended, want one that is being recorded (hint: ouro list --sessions)", name.c_str());
  return out;
}

SessionRules::SessionRules(SessionRules&& other) noexcept
    : file_(std::move(other.file_)),
      path_(std::move(other.path_)),
      generation_(other.generation_),
      base_(std::exchange(other.base_, nullptr)),
      mapped_(other.mapped_),
      rules_offset_(other.rules_offset_),
      rules_size_(other.rules_size_) {}

SessionRules::~SessionRules() {
  if (base_ == nullptr) return;
  base::unguard_mapping(base_);
  ::munmap(base_, mapped_);
}

bool SessionRules::is_open() const {
  return header().state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(abi::SessionState::open);
}

Result<SessionRules::Change> SessionRules::change() {
  Change out(*this);
  out.lock_ = base::Fd(base::open_linked(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  // Of the open file, not of the process; and not flock(2), which says that the session's maker lives.
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  for (int i = 0; out.lock_ && i < 200; ++i) {
    if (::fcntl(out.lock_.get(), F_OFD_SETLK, &lock) == 0) return out;
    ::usleep(10'000);
  }
  return errorf(EBUSY, "session '%s': its rules are locked by another tool for two seconds, want it done (hint: try again)", file_.c_str());
}

std::vector<Rule> SessionRules::Change::rules() const {
  const std::byte* area = session_->area(session_->header().rules_version.load(std::memory_order_acquire));
  return decode(std::vector<std::byte>(area, area + session_->rules_size_));
}

Result<std::vector<std::byte>> SessionRules::Change::set(std::span<const Rule> rules) {
  Result<std::vector<std::byte>> list = encode(rules);
  if (!list || list->size() > session_->rules_size_) return list;
  abi::SessionHeader& header = session_->header();
  const std::uint64_t version = header.rules_version.load(std::memory_order_relaxed);
  // Fence: whoever reads bytes of the new list sees `version` as well, and not the one before, whose area this was.
  abi::fence(std::memory_order_release);
  std::memcpy(session_->area(version + 1), list->data(), list->size());
  header.rules_version.store(version + 1, std::memory_order_release);
  return list;
}

}  // namespace ouro::record
