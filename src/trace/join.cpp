// ouro::flight_recorder(): the program puts itself into a session, as a tool that attaches would (record/registry_attach.cpp).
//
//   file there? look at it : make it | the registry's lock | a slot: offered | each event that the session wants: on
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <ouro/abi/context_layout.hpp>
#include <ouro/abi/session_layout.hpp>
#include <ouro/flight.hpp>

#include "base/foreign.hpp"
#include "base/linked_file.hpp"
#include "trace/flight.hpp"
#include "trace/text.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr int kTries = 200;  // with a pause of 10 ms
constexpr std::uint64_t kLeast = 64 << 10, kMost = 512 << 20;

using Path = char[sizeof tracer.directory + sizeof(abi::SessionSlot::file) + 1];

void nap() noexcept {
  constexpr timespec kPause{0, 10'000'000};
  nanosleep(&kPause, nullptr);
}

// The lock of our registry that tools hold while they change slots. -1: somebody has it all the time, or it cannot be had.
int lock_registry() noexcept {
  Path path;
  Text(path).add(tracer.directory).add("/").add(tracer.file);
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  for (int i = 0; fd >= 0 && i < kTries; ++i) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    nap();
  }
  if (fd >= 0) close(fd);
  return -1;
}

// ENOENT: there is none. EAGAIN: it is being made, or has just ended. EEXIST: not a flight recorder.
int look_at(const char* path, std::uint32_t& generation) noexcept {
  const int fd = base::open_linked(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno == ELOOP || errno == EISDIR || errno == ENXIO ? EEXIST : errno;
  abi::SessionHeader header;
  struct stat status {};
  int error = 0;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || (status.st_uid != geteuid() && status.st_uid != 0)) error = EEXIST;
  else if (pread(fd, static_cast<void*>(&header), sizeof header, 0) != static_cast<ssize_t>(sizeof header)) error = EAGAIN;
  else if (header.magic.load(relaxed) != abi::kSessionMagic) error = EAGAIN;
  else if (header.version != abi::kSessionVersion || header.is_kept == 0 || header.generation == 0) error = EEXIST;
  else if (header.state.load(relaxed) != static_cast<std::uint32_t>(abi::SessionState::open)) error = EAGAIN;
  generation = header.generation;
  close(fd);
  return error;
}

// Bits that a slot's last session left, of a child that was forked while they were changed, or of a tool that died over it.
void clear_bits(std::uint32_t k, std::uint32_t generation) noexcept {
  const std::uint64_t bit = std::uint64_t{1} << k;
  for (std::uint32_t i = 0, n = tracer.header().row_count.load(std::memory_order_acquire); i < n && i < abi::kRegistryRows; ++i) {
    abi::Word& enabled = tracer.rows()[i].enabled;
    std::uint64_t seen = enabled.load(relaxed);
    while ((seen & bit) != 0 && !enabled.compare_exchange_weak(seen, seen ^ abi::enabled_change(generation, k), relaxed)) {
    }
  }
  const std::uint32_t change = abi::filter_change(tracer.header().slot[k].use.load(relaxed), k);
  for (std::uint32_t i = 0; i < abi::kFilterWords; ++i) {
    std::atomic<std::uint32_t>& word = tracer.filter()[i];
    std::uint32_t seen = word.load(relaxed);
    while ((seen & bit) != 0 && !word.compare_exchange_weak(seen, (seen & 0xffff) == bit ? 0 : seen ^ change, relaxed)) {
    }
  }
}

bool is_offered(const abi::SessionSlot& slot) { return slot.state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(abi::SlotState::offered); }

// The slot in which we are in this session already; else the first that is free. kSessionSlots: none.
std::uint32_t find_slot(const char* file, std::uint32_t generation, bool& is_in) noexcept {
  std::uint32_t free = abi::kSessionSlots;
  for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k) {
    const abi::SessionSlot& slot = tracer.header().slot[k];
    const std::uint32_t its = slot.generation.load(relaxed);
    is_in = is_offered(slot) && (its == generation || its == 0) && std::strncmp(slot.file, file, sizeof slot.file) == 0;
    if (is_in) return k;
    if (!is_offered(slot) && free == abi::kSessionSlots) free = k;
  }
  return free;
}

// As a tool would, under the lock; see RegistryFile::claim().
void claim(std::uint32_t k, const char* file, std::uint32_t generation) noexcept {
  abi::SessionSlot& slot = tracer.header().slot[k];
  slot.state.store(static_cast<std::uint32_t>(abi::SlotState::claimed), relaxed);
  clear_bits(k, slot.generation.load(relaxed));
  slot.use.fetch_add(1, relaxed);
  abi::fence(std::memory_order_release);
  std::memset(slot.file, 0, sizeof slot.file);
  std::memcpy(slot.file, file, std::strlen(file));
  slot.generation.store(generation, relaxed);
  // Sequentially consistent, as the fence behind it: a module that is just loaded finds the session, or we find its events.
  slot.state.store(static_cast<std::uint32_t>(abi::SlotState::offered));
  abi::fence(std::memory_order_seq_cst);
}

