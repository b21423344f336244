#include <ouro/ring/local.hpp>

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "ring/channel_head.hpp"
#include "ring/owner.hpp"
#include "ring/internal.hpp"
#include "ring/retire.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring {

namespace {

constexpr unsigned long kRseqFeatureSize = 27;  // AT_RSEQ_FEATURE_SIZE: what the kernel keeps, whatever libc knew of
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

Result<int> open_memory(const LocalChannel::Options& options, std::size_t size) {
  int fd = -1;
  if (options.memory == Memory::memfd) fd = memfd_create("ouro-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  else if (options.memory == Memory::file) fd = ::open(options.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  else return -1;
  const char* name = options.memory == Memory::file ? options.path.c_str() : "memfd";
  if (fd < 0) return error_from_errno("channel: memory '%s'", name);
  if (ftruncate(fd, static_cast<off_t>(size)) == 0) {
    if (options.memory == Memory::memfd) {
      fchmod(fd, 0600);  // else whoever sees our /proc/PID/fd could open it
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    }
    return fd;
  }
  const Error error = error_from_errno("channel: memory '%s': %zu bytes", name, size);
  close(fd);
  return error;
}

}  // namespace

struct LocalChannel::State {
  ChannelShape shape;
  std::byte* memory = nullptr;
  std::size_t size = 0;
  int fd = -1;
  Channel* channel = nullptr;
  bool owns_event_fd = true;
  Use use = Use::write;
  // After resize(): this is the oldest memory.
  std::vector<std::unique_ptr<State>> later;
  std::atomic<State*> newest{this};
  std::uint64_t forks = count_forks();  // of this process, when the channel was made
  ~State() {
    if (memory != nullptr) munmap(memory, size);
    if (fd >= 0) close(fd);
    if (channel != nullptr && owns_event_fd && channel->event_fd >= 0) close(channel->event_fd);
    std::free(channel);
  }
  static Result<std::unique_ptr<State>> make(const Options& options);
  Status make_memory();
  Status reserve_heads();
  Status map(int flags);
  Status make_channel();
  Status make_rings();
  abi::ChannelHead& head() const { return *reinterpret_cast<abi::ChannelHead*>(memory); }
};

LocalChannel::LocalChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
LocalChannel::LocalChannel(LocalChannel&&) noexcept = default;
LocalChannel& LocalChannel::operator=(LocalChannel&&) noexcept = default;
LocalChannel::~LocalChannel() = default;

// Of a file all but the rings' data, which is reserved as they are first written to: no store may meet a file system that is full.
Status LocalChannel::State::reserve_heads() {
  for (std::uint32_t i = 0; fd >= 0 && i <= shape.rings(); ++i) {
    const std::uint64_t at = i == 0 ? 0 : abi::kRingsOffset + (i - 1) * shape.ring_stride();
    const std::uint64_t bytes = i == 0 ? abi::kRingsOffset : abi::kRingDataOffset;
    int rc = 0;
    do rc = fallocate(fd, 0, static_cast<off_t>(at), static_cast<off_t>(bytes));
    while (rc != 0 && errno == EINTR);
    if (rc != 0 && errno != EOPNOTSUPP) return error_from_errno("channel: no memory for the heads of %u rings", shape.rings());
  }
  return Ok{};
}

Status LocalChannel::State::make_memory() {
  size = shape.total_size();
  const bool huge = shape.options.memory == Memory::huge;
  if (huge) size = round_up(size, kHugePage);
  Result<int> opened = open_memory(shape.options, size);
  if (!opened) return opened.error();
  fd = *opened;
  if (Status reserved = reserve_heads(); !reserved) return reserved.error();
  return map(huge ? MAP_HUGETLB : 0);
}

Status LocalChannel::State::map(int flags) {
  flags |= (shape.options.index == Index::concurrency ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (p == MAP_FAILED)
    return error_from_errno("channel: mapping %zu bytes for %u rings%s", size, shape.rings(),
                            (flags & MAP_HUGETLB) != 0 ? " in huge pages (hint: /proc/sys/vm/nr_hugepages)" : "");
  memory = static_cast<std::byte*>(p);
  return Ok{};
}

Status LocalChannel::State::make_channel() {
  const Options& options = shape.options;
  const std::uint32_t rings = shape.rings();
  void* place = std::aligned_alloc(alignof(Channel), round_up(sizeof(Channel) + rings * sizeof(abi::RingHead*), alignof(Channel)));
  if (place == nullptr) return errorf(ENOMEM, "channel: no memory for %u ring pointers", rings);
  Channel& c = *(channel = new (place) Channel);
  c.cpus = shape.cpus;
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
  c.exclusive = options.sync == Sync::exclusive;
  c.wake_every = options.wake_every != 0 ? options.wake_every : 1;
  if (options.bell || options.event_fd) c.bell = &head().bell;
  if (options.event_fd && (c.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) < 0)
    return error_from_errno("channel: eventfd");
#if OURO_HAS_RSEQ
  c.index_at = options.index == Index::concurrency ? kByConcurrency : kByCpu;
  c.per_cpu = options.sync == Sync::per_cpu && c.tsc && &__rseq_size != nullptr && __rseq_size != 0 &&
              (options.index == Index::cpu || getauxval(kRseqFeatureSize) >= kByConcurrency + 4);
#endif
  for (std::uint32_t i = 0; i < rings; ++i) c.ring[i] = reinterpret_cast<abi::RingHead*>(memory + abi::kRingsOffset + i * shape.ring_stride());
  c.shared = c.ring + (c.exclusive ? 0 : c.cpus);
  return Ok{};
}

Status LocalChannel::State::make_rings() {
  const std::uint64_t stride = shape.ring_stride();
  for (std::uint32_t i = 0; i < shape.rings(); ++i) {
    abi::RingHead& head = *channel->ring[i];
    initialise(head, geometry_of(*channel, i));
    if (!shape.options.prefault && !shape.options.lock) continue;
    if (const int error = populate(*channel, head); error != 0) return errorf(error, "channel: no memory for ring %u of %u", i, shape.rings());
    if (shape.options.lock && mlock(&head, stride) != 0)
      return error_from_errno("channel: locking %llu bytes (hint: ulimit -l)", static_cast<unsigned long long>(stride));
  }
  return Ok{};
}

Result<std::unique_ptr<LocalChannel::State>> LocalChannel::State::make(const Options& options) {
  const bool is_private = options.memory == Memory::anonymous || options.memory == Memory::huge;
  if (options.index == Index::concurrency && (options.sync != Sync::per_cpu || !is_private))
    return errorf(EINVAL, "channel: rings by concurrency id with %s, want %s", is_private ? "another Sync than per_cpu" : "memory that others can map",
                  is_private ? "Sync::per_cpu" : "Memory::anonymous or huge (hint: concurrency ids are a process's own)");
  if (Status countable = check_countable(options); !countable) return countable.error();
  if (options.cpus > abi::kMaxCpus) return errorf(EINVAL, "channel: %u CPUs, want %u at most", options.cpus, abi::kMaxCpus);
  auto state = std::make_unique<State>();
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  state->shape.options = options;
  state->shape.cpus = options.sync == Sync::exclusive ? 1
                      : options.cpus != 0             ? options.cpus
                                                      : static_cast<std::uint32_t>(std::max(cpus, 1L));
  if (const auto checked = check({abi::RingKind::per_cpu, options.mode, options.subbuf_count, options.subbuf_size, 0}); !checked)
    return checked.error();
  if (Status made = state->make_memory(); !made) return made.error();
  Status made = state->make_channel();
  if (made) made = state->make_rings();
  if (!made && options.memory == Memory::file) unlink(options.path.c_str());  // ours: it was not there before
  if (!made) return made.error();
  describe(state->head(), state->shape);
  return state;
}

Result<LocalChannel> LocalChannel::create(const Options& options) {
  Result<std::unique_ptr<State>> made = State::make(options);
  if (!made) return made.error();
  return LocalChannel(std::move(*made));
}

namespace {

// Owners of before the last reboot: process numbers that may be somebody else's by now become one that is nobody's.
void bury_owners(abi::RingHead& ring) {
  constexpr std::uint64_t kNobody = std::uint64_t{1} << 32;
  for (abi::Pending& entry : ring.pending)
    if (const std::uint64_t owner = entry.state.load(std::memory_order_relaxed); owner != 0 && owner != kBurier) entry.state.store(kNobody, std::memory_order_relaxed);
}

}  // namespace

Result<LocalChannel> LocalChannel::attach(int fd, Use use, const char* name) {
  auto state = std::make_unique<State>();
  state->fd = fd;  // ours
  fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);  // where it can be; before its size is asked for
  struct stat status{};
  if (fstat(fd, &status) != 0) return error_from_errno("channel '%s'", name);
  if (!S_ISREG(status.st_mode)) return errorf(EINVAL, "channel '%s': file type is %#o, want a regular file or a memfd", name, status.st_mode & S_IFMT);
  const auto file_size = static_cast<std::uint64_t>(status.st_size);
  state->size = abi::kRingsOffset;  // at first
  if (file_size < state->size)
    return errorf(EINVAL, "channel '%s': %llu bytes, want at least %zu", name, static_cast<unsigned long long>(file_size), state->size);
  if (Status mapped = state->map(0); !mapped) return mapped.error();
  Result<ChannelShape> shape = check(state->head(), file_size, name);
  if (!shape) return shape.error();
  if (shape->other_boot && use == Use::write)
    return errorf(ESTALE, "channel '%s': made before the last reboot, want one of this boot to write to (hint: Use::read)", name);
  if (shape->has_ends && use == Use::write)
    return errorf(EOPNOTSUPP, "channel '%s': its creator writes to the ends of its sub-buffers, want nobody else to (hint: Use::read)", name);
  munmap(state->memory, state->size);
  state->memory = nullptr;
  state->shape = *shape;
  state->use = use;
  state->size = shape->total_size();
  if (Status mapped = state->map(0); !mapped) return mapped.error();
  if (Status made = state->make_channel(); !made) return made.error();
  LocalChannel out(std::move(state));
  for (std::uint32_t i = 0; shape->other_boot && i < out.ring_count(); ++i) bury_owners(out.head(i));
  return out;
}

Result<LocalChannel> LocalChannel::attach(int fd, Use use) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return error_from_errno("channel: descriptor %d", fd);
  return attach(own, use, ("descriptor " + std::to_string(fd)).c_str());
}

