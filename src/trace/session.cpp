// Sessions as this process sees them (ouro/abi/session_layout.hpp). A session's memory belongs to whoever made it:
// what is read from it is checked before it is used as an index or a size.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <ouro/abi/context_layout.hpp>

#include "base/cpus.hpp"
#include "base/glob.hpp"
#include "base/proc.hpp"
#include "trace/text.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

bool fits(std::uint64_t offset, std::uint64_t size, std::uint64_t total) { return offset <= total && size <= total - offset; }

bool is_power_of_two(std::uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

// Copies the header's constants, checks the copies.
bool check(const abi::SessionHeader& shared, std::uint64_t file_size, SessionView& view, ring::Channel& channel,
           std::uint64_t& rings_offset, std::uint64_t& ring_stride) noexcept {
  // Acquire; pairs with the creator's store of the magic: the other fields are there.
  if (shared.magic.load(std::memory_order_acquire) != abi::kSessionMagic || shared.version != abi::kSessionVersion ||
      shared.total_size != file_size || shared.generation == 0)
    return false;
  view.generation = shared.generation;
  view.events_offset = shared.events_offset;
  view.event_capacity = shared.event_capacity;
  view.schemas_offset = shared.schemas_offset;
  view.schemas_size = shared.schemas_size;
  view.threads_offset = shared.threads_offset;
  view.thread_capacity = shared.thread_capacity;
  view.processes_offset = shared.processes_offset;
  view.process_capacity = shared.process_capacity;
  view.patterns_offset = shared.patterns_offset;
  view.patterns_size = shared.patterns_size;
  view.contexts = shared.contexts;
  channel.cpus = shared.cpus;
  channel.stamped = true;
  channel.tsc = shared.clock == static_cast<std::uint32_t>(abi::ClockKind::tsc);
  channel.mode = static_cast<abi::FullMode>(shared.mode);
  channel.subbuf_count = shared.subbuf_count;
  channel.subbuf_size = shared.subbuf_size;
  rings_offset = shared.rings_offset;
  ring_stride = shared.ring_stride;
  return abi::knows_contexts(view.contexts) && channel.cpus != 0 && channel.cpus <= 8192 && is_power_of_two(channel.subbuf_count) &&
         channel.subbuf_count >= abi::kMinSubbufs && channel.subbuf_count <= abi::kMaxSubbufs &&
         is_power_of_two(channel.subbuf_size) && channel.subbuf_size >= abi::kMinSubbufSize &&
         channel.subbuf_size <= abi::kMaxSubbufSize &&
         abi::kRingDataOffset + (std::uint64_t{channel.subbuf_count} + 1) * channel.subbuf_size <= ring_stride &&
         ring_stride <= 2 * abi::kMaxRingData && rings_offset % 4096 == 0 && ring_stride % 4096 == 0 &&
         fits(rings_offset, 2 * std::uint64_t{channel.cpus} * ring_stride, file_size) && view.thread_capacity != 0 &&
         fits(view.events_offset, std::uint64_t{view.event_capacity} * sizeof(abi::EventRow), file_size) &&
         fits(view.schemas_offset, view.schemas_size, file_size) &&
         fits(view.threads_offset, std::uint64_t{view.thread_capacity} * sizeof(abi::ThreadRow), file_size) &&
         fits(view.processes_offset, std::uint64_t{view.process_capacity} * sizeof(abi::ProcessRow), file_size) &&
         fits(view.patterns_offset, view.patterns_size, file_size);
}

bool may_use_sections([[maybe_unused]] const ring::Channel& channel) noexcept {
#if OURO_HAS_RSEQ
  if (!channel.tsc || &__rseq_size == nullptr || __rseq_size == 0) return false;
  const std::uint32_t cpus = base::possible_cpus();
  return cpus != 0 && cpus <= channel.cpus;
#else
  return false;
#endif
}

// Reserves through the mapping; where the kernel cannot do that, through the file.
int reserve_ring(const ring::Channel& channel, abi::RingHead& ring) noexcept {
  const int error = ring::populate(channel, ring);
  auto& view = *static_cast<SessionView*>(channel.client);
  if (error == 0) return 0;
  if (error == EINVAL) {  // before Linux 5.14
    char path[sizeof tracer.directory + sizeof(abi::SessionSlot::file) + 1];
    Text(path).add(tracer.directory).add("/").add(tracer.header().slot[view.slot].file);
    const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
      const auto offset = reinterpret_cast<std::byte*>(&ring) + abi::kRingDataOffset - view.base;
      const int failed = fallocate(fd, 0, offset, static_cast<off_t>((channel.subbuf_count + std::uint64_t{1}) * channel.subbuf_size));
      close(fd);
      if (failed == 0) return 0;
    }
  }
  view.header->rings_refused.fetch_add(1, relaxed);
  return error;
}

