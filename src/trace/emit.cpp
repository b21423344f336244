// An event on its way, whenever it is not on the inline path: the first of its kind, the first of its thread, one
// that several sessions want, or one in a thread without rseq.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

// The event's id in the session, and the binding for the inline path. kNoId: the session has no room for it.
std::uint32_t bind(SessionView& view, const detail::Site& site, const detail::Binding*& out) noexcept {
  detail::Binding& binding = view.binding[site.row.load(std::memory_order_relaxed)];
  const std::uint64_t word = enabled_word(view.generation, view.slot);
  out = nullptr;
  if (binding.enabled.load(std::memory_order_acquire) == word) {  // ord(bind:A) pairs with bind:B
    out = &binding;
    return binding.id;
  }
  const std::uint32_t id = add_event(view, site.schema, site.schema_size);
  std::uint64_t nobody = 0;
  // 1: being filled. Whoever interrupts that goes without; it has its id already.
  if (binding.enabled.compare_exchange_strong(nobody, 1, std::memory_order_relaxed, std::memory_order_relaxed)) {
    binding.channel = view.channel;
    binding.id = id;
    binding.enabled.store(word, std::memory_order_release);  // ord(bind:B)
    out = &binding;
  }
  return id;
}

// May this thread use the inline path of this channel? The path itself does not ask.
bool is_registered(const ring::Channel& channel) noexcept {
#if OURO_HAS_RSEQ
  return channel.per_cpu && detail::rseq_cpu(channel.rseq_offset) < channel.cpus;
#else
  return false;
#endif
}

void know_oneself(detail::ThreadState& thread) noexcept {
  if (thread.tid == 0) {
    thread.pid = static_cast<std::uint32_t>(getpid());
    thread.tid = static_cast<std::uint32_t>(syscall(SYS_gettid));
  }
  const std::uint32_t epoch = tracer.epoch.load(std::memory_order_acquire);
  if (thread.epoch != epoch) {
    thread.epoch = epoch;
    thread.announced = 0;
  }
}

// Calls write(view, id) for each session that wants the event.
template <class Write>
void for_sessions(detail::Site& site, Write write) noexcept {
  if (tracer.registry == nullptr) return;
  const int saved = errno;
  detail::ThreadState& thread = detail::ouro_thread;
  const std::uint64_t enabled = site.enabled.load(std::memory_order_relaxed)->load(std::memory_order_relaxed);
  bool all = true;
  const detail::Binding* binding = nullptr;
  const SessionView* last = nullptr;
  for (std::uint32_t bits = static_cast<std::uint32_t>(enabled); bits != 0; bits &= bits - 1) {
    const auto slot = static_cast<std::uint32_t>(__builtin_ctz(bits));
    SessionView* view = slot < abi::kSessionSlots ? view_of(slot) : nullptr;
    if (view == nullptr) {
      all = false;
      continue;
    }
    know_oneself(thread);
    const std::uint32_t id = bind(*view, site, binding);
    if ((thread.announced >> slot & 1) == 0) {
      thread.announced |= std::uint32_t{1} << slot;
      announce(*view, thread);
    }
    last = view;
    write(*view, id);
  }
  if (all && last != nullptr && is_registered(*last->channel)) {
    thread.known = enabled;
    // One session, and an id that the inline path can write: the next event of this kind takes it.
    if (binding != nullptr && enabled == enabled_word(last->generation, last->slot) && binding->id < ring::kExtendedId)
      site.binding.store(binding, std::memory_order_release);
  }
  errno = saved;
}

std::uint64_t owner(const detail::ThreadState& thread) { return std::uint64_t{thread.tid} << 32 | thread.pid; }

void count_without_id(SessionView& view) noexcept {
  view.channel->shared[0]->losses.lost[static_cast<std::size_t>(abi::Loss::busy)].fetch_add(1, std::memory_order_relaxed);
}

}  // namespace
}  // namespace ouro::trace

namespace ouro::detail {

using namespace trace;

__thread ThreadState ouro_thread = {};

void ouro_trace_slow(const Site* site, void* body, std::size_t size) noexcept {
  for_sessions(const_cast<Site&>(*site), [&](SessionView& view, std::uint32_t id) {
    if (id == kNoId) return count_without_id(view);
    std::memcpy(body, &ouro_thread.tid, sizeof ouro_thread.tid);
    ring::write_slow(*view.channel, id, body, size, owner(ouro_thread));
  });
}

void ouro_trace_large(const Site* site, std::size_t size, void (*put)(const void*, std::byte*), const void* context) noexcept {
  for_sessions(const_cast<Site&>(*site), [&](SessionView& view, std::uint32_t id) {
    if (id == kNoId) return count_without_id(view);
    const ring::Reservation r = ring::reserve(*view.channel, id, size, owner(ouro_thread));
    if (r.body == nullptr) return;
    std::memcpy(r.body, &ouro_thread.tid, sizeof ouro_thread.tid);
    put(context, r.body + sizeof ouro_thread.tid);
    ring::commit(r);
  });
}

}  // namespace ouro::detail