Result<LocalChannel> LocalChannel::open(const std::string& path, Use use) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return error_from_errno("channel '%s'", path.c_str());
  return attach(fd, use, path.c_str());
}

Status LocalChannel::resize(std::uint32_t subbuf_count, std::uint64_t subbuf_size) {
  State& root = *state_;
  if (root.fd >= 0) return errorf(EINVAL, "channel: resize of memory that other processes may map (memfd, file), want Memory::anonymous or huge");
  if (root.shape.options.ends != nullptr) return errorf(EINVAL, "channel: resize of sub-buffers with ends of the client's: the last one would never get its end");
  const NoForks no_forks;
  if (count_forks() != root.forks)
    return errorf(EBUSY, "channel: resize after fork(): children may write to its memory (hint: resize before, or start programs by posix_spawn)");
  if (Status can = can_retire(*root.channel); !can) return can.error();
  Options options = root.shape.options;
  options.subbuf_count = subbuf_count;
  options.subbuf_size = subbuf_size;
  options.cpus = root.shape.cpus;
  options.bell = options.event_fd = false;  // the first memory's serve on
  Result<std::unique_ptr<State>> made = State::make(options);
  if (!made) return made.error();
  State& next = *root.later.emplace_back(std::move(*made));
  next.owns_event_fd = false;
  next.channel->bell = root.channel->bell;
  next.channel->event_fd = root.channel->event_fd;
  retire(*root.newest.load(std::memory_order_relaxed)->channel, *next.channel);
  root.newest.store(&next, std::memory_order_release);
  if (root.channel->bell != nullptr) wake_writers(*root.channel->bell);  // those that wait for room in the old memory
  return Ok{};
}

