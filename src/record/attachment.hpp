// record/attachment.hpp -- a session's way into programs that run already.
//
//   a target    its registries, now; those of programs that it becomes by exec, as step() finds them
//   everyone    first the file "everyone", then all registries that there are: a program makes its registry, then reads that file. Those that
//               were half made or locked when we looked are looked at again
//
// What a target forks has its sessions. Nothing is done to a program but that words in its registry change.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ouro/result.hpp>

#include "record/session.hpp"
#include "record/target.hpp"

namespace ouro::record {

class Attachment {
 public:
  // Both must outlive it.
  Attachment(const Session& session, std::string folder) : session_(&session), folder_(std::move(folder)) {}

  Status add(const Target& target);
  Status add_everyone();
  // Every tenth of a second or so.
  void step();
  // All targets have.
  bool all_ended() const;

  std::uint32_t processes() const { return processes_; }
  std::uint32_t events() const { return events_; }  // that were switched on

 private:
  enum class Found { attached, not_yet, gone };
  Result<Found> attach(const std::string& path, const Target* target, std::chrono::milliseconds patience);
  void look_again();
  void sweep();

  const Session* session_;
  std::string folder_;
  std::vector<const Target*> targets_;
  std::deque<std::string> not_yet_;  // half made, or locked by another tool
  bool everyone_ = false;
  std::uint32_t processes_ = 0, events_ = 0, steps_ = 0;
};

}  // namespace ouro::record