// Rows, not sites: those of a module that is being loaded are there before its sites can be visited. A row's schema is a copy in shared memory.
bool wants_row(SessionView& view, std::uint32_t i) noexcept {
  const std::uint32_t offset = base::read_once(tracer.rows()[i].blob_offset), size = base::read_once(tracer.rows()[i].blob_size);
  char schema[abi::kMaxSchemaSize + 1];
  if (offset > abi::kRegistryBlobs || size > abi::kRegistryBlobs - offset || size > abi::kMaxSchemaSize || size <= sizeof(abi::SchemaHeader) + 1) return false;
  std::memcpy(schema, tracer.registry + abi::kRegistryBlobsOffset + offset, size);
  schema[size] = '\0';
  abi::SchemaHeader header;
  std::memcpy(&header, schema, sizeof header);
  const std::size_t name = std::strlen(schema + sizeof header);
  const bool is_span = header.kind == abi::EventKind::span_begin || header.kind == abi::EventKind::span_end;
  if (name <= (is_span ? std::strlen("_begin") : 0) || sizeof header + name + 1 >= size) return false;
  detail::Site site{};
  site.schema = schema;
  site.schema_size = size;
  return wants(view, site);
}

// All under the registry's lock. An errno value.
int join(const char* file, std::uint32_t generation) noexcept {
  bool is_in = false;
  const std::uint32_t k = find_slot(file, generation, is_in);
  if (k == abi::kSessionSlots) return EBUSY;
  if (!is_in) claim(k, file, generation);
  SessionView* const view = view_of(k);
  if (view == nullptr) {  // it is in no slot any more, or never was
    const std::uint32_t refused = tracer.header().refused.load(relaxed);
    return refused != 0 ? static_cast<int>(refused) : EAGAIN;
  }
  if (is_in) return 0;  // with all that its rules say
  for (std::uint32_t i = 0, n = tracer.header().row_count.load(std::memory_order_acquire); i < n && i < abi::kRegistryRows; ++i)
    if (wants_row(*view, i)) switch_on(tracer.rows()[i], k, view->generation);
  return 0;
}

bool parse_contexts(const char* text, std::uint64_t& contexts) noexcept {
  for (const char* p = text; *p != '\0';) {
    const std::size_t length = std::strcspn(p, ",");
    bool found = length == 0;
    for (const abi::ContextInfo& info : abi::kContexts)
      if (abi::is_for_users(info.context) && std::strlen(info.name) == length && std::strncmp(info.name, p, length) == 0) {
        contexts |= abi::bit(info.context);
        found = true;
      }
    if (!found) return false;
    p += length;
    p += *p == ',';
  }
  return true;
}

bool is_name(const char* name) noexcept {
  constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  const std::size_t length = std::strlen(name);
  return length != 0 && length < sizeof(abi::SessionSlot::file) - sizeof "session-" && std::strspn(name, kLetters) == length;
}

Outcome start(const FlightOptions& options) noexcept {
  if (tracer.registry == nullptr || tracer.pid != getpid())
    return {ENODEV, "nothing of this process can be traced: want events in it, a runtime folder, no OURO_ATTACH=0"};
  if (options.name == nullptr || !is_name(options.name)) return {EINVAL, "name: want 1 to 98 of letters, digits, '-', '_' and '.'"};
  FlightWish wish;
  if (options.buffer_size != 0) {
    if (options.buffer_size > kMost || std::bit_ceil(options.buffer_size) < kLeast) return {ERANGE, "buffer_size: want 64 KiB to 512 MiB, or 0"};
    wish.buffer_size = std::bit_ceil(options.buffer_size);
  }
  if (options.events != nullptr) wish.events = options.events;
  if (options.level > abi::Level::debug) return {EINVAL, "level: want one of ouro::Level"};
  if (options.level != abi::Level::debug) wish.level = static_cast<std::uint8_t>(options.level);
  if (options.contexts != nullptr && !parse_contexts(options.contexts, wish.contexts))
    return {EINVAL, "contexts: want names of docs/contexts.md, by commas, such as pid,thread"};
  Path path;
  char file[sizeof abi::SessionSlot::file];
  Text(file).add("session-").add(options.name);
  Text(path).add(tracer.directory).add("/").add(file);
  for (int i = 0; i < kTries; ++i) {
    std::uint32_t generation = 0;
    int error = look_at(path, generation);
    if (error == ENOENT) {
      error = make_flight_recorder(path, wish);
      if (error == EINVAL) return {error, "events: want globs, by commas, such as shop:*,!shop:queue_depth"};
      if (error == E2BIG) return {error, "events: want fewer or shorter globs"};
      if (error != 0 && error != EEXIST) return {error, "its memory cannot be had in the runtime folder"};
      error = EAGAIN;  // look at it, whoever made it
      if (i != 0) nap();
      continue;
    }
    if (error == EEXIST) return {error, "there is a session of this name that is no flight recorder of this user and of this version of Ouro"};
    if (error == 0) {
      const int lock = lock_registry();
      if (lock < 0) return {EBUSY, "tools keep changing what this program is in"};
      error = join(file, generation);
      close(lock);
      if (error == 0) return {};
      if (error == EBUSY) return {error, "this program is in 16 sessions, want fewer"};
    }
    if (error != EAGAIN) return {error, "its memory cannot be mapped"};
    nap();
  }
  return {EBUSY, "a session of this name is being made or ended all the time"};
}

}  // namespace
}  // namespace ouro::trace

namespace ouro::detail {

void ouro_flight_recorder(const FlightOptions* options, std::size_t size, Outcome* outcome) noexcept {
  FlightOptions known;
  std::memcpy(&known, options, size < sizeof known ? size : sizeof known);
  const int saved = errno;
  *outcome = trace::start(known);
  errno = saved;
}

}  // namespace ouro::detail