const Channel& LocalChannel::oldest() const noexcept { return *state_->channel; }
const Channel& LocalChannel::channel() const noexcept { return *state_->newest.load(std::memory_order_acquire)->channel; }
std::uint32_t LocalChannel::ring_count() const { return state_->shape.rings(); }
abi::RingHead& LocalChannel::head(std::uint32_t i) const noexcept { return *channel().ring[i]; }
Use LocalChannel::use() const { return state_->use; }
Sync LocalChannel::sync() const { return state_->shape.options.sync; }
int LocalChannel::fd() const { return state_->fd; }
Geometry LocalChannel::geometry(std::uint32_t i) const { return geometry_of(channel(), i); }

RecordForm LocalChannel::form(std::uint32_t i) const { return form_of(channel(), geometry(i).kind); }

Reader LocalChannel::reader(std::uint32_t i) {
  return Reader(*oldest().ring[i], geometry_of(oldest(), i), state_->channel->bell, &oldest());
}

std::uint32_t LocalChannel::bell_count() const {
  const abi::Bell* bell = state_->channel->bell;
  return bell != nullptr ? bell->closed.load(std::memory_order_acquire) : 0;
}

bool LocalChannel::sleep(std::uint32_t seen, std::uint64_t patience_ns) {
  abi::Bell* bell = state_->channel->bell;
  return bell != nullptr && sleep_on(bell->closed, bell->readers, seen, patience_ns);
}

}  // namespace ouro::ring
