// record/attachment.hpp -- a session's way into programs that run already.
//
//   a target    its registries, now; those of programs that it becomes by exec, as step() finds them
//   followers   programs that have another session, as step() finds them; everyone, if that is open to all
//   everyone    first the file "everyone", then all registries that there are: a program makes its registry, then reads that file. Those that
//               were half made or locked when we looked are looked at again
//
// What a target forks has its sessions. Nothing is done to a program but that words in its registry change.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ouro/result.hpp>

#include "record/registry_file.hpp"
#include "record/session.hpp"
#include "record/target.hpp"

namespace ouro::record {

class Attachment {
 public:
  // Both must outlive it.
  Attachment(const Session& session, std::string folder) : session_(&session), folder_(std::move(folder)) {}

  // Also into programs that took a seccomp filter since they started: one that kills who calls what it forbids would kill them.
  void ignore_seccomp() { ignores_seccomp_ = true; }
  Status add(const Target& target);
  Status add_everyone();
  // Those that have the other session. Error: it is open to everyone, and this one cannot be.
  Status follow(const SessionName& other);
  // Every tenth of a second or so.
  void step();
  // All targets have.
  bool all_ended() const;

  std::uint32_t processes() const { return processes_; }
  std::uint32_t events() const { return events_; }  // that were switched on
  // Programs that are not in the session though they were meant, and why; each is told once.
  std::vector<std::string> take_left_out() { return std::exchange(left_out_, {}); }

 private:
  enum class Found { attached, not_yet, gone, left_out };
  Result<Found> attach(const std::string& path, const Target* target, std::chrono::milliseconds patience);
  std::optional<Error> obstacle(const RegistryFile& registry);
  void look_again();
  void sweep();

  const Session* session_;
  std::string folder_;
  std::vector<const Target*> targets_;
  std::deque<std::string> not_yet_;  // half made, or locked by another tool
  std::set<std::uint64_t> seen_, left_out_of_;  // registries, by inode
  std::vector<std::string> left_out_;
  std::optional<SessionName> followed_;
  bool everyone_ = false, ignores_seccomp_ = false;
  std::uint32_t processes_ = 0, events_ = 0, steps_ = 0;
};

}  // namespace ouro::record
