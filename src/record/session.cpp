#include "record/session.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <utility>

#include <ouro/abi/context_layout.hpp>

#include "base/boot_id.hpp"
#include "base/bus_guard.hpp"
#include "base/cpus.hpp"
#include "base/linked_file.hpp"
#include "record/everyone.hpp"
#include "record/registry_file.hpp"

namespace ouro::record {
namespace {

// A session's rings as its file says them: nobody vouches for it.
struct Rings {
  std::uint64_t offset = 0, stride = 0;
  std::uint32_t count = 0;
};

// The rings' data returns to the system, also while programs map it. Their heads stay.
void punch_out(int fd, const Rings& rings) {
  for (std::uint32_t i = 0; i < rings.count; ++i)
    ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                static_cast<off_t>(rings.offset + i * rings.stride + abi::kRingDataOffset),
                static_cast<off_t>(rings.stride - abi::kRingDataOffset));
}

// A flight recorder: nobody has to hold its lock.
bool is_kept(int fd) {
  abi::SessionHeader header;
  return ::pread(fd, static_cast<void*>(&header), sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
         header.magic.load(std::memory_order_relaxed) == abi::kSessionMagic && header.version == abi::kSessionVersion && header.is_kept != 0 &&
         header.state.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(abi::SessionState::open);
}

// No link is followed: those lead to sessions that are kept. A session's file with its lock, shared or exclusive; none if somebody holds it, or if it is no file of ours.
base::Fd lock_left_behind(const std::string& path, int lock, uid_t owner) {
  base::Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status;
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != owner ||
      ::flock(fd.get(), lock | LOCK_NB) != 0 || is_kept(fd.get()))
    return {};
  return fd;
}

// False if somebody else does not let go of it.
bool lock_new(int fd) {
  for (int i = 0; i < 200; ++i) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    ::usleep(10'000);
  }
  return false;
}

// Is it still this file that has the name?
bool is_file(const std::string& path, int fd) {
  struct stat named, ours;
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &ours) == 0 && named.st_dev == ours.st_dev && named.st_ino == ours.st_ino;
}

bool has_magic(int fd) {
  std::uint64_t magic = 0;
  return ::pread(fd, &magic, sizeof magic, 0) == static_cast<ssize_t>(sizeof magic) && magic == abi::kSessionMagic;
}

// The name goes, and what it is a link to, if that is a session of this name and nothing else.
void unlink_session(const std::string& path, int fd) {
  if (!is_file(path, fd)) return;
  char named[base::kMaxLinked];
  if (base::read_linked(path.c_str(), named) && std::filesystem::path(named).filename() == std::filesystem::path(path).filename() && has_magic(fd) && is_file(named, fd)) ::unlink(named);
  ::unlink(path.c_str());
}

// What is left of a session in its file, once all know that it is over. Rings: none if the header makes no sense.
struct Remains {
  std::uint32_t generation = 0;
  Rings rings;
};
Remains close_left_behind(int fd) {
  abi::SessionHeader header;
  struct stat status;
  if (::pread(fd, static_cast<void*>(&header), sizeof header, 0) != static_cast<ssize_t>(sizeof header) ||
      ::fstat(fd, &status) != 0 || header.magic.load(std::memory_order_relaxed) != abi::kSessionMagic ||
      header.version != abi::kSessionVersion)
    return {};
  const auto closed = static_cast<std::uint32_t>(abi::SessionState::closed);
  (void)!::pwrite(fd, &closed, sizeof closed, offsetof(abi::SessionHeader, state));
  Remains out{header.generation, {}};
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (header.cpus < 8192 && header.ring_stride > abi::kRingDataOffset && header.ring_stride <= 2 * abi::kMaxRingData &&
      header.rings_offset <= size && 2 * header.cpus * header.ring_stride <= size - header.rings_offset)
    out.rings = {header.rings_offset, header.ring_stride, 2 * header.cpus};
  return out;
}

bool fill_random(void* to, std::size_t size) { return ::getrandom(to, size, 0) == static_cast<ssize_t>(size); }

