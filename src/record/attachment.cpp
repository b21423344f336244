#include "record/attachment.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

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
  if (registry->slot_of(session_->session_name())) return Found::attached;
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
  for (const std::string& path : find_registries(folder_)) {
    if (!is_of(path, target.inner_pid)) continue;
    Result<Found> found = attach(path);
    if (!found) failed = found.error();
    else any |= *found != Found::gone;
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
