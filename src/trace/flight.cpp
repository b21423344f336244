// The user's flight recorder, made by the first program that wants it (OURO_FLIGHT=1, ouro::flight_recorder) and joined by the others. No tool
// has run before, none needs to run; ouro status, snapshot, recover and stop find it as one that `ouro record --flight` has made.
//
//   file without a name | reserve, fill | its name, if nobody else has it yet: so it is whole when it is seen
#include "trace/flight.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <ouro/abi/session_layout.hpp>
#include <ouro/ring/reader.hpp>

#include "base/boot_id.hpp"
#include "base/cpus.hpp"
#include "clock/calibrate.hpp"
#include "trace/text.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

constexpr std::uint32_t kSubbufs = 16;
constexpr std::uint64_t kLargest = 4 << 20, kSmallest = 256 << 10;  // a CPU's

std::size_t read_start(const char* path, char* to, std::size_t room) noexcept {
  to[0] = '\0';
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::size_t size = 0;
  for (ssize_t n; size < room - 1 && (n = read(fd, to + size, room - 1 - size)) > 0;) size += static_cast<std::size_t>(n);
  close(fd);
  to[size] = '\0';
  return size;
}

// As clock::tsc_trust(), without its texts.
abi::ClockKind best_clock() noexcept {
  char text[8192];
  read_start("/sys/devices/system/clocksource/clocksource0/current_clocksource", text, sizeof text);
  const std::size_t length = std::strlen(clock::kTrustedSource);
  bool trusted = OURO_HAS_TSC && std::strncmp(text, clock::kTrustedSource, length) == 0 && text[length] == '\n';
#if defined(__x86_64__)
  read_start("/proc/cpuinfo", text, sizeof text);
  trusted = trusted && std::strstr(text, " constant_tsc ") != nullptr && std::strstr(text, " nonstop_tsc ") != nullptr;
#endif
  return trusted ? abi::ClockKind::tsc : abi::ClockKind::monotonic;
}

// All CPUs at once take at most half of the folder's free room.
std::uint64_t buffer_size(std::uint64_t cpus) noexcept {
  struct statvfs status;
  const std::uint64_t room = statvfs(tracer.directory, &status) == 0 ? std::uint64_t{status.f_bavail} * status.f_frsize / 2 : 0;
  std::uint64_t size = kLargest;
  while (size > kSmallest && cpus * (size + size / kSubbufs) > room) size /= 2;
  return size;
}

// One rule of the list at `area`. False: there is no room for it.
bool add_rule(std::byte* area, abi::RuleList& list, const char* glob, std::size_t length, bool excludes, std::uint8_t level) noexcept {
  abi::RuleHeader rule{};
  const std::size_t size = (sizeof rule + length + 3 + 7) & ~std::size_t{7};  // its name; file and filter are empty
  if (size > abi::kRulesSize - sizeof list - list.size) return false;
  rule.size = static_cast<std::uint32_t>(size);
  rule.excludes = excludes ? 1 : 0;
  rule.level = excludes ? abi::kAnyLevel : level;
  std::byte* const to = area + sizeof list + list.size;  // zeros
  std::memcpy(to, &rule, sizeof rule);
  std::memcpy(to + sizeof rule, glob, length);
  list.size += rule.size;
  ++list.count;
  std::memcpy(area, &list, sizeof list);
  return true;
}

bool fill(std::byte* base, const FlightWish& wish, const abi::SessionSizes& sizes, const abi::SessionPlaces& places) noexcept {
  auto& h = *reinterpret_cast<abi::SessionHeader*>(base);
  if (getrandom(h.uuid, sizeof h.uuid, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof h.uuid) ||
      getrandom(&h.generation, sizeof h.generation, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof h.generation))
    return false;
  h.generation |= 1;  // never 0
  abi::become_uuid(h.uuid);
  abi::fill_sizes(h, sizes, places);
  h.mode = static_cast<std::uint32_t>(abi::FullMode::overwrite);
  h.clock = static_cast<std::uint32_t>(best_clock());
  h.creator_pid = getpid();
  h.is_kept = 1;
  h.contexts = wish.contexts;
  const clock::Pair begin = clock::read_pair(static_cast<abi::ClockKind>(h.clock)), realtime = clock::read_realtime_offset();
  h.begin_ticks = begin.ticks;
  h.begin_ns = begin.ns;
  h.begin_error_ns = begin.error_ns;
  h.realtime_offset_ns = realtime.ns;
  h.realtime_error_ns = realtime.error_ns;
  const base::BootId boot = base::boot_id();
  std::memcpy(h.boot_id, boot.bytes, sizeof h.boot_id);
  if (const int error = write_rules(base + places.rules, wish.events, wish.level); error != 0) {
    errno = error;
    return false;
  }
  for (std::uint32_t i = 0; i < 2 * sizes.cpus; ++i) {
    ring::Geometry geometry;
    geometry.kind = i < sizes.cpus ? abi::RingKind::per_cpu : abi::RingKind::shared;
    geometry.mode = abi::FullMode::overwrite;
    geometry.subbuf_count = sizes.subbuf_count;
    geometry.subbuf_size = sizes.subbuf_size;
    geometry.cpu = i % sizes.cpus;
    ring::initialise(*reinterpret_cast<abi::RingHead*>(base + places.rings + i * places.ring_stride), geometry);
  }
  h.magic.store(abi::kSessionMagic, std::memory_order_release);
  return true;
}