// Where a store into a file whose place is reserved cannot fail: not where each write takes a new place, nor over a network.
Status check_backing(const std::string& folder) {
  if (folder.empty() || folder.front() != '/') return errorf(EINVAL, "folder '%s': want an absolute path", folder.c_str());
  struct stat status;
  struct statfs system;
  if (::stat(folder.c_str(), &status) != 0 || ::statfs(folder.c_str(), &system) != 0) return error_from_errno("folder '%s'", folder.c_str());
  if (!S_ISDIR(status.st_mode)) return errorf(ENOTDIR, "'%s' is no folder, want one", folder.c_str());
  if ((status.st_mode & 022) != 0 && (status.st_mode & S_ISVTX) == 0)
    return errorf(EPERM, "folder '%s' may be written to by others (mode %o), want one in which nobody else can exchange files (hint: chmod 700)", folder.c_str(), status.st_mode & 07777);
  constexpr long kExt = 0xef53, kXfs = 0x58465342;
  if (system.f_type != kExt && system.f_type != kXfs)
    return errorf(ENOTSUP, "folder '%s' lies in a file system of type %#lx, want ext4 or xfs: elsewhere a program's store into memory could fail", folder.c_str(), static_cast<unsigned long>(system.f_type));
  return Ok{};
}

bool sync_folder(const std::string& folder) {
  const base::Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd && ::fsync(fd.get()) == 0;
}

}  // namespace

std::uint32_t possible_cpus() {
  if (const std::uint32_t n = base::possible_cpus(); n != 0) return n;
  return static_cast<std::uint32_t>(std::max(::sysconf(_SC_NPROCESSORS_CONF), 1L));
}

std::uint32_t random_generation() {
  std::uint32_t out = 0;
  while (out == 0)
    if (!fill_random(&out, sizeof out)) out = static_cast<std::uint32_t>(::getpid());
  return out;
}

Result<Session> Session::create(const base::RuntimeDir& folder, const SessionOptions& options) {
  Session out;
  out.options_ = options;
  if (out.options_.cpus == 0) out.options_.cpus = possible_cpus();
  if (out.options_.cpus >= 8192)
    return errorf(EINVAL, "session: this machine may have %u CPUs, want fewer than 8192", out.options_.cpus);
  if (Result<ring::Geometry> checked = ring::check(out.geometry(0)); !checked) return checked.error();
  Result<std::vector<std::byte>> rules = encode(options.rules);
  if (!rules) return rules.error();
  out.rules_ = std::move(*rules);
  out.generation_ = random_generation();
  if (!fill_random(out.uuid_, sizeof out.uuid_))
    return error_from_errno("session: no random numbers for the trace's UUID");
  abi::become_uuid(out.uuid_);
  if (Status made = out.make_file(folder); !made) return made.error();
  out.places_ = abi::places_of(out.sizes());
  if (Status reserved = out.reserve(); !reserved) return reserved.error();
  if (Status mapped = out.map(); !mapped) return mapped.error();
  out.fill();
  // Once: what is known from the beginning is on the disk from the beginning. While it is written to, the kernel writes when it likes.
  if (!out.backing_.empty() && (::fsync(out.fd_.get()) != 0 || !sync_folder(options.backing)))
    return error_from_errno("session '%s': cannot be written to the disk", out.backing_.c_str());
  return out;
}

Result<Session> Session::adopt(const std::string& folder, const std::string& file, Adopt how, uid_t owner) {
  Session out;
  out.leaves_ = true;  // until all is checked
  out.folder_ = folder;
  out.file_ = file;
  out.path_ = folder + "/" + file;
  out.options_.owner = owner;
  if (file.rfind("session-", 0) != 0 || file.find('/') != std::string::npos)
    return errorf(EINVAL, "session '%s': want a name that begins with session- and has no '/'", file.c_str());
  out.options_.name = file.substr(std::strlen("session-"));
  out.fd_ = base::Fd(base::open_linked_of(out.path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK, owner));
  struct stat status;
  if (!out.fd_ || ::fstat(out.fd_.get(), &status) != 0) return error_from_errno("session '%s'", file.c_str());
  if (!S_ISREG(status.st_mode) || status.st_uid != owner)
    return errorf(EPERM, "session '%s' is of user %u, want a regular file of user %u", file.c_str(), status.st_uid, owner);
  if (how == Adopt::inherit && !lock_new(out.fd_.get()))  // who only looks holds it for a moment
    return errorf(EBUSY, "session '%s' is somebody's, want one that nobody records (hint: ouro list --sessions shows whose)", out.options_.name.c_str());
  if (::fstat(out.fd_.get(), &status) != 0 || status.st_nlink == 0)  // ended before we had the lock
    return errorf(ENOENT, "session '%s' has just ended", out.options_.name.c_str());
  out.places_.end = static_cast<std::uint64_t>(status.st_size);
  if (!out.read_header())
    return errorf(EINVAL, "session '%s': its header makes no sense, or is of another version than %u (hint: another Ouro made it, or a program wrote over it)",
                  out.options_.name.c_str(), abi::kSessionVersion);
  if (!out.is_of_this_boot())
    return errorf(ESTALE, "session '%s' was made before this machine started (hint: ouro recover %s writes what it holds)", out.options_.name.c_str(), out.path_.c_str());
  if (Status mapped = out.map(); !mapped) return mapped.error();
  out.leaves_ = how == Adopt::look;
  return out;
}

