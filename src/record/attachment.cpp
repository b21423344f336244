#include "record/attachment.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "record/everyone.hpp"
#include "record/registry_file.hpp"

namespace ouro::record {
namespace {

constexpr std::uint32_t kSweepEvery = 50;           // steps
constexpr std::size_t kMostPerStep = 64;            // registries looked at: who records has other things to do
constexpr std::chrono::milliseconds kNoPatience{0};  // for the same reason

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

// `target`: whose it is to be; null: anybody's.
Result<Attachment::Found> Attachment::attach(const std::string& path, const Target* target, std::chrono::milliseconds patience) {
  Result<RegistryFile> registry = RegistryFile::open(path, RegistryFile::Access::read_write, session_->options().owner);
  if (remove_if_dead(path, registry)) return Found::gone;
  if (!registry) {
    if (registry.error().code == EAGAIN) return Found::not_yet;
    if (registry.error().code == ENOENT) return Found::gone;
    return registry.error();
  }
  if (target != nullptr && !target->owns(*registry)) return Found::gone;
  // They are looked at again and again: nobody is to find them locked for it.
  if (followed_ && (!registry->slot_of(*followed_) || registry->slot_of(session_->session_name()))) return Found::gone;
  const base::Fd lock = registry->lock(patience);
  if (!lock && patience == kNoPatience) return Found::not_yet;
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
    for (const std::string& path : find_registries(folder_, target.inner_pid)) {
      Result<Found> found = attach(path, &target, failed ? kNoPatience : RegistryFile::kPatience);
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
    const Result<Found> found = attach(path, nullptr, kNoPatience);
    if (found && *found == Found::not_yet) not_yet_.push_back(path);
  }
  return Ok{};
}

Status Attachment::follow(const SessionName& other) {
  if (is_open_to_everyone(folder_, other, session_->options().owner))
    if (Status opened = open_to_everyone(folder_, session_->session_name(), session_->options().owner); !opened) return opened;
  followed_ = other;
  for (const std::string& path : find_registries(folder_)) static_cast<void>(attach(path, nullptr, kNoPatience));
  return Ok{};
}

void Attachment::look_again() {
  for (std::size_t i = std::min(not_yet_.size(), kMostPerStep); i > 0; --i) {
    const std::string path = std::move(not_yet_.front());
    not_yet_.pop_front();
    const Result<Found> found = attach(path, nullptr, kNoPatience);
    if (found && *found == Found::not_yet) not_yet_.push_back(path);
  }
}

void Attachment::sweep() {
  for (const std::string& path : find_registries(folder_))
    remove_if_dead(path, RegistryFile::open(path, RegistryFile::Access::read_only, session_->options().owner));
}

void Attachment::step() {
  ++steps_;
  if (followed_ && not_yet_.empty())
    for (std::string& path : find_registries(folder_)) not_yet_.push_back(std::move(path));
  look_again();
  if (everyone_ && steps_ % kSweepEvery == 0) sweep();
  if (targets_.empty() || everyone_) return;
  for (const Target* target : targets_) {
    std::size_t looked_at = 0;
    for (const std::string& path : find_registries(folder_, target->inner_pid))
      if (++looked_at <= kMostPerStep) static_cast<void>(attach(path, target, kNoPatience));
  }
}

bool Attachment::all_ended() const {
  return !targets_.empty() && !everyone_ && std::all_of(targets_.begin(), targets_.end(), [](const Target* target) {
    pollfd on{target->pidfd.get(), POLLIN, 0};
    return ::poll(&on, 1, 0) > 0;
  });
}

}  // namespace ouro::record
