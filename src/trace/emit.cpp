// An event on its way, whenever it is not on the inline path: the first of its kind, the first of its thread, one
// that several sessions want, or one in a thread without rseq.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "trace/context.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

// The event's id in the session. kNoId: the session has no room for it.
std::uint32_t id_in(SessionView& view, const detail::Site& site) noexcept {
  std::atomic<std::uint32_t>& known = view.id[site.row.load(std::memory_order_relaxed)];
  // Relaxed: the id is all that is passed on. Two that add the event at once get the same id, or both of their ids are good.
  std::uint32_t id = known.load(std::memory_order_relaxed);
  if (id != 0) return id - 1;
  id = add_event(view, site.schema, site.schema_size);
  if (id != kNoId) known.store(id + 1, std::memory_order_relaxed);
  return id;
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

// The tag of a route to this session: the event's filter word, if that names it alone. `word`: as it was before the enabled word
// was read; that it still is so says that no other session came in between. 0: none.
std::uint32_t tag_of(const detail::Site& site, const SessionView& view, std::uint32_t word) noexcept {
  const bool is_alone = (word & 0xffff) == std::uint32_t{1} << view.slot;
  return is_alone && view.channel->per_cpu && tracer.filter()[site.filter_index].load(std::memory_order_relaxed) == word ? word : 0;
}

// The next event of this kind, and this thread's next in this session, may take the inline path, which knows no contexts.
void remember(detail::Site& site, detail::ThreadState& thread, const SessionView& view, std::uint32_t word, std::uint32_t id) noexcept {
  const std::uint32_t index = site.filter_index;
  if (tag_of(site, view, word) == 0) return;
  ring::refresh(thread.route, *view.channel, word);
  if (view.contexts != 0 || id >= ring::kExtendedId || tracer.is_shared[index].load(std::memory_order_relaxed)) return;
  tracer.any_target.store(true, std::memory_order_seq_cst);
  // Sequentially consistent, as in share(): either we see that the word is shared, or it sees our target.
  site.target.store(std::uint64_t{id} << 32 | word, std::memory_order_seq_cst);
  if (tracer.is_shared[index].load(std::memory_order_seq_cst)) site.target.store(0, std::memory_order_relaxed);
}

// Calls write(view, id, tag) for each session that wants the event. It answers whether the thread's route, under this tag, is good.
template <class Write>
void for_sessions(detail::Site& site, Write write) noexcept {
  if (tracer.registry == nullptr) return;
  const int saved = errno;
  detail::ThreadState& thread = detail::ouro_thread;
  const std::uint32_t word = tracer.filter()[site.filter_index].load(std::memory_order_acquire);
  const std::uint64_t enabled = site.enabled.load(std::memory_order_relaxed)->load(std::memory_order_relaxed);
  for (std::uint32_t bits = static_cast<std::uint32_t>(enabled); bits != 0; bits &= bits - 1) {
    const auto slot = static_cast<std::uint32_t>(__builtin_ctz(bits));
    SessionView* view = slot < abi::kSessionSlots ? view_of(slot) : nullptr;
    if (view == nullptr) continue;
    know_oneself(thread);
    const std::uint32_t id = id_in(*view, site);
    if ((thread.announced >> slot & 1) == 0) {
      thread.announced |= std::uint32_t{1} << slot;
      announce(*view, thread);
    }
    const bool is_alone = enabled == abi::enabled_change(view->generation, slot);
    const std::uint32_t tag = is_alone && view->contexts != 0 ? tag_of(site, *view, word) : 0;
    if (!write(*view, id, tag) && is_alone) remember(site, thread, *view, word, id);
  }
  errno = saved;
}

std::uint64_t owner(const detail::ThreadState& thread) { return std::uint64_t{thread.tid} << 32 | thread.pid; }

bool count_without_id(SessionView& view) noexcept {
  view.channel->shared[0]->losses.lost[static_cast<std::size_t>(abi::Loss::table_full)].fetch_add(1, std::memory_order_relaxed);
  return false;
}

// `payload`: what stands behind the thread id in the event's body.
bool write_body_with_contexts(const SessionView& view, std::uint32_t id, std::uint32_t tag, const void* frame, const std::byte* payload,
                              std::size_t size) noexcept {
  struct Bytes {
    const std::byte* from;
    std::size_t size;
  };
  const Bytes bytes{payload, size};
  const auto put = [](const void* of, std::byte* to) {
    const auto& b = *static_cast<const Bytes*>(of);
    std::memcpy(to, b.from, b.size);
  };
  return write_with_contexts(view, id, detail::ouro_thread, tag, frame, size, put, &bytes);
}

}  // namespace
}  // namespace ouro::trace

namespace ouro::detail {

using namespace trace;

__thread ThreadState ouro_thread = {};

void ouro_trace_slow(const Site* site, void* body, std::size_t size) noexcept {
  const void* const frame = __builtin_frame_address(0);
  for_sessions(const_cast<Site&>(*site), [&](SessionView& view, std::uint32_t id, std::uint32_t tag) {
    if (id == kNoId) return count_without_id(view);
    if (view.contexts != 0) return write_body_with_contexts(view, id, tag, frame, static_cast<std::byte*>(body) + kTidSize, size - kTidSize);
    std::memcpy(body, &ouro_thread.tid, sizeof ouro_thread.tid);
    ring::write_slow(*view.channel, id, body, size, owner(ouro_thread));
    return false;
  });
}

void ouro_trace_large(const Site* site, std::size_t size, void (*put)(const void*, std::byte*), const void* context) noexcept {
  const void* const frame = __builtin_frame_address(0);
  for_sessions(const_cast<Site&>(*site), [&](SessionView& view, std::uint32_t id, std::uint32_t tag) {
    if (id == kNoId) return count_without_id(view);
    if (view.contexts != 0) return write_with_contexts(view, id, ouro_thread, tag, frame, size - kTidSize, put, context);
    const ring::Reservation r = ring::reserve(*view.channel, id, size, owner(ouro_thread));
    if (r.body == nullptr) return false;
    std::memcpy(r.body, &ouro_thread.tid, sizeof ouro_thread.tid);
    put(context, r.body + sizeof ouro_thread.tid);
    ring::commit(r);
    return false;
  });
}

}  // namespace ouro::detail