// All that is believed of it: a layout that create() would have made of the same options, and no larger than the file.
bool Session::read_header() {
  abi::SessionHeader h;
  if (::pread(fd_.get(), static_cast<void*>(&h), sizeof h, 0) != static_cast<ssize_t>(sizeof h) || h.magic.load(std::memory_order_relaxed) != abi::kSessionMagic ||
      h.version != abi::kSessionVersion)
    return false;
  constexpr std::uint32_t kMaxRows = 1 << 20;
  options_.mode = static_cast<abi::FullMode>(h.mode);
  options_.clock = static_cast<abi::ClockKind>(h.clock);
  options_.cpus = h.cpus;
  options_.subbuf_count = h.subbuf_count;
  options_.subbuf_size = h.subbuf_size;
  options_.contexts = h.contexts;
  options_.is_kept = h.is_kept != 0;
  options_.is_watched = h.is_watched != 0;
  options_.event_capacity = h.event_capacity;
  options_.thread_capacity = h.thread_capacity;
  options_.process_capacity = h.process_capacity;
  options_.schemas_size = h.schemas_size;
  generation_ = h.generation;
  std::memcpy(uuid_, h.uuid, sizeof uuid_);
  is_of_other_boot_ = base::is_other_boot(base::boot_id(), h.boot_id);
  begin_ = {h.begin_ticks, h.begin_ns, h.begin_error_ns};
  realtime_ = {0, h.realtime_offset_ns, h.realtime_error_ns};
  const clock::Pair now = options_.clock == abi::ClockKind::tsc || options_.clock == abi::ClockKind::monotonic ? clock::read_pair(options_.clock) : clock::Pair{};
  constexpr std::int64_t kMostError = 1'000'000'000, kMostTime = std::int64_t{1} << 62;
  const auto is_error = [](std::int64_t ns) { return ns >= 0 && ns <= kMostError; };
  if (begin_.ns < 0 || begin_.ns > kMostTime || (!is_of_other_boot_ && (begin_.ns > now.ns || begin_.ticks > now.ticks)) || !is_error(begin_.error_ns) || !is_error(realtime_.error_ns) ||
      realtime_.ns > kMostTime || realtime_.ns < -kMostTime)
    return false;
  const bool sane = (options_.mode == abi::FullMode::discard || options_.mode == abi::FullMode::overwrite) &&
                    (options_.clock == abi::ClockKind::tsc || options_.clock == abi::ClockKind::monotonic) && h.cpus != 0 && h.cpus < 8192 &&
                    abi::knows_contexts(h.contexts) && h.event_capacity <= kMaxRows && h.thread_capacity != 0 && h.thread_capacity <= kMaxRows &&
                    h.process_capacity != 0 && h.process_capacity <= kMaxRows && h.schemas_size <= (std::uint64_t{1} << 30) && ring::check(geometry(0));
  const std::uint64_t size = places_.end;
  if (!sane) return false;
  late_ = late_pair(h);
  places_ = abi::places_of(sizes());
  return h.rules_offset == places_.rules && h.events_offset == places_.events && h.schemas_offset == places_.schemas &&
         h.threads_offset == places_.threads && h.processes_offset == places_.processes && h.rings_offset == places_.rings &&
         h.ring_stride == places_.ring_stride && places_.end == size;
}