void* map_anonymous(std::size_t size) noexcept {
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

// Maps a session's file and fills a view; null if it is none of ours.
SessionView* open_session(const char* file, std::uint32_t slot) noexcept {
  char path[sizeof tracer.directory + sizeof(abi::SessionSlot::file) + 1];
  Text(path).add(tracer.directory).add("/").add(file);
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return nullptr;
  struct stat status;
  std::byte* base = nullptr;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_uid == geteuid() || status.st_uid == 0) &&
      status.st_size >= static_cast<off_t>(sizeof(abi::SessionHeader))) {
    void* p = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (p != MAP_FAILED) base = static_cast<std::byte*>(p);
  }
  close(fd);
  if (base == nullptr) return nullptr;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  auto* header = reinterpret_cast<abi::SessionHeader*>(base);
  const std::uint64_t cpus = header->cpus < 8192 ? header->cpus : 0;
  const std::size_t view_size = (sizeof(SessionView) + 63) & ~std::size_t{63};
  const std::size_t whole = view_size + sizeof(ring::Channel) + 2 * cpus * sizeof(abi::RingHead*);
  auto* memory = static_cast<std::byte*>(map_anonymous(whole));
  if (memory != nullptr) {
    auto* view = reinterpret_cast<SessionView*>(memory);
    auto* channel = reinterpret_cast<ring::Channel*>(memory + view_size);
    std::uint64_t rings_offset = 0, ring_stride = 0;
    if (check(*header, size, *view, *channel, rings_offset, ring_stride) && channel->cpus == cpus &&
        header->state.load(relaxed) == static_cast<std::uint32_t>(abi::SessionState::open)) {
      view->slot = slot;
      view->base = base;
      view->header = header;
      view->channel = channel;
      channel->client = view;
      channel->reserve = reserve_ring;
      channel->per_cpu = may_use_sections(*channel);
      channel->shared = channel->ring + cpus;
      for (std::uint64_t i = 0; i < 2 * cpus; ++i)
        channel->ring[i] = reinterpret_cast<abi::RingHead*>(base + rings_offset + i * ring_stride);
      return view;
    }
    munmap(memory, whole);
  }
  munmap(base, size);
  return nullptr;
}

std::uint64_t hash_of(const char* bytes, std::uint32_t size) noexcept {  // FNV-1a
  std::uint64_t h = 14695981039346656037u;
  for (std::uint32_t i = 0; i < size; ++i) h = (h ^ static_cast<std::uint8_t>(bytes[i])) * 1099511628211u;
  return h;
}

}  // namespace

SessionView* view_of(std::uint32_t slot) noexcept {
  abi::SessionSlot& entry = tracer.header().slot[slot];
  if (entry.state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(abi::SlotState::offered)) return nullptr;
  const std::uint32_t generation = entry.generation.load(relaxed);
  SessionView* present = tracer.view[slot].load(std::memory_order_acquire);
  if (present != nullptr && (generation == present->generation || generation == 0)) return present;
  char file[sizeof entry.file];
  std::memcpy(file, entry.file, sizeof file);
  file[sizeof file - 1] = '\0';
  if (std::strchr(file, '/') != nullptr) return nullptr;
  SessionView* view = open_session(file, slot);
  if (view == nullptr || (generation != 0 && view->generation != generation)) {
    if (generation == 0) entry.state.store(static_cast<std::uint32_t>(abi::SlotState::free), relaxed);  // from the environment
    return nullptr;
  }
  // Whoever comes second uses the first one's; its own is left mapped, as every view is.
  if (!tracer.view[slot].compare_exchange_strong(present, view, std::memory_order_acq_rel, std::memory_order_acquire)) return present;
  entry.generation.store(view->generation, relaxed);
  tracer.epoch.fetch_add(1, std::memory_order_release);
  return view;
}

