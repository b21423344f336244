#include "trace/callstack.hpp"

#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

// A walk reads other functions' frames, red zones of the sanitizers included.
#define OURO_READS_STACKS __attribute__((no_sanitize("address", "thread", "undefined")))

namespace ouro::trace {
namespace {

constexpr std::uintptr_t kPage = 4096;
constexpr std::uintptr_t kMostProbed = 64 << 20;  // bytes of a stack that one walk makes sure of

struct Frame {
  std::uintptr_t next, address;
};

// rt_sigprocmask copies the mask before it looks at what to do with it: EFAULT if it cannot be read, else EINVAL, and
// nothing has changed. Every sandbox lets it pass.
bool can_read(std::uintptr_t at) noexcept {
  constexpr int kNothing = 0x7fffffff;
  return syscall(SYS_rt_sigprocmask, kNothing, at, nullptr, 8) != 0 && errno == EINVAL;
}

// An emulator may look at its arguments in another order, and call everything readable. Then there is no own stack.
bool can_tell() noexcept {
  static constinit std::atomic<std::uint8_t> known{0};  // 1: yes, 2: no
  std::uint8_t answer = known.load(std::memory_order_relaxed);
  if (answer == 0) {
    const std::uint64_t here = 0;
    answer = !can_read(~std::uintptr_t{0} - 2 * kPage + 1) && can_read(reinterpret_cast<std::uintptr_t>(&here)) ? 1 : 2;
    known.store(answer, std::memory_order_relaxed);
  }
  return answer == 1;
}

// The kernel's 16 random bytes at the program's start, on top of its first stack.
std::uintptr_t first_stack() noexcept {
  static constinit std::atomic<std::uintptr_t> known{0};
  std::uintptr_t at = known.load(std::memory_order_relaxed);
  if (at == 0) {
    at = static_cast<std::uintptr_t>(getauxval(AT_RANDOM));
    known.store(at, std::memory_order_relaxed);
  }
  return at;
}

// Of the two places that may be the top of the stack with this address on it, the nearer one; 0: neither is above it.
std::uintptr_t top_above(std::uintptr_t address) noexcept {
  const auto block = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
  const std::uintptr_t random = first_stack();
  std::uintptr_t top = 0;
  for (const std::uintptr_t candidate : {block, random})
    if (candidate > address && (top == 0 || candidate < top)) top = candidate & ~std::uintptr_t{15};
  return top;
}

// Is all between `address` and the top of this thread's own stack readable? It stays so: pages of a stack in use are not unmapped.
bool is_on_own_stack(std::uintptr_t address, StackBounds& bounds) noexcept {
  const std::uintptr_t top = top_above(address);
  if (top == 0) return false;
  if (bounds.top != top) bounds = {top, top & ~(kPage - 1), 0};
  if (address >= bounds.low) return true;
  if (address < bounds.hole || bounds.low - address > kMostProbed || !can_tell()) return false;
  while (address < bounds.low) {
    if (!can_read(bounds.low - kPage)) {
      bounds.hole = bounds.low - kPage;
      return false;
    }
    bounds.low -= kPage;
  }
  return true;
}

// Of a return address that is signed (aarch64), the address.
std::uint64_t plain(std::uintptr_t address) noexcept {
#if defined(__aarch64__)
  return address & 0xffffffffffff;
#else
  return address;
#endif
}

class Walk {
 public:
  OURO_READS_STACKS Walk(const void* frame, StackBounds& bounds) noexcept : at_(reinterpret_cast<std::uintptr_t>(frame)) {
    own_ = is_on_own_stack(at_, bounds);
    top_ = own_ ? bounds.top : ~std::uintptr_t{0};
    // The frame of a function that runs can be read wherever it is.
    frame_ = {load(at_), load(at_ + sizeof(std::uintptr_t))};
  }
  std::uintptr_t address() const noexcept { return frame_.address; }

  OURO_READS_STACKS bool next() noexcept {
    const std::uintptr_t next = frame_.next;
    if (next <= at_ || next % sizeof(std::uintptr_t) != 0 || next > top_ - sizeof(Frame)) return false;
    at_ = next;
    if (own_) {
      frame_ = {load(next), load(next + sizeof(std::uintptr_t))};
      return true;
    }
    iovec local{&frame_, sizeof frame_}, remote{reinterpret_cast<void*>(next), sizeof frame_};
    return syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0) == static_cast<long>(sizeof frame_);
  }

 private:
  OURO_READS_STACKS static std::uintptr_t load(std::uintptr_t at) noexcept {
    return *reinterpret_cast<const volatile std::uintptr_t*>(at);
  }

  std::uintptr_t at_, top_ = 0;
  bool own_ = false;
  Frame frame_{};
};

}  // namespace

OURO_READS_STACKS std::uint32_t walk_stack(const void* frame, StackBounds& bounds, std::byte* to, std::uint32_t depth) noexcept {
  const int saved = errno;
  std::uint32_t count = 0;
  Walk walk(frame, bounds);
  while (count < depth && walk.address() != 0) {
    const std::uint64_t address = plain(walk.address());
    std::memcpy(to + sizeof address * count++, &address, sizeof address);
    if (!walk.next()) break;
  }
  errno = saved;
  return count;
}

}  // namespace ouro::trace