Status Session::make_file(const base::RuntimeDir& folder) {
  folder_ = folder.path;
  file_ = "session-" + options_.name;
  path_ = folder_ + "/" + file_;
  if (file_.size() >= sizeof(abi::SessionSlot::file) || file_.find('/') != std::string::npos)
    return errorf(EINVAL, "session: name is '%s', want fewer than %zu characters and no '/'", file_.c_str(),
                  sizeof(abi::SessionSlot::file));
  if (!options_.backing.empty()) {
    if (Status checked = check_backing(options_.backing); !checked) return checked;
    if (options_.owner != ::geteuid()) return errorf(ENOTSUP, "session '%s': a file in '%s' can only be one's own user's", file_.c_str(), options_.backing.c_str());
    backing_ = options_.backing + "/" + file_;
    if (backing_.size() >= base::kMaxLinked) return errorf(ENAMETOOLONG, "'%s': want a name of fewer than %zu characters", backing_.c_str(), base::kMaxLinked);
  }
  // Ends: each further try means that another recorder began in the instant before ours had its lock.
  for (int tries = 0; tries < 100; ++tries) {
    const std::string& place = backing_.empty() ? path_ : backing_;
    fd_ = base::Fd(::open(place.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd_) {
      Error error = error_from_errno("session '%s'", place.c_str());
      if (error.code == EEXIST && !backing_.empty()) error.text += " (hint: ouro recover " + place + " writes what it holds; then remove it)";
      path_.clear();  // not ours: not to be unlinked
      return error;
    }
    // Whoever looks for sessions left behind holds it for a moment.
    struct stat status;
    if (!lock_new(fd_.get()) || ::fstat(fd_.get(), &status) != 0)
      return errorf(EBUSY, "session '%s': a program holds its lock for two seconds, want it let go", path_.c_str());
    if (status.st_nlink == 0) continue;
    if (!backing_.empty()) {
      char named[base::kMaxLinked];
      if (base::read_linked(path_.c_str(), named) && ::access(named, F_OK) != 0) ::unlink(path_.c_str());  // what it named is gone
      if (::symlink(backing_.c_str(), path_.c_str()) == 0) return Ok{};
      Error error = error_from_errno("session '%s'", path_.c_str());
      ::unlink(backing_.c_str());
      path_.clear();
      return error;
    }
    if (options_.owner != ::geteuid() && ::fchown(fd_.get(), options_.owner, options_.group) != 0)
      return error_from_errno("session '%s': cannot be given to user %u", path_.c_str(), options_.owner);
    return Ok{};
  }
  path_.clear();
  return errorf(EAGAIN, "session 'session-%s': removed 100 times before it was locked, want it left alone",
                options_.name.c_str());
}

abi::SessionSizes Session::sizes() const {
  return {options_.cpus, options_.subbuf_count, options_.subbuf_size, options_.event_capacity, options_.thread_capacity, options_.process_capacity, options_.schemas_size};
}

Status Session::reserve() {
  const auto refuse = [&](std::uint64_t size) {
    const bool limited = errno == EFBIG;
    Error error = error_from_errno("session '%s': cannot reserve %llu bytes", path_.c_str(),
                                   static_cast<unsigned long long>(size));
    error.text += limited ? " (hint: ulimit -f unlimited)" : " (hint: more room in the file system of " + folder_ + ")";
    return error;
  };
  if (::ftruncate(fd_.get(), static_cast<off_t>(places_.end)) != 0) return refuse(places_.end);
  if (::fallocate(fd_.get(), 0, 0, static_cast<off_t>(places_.rings)) != 0) return refuse(places_.rings);
  for (std::uint32_t i = 0; i < ring_count(); ++i)
    if (::fallocate(fd_.get(), 0, static_cast<off_t>(places_.rings + i * places_.ring_stride), abi::kRingDataOffset) != 0)
      return refuse(ring_count() * abi::kRingDataOffset);
  return Ok{};
}

Status Session::map() {
  void* memory = ::mmap(nullptr, places_.end, PROT_READ | PROT_WRITE, (is_image_ ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE, fd_.get(), 0);
  if (memory == MAP_FAILED)
    return error_from_errno("session '%s': cannot map %llu bytes (hint: a smaller --buffer-size)", path_.c_str(),
                            static_cast<unsigned long long>(places_.end));
  base_ = static_cast<std::byte*>(memory);
  if (!base::guard_mapping(base_, places_.end)) return errorf(ENOMEM, "session '%s': too many are made at once", path_.c_str());
  return Ok{};
}

void Session::fill() {
  abi::SessionHeader& h = header();
  abi::fill_sizes(h, sizes(), places_);
  h.mode = static_cast<std::uint32_t>(options_.mode);
  h.clock = static_cast<std::uint32_t>(options_.clock);
  h.generation = generation_;
  h.contexts = options_.contexts;
  h.is_kept = options_.is_kept ? 1 : 0;
  h.is_watched = options_.is_watched ? 1 : 0;
  begin_ = clock::read_pair(options_.clock);
  realtime_ = clock::read_realtime_offset();
  h.begin_ticks = begin_.ticks;
  h.begin_ns = begin_.ns;
  h.begin_error_ns = begin_.error_ns;
  h.realtime_offset_ns = realtime_.ns;
  h.realtime_error_ns = realtime_.error_ns;
  h.creator_pid = ::getpid();
  std::memcpy(h.uuid, uuid_, sizeof h.uuid);
  std::memcpy(base_ + places_.rules, rules_.data(), rules_.size());  // version 0
  for (std::uint32_t i = 0; i < ring_count(); ++i) ring::initialise(ring(i), geometry(i));
  const base::BootId boot = base::boot_id();
  std::memcpy(h.boot_id, boot.bytes, sizeof h.boot_id);
  if (!backing_.empty()) measure_frequency();
  // Release: whoever sees the magic sees all of it.
  h.magic.store(abi::kSessionMagic, std::memory_order_release);
}

ring::Geometry Session::geometry(std::uint32_t ring) const {
  ring::Geometry out;
  out.kind = ring < options_.cpus ? abi::RingKind::per_cpu : abi::RingKind::shared;
  out.mode = options_.mode;
  out.subbuf_count = options_.subbuf_count;
  out.subbuf_size = options_.subbuf_size;
  out.cpu = ring % options_.cpus;
  return out;
}

Session::Session(Session&& other) noexcept
    : options_(std::move(other.options_)),
      folder_(std::move(other.folder_)),
      file_(std::move(other.file_)),
      path_(std::exchange(other.path_, {})),
      backing_(std::move(other.backing_)),
      generation_(other.generation_),
      begin_(other.begin_),
      realtime_(other.realtime_),
      late_(other.late_),
      rules_(std::move(other.rules_)),
      places_(other.places_),
      fd_(std::move(other.fd_)),
      base_(std::exchange(other.base_, nullptr)),
      leaves_(other.leaves_),
      is_image_(other.is_image_),
      is_of_other_boot_(other.is_of_other_boot_),
      image_end_(other.image_end_) {
  std::memcpy(uuid_, other.uuid_, sizeof uuid_);
}

void Session::close() {
  if (base_ == nullptr) return;
  header().state.store(static_cast<std::uint32_t>(abi::SessionState::closed), std::memory_order_release);
  leave_registries(folder_, file_, generation_, options_.owner);
}

std::vector<std::byte> Session::rules() const {
  std::vector<std::byte> out;
  for (int tries = 0; tries < 1000; ++tries) {
    const std::uint64_t version = header().rules_version.load(std::memory_order_acquire);
    const std::byte* area = base_ + places_.rules + (version & 1) * abi::kRulesSize;
    out.assign(area, area + abi::kRulesSize);
    abi::fence(std::memory_order_acquire);
    if (header().rules_version.load(std::memory_order_relaxed) == version) break;
  }
  return out;
}

std::optional<Session::Turn> Session::try_turn() const {
  if (!leaves_) return Turn(-1);  // ours anyway
  if (!options_.is_kept || ::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return Turn(fd_.get());
}

void Session::leave() {
  leaves_ = true;
  ::flock(fd_.get(), LOCK_UN);
}

Session::Turn::~Turn() {
  if (fd_ >= 0) ::flock(fd_, LOCK_UN);
}

bool Session::is_open() const { return header().state.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(abi::SessionState::open); }

bool Session::was_cut_short() const { return base_ != nullptr && base::was_cut_short(base_); }

Session::~Session() {
  if (leaves_) {
    if (base_ != nullptr) base::unguard_mapping(base_), ::munmap(base_, places_.end);
    return;
  }
  if (base_ != nullptr) {
    close();
    base::unguard_mapping(base_);
    ::munmap(base_, places_.end);
    punch_out(fd_.get(), {places_.rings, places_.ring_stride, ring_count()});
  }
  if (!path_.empty() && !backing_.empty() && is_file(backing_, fd_.get())) {
    ::unlink(backing_.c_str());
    ::unlink(path_.c_str());
  }
  if (!path_.empty()) unlink_session(path_, fd_.get());
}

namespace {

// Programs stop writing to it, and its name is gone: what is left is memory. `fd` has its lock.
struct Ended {
  Rings rings;
  bool was_written_to;
};
Ended end(int fd, const std::string& folder, const std::string& file, uid_t owner) {
  const Remains remains = close_left_behind(fd);
  const bool was_written_to = leave_registries(folder, file, remains.generation, owner) != 0;
  unlink_session(folder + "/" + file, fd);
  return {remains.rings, was_written_to};
}

// Nobody begins a record any more; those who had begun one finish it meanwhile.
void wait_for_records() { ::usleep(10'000); }

}  // namespace

Status end_session(const std::string& folder, const std::string& file, uid_t owner) {
  const std::string path = folder + "/" + file;
  const base::Fd fd(base::open_linked_of(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK, owner));
  struct stat status;
  if (!fd && errno == ENOENT) {  // a link to what is gone
    char named[base::kMaxLinked];
    if (base::read_linked(path.c_str(), named) && ::unlink(path.c_str()) == 0) return Ok{};
    errno = ENOENT;
  }
  if (!fd || ::fstat(fd.get(), &status) != 0) return error_from_errno("session '%s'", file.c_str());
  if (!S_ISREG(status.st_mode) || status.st_uid != owner)
    return errorf(EPERM, "session '%s' is of user %u, want a regular file of user %u", file.c_str(), status.st_uid, owner);
  if (!lock_new(fd.get())) return errorf(EBUSY, "session '%s' is somebody's, want one that nobody has", file.c_str());
  const Ended ended = end(fd.get(), folder, file, owner);
  if (ended.was_written_to) wait_for_records();
  punch_out(fd.get(), ended.rings);
  return Ok{};
}

std::vector<std::string> find_left_behind(const std::string& folder, uid_t owner) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.rfind("session-", 0) == 0 && lock_left_behind(folder + "/" + name, LOCK_SH, owner)) out.push_back(name);
  }
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

std::uint32_t remove_left_behind(const std::string& folder, uid_t owner, const std::string& prefix) {
  std::vector<std::pair<base::Fd, Rings>> removed;
  bool was_written_to = false;
  for (const std::string& name : find_left_behind(folder, owner)) {
    if (!name.starts_with(prefix)) continue;
    const std::string path = folder + "/" + name;
    base::Fd fd = lock_left_behind(path, LOCK_EX, owner);
    struct stat status;
    // Between open and lock another one may have removed it; a file of that name would then be somebody's new session.
    if (!fd || ::fstat(fd.get(), &status) != 0 || status.st_nlink == 0) continue;
    const Ended ended = end(fd.get(), folder, name, owner);
    was_written_to |= ended.was_written_to;
    removed.emplace_back(std::move(fd), ended.rings);
  }
  if (was_written_to) wait_for_records();
  for (const auto& [fd, rings] : removed) punch_out(fd.get(), rings);
  return static_cast<std::uint32_t>(removed.size());
}

std::uint32_t leave_registries(const std::string& folder, const std::string& file, std::uint32_t generation, uid_t owner) {
  close_to_everyone(folder, {file, generation}, owner);
  std::uint32_t left = 0;
  const auto end = std::chrono::steady_clock::now() + RegistryFile::kPatience;  // for all: locks may be held for ever
  for (const std::string& path : find_registries(folder)) {
    Result<RegistryFile> registry = RegistryFile::open(path, RegistryFile::Access::read_write, owner);
    if (remove_if_dead(path, registry)) continue;
    if (!registry) continue;  // gone, or being made: its program finds the session closed
    // Without the lock, too, it leaves: its bits and its slot are its own.
    const auto left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    const base::Fd lock = registry->lock(left_ms);
    if (const std::optional<std::uint32_t> k = registry->slot_of({file, generation})) {
      registry->remove_session(*k, generation);
      ++left;
    }
  }
  return left;
}

}  // namespace ouro::record