bool wants(const SessionView& view, const char* name) noexcept {
  return base::selected(reinterpret_cast<const char*>(view.base + view.patterns_offset), view.patterns_size, name);
}

std::uint32_t add_event(SessionView& view, const char* schema, std::uint32_t size) noexcept {
  auto* rows = reinterpret_cast<abi::EventRow*>(view.base + view.events_offset);
  std::byte* schemas = view.base + view.schemas_offset;
  const std::uint64_t hash = hash_of(schema, size);
  for (std::uint32_t i = 0; i < view.event_capacity; ++i) {
    abi::EventRow& row = rows[i];
    std::uint32_t state = row.state.load(std::memory_order_acquire);
    if (state == abi::row_ready) {
      const std::uint64_t offset = row.schema_offset;
      if (row.hash == hash && row.schema_size == size && fits(offset, size, view.schemas_size) &&
          std::memcmp(schemas + offset, schema, size) == 0)
        return i;
    }
    if (state != abi::row_free) continue;  // being added by somebody: at worst the event gets two ids
    if (!row.state.compare_exchange_strong(state, abi::row_claimed, std::memory_order_acq_rel, std::memory_order_acquire)) {
      --i;  // look at it again
      continue;
    }
    const std::uint64_t offset = view.header->schemas_used.fetch_add((size + 7) & ~7u, relaxed);
    if (!fits(offset, size, view.schemas_size)) break;  // the row stays claimed: there is no room for others either
    std::memcpy(schemas + offset, schema, size);
    row.schema_offset = offset;
    row.schema_size = size;
    row.hash = hash;
    row.state.store(abi::row_ready, std::memory_order_release);
    return i;
  }
  return kNoId;
}

namespace {

void add_process(SessionView& view, const detail::ThreadState& thread) noexcept {
  auto* rows = reinterpret_cast<abi::ProcessRow*>(view.base + view.processes_offset);
  for (std::uint32_t i = 0; i < view.process_capacity; ++i) {
    std::uint32_t state = abi::row_free;
    if (!rows[i].state.compare_exchange_strong(state, abi::row_claimed, std::memory_order_acq_rel, relaxed)) continue;
    rows[i].pid = static_cast<std::int32_t>(thread.pid);
    rows[i].parent_pid = getppid();
    rows[i].start_time = base::start_time_of(static_cast<int>(thread.pid));
    rows[i].stamp = view.channel->now();
    std::memcpy(rows[i].name, tracer.header().name, sizeof rows[i].name);
    if (tracer.pid == static_cast<std::int32_t>(thread.pid)) Text(rows[i].registry).add(tracer.file);
    rows[i].state.store(abi::row_ready, std::memory_order_release);
    return;
  }
  view.header->processes_lost.fetch_add(1, relaxed);
}

}  // namespace

void announce(SessionView& view, const detail::ThreadState& thread) noexcept {
  const auto pid = static_cast<std::int32_t>(thread.pid);
  if (view.announced_pid.exchange(pid, relaxed) != pid) add_process(view, thread);
  abi::SessionHeader& header = *view.header;
  std::uint64_t head = header.threads_head.load(relaxed);
  do {
    if (head - header.threads_tail.load(std::memory_order_acquire) >= view.thread_capacity) {
      header.threads_lost.fetch_add(1, relaxed);
      return;
    }
  } while (!header.threads_head.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel, relaxed));
  abi::ThreadRow& row = reinterpret_cast<abi::ThreadRow*>(view.base + view.threads_offset)[head % view.thread_capacity];
  row.state.store(abi::row_claimed, relaxed);
  row.pid = pid;
  row.tid = static_cast<std::int32_t>(thread.tid);
  row.stamp = view.channel->now();
  prctl(PR_GET_NAME, row.name);
  row.state.store(abi::row_ready, std::memory_order_release);
}

}  // namespace ouro::trace