// Everything but the rings' data: no store may meet a page that is missing.
bool reserve(int fd, const abi::SessionSizes& sizes, const abi::SessionPlaces& places) noexcept {
  if (ftruncate(fd, static_cast<off_t>(places.end)) != 0 || fallocate(fd, 0, 0, static_cast<off_t>(places.rings)) != 0) return false;
  for (std::uint32_t i = 0; i < 2 * sizes.cpus; ++i)
    if (fallocate(fd, 0, static_cast<off_t>(places.rings + i * places.ring_stride), abi::kRingDataOffset) != 0) return false;
  return true;
}

// Names the file once it is whole.
bool fill_and_name(int fd, const char* path, const FlightWish& wish, const abi::SessionSizes& sizes, const abi::SessionPlaces& places) noexcept {
  if (!reserve(fd, sizes, places)) return false;
  void* const base = mmap(nullptr, places.end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) return false;
  char self[32];
  Text(self).add("/proc/self/fd/").number(static_cast<std::uint64_t>(fd));
  const bool made = fill(static_cast<std::byte*>(base), wish, sizes, places) && linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
  const int error = errno;
  munmap(base, places.end);
  errno = error;
  return made;
}

}  // namespace

int write_rules(std::byte* area, const char* globs, std::uint8_t level) noexcept {
  abi::RuleList list{0, 0};
  std::uint32_t selecting = 0;
  for (const char* p = globs; *p != '\0'; p += std::strcspn(p, ","), p += *p == ',') selecting += *p != '!' && *p != ',';
  // Nothing but what is left out: of all.
  if (selecting == 0 && std::strchr(globs, '!') != nullptr && !add_rule(area, list, "*", 1, false, level)) return E2BIG;
  for (const char* p = globs; *p != '\0';) {
    const std::size_t length = std::strcspn(p, ",");
    const bool excludes = *p == '!';
    if (excludes && length == 1) return EINVAL;
    if (length != 0 && !add_rule(area, list, p + excludes, length - excludes, excludes, level)) return E2BIG;
    p += length;
    p += *p == ',';
  }
  return list.count != 0 ? 0 : EINVAL;
}

int make_flight_recorder(const char* path, const FlightWish& wish) noexcept {
  const std::uint32_t cpus = base::possible_cpus();
  if (cpus == 0 || cpus >= 8192) return ENOTSUP;
  abi::SessionSizes sizes{cpus, kSubbufs, 0};
  const std::uint64_t size = wish.buffer_size != 0 ? wish.buffer_size : buffer_size(cpus);
  while (size / sizes.subbuf_count > abi::kMaxSubbufSize) sizes.subbuf_count *= 2;
  sizes.subbuf_size = size / sizes.subbuf_count;
  const abi::SessionPlaces places = abi::places_of(sizes);
  if (!allows_file_of(places.end)) return EFBIG;
  const int fd = open(tracer.directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  errno = EIO;
  const int error = fill_and_name(fd, path, wish, sizes, places) ? 0 : errno;
  close(fd);
  return error;
}

const char* flight_recorder_from_environment() noexcept {
  const char* const wanted = secure_getenv("OURO_FLIGHT");
  if (wanted == nullptr || std::strcmp(wanted, "1") != 0) return nullptr;
  static constexpr char kFile[] = "session-flight";
  char path[sizeof tracer.directory + sizeof kFile + 1];
  Text(path).add(tracer.directory).add("/").add(kFile);
  if (access(path, F_OK) == 0) return kFile;
  const int error = make_flight_recorder(path, {});
  return error == 0 || error == EEXIST ? kFile : nullptr;  // EEXIST: somebody else was faster
}

}  // namespace ouro::trace
