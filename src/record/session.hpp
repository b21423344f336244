// record/session.hpp -- a session as its creator sees it: the file `session-NAME` in the runtime folder
// (ouro/abi/session_layout.hpp draws it), from its making to its end.
//
//   create    the file is whole before its magic says so; rings' data is a hole until a program reserves it
//   close     state `closed`, and no registry names the session any more: programs stop writing to it
//   ~Session  closes; punches out the rings' data, so that its memory returns to the system even while programs
//             still map it; unlinks
//   leave     instead: of a session that is kept (a flight recorder) nothing ends but this object
//   adopt     somebody else's, which is there: to look at, or to be its creator's heir
//   of_image  a copy of what was one, in any file: of an earlier boot, or out of a core dump. It is looked at; whatever changes is ours alone
//
// The creator holds a lock (flock) on the file from before it has contents until it dies: a session without one that is not kept was left
// behind. The kernel lets go of the lock whatever the creator died of; its pid, which may be another process's by now, or
// one of another PID namespace, is not asked.
//
//   creator           open, new | lock          | still there? else anew | contents ...
//   who cleans up               | lock, unlink  |
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ouro/abi/session_layout.hpp>
#include <ouro/result.hpp>
#include <ouro/ring/reader.hpp>

#include "base/fd.hpp"
#include "base/runtime_dir.hpp"
#include "clock/calibrate.hpp"
#include "record/rules.hpp"

namespace ouro::record {

// What a session is known by: names come again, with other sessions.
struct SessionName {
  std::string file;
  std::uint32_t generation = 0;
};

struct SessionOptions {
  std::string name;  // of the file, behind "session-"
  abi::FullMode mode = abi::FullMode::discard;
  abi::ClockKind clock = abi::ClockKind::monotonic;
  std::uint32_t cpus = 0;  // 0: all possible ones
  std::uint32_t subbuf_count = 16;
  std::uint64_t subbuf_size = 256 << 10;
  std::vector<Rule> rules;
  std::uint64_t contexts = 0;  // record::parse_contexts
  bool is_kept = false;        // stays when its creator is gone
  bool is_watched = false;     // each event rings its bell
  std::string backing;         // the file lies in this folder, absolute, of a disk; the runtime folder has a link to it. Empty: it lies there itself
  uid_t owner = ::geteuid();  // whose programs are to write: root's sessions may be another user's
  gid_t group = ::getegid();
  std::uint32_t event_capacity = 8192, thread_capacity = 8192, process_capacity = 8192;
  std::uint64_t schemas_size = 2 << 20;
};

// How many CPUs this machine may ever have; those it has now if the kernel does not tell.
std::uint32_t possible_cpus();

// A random one.
std::uint32_t random_generation();

class Session {
 public:
  static Result<Session> create(const base::RuntimeDir& folder, const SessionOptions& options);
  // look: nothing of it changes, and it goes on without us. inherit: takes its lock, and ends it as its creator would have. `file` in the
  // folder. Error: no session of the owner's, of another version, or with a header that makes no sense; inherit: somebody has its lock (EBUSY).
  enum class Adopt { look, inherit };
  static Result<Session> adopt(const std::string& folder, const std::string& file, Adopt how, uid_t owner = ::geteuid());
  // Rings, tables and header as `file` has them; `path` is what it is called. Error: no header that makes sense.
  static Result<Session> of_image(base::Fd file, const std::string& path);
  Session(Session&& other) noexcept;
  Session& operator=(Session&&) = delete;
  ~Session();

  // The creator's own numbers; those in the shared header may have been changed by anybody since.
  const SessionOptions& options() const { return options_; }
  const std::string& file() const { return file_; }  // in the runtime folder
  const std::string& path() const { return path_; }
  std::uint32_t generation() const { return generation_; }
  SessionName session_name() const { return {file_, generation_}; }
  const std::uint8_t* uuid() const { return uuid_; }
  std::uint32_t ring_count() const { return 2 * options_.cpus; }
  // Bytes at most, once events come from so many CPUs. (Threads without restartable sequences have rings of their own, as large.)
  std::uint64_t memory(std::uint64_t cpus) const { return places_.rings + ring_count() * abi::kRingDataOffset + cpus * geometry(0).data_size(); }
  ring::Geometry geometry(std::uint32_t ring) const;

