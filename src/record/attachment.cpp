#include "record/attachment.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "record/everyone.hpp"
#include "record/registry_file.hpp"

namespace ouro::record {
namespace {

constexpr std::uint32_t kSweepEvery = 50;  // steps

bool is_of(const std::string& path, int pid) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.find('.')) == std::to_string(pid);
}

}  // namespace

// What keeps the session out of a program that does not have it.
std::optional<Error> Attachment::obstacle(const RegistryFile& registry) {
  const int pid = registry.pid();
  if (!seen_.insert(registry.inode()).second)  // it had the session, and gave it back
    return errorf(EPERM, "process %d (%s) cannot map the session: %s (hint: ouro doctor %d)", pid, registry.process_name().c_str(),
                  registry.refused() != 0 ? std::strerror(registry.refused()) : "it finds no such file", pid);
  if (ignores_seccomp_ || !has_new_seccomp_filters(registry)) return std::nullopt;
  return errorf(EPERM, "process %d (%s) took a seccomp filter since it started, which may kill it as it maps a session (hint: --seccomp-ok if it allows what "
                "ouro doctor %d lists)", pid, registry.process_name().c_str(), pid);
}

Result<Attachment::Found> Attachment::attach(const std::string& path) {
  Result<RegistryFile> registry = RegistryFile::open(path, RegistryFile::Access::read_write, session_->options().owner);
  if (remove_if_dead(path, registry)) return Found::gone;
  if (!registry) {
    if (registry.error().code == EAGAIN) return Found::not_yet;
    if (registry.error().code == ENOENT) return Found::gone;
    return registry.error();
  }
  const base::Fd lock = registry->lock();
  if (!lock) return errorf(EBUSY, "registry '%s' is locked by another tool for two seconds, want it done (hint: try again)", path.c_str());
  if (registry->slot_of(session_->session_name())) {
    seen_.insert(registry->inode());
    return Found::attached;
  }
  if (left_out_of_.contains(registry->inode())) return Found::left_out;
  if (const std::optional<Error> why = obstacle(*registry)) {
    left_out_of_.insert(registry->inode());
    left_out_.push_back(why->text);
    return Found::left_out;
  }
  const Result<std::uint32_t> events = registry->attach(session_->session_name(), session_->rules());
  if (!events) return events.error();
  ++processes_;
  events_ += *events;
  return Found::attached;
}

Status Attachment::add(const Target& target) {
  targets_.push_back(&target);
  std::optional<Error> failed;
  bool any = false;
  bool left_out = false;
  // Once more as long as there are others: a library that brings its own registry takes its sessions from those that it finds.
  for (std::size_t had = seen_.size() + 1; had != seen_.size() && !failed;) {
    had = seen_.size();
    for (const std::string& path : find_registries(folder_)) {
      if (!is_of(path, target.inner_pid)) continue;
      Result<Found> found = attach(path);
      if (!found) failed = found.error();
      else (*found == Found::left_out ? left_out : any) |= *found != Found::gone;
    }
  }
  if (left_out && !left_out_.empty()) {
    const std::string why = left_out_.back();
    left_out_.clear();
    return errorf(EPERM, "%s", why.c_str());
  }
  if (any) return Ok{};
  if (failed) return *failed;
  return errorf(ESRCH, "process %d (%s) has ended, or its registry is gone from '%s'", target.pid, target.name.c_str(), target.shown_folder.c_str());
}

Status Attachment::add_everyone() {
  everyone_ = true;
  if (Status opened = open_to_everyone(folder_, session_->session_name(), session_->options().owner); !opened) return opened;
  for (const std::string& path : find_registries(folder_)) {
    const Result<Found> found = attach(path);
    if (found && *found == Found::not_yet) half_made_.push_back(path);
  }
  return Ok{};
}

void Attachment::look_again() {
  std::erase_if(half_made_, [&](const std::string& path) {
    const Result<Found> found = attach(path);
    return !found || *found != Found::not_yet;
  });
}

void Attachment::sweep() {
  for (const std::string& path : find_registries(folder_))
    remove_if_dead(path, RegistryFile::open(path, RegistryFile::Access::read_only, session_->options().owner));
}

void Attachment::step() {
  ++steps_;
  look_again();
  if (everyone_ && steps_ % kSweepEvery == 0) sweep();
  if (targets_.empty() || everyone_) return;
  for (const std::string& path : find_registries(folder_))
    if (std::any_of(targets_.begin(), targets_.end(), [&](const Target* t) { return is_of(path, t->inner_pid); })) static_cast<void>(attach(path));
}

bool Attachment::all_ended() const {
  return !targets_.empty() && !everyone_ && std::all_of(targets_.begin(), targets_.end(), [](const Target* target) {
    pollfd on{target->pidfd.get(), POLLIN, 0};
    return ::poll(&on, 1, 0) > 0;
  });
}

}  // namespace ouro::record
