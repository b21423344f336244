// Sessions as this process sees them (ouro/abi/session_layout.hpp). A session's memory belongs to whoever made it:
// what is read from it is checked before it is used as an index or a size.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <ouro/abi/check.hpp>
#include <ouro/abi/context_layout.hpp>

#include "base/boot_id.hpp"
#include "base/cpus.hpp"
#include "base/glob.hpp"
#include "base/linked_file.hpp"
#include "base/proc.hpp"
#include "clock/calibrate.hpp"
#include "trace/pair.hpp"
#include "trace/spans.hpp"
#include "trace/text.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

bool fits(std::uint64_t offset, std::uint64_t size, std::uint64_t total) { return offset <= total && size <= total - offset; }

bool is_power_of_two(std::uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

void seal(const ring::Channel& channel, std::byte* record, std::size_t size) noexcept {
  abi::put_check(static_cast<const SessionView*>(channel.client)->generation, record, size);
}

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
  view.rules_offset = shared.rules_offset;
  view.rules_size = shared.rules_size;
  view.contexts = shared.contexts & ~abi::bit(abi::Context::tid);  // which stands there anyway
  view.is_kept = shared.is_kept != 0;
  view.is_watched = shared.is_watched != 0;
  channel.cpus = shared.cpus;
  channel.stamped = true;
  channel.tsc = shared.clock == static_cast<std::uint32_t>(abi::ClockKind::tsc);
  channel.mode = static_cast<abi::FullMode>(shared.mode);
  channel.subbuf_count = shared.subbuf_count;
  channel.subbuf_size = shared.subbuf_size;
  if ((view.contexts & abi::bit(abi::Context::check)) != 0) channel.seal = seal;
  rings_offset = shared.rings_offset;
  ring_stride = shared.ring_stride;
  return abi::knows_contexts(view.contexts) && channel.cpus != 0 && channel.cpus <= 8192 && is_power_of_two(channel.subbuf_count) &&
         channel.subbuf_count >= abi::kMinSubbufs && channel.subbuf_count <= abi::kMaxSubbufs &&
         is_power_of_two(channel.subbuf_size) && channel.subbuf_size >= abi::kMinSubbufSize &&
         channel.subbuf_size <= abi::kMaxSubbufSize &&
         abi::kRingDataOffset + (std::uint64_t{channel.subbuf_count} + 1) * channel.subbuf_size <= ring_stride &&
         ring_stride <= 2 * abi::kMaxRingData && rings_offset % 4096 == 0 && ring_stride % 4096 == 0 &&
         fits(rings_offset, 2 * std::uint64_t{channel.cpus} * ring_stride, file_size) && view.thread_capacity != 0 && view.process_capacity != 0 &&
         view.events_offset % 64 == 0 && view.threads_offset % 64 == 0 && view.processes_offset % 64 == 0 && view.rules_offset % 8 == 0 &&
         fits(view.events_offset, std::uint64_t{view.event_capacity} * sizeof(abi::EventRow), file_size) &&
         fits(view.schemas_offset, view.schemas_size, file_size) &&
         fits(view.threads_offset, std::uint64_t{view.thread_capacity} * sizeof(abi::ThreadRow), file_size) &&
         fits(view.processes_offset, std::uint64_t{view.process_capacity} * sizeof(abi::ProcessRow), file_size) &&
         view.rules_size <= abi::kRulesSize && fits(view.rules_offset, 2 * view.rules_size, file_size);
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
  auto& view = *static_cast<SessionView*>(channel.client);
  if (view.retired.load(relaxed)) return ENODEV;  // zeros that nobody will read
  const int error = ring::populate(channel, ring);
  if (error == 0) return 0;
  if (error == EINVAL) {  // before Linux 5.14
    char path[sizeof tracer.directory + sizeof(abi::SessionSlot::file) + 1];
    Text(path).add(tracer.directory).add("/").add(tracer.header().slot[view.slot].file);
    const int fd = base::open_linked(path, O_RDWR | O_CLOEXEC);
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

// Where a view's parts lie in its memory, of a session with `cpus` CPUs. Last what few sessions have.
struct ViewParts {
  std::size_t channel, plans, pairs, begins, whole;
};
ViewParts parts_of_view(std::uint64_t cpus, bool has_begins) noexcept {
  const std::size_t channel = (sizeof(SessionView) + 63) & ~std::size_t{63};
  const std::size_t plans = (channel + sizeof(ring::Channel) + 2 * cpus * sizeof(abi::RingHead*) + 4095) & ~std::size_t{4095};
  const std::size_t pairs = plans + kPlansSize;
  const std::size_t begins = (pairs + abi::kRegistryRows * sizeof(Pair) + 4095) & ~std::size_t{4095};
  return {channel, plans, pairs, begins, begins + (has_begins ? kKeptBegins * sizeof(KeptBegin) : 0)};
}

// Memory for a view, all zeros; null: none.
std::byte* take_view(std::size_t size) noexcept {
  SessionView* spare = tracer.spare.exchange(nullptr, std::memory_order_acq_rel);
  if (spare != nullptr && spare->memory_size == size) {
    munmap(spare->base, spare->size);
    void* const memory = mmap(spare, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (memory != MAP_FAILED) return static_cast<std::byte*>(memory);
  }
  return static_cast<std::byte*>(map_anonymous(size));
}

// Maps a session's file and fills a view; null if it is none of ours. `gone`: it never will be one.
SessionView* open_session(const char* file, std::uint32_t slot, bool& gone) noexcept {
  char path[sizeof tracer.directory + sizeof(abi::SessionSlot::file) + 1];
  Text(path).add(tracer.directory).add("/").add(file);
  const int fd = base::open_linked(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  // Neither there, nor anything that will be a file.
  gone = fd < 0 && (errno == ENOENT || errno == EISDIR || errno == ELOOP || errno == ENXIO);
  if (fd < 0) return nullptr;
  struct stat status {};
  std::byte* base = nullptr;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_uid == geteuid() || status.st_uid == 0) &&
      status.st_size >= static_cast<off_t>(sizeof(abi::SessionHeader))) {
    void* p = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (p != MAP_FAILED) base = static_cast<std::byte*>(p);
  } else {
    gone = !S_ISREG(status.st_mode);
  }
  close(fd);
  if (base == nullptr) return nullptr;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  auto* header = reinterpret_cast<abi::SessionHeader*>(base);
  const std::uint64_t cpus = header->cpus < 8192 ? header->cpus : 0;
  const bool has_begins = (header->contexts & abi::bit(abi::Context::span)) != 0;
  const ViewParts parts = parts_of_view(cpus, has_begins);
  std::byte* const memory = take_view(parts.whole);
  gone = true;
  if (memory != nullptr) {
    auto* view = reinterpret_cast<SessionView*>(memory);
    auto* channel = reinterpret_cast<ring::Channel*>(memory + parts.channel);
    std::uint64_t rings_offset = 0, ring_stride = 0;
    if (check(*header, size, *view, *channel, rings_offset, ring_stride) && channel->cpus == cpus &&
        header->state.load(relaxed) == static_cast<std::uint32_t>(abi::SessionState::open) && !base::is_other_boot(base::boot_id(), header->boot_id)) {
      view->slot = slot;
      view->base = base;
      view->size = size;
      view->memory_size = parts.whole;
      view->header = header;
      view->channel = channel;
      view->plans = memory + parts.plans;
      view->pairs = reinterpret_cast<Pair*>(memory + parts.pairs);
      view->begins = has_begins ? reinterpret_cast<KeptBegin*>(memory + parts.begins) : nullptr;
      channel->client = view;
      channel->reserve = reserve_ring;
      channel->per_cpu = may_use_sections(*channel);
      channel->shared = channel->ring + cpus;
      for (std::uint64_t i = 0; i < 2 * cpus; ++i)
        channel->ring[i] = reinterpret_cast<abi::RingHead*>(base + rings_offset + i * ring_stride);
      return view;
    }
    munmap(memory, parts.whole);
  }
  munmap(base, size);
  return nullptr;
}

// A view that nobody but its maker ever saw.
void drop(SessionView& view) noexcept {
  munmap(view.base, view.size);
  munmap(&view, view.memory_size);
}

// Another session has the slot. What somebody may still write goes into private zeros, and what was known of events is forgotten:
// a filter word that comes again after 65,536 uses of the slot must not find it.
void retire(SessionView& view) noexcept {
  view.retired.store(true, std::memory_order_seq_cst);  // see remember() in emit.cpp
  mmap(view.base, view.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  const std::uint32_t bit = std::uint32_t{1} << view.slot;
  visit_sites([&](detail::Site& site) {
    std::uint64_t target = site.target.load(relaxed);
    if ((target & bit) != 0) site.target.compare_exchange_strong(target, 0, relaxed);
    const detail::Choice* plan = site.choice.load(std::memory_order_seq_cst);
    if (plan != nullptr && is_about(*plan, view)) site.choice.compare_exchange_strong(plan, nullptr, relaxed);
  });
  const auto whole_page = [](std::uintptr_t p) { return (p + 4095) & ~std::uintptr_t{4095}; };
  const std::uintptr_t known = whole_page(reinterpret_cast<std::uintptr_t>(view.id)), end = reinterpret_cast<std::uintptr_t>(&view + 1) & ~std::uintptr_t{4095};
  madvise(reinterpret_cast<void*>(known), end - known, MADV_DONTNEED);
  if (view.begins != nullptr) madvise(view.begins, kKeptBegins * sizeof(KeptBegin), MADV_DONTNEED);
  // In kZombies sessions' time it is somebody else's memory.
  const std::uint32_t place = tracer.zombies.fetch_add(1, relaxed) % kZombies;
  SessionView* oldest = tracer.zombie[place].exchange(&view, std::memory_order_acq_rel);
  if (oldest != nullptr) tracer.spare.exchange(oldest, std::memory_order_acq_rel);  // one that waits there already is left mapped
}

std::uint64_t hash_of(const char* bytes, std::uint32_t size) noexcept {  // FNV-1a
  std::uint64_t h = 14695981039346656037u;
  for (std::uint32_t i = 0; i < size; ++i) h = (h ^ static_cast<std::uint8_t>(bytes[i])) * 1099511628211u;
  return h;
}

}  // namespace

void drop_views() noexcept {
  const auto drop_from = [](std::atomic<SessionView*>& place) {
    if (SessionView* view = place.exchange(nullptr, std::memory_order_acquire)) drop(*view);
  };
  for (auto& view : tracer.view) drop_from(view);
  for (auto& view : tracer.zombie) drop_from(view);
  drop_from(tracer.spare);
}

bool is_session_name(const char* file) noexcept {
  constexpr const char* kPrefix = "session-";
  return std::strncmp(file, kPrefix, std::strlen(kPrefix)) == 0 && std::strchr(file, '/') == nullptr;
}

void switch_on(abi::RegistryRow& row, std::uint32_t slot, std::uint32_t generation) noexcept {
  const std::uint64_t change = abi::enabled_change(generation, slot);
  std::uint64_t seen = row.enabled.load(std::memory_order_relaxed);
  while ((seen & std::uint64_t{1} << slot) == 0 && !row.enabled.compare_exchange_weak(seen, seen ^ change)) {
  }
  std::atomic<std::uint32_t>& word = tracer.filter()[row.filter_index];
  const std::uint32_t bit = abi::filter_change(tracer.header().slot[slot].use.load(std::memory_order_relaxed), slot);
  std::uint32_t old = word.load(std::memory_order_relaxed);
  while ((old & std::uint32_t{1} << slot) == 0 && !word.compare_exchange_weak(old, old ^ bit)) {
  }
}

void switch_off(abi::RegistryRow& row, std::uint32_t slot, std::uint32_t generation) noexcept {
  const std::uint64_t change = abi::enabled_change(generation, slot);
  std::uint64_t seen = row.enabled.load();
  while ((seen & std::uint64_t{1} << slot) != 0 && !row.enabled.compare_exchange_weak(seen, seen ^ change)) {
  }
  if (tracer.is_shared[row.filter_index].load(relaxed)) return;  // others' too
  std::atomic<std::uint32_t>& word = tracer.filter()[row.filter_index];
  const std::uint32_t bit = abi::filter_change(tracer.header().slot[slot].use.load(relaxed), slot);
  for (std::uint32_t old = word.load(); (old & std::uint32_t{1} << slot) != 0 && !word.compare_exchange_weak(old, old ^ bit);) {
  }
}

// The bits stay, and events come to look at a slot that is free: we have no lock, and they may be another session's by now. Whoever claims
// the slot clears them. State and generation are exchanged as one, so that only what we mean is given back.
void leave_slot(std::uint32_t slot, std::uint32_t generation) noexcept {
  using Both [[gnu::may_alias]] = std::uint64_t;
  static_assert(offsetof(abi::SessionSlot, generation) == 4 && offsetof(abi::RegistryHeader, slot) % 8 == 0 && sizeof(abi::SessionSlot) % 8 == 0);
  Both expected = std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(abi::SlotState::offered);
  const Both desired = std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(abi::SlotState::free);
  __atomic_compare_exchange_n(reinterpret_cast<Both*>(&tracer.header().slot[slot].state), &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void leave_if_closed(std::uint32_t slot) noexcept {
  const SessionView* view = tracer.view[slot].load(std::memory_order_acquire);
  const abi::SessionSlot& entry = tracer.header().slot[slot];
  if (view != nullptr && entry.state.load(relaxed) == static_cast<std::uint32_t>(abi::SlotState::offered) &&
      entry.generation.load(relaxed) == view->generation &&
      view->header->state.load(relaxed) != static_cast<std::uint32_t>(abi::SessionState::open))
    leave_slot(slot, view->generation);
}

namespace {

// Of an attempt to map a session: may the next one succeed?
bool may_pass(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM || error == EINTR || error == EAGAIN; }

// The session is none, or not for us: a filter or a root of our own keeps us out.
void decline(std::uint32_t slot, std::uint32_t generation, int error) noexcept {
  tracer.avoided[slot].store(generation, relaxed);
  if (error != 0) tracer.header().refused.store(static_cast<std::uint32_t>(error), relaxed);
  // A child that has its parent's registry may live where its parent does not.
  if (tracer.pid == getpid()) leave_slot(slot, generation);
}

// What a slot offers, all of it of one moment. False: nothing, or tools are changing it.
bool read_slot(const abi::SessionSlot& entry, std::uint32_t& generation, char (&file)[sizeof abi::SessionSlot::file]) noexcept {
  for (int tries = 0; tries < 100; ++tries) {
    // Acquire; pairs with the tool's count of a use, which comes before it touches generation and file.
    const std::uint32_t use = entry.use.load(std::memory_order_acquire);
    if (entry.state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(abi::SlotState::offered)) return false;
    generation = entry.generation.load(relaxed);
    std::memcpy(file, entry.file, sizeof file);
    file[sizeof file - 1] = '\0';
    abi::fence(std::memory_order_acquire);
    if (entry.use.load(relaxed) == use) return true;
  }
  return false;
}

}  // namespace

SessionView* view_of(std::uint32_t slot) noexcept {
  abi::SessionSlot& entry = tracer.header().slot[slot];
  if (entry.state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(abi::SlotState::offered)) return nullptr;
  std::uint32_t generation = entry.generation.load(relaxed);
  if (generation != 0 && tracer.avoided[slot].load(relaxed) == generation) return nullptr;
  SessionView* present = tracer.view[slot].load(std::memory_order_acquire);
  if (present != nullptr && (generation == present->generation || generation == 0)) return present;
  char file[sizeof entry.file];
  if (!read_slot(entry, generation, file)) return nullptr;
  bool gone = !is_session_name(file);
  errno = 0;
  SessionView* view = gone ? nullptr : open_session(file, slot, gone);
  const int error = view != nullptr || gone ? 0 : errno != 0 ? errno : EPERM;  // EPERM: of another user
  if (view != nullptr && generation != 0 && view->generation != generation) {
    drop(*view);  // another session of that name
    view = nullptr;
  }
  if (view == nullptr) {
    if (gone || generation == 0 || (error != 0 && !may_pass(error))) decline(slot, generation, error);
    return nullptr;
  }
  SessionView* const old = present;
  // Whoever comes second uses the first one's.
  if (!tracer.view[slot].compare_exchange_strong(present, view, std::memory_order_acq_rel, std::memory_order_acquire)) {
    drop(*view);
    return present;
  }
  if (old != nullptr) retire(*old);
  // From the environment came a name only. Otherwise the slot may be another session's by now.
  if (std::uint32_t unknown = 0; generation == 0) entry.generation.compare_exchange_strong(unknown, view->generation, relaxed);
  tracer.epoch.fetch_add(1, std::memory_order_release);
  return view;
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

// A row at the end of a queue, claimed; null: the queue is full. `is_kept`: the oldest makes room.
template <class Row>
Row* claim_row(bool is_kept, Row* rows, std::uint32_t capacity, abi::Word& queue_head, abi::Word& queue_tail, abi::Word& lost) noexcept {
  std::uint64_t head = queue_head.load(relaxed);
  do {
    std::uint64_t tail = queue_tail.load(std::memory_order_acquire);
    if (head - tail < capacity) continue;
    if (!is_kept) {
      lost.fetch_add(1, relaxed);
      return nullptr;
    }
    queue_tail.compare_exchange_strong(tail, head - capacity + 1, std::memory_order_acq_rel, relaxed);
  } while (!queue_head.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel, relaxed));
  Row* const row = rows + head % capacity;
  row->state.store(abi::row_claimed, relaxed);
  abi::fence(std::memory_order_release);  // who looks at the row meanwhile finds that, or nothing of what is written now
  return row;
}

// All that the kernel is asked for is known before the row is claimed: who is killed in between leaves a row that the recorder waits for.
void add_process(SessionView& view, const detail::ThreadState& thread) noexcept {
  const auto pid = static_cast<std::int32_t>(thread.pid);
  const bool is_registered = tracer.pid == pid;
  const std::int32_t parent = getppid();
  const std::uint64_t start_time = is_registered ? tracer.header().start_time : base::start_time_of(pid);
  abi::SessionHeader& header = *view.header;
  const clock::Pair now = clock::read_pair(view.channel->tsc ? abi::ClockKind::tsc : abi::ClockKind::monotonic);
  header.late_ticks.store(now.ticks, relaxed);
  header.late_ns.store(static_cast<std::uint64_t>(now.ns), relaxed);
  const std::uint64_t stamp = view.channel->now();
  abi::ProcessRow* const row = claim_row(view.is_kept, reinterpret_cast<abi::ProcessRow*>(view.base + view.processes_offset), view.process_capacity,
                                         header.processes_head, header.processes_tail, header.processes_lost);
  if (row == nullptr) return;
  row->pid = pid;
  row->parent_pid = parent;
  row->start_time = start_time;
  row->stamp = stamp;
  std::memcpy(row->name, tracer.header().name, sizeof row->name);
  row->pid_namespace = tracer.header().pid_namespace;
  Text name(row->registry);
  if (is_registered) name.add(tracer.file);
  row->state.store(abi::row_ready, std::memory_order_release);
}

}  // namespace

void announce(SessionView& view, const detail::ThreadState& thread) noexcept {
  const auto pid = static_cast<std::int32_t>(thread.pid);
  if (view.announced_pid.exchange(pid, relaxed) != pid) add_process(view, thread);
  char name[sizeof abi::ThreadRow::name] = {};  // stays empty where the system call is forbidden
  prctl(PR_GET_NAME, name);
  const std::uint64_t stamp = view.channel->now();
  abi::SessionHeader& header = *view.header;
  abi::ThreadRow* const row = claim_row(view.is_kept, reinterpret_cast<abi::ThreadRow*>(view.base + view.threads_offset), view.thread_capacity,
                                        header.threads_head, header.threads_tail, header.threads_lost);
  if (row == nullptr) return;
  row->pid = pid;
  row->tid = static_cast<std::int32_t>(thread.tid);
  row->stamp = stamp;
  std::memcpy(row->name, name, sizeof name);
  row->state.store(abi::row_ready, std::memory_order_release);
}

}  // namespace ouro::trace
