// The records of a ring as text from inside a process that is crashing: no allocation, no lock, no trust in what is there.
#include <ouro/ring/clients.hpp>

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ring/internal.hpp"

namespace ouro::ring {
namespace {

// Collects text, so that a line is one write(2) as a rule.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}
  ~Output() { flush(); }
  void add(const char* text, std::size_t size) noexcept {
    while (size != 0) {
      if (used_ == sizeof buffer_) flush();
      const std::size_t n = std::min(size, sizeof buffer_ - used_);
      std::memcpy(buffer_ + used_, text, n);
      used_ += n;
      text += n;
      size -= n;
    }
  }
  void number(std::uint64_t n) noexcept {
    char digits[20];
    std::size_t at = sizeof digits;
    do digits[--at] = static_cast<char>('0' + n % 10);
    while ((n /= 10) != 0);
    add(digits + at, sizeof digits - at);
  }
  void flush() noexcept {
    for (std::size_t at = 0; at < used_;) {
      const ssize_t n = ::write(fd_, buffer_ + at, used_ - at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    used_ = 0;
  }

 private:
  int fd_;
  std::size_t used_ = 0;
  char buffer_[1024];
};

// The records of a sub-buffer that began at `now`, as far as they make sense.
std::uint64_t dump_part(Output& out, std::uint32_t cpu, std::span<const std::byte> bytes, std::uint64_t now) noexcept {
  std::uint64_t lines = 0;
  RecordHead head;
  for (std::size_t at = 0; parse_record(bytes, at, true, now, head); at += head.size) {
    if (head.id == kPaddingId) continue;
    ++lines;
    out.add("[", 1);
    out.number(cpu);
    out.add("] ", 2);
    out.number(now);
    out.add(": ", 2);
    out.add(reinterpret_cast<const char*>(bytes.data()) + at, head.size);
    out.add("\n", 1);
  }
  return lines;
}

std::uint64_t dump_ring(Output& out, const abi::RingHead& ring, const Geometry& g) noexcept {
  const std::uint64_t w = write_word(ring);
  const std::uint64_t current = offset_of(w) / g.subbuf_size;
  if (ring.writer.mask.load(std::memory_order_relaxed) == 0 || current > g.subbuf_count) return 0;  // never written to, or nonsense
  const bool shared = g.kind == abi::RingKind::shared;
  const std::uint64_t newest = shared ? shared_sequence_of(w) : ring.image[current].sequence.load(std::memory_order_relaxed);
  std::uint64_t lines = 0;
  for (std::uint64_t s = newest >= g.subbuf_count ? newest - g.subbuf_count + 1 : 0; s <= newest; ++s) {
    const abi::Slot slot{ring.slot[s & (g.subbuf_count - 1)].load(std::memory_order_acquire)};
    if (slot.sequence() != s || slot.taken() || slot.physical() > g.subbuf_count) continue;
    const abi::SubbufImage& image = ring.image[slot.physical()];
    const std::uint64_t end = s == newest ? w : image.close_word.load(std::memory_order_relaxed);
    if (offset_of(end) / g.subbuf_size != slot.physical()) continue;
    lines += dump_part(out, g.cpu, {data_of(ring) + slot.physical() * g.subbuf_size, offset_of(end) % g.subbuf_size},
                       image.first_stamp.load(std::memory_order_relaxed));
  }
  return lines;
}

}  // namespace

std::uint64_t text_log::dump(int fd) const noexcept {
  const int saved = errno;
  Output out(fd);
  std::uint64_t lines = 0;
  const LocalChannel& channel = buffer_.channel();
  for (std::uint32_t i = 0; i < channel.ring_count(); ++i)
    for (const Channel* c = &channel.oldest(); c != nullptr; c = c->successor.load(std::memory_order_acquire))
      lines += dump_ring(out, *c->ring[i], geometry_of(*c, i));
  if (const std::uint32_t level = detail::nesting(); level != 0) {
    constexpr char kText[] = "-- nesting level of the interrupted write: ";
    out.add(kText, sizeof kText - 1);
    out.number(level);
    out.add("\n", 1);
  }
  out.flush();
  errno = saved;
  return lines;
}

}  // namespace ouro::ring
