#include "ring/channel_head.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/fd.hpp"

namespace ouro::ring {
namespace {

unsigned long long ull(std::uint64_t n) { return n; }

// Where it cannot be read, it is empty, and the same as other empty ones.
void read_boot(char (&boot)[sizeof abi::ChannelFacts::boot]) {
  std::memset(boot, 0, sizeof boot);
  const base::Fd file(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (file && read(file.get(), boot, 36) != 36) std::memset(boot, 0, sizeof boot);
}

abi::RingKind kind_of(Sync sync) {
  return sync == Sync::per_cpu ? abi::RingKind::per_cpu : sync == Sync::shared ? abi::RingKind::shared : abi::RingKind::exclusive;
}

}  // namespace

std::uint64_t ChannelShape::ring_stride() const {
  const Geometry g{{}, options.mode, options.subbuf_count, options.subbuf_size, 0};
  return (g.memory_size() + abi::kRingAlignment - 1) / abi::kRingAlignment * abi::kRingAlignment;
}

Status check_countable(const LocalChannel::Options& options) {
  constexpr std::uint64_t kLeast = 4;  // bytes of a record without a header; a sub-buffer is never quite full
  if (options.stamped || options.client_stamped || options.subbuf_size / kLeast <= abi::kRecordsMask + 1) return Ok{};
  return errorf(EINVAL, "channel: sub-buffers of %llu bytes for records without stamps, want %llu at most (hint: a sub-buffer counts its records in 19 bits)",
                ull(options.subbuf_size), ull((abi::kRecordsMask + 1) * kLeast));
}

void describe(abi::ChannelHead& shared, const ChannelShape& shape) {
  const LocalChannel::Options& o = shape.options;
  abi::ChannelFacts& head = shared.facts;
  head.version = abi::kChannelVersion;
  head.sync = static_cast<std::uint32_t>(kind_of(o.sync));
  head.total_size = shape.total_size();
  head.ring_stride = shape.ring_stride();
  head.mode = static_cast<std::uint32_t>(o.mode);
  head.clock = static_cast<std::uint32_t>(o.tsc ? abi::ClockKind::tsc : abi::ClockKind::monotonic);
  head.cpus = shape.cpus;
  head.subbuf_count = o.subbuf_count;
  head.subbuf_size = o.subbuf_size;
  head.stamps = static_cast<std::uint32_t>(o.stamped ? abi::StampKind::clock : o.client_stamped ? abi::StampKind::client : abi::StampKind::none);
  head.has_ends = o.ends != nullptr;
  head.has_bell = o.bell || o.event_fd;
  head.patience_ns = o.patience_ns;
  head.wake_every = o.wake_every;
  head.stream_from = o.stream_from;
  read_boot(head.boot);
  std::atomic_ref(head.magic).store(abi::kChannelMagic, std::memory_order_release);  // ord(describe:B) pairs with describe:A
}

Result<ChannelShape> check(abi::ChannelHead& shared, std::uint64_t file_size, const char* name) {
  if (file_size < abi::kRingsOffset) return errorf(EINVAL, "channel '%s': %llu bytes, want at least %zu", name, ull(file_size), abi::kRingsOffset);
  // Acquire: with the magic, the other fields are there.
  const std::uint64_t magic = std::atomic_ref(shared.facts.magic).load(std::memory_order_acquire);  // ord(describe:A)
  if (magic != abi::kChannelMagic)
    return errorf(EINVAL, "channel '%s': magic is %#llx, want %#llx (%s)", name, ull(magic), ull(abi::kChannelMagic),
                  magic == 0 ? "is its creator still starting, or was it killed while it did?" : "is it a channel?");
  abi::ChannelFacts f;
  std::memcpy(&f, &shared.facts, sizeof f);
  asm volatile("" : "+m"(f));  // what others do to the original from here on does not count
  if (f.version != abi::kChannelVersion)
    return errorf(EPROTONOSUPPORT, "channel '%s': version is %u, want %u (hint: it was made by another version of Ouro)", name, f.version,
                  abi::kChannelVersion);
  if (f.sync < 1 || f.sync > 3)
    return errorf(EINVAL, "channel '%s': synchronisation is %u, want 1 (per_cpu), 2 (shared) or 3 (exclusive)", name, f.sync);
  if (f.clock < 1 || f.clock > 2) return errorf(EINVAL, "channel '%s': clock is %u, want 1 (tsc) or 2 (monotonic)", name, f.clock);
  if (f.stamps > 2) return errorf(EINVAL, "channel '%s': stamps are %u, want 0 (none), 1 (clock) or 2 (client)", name, f.stamps);
  ChannelShape shape;
  LocalChannel::Options& o = shape.options;
  o.sync = f.sync == 1 ? Sync::per_cpu : f.sync == 2 ? Sync::shared : Sync::exclusive;
  o.mode = static_cast<abi::FullMode>(f.mode);
  o.subbuf_count = f.subbuf_count;
  o.subbuf_size = f.subbuf_size;
  if (const auto g = ring::check({abi::RingKind::per_cpu, o.mode, o.subbuf_count, o.subbuf_size, 0}); !g)
    return errorf(EINVAL, "channel '%s': %s", name, g.error().text.c_str());
  o.tsc = f.clock == static_cast<std::uint32_t>(abi::ClockKind::tsc);
  o.stamped = f.stamps == static_cast<std::uint32_t>(abi::StampKind::clock);
  o.client_stamped = f.stamps == static_cast<std::uint32_t>(abi::StampKind::client);
  if (Status countable = check_countable(o); !countable) return errorf(EINVAL, "channel '%s': %s", name, countable.error().text.c_str());
  shape.has_ends = f.has_ends != 0;
  o.bell = f.has_bell != 0;
  o.wake_every = f.wake_every;
  o.stream_from = f.stream_from;
  o.patience_ns = f.patience_ns;
  shape.cpus = f.cpus;
  const std::uint32_t most = o.sync == Sync::exclusive ? 1 : abi::kMaxCpus;
  if (shape.cpus < 1 || shape.cpus > most) return errorf(EINVAL, "channel '%s': rings for %u CPUs, want 1 to %u", name, shape.cpus, most);
  if (f.ring_stride != shape.ring_stride())
    return errorf(EINVAL, "channel '%s': rings are %llu bytes apart, want %llu", name, ull(f.ring_stride), ull(shape.ring_stride()));
  if (f.total_size != shape.total_size())
    return errorf(EINVAL, "channel '%s': says it has %llu bytes, want %llu", name, ull(f.total_size), ull(shape.total_size()));
  if (file_size < shape.total_size())
    return errorf(EINVAL, "channel '%s': %llu bytes, want %llu (hint: it was cut)", name, ull(file_size), ull(shape.total_size()));
  char here[sizeof abi::ChannelFacts::boot];
  read_boot(here);
  shape.other_boot = std::memcmp(here, f.boot, sizeof here) != 0;
  return shape;
}

}  // namespace ouro::ring