  // Shared memory: untrusted from the moment of create()'s return.
  abi::SessionHeader& header() const { return *reinterpret_cast<abi::SessionHeader*>(base_); }
  abi::EventRow& event(std::uint32_t i) const { return reinterpret_cast<abi::EventRow*>(base_ + places_.events)[i]; }
  abi::ThreadRow& thread(std::uint32_t i) const {
    return reinterpret_cast<abi::ThreadRow*>(base_ + places_.threads)[i];
  }
  abi::ProcessRow& process(std::uint32_t i) const {
    return reinterpret_cast<abi::ProcessRow*>(base_ + places_.processes)[i];
  }
  const std::byte* schemas() const { return base_ + places_.schemas; }
  abi::RingHead& ring(std::uint32_t i) const {
    return *reinterpret_cast<abi::RingHead*>(base_ + places_.rings + i * places_.ring_stride);
  }

  // Has the file nothing there, so that whoever reads it takes memory for zeros?
  bool is_hole(std::uint32_t ring, std::uint64_t subbuf) const;

  // Those that are in force: tools change them while we record (record/session_rules.hpp).
  std::vector<std::byte> rules() const;

  // A program cut the memory short: what it held is gone.
  bool was_cut_short() const;

  // Whoever changes a session's rings as their reader would does it in turn, until this goes. None: somebody else is at it, or it has a creator.
  class Turn {
   public:
    explicit Turn(int fd) : fd_(fd) {}
    Turn(Turn&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~Turn();

   private:
    int fd_;
  };
  std::optional<Turn> try_turn() const;

  // Nothing of it ends with this object, and its lock goes.
  void leave();
  bool is_open() const;
  bool is_image() const { return is_image_; }
  // Of the machine as it has run since it was started last; also if nobody knows.
  bool is_of_this_boot() const { return !is_of_other_boot_; }
  // The session's clock; of an image, as far as it came.
  clock::Ticks now() const { return is_image_ ? image_end_ : clock::now(options_.clock); }
  // A second pair for clock::calibrate(), and the offset of CLOCK_REALTIME then: now, or, of another boot, what the session knows.
  clock::Pair later() const { return is_of_other_boot_ ? late_ : clock::read_pair(options_.clock); }
  clock::Pair realtime_later() const { return is_of_other_boot_ ? realtime_ : clock::read_realtime_offset(); }
  // When it was made; CLOCK_REALTIME less CLOCK_MONOTONIC then.
  const clock::Pair& begin() const { return begin_; }
  const clock::Pair& realtime() const { return realtime_; }

  // Programs stop writing: those that are about to write finish that, which takes them microseconds if they run.
  void close();

 private:
  Session() = default;
  Status make_file(const base::RuntimeDir& folder);
  abi::SessionSizes sizes() const;
  bool read_header();
  clock::Pair late_pair(const abi::SessionHeader& header) const;
  void measure_frequency();
  Status reserve();
  Status map();
  void fill();

  SessionOptions options_;
  std::string folder_, file_, path_;
  std::string backing_;  // the file that path_ is a link to; empty: it is none
  std::uint32_t generation_ = 0;
  clock::Pair begin_, realtime_, late_;
  std::uint8_t uuid_[16] = {};
  std::vector<std::byte> rules_;
  abi::SessionPlaces places_{};  // .end: the file's size
  base::Fd fd_;
  std::byte* base_ = nullptr;
  bool leaves_ = false;
  bool is_image_ = false, is_of_other_boot_ = false;
  clock::Ticks image_end_ = 0;
};

// Ends one of which nobody has the lock, whatever its header says.
Status end_session(const std::string& folder, const std::string& file, uid_t owner = ::geteuid());

// Names of the sessions in the folder that were left behind. `owner`: of the folder and of what counts in it.
std::vector<std::string> find_left_behind(const std::string& folder, uid_t owner = ::geteuid());

// Ends them as their creators would have: programs that still run stop writing to them, their memory returns, their files
// go. Returns how many there were. `prefix`: of their files, if only some are meant.
std::uint32_t remove_left_behind(const std::string& folder, uid_t owner = ::geteuid(), const std::string& prefix = "session-");

// Removes a session from all registries of the runtime folder: its bits from the rows and the filter words, and its
// slot. Returns from how many. Registries of processes that died without removing them go.
std::uint32_t leave_registries(const std::string& folder, const std::string& file, std::uint32_t generation, uid_t owner = ::geteuid());

}  // namespace ouro::record
