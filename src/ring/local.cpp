#include <ouro/ring/local.hpp>

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "ring/writer_internal.hpp"

namespace ouro::ring {

namespace {

constexpr std::size_t kHead = 4096;  // before the rings: the Bell
constexpr unsigned long kRseqFeatureSize = 27;  // AT_RSEQ_FEATURE_SIZE: what the kernel keeps, whatever libc knew of
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

Result<int> open_memory(const LocalChannel::Options& options, std::size_t size) {
  int fd = -1;
  if (options.memory == Memory::memfd) fd = memfd_create("ouro-ring", MFD_CLOEXEC);
  else if (options.memory == Memory::file) fd = open(options.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  else return -1;
  const char* name = options.memory == Memory::file ? options.path.c_str() : "memfd";
  if (fd < 0) return error_from_errno("channel: memory '%s'", name);
  if (ftruncate(fd, static_cast<off_t>(size)) == 0) return fd;
  const Error error = error_from_errno("channel: memory '%s': %zu bytes", name, size);
  close(fd);
  return error;
}

}  // namespace

struct LocalChannel::State {
  Geometry geometry;
  Sync sync{};
  std::uint32_t cpus = 0, rings = 0;
  std::byte* memory = nullptr;
  std::size_t size = 0, stride = 0;
  int fd = -1;
  Channel* channel = nullptr;
  ~State() {
    if (memory != nullptr) munmap(memory, size);
    if (fd >= 0) close(fd);
    if (channel != nullptr && channel->event_fd >= 0) close(channel->event_fd);
    std::free(channel);
  }
  Status map(const Options& options);
  Status make_channel(const Options& options);
};

LocalChannel::LocalChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
LocalChannel::LocalChannel(LocalChannel&&) noexcept = default;
LocalChannel& LocalChannel::operator=(LocalChannel&&) noexcept = default;
LocalChannel::~LocalChannel() = default;

Status LocalChannel::State::map(const Options& options) {
  stride = round_up(geometry.memory_size(), 4096);
  size = kHead + rings * stride;
  int flags = (options.index == Index::concurrency ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE;
  if (options.memory == Memory::huge) {
    size = round_up(size, kHugePage);
    flags |= MAP_HUGETLB;
  }
  Result<int> opened = open_memory(options, size);
  if (!opened) return opened.error();
  fd = *opened;
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, fd < 0 ? flags | MAP_ANONYMOUS : flags, fd, 0);
  if (p == MAP_FAILED)
    return error_from_errno("channel: mapping %zu bytes for %u rings%s", size, rings,
                            options.memory == Memory::huge ? " in huge pages (hint: /proc/sys/vm/nr_hugepages)" : "");
  memory = static_cast<std::byte*>(p);
  return Ok{};
}

Status LocalChannel::State::make_channel(const Options& options) {
  void* place = std::aligned_alloc(alignof(Channel), round_up(sizeof(Channel) + rings * sizeof(abi::RingHead*), alignof(Channel)));
  if (place == nullptr) return errorf(ENOMEM, "channel: no memory for %u ring pointers", rings);
  Channel& c = *(channel = new (place) Channel);
  c.cpus = cpus;
  c.tsc = options.tsc;
  c.stamped = options.stamped;
  c.client_stamped = options.client_stamped;
  c.ends = options.ends;
  c.stream_from = options.stream_from;
  c.mode = options.mode;
  c.subbuf_count = options.subbuf_count;
  c.subbuf_size = options.subbuf_size;
  c.reserve = populate;
  c.patience_ns = options.patience_ns;
  c.exclusive = sync == Sync::exclusive;
  c.wake_every = options.wake_every != 0 ? options.wake_every : 1;
  if (options.bell || options.event_fd) c.bell = reinterpret_cast<abi::Bell*>(memory);
  if (options.event_fd && (c.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) < 0)
    return error_from_errno("channel: eventfd");
#if OURO_HAS_RSEQ
  c.index_at = options.index == Index::concurrency ? kByConcurrency : kByCpu;
  c.per_cpu = sync == Sync::per_cpu && c.tsc && &__rseq_size != nullptr && __rseq_size != 0 &&
              (options.index == Index::cpu || getauxval(kRseqFeatureSize) >= kByConcurrency + 4);
#endif
  for (std::uint32_t i = 0; i < rings; ++i) c.ring[i] = reinterpret_cast<abi::RingHead*>(memory + kHead + i * stride);
  c.shared = c.ring + (sync == Sync::exclusive ? 0 : cpus);
  return Ok{};
}

Result<LocalChannel> LocalChannel::create(const Options& options) {
  const bool is_private = options.memory == Memory::anonymous || options.memory == Memory::huge;
  if (options.index == Index::concurrency && (options.sync != Sync::per_cpu || !is_private))
    return errorf(EINVAL, "channel: rings by concurrency id with %s, want %s", is_private ? "another Sync than per_cpu" : "memory that others can map",
                  is_private ? "Sync::per_cpu" : "Memory::anonymous or huge (hint: concurrency ids are a process's own)");
  auto state = std::make_unique<State>();
  state->sync = options.sync;
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  state->cpus = options.sync == Sync::exclusive ? 1
                : options.cpus != 0             ? options.cpus
                                                : static_cast<std::uint32_t>(std::max(cpus, 1L));
  state->rings = options.sync == Sync::exclusive ? 1 : 2 * state->cpus;
  state->geometry = {abi::RingKind::per_cpu, options.mode, options.subbuf_count, options.subbuf_size, 0};
  if (const Result<Geometry> checked = check(state->geometry); !checked) return checked.error();
  if (Status mapped = state->map(options); !mapped) return mapped.error();
  if (Status made = state->make_channel(options); !made) return made.error();
  LocalChannel out(std::move(state));
  for (std::uint32_t i = 0; i < out.ring_count(); ++i) {
    initialise(out.head(i), out.geometry(i));
    if (!options.prefault && !options.lock) continue;
    if (const int error = populate(out.channel(), out.head(i)); error != 0)
      return errorf(error, "channel: no memory for ring %u of %u", i, out.ring_count());
    if (options.lock && mlock(&out.head(i), out.state_->stride) != 0)
      return error_from_errno("channel: locking %zu bytes (hint: ulimit -l)", out.state_->stride);
  }
  return out;
}

const Channel& LocalChannel::channel() const noexcept { return *state_->channel; }
std::uint32_t LocalChannel::ring_count() const { return state_->rings; }
abi::RingHead& LocalChannel::head(std::uint32_t i) const noexcept { return *state_->channel->ring[i]; }
int LocalChannel::fd() const { return state_->fd; }

Geometry LocalChannel::geometry(std::uint32_t i) const {
  Geometry g = state_->geometry;
  g.kind = state_->sync == Sync::exclusive ? abi::RingKind::exclusive
           : i < state_->cpus              ? abi::RingKind::per_cpu
                                           : abi::RingKind::shared;
  g.cpu = i % state_->cpus;
  return g;
}

Reader LocalChannel::reader(std::uint32_t i) { return Reader(head(i), geometry(i), state_->channel->bell); }

std::uint32_t LocalChannel::bell_count() const {
  const abi::Bell* bell = state_->channel->bell;
  return bell != nullptr ? bell->closed.load(std::memory_order_acquire) : 0;
}

bool LocalChannel::sleep(std::uint32_t seen, std::uint64_t patience_ns) {
  abi::Bell* bell = state_->channel->bell;
  return bell != nullptr && sleep_on(bell->closed, bell->readers, seen, patience_ns);
}

}  // namespace ouro::ring
