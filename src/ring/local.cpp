#include <ouro/ring/local.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>

namespace ouro::ring {

struct LocalChannel::State {
  Geometry geometry;
  std::uint32_t cpus = 0;
  std::byte* memory = nullptr;
  std::size_t size = 0, stride = 0;
  Channel* channel = nullptr;
  ~State() {
    if (memory != nullptr) munmap(memory, size);
    std::free(channel);
  }
};

LocalChannel::LocalChannel(std::unique_ptr<State> state) : state_(std::move(state)) {}
LocalChannel::LocalChannel(LocalChannel&&) noexcept = default;
LocalChannel& LocalChannel::operator=(LocalChannel&&) noexcept = default;
LocalChannel::~LocalChannel() = default;

Result<LocalChannel> LocalChannel::create(const Options& options) {
  auto state = std::make_unique<State>();
  state->geometry = {abi::RingKind::per_cpu, options.mode, options.subbuf_count, options.subbuf_size, 0};
  if (const Result<Geometry> checked = check(state->geometry); !checked) return checked.error();
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  state->cpus = cpus > 0 ? static_cast<std::uint32_t>(cpus) : 1;
  state->stride = (state->geometry.memory_size() + 4095) & ~std::size_t{4095};
  state->size = 2 * state->cpus * state->stride;
  void* memory = mmap(nullptr, state->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return error_from_errno("channel: mapping %zu bytes for %u CPUs", state->size, state->cpus);
  state->memory = static_cast<std::byte*>(memory);
  void* channel = std::aligned_alloc(alignof(Channel), (sizeof(Channel) + 2 * state->cpus * sizeof(abi::RingHead*) + 63) / 64 * 64);
  if (channel == nullptr) return errorf(ENOMEM, "channel: no memory for %u ring pointers", 2 * state->cpus);
  Channel& c = *(state->channel = new (channel) Channel);
  c.cpus = state->cpus;
  c.tsc = options.tsc;
  c.stamped = options.stamped;
  c.mode = options.mode;
  c.subbuf_count = options.subbuf_count;
  c.subbuf_size = options.subbuf_size;
  c.reserve = populate;
  c.shared = c.ring + state->cpus;
#if OURO_HAS_RSEQ
  c.per_cpu = options.use_rseq && options.tsc && &__rseq_size != nullptr && __rseq_size != 0;
#endif
  for (std::uint32_t i = 0; i < 2 * state->cpus; ++i)
    c.ring[i] = reinterpret_cast<abi::RingHead*>(state->memory + i * state->stride);
  LocalChannel made(std::move(state));
  for (std::uint32_t i = 0; i < made.ring_count(); ++i) initialise(made.head(i), made.geometry(i));
  return made;
}

const Channel& LocalChannel::channel() const { return *state_->channel; }
std::uint32_t LocalChannel::ring_count() const { return 2 * state_->cpus; }
abi::RingHead& LocalChannel::head(std::uint32_t i) { return *state_->channel->ring[i]; }
Geometry LocalChannel::geometry(std::uint32_t i) const {
  Geometry g = state_->geometry;
  g.kind = i < state_->cpus ? abi::RingKind::per_cpu : abi::RingKind::shared;
  g.cpu = i % state_->cpus;
  return g;
}

}  // namespace ouro::ring
