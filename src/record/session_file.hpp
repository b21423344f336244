// record/session_file.hpp -- a session as those see it who neither made it nor write to it: what its memory says, copied out of the
// file and checked. Nothing is mapped, so whoever truncates the file meanwhile harms nobody; nothing is changed.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ouro/abi/session_layout.hpp>
#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "record/session.hpp"

namespace ouro::record {

inline constexpr const char* kSessionPrefix = "session-";

// Files in the folder that are named like a session's, ordered by name.
std::vector<std::string> find_sessions(const std::string& folder);

class SessionFile {
 public:
  // `file` in the runtime folder. Refuses what is no file of this user's, of another version, or whose parts do not fit into it.
  static Result<SessionFile> open(const std::string& folder, const std::string& file, uid_t owner = ::geteuid());

  const std::string& name() const { return name_; }  // without "session-"
  abi::FullMode mode() const { return mode_; }
  abi::ClockKind clock() const { return clock_; }
  bool is_open() const { return open_; }
  int creator_pid() const { return creator_pid_; }
  SessionName session_name() const { return {kSessionPrefix + name_, generation_}; }
  // A flight recorder, which needs no creator.
  bool is_kept() const { return kept_; }
  // A trigger's (record/event_watch.hpp).
  bool is_watched() const { return watched_; }
  // Nobody holds its lock, though it is not kept: its creator died.
  bool is_left_behind() const;
  std::uint64_t buffer_size() const { return buffer_size_; }  // per CPU, the spare part left out
  std::uint64_t memory() const;                               // that its file takes now

  struct Event {
    std::vector<std::byte> schema;
    std::uint64_t count =
        0;  // of records in the trace so far; of overwrite sessions 0, for nobody looks at them before the end
  };
  // Those whose rows are ready and whose schemas lie within the table.
  std::vector<Event> events() const;
  // Events that were lost so far. What overwrite sessions overwrite is not lost but gone by.
  std::uint64_t lost() const;

 private:
  SessionFile() = default;
  template <class T>
  std::vector<T> rows(std::uint64_t offset, std::uint32_t count) const;
  bool fits(std::uint64_t offset, std::uint64_t size) const { return offset <= size_ && size <= size_ - offset; }

  std::string name_;
  base::Fd fd_;
  std::uint64_t size_ = 0;
  abi::FullMode mode_{};
  abi::ClockKind clock_{};
  bool open_ = false, kept_ = false, watched_ = false;
  int creator_pid_ = 0;
  std::uint32_t generation_ = 0;
  std::uint32_t cpus_ = 0, event_capacity_ = 0;
  std::uint64_t buffer_size_ = 0;
  std::uint64_t rings_offset_ = 0, ring_stride_ = 0, events_offset_ = 0, schemas_offset_ = 0, schemas_size_ = 0;
};

}  // namespace ouro::record
