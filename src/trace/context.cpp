#include "trace/context.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <ouro/abi/check.hpp>
#include <ouro/detail/rseq.hpp>

#include "trace/context_bytes.hpp"
#include "trace/context_cache.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

using abi::Context;

static_assert(detail::kTidSize + kMaxContexts <= ring::kMaxSingleShotBody, "the record of a small event is put together on the stack");

constexpr std::uint32_t place(Context context) { return static_cast<std::uint32_t>(context); }

std::uint32_t cpu() noexcept {
#if OURO_HAS_RSEQ
  const detail::RseqArea& area = *detail::rseq_area();
  if (const std::uint32_t n = detail::rseq_index(area, ring::kByCpu); n < detail::RseqArea::kNone) return n;
#endif
  const int n = sched_getcpu();
  return n < 0 ? 0 : static_cast<std::uint32_t>(n);
}

std::uint64_t time_on_cpus() noexcept {
  timespec t;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0) return 0;
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

// What perf counts as software events the kernel tells of each thread anyway, without a descriptor or a permission.
std::uint64_t usage(Context context) noexcept {
  rusage u;
  if (getrusage(RUSAGE_THREAD, &u) != 0) return 0;
  return context == Context::page_faults ? static_cast<std::uint64_t>(u.ru_minflt) + static_cast<std::uint64_t>(u.ru_majflt)
                                         : static_cast<std::uint64_t>(u.ru_nvcsw) + static_cast<std::uint64_t>(u.ru_nivcsw);
}

// Those for which no cache is needed.
std::uint64_t plain_number(Context context, const detail::ThreadState& thread) noexcept {
  switch (context) {
    case Context::pid: return thread.pid;
    case Context::tid: return thread.tid;
    case Context::cpu: return cpu();
    case Context::uid: return getuid();
    case Context::gid: return getgid();
    case Context::page_faults:
    case Context::context_switches: return usage(context);
    case Context::cpu_clock:
    case Context::task_clock: return time_on_cpus();
    default: return 0;
  }
}

std::uint64_t kept_number(Context context, ContextCache& cache) noexcept {
  if (context >= Context::cycles && context <= Context::branch_misses) return counter_of(cache, place(context) - place(Context::cycles));
  if (context >= Context::ns_cgroup && context <= Context::ns_uts) return cache.name_space[place(context) - place(Context::ns_cgroup)];
  return 0;
}

// Null: not a text.
const char* text_of(Context context, const ContextCache& cache) noexcept {
  switch (context) {
    case Context::thread: return cache.thread;
    case Context::comm: return cache.comm;
    case Context::cgroup: return cache.cgroup;
    default: return nullptr;
  }
}

std::byte* put_number(std::byte* to, Context context, std::uint64_t value) noexcept {
  const std::size_t size = abi::kContexts[place(context)].size;
  std::memcpy(to, &value, size);
  return to + size;
}

std::byte* put_u32(std::byte* to, std::uint32_t value) noexcept {
  std::memcpy(to, &value, sizeof value);
  return to + sizeof value;
}

// All of its place is copied, in one or two moves: there is room for it, and what follows is written over the rest. Size 0: a handler has
// forked in between, and the child's caches are zeroes.
std::byte* put_name(std::byte* to, const char (&name)[abi::kNameSize], std::uint32_t size) noexcept {
  std::memcpy(to, name, sizeof name);
  return to + std::max(size, std::uint32_t{1});
}

std::byte* put_text(std::byte* to, const char* text) noexcept {
  const std::size_t size = std::strlen(text) + 1;
  std::memcpy(to, text, size);
  return to + size;
}

std::byte* put_callstack(std::byte* to, ContextCache& cache, const void* frame, std::uint32_t depth) noexcept {
  const std::uint32_t count = walk_stack(frame, cache.stack, to + sizeof count, depth);
  std::memcpy(to, &count, sizeof count);
  return to + sizeof count + std::size_t{8} * count;
}

constexpr std::uint64_t kNoCheck = 0;

// Those that are asked for most, up to `gid`, one after the other: a loop over bits costs as much as a value. `cache`: null if
// neither name is wanted.
[[gnu::always_inline]] inline std::byte* put_first(std::byte* to, std::uint64_t mask, const detail::ThreadState& thread,
                                                   const ContextCache* cache) noexcept {
  const auto wanted = [mask](Context context) { return (mask & abi::bit(context)) != 0; };
  if (wanted(Context::check)) to = std::copy_n(reinterpret_cast<const std::byte*>(&kNoCheck), sizeof kNoCheck, to);  // the record is not whole yet
  if (wanted(Context::pid)) to = put_u32(to, thread.pid);
  if (cache != nullptr && wanted(Context::thread)) to = put_name(to, cache->thread, cache->thread_size);
  if (cache != nullptr && wanted(Context::comm)) to = put_name(to, cache->comm, cache->comm_size);
  if (wanted(Context::cpu)) to = put_u32(to, cpu());
  if (wanted(Context::uid)) to = put_u32(to, getuid());
  if (wanted(Context::gid)) to = put_u32(to, getgid());
  return to;
}
constexpr std::uint64_t kFirst = abi::bit(Context::gid) * 2 - 1;

std::byte* put_rest(std::byte* to, std::uint64_t mask, const detail::ThreadState& thread, ContextCache* cache, const void* frame) noexcept {
  for (std::uint64_t bits = mask & abi::kAllContexts & ~kFirst; bits != 0; bits &= bits - 1) {
    const auto context = static_cast<Context>(__builtin_ctzll(bits));
    if ((abi::bit(context) & kCachedContexts) == 0) {
      to = put_number(to, context, plain_number(context, thread));
    } else if (context == Context::cgroup) {
      to = put_text(to, cache->cgroup);
    } else if (context == Context::callstack) {
      to = put_callstack(to, *cache, frame, abi::callstack_depth(mask));
    } else {
      to = put_number(to, context, kept_number(context, *cache));
    }
  }
  return to;
}

std::byte* put_of(std::byte* to, std::uint64_t mask, const detail::ThreadState& thread, ContextCache& cache, const void* frame) noexcept {
  to = put_first(to, mask, thread, &cache);
  return (mask & abi::kAllContexts & ~kFirst) == 0 ? to : put_rest(to, mask, thread, &cache, frame);
}

std::byte* put_cached(std::byte* to, std::uint64_t mask, detail::ThreadState& thread, const void* frame, bool ticks) noexcept {
  const Borrowed cache(thread, mask, {false, ticks});
  return put_of(to, mask, thread, *cache, frame);
}

std::byte* put_plain(std::byte* to, std::uint64_t mask, const detail::ThreadState& thread) noexcept {
  to = put_first(to, mask, thread, nullptr);
  return (mask & abi::kAllContexts & ~kFirst) == 0 ? to : put_rest(to, mask, thread, nullptr, nullptr);
}

}  // namespace

std::size_t put_contexts(std::uint64_t mask, detail::ThreadState& thread, std::byte* to, std::size_t room, const void* frame, bool ticks) noexcept {
  if (room < kMaxContexts && room < abi::max_context_size(mask)) return 0;
  if ((mask & kCachedContexts) == 0) return static_cast<std::size_t>(put_plain(to, mask, thread) - to);
  if (frame == nullptr) frame = __builtin_frame_address(0);
  return static_cast<std::size_t>(put_cached(to, mask, thread, frame, ticks) - to);
}

std::uint64_t context_number(Context context, detail::ThreadState& thread) noexcept {
  if ((abi::bit(context) & kCachedContexts) == 0) return plain_number(context, thread);
  const Borrowed cache(thread, abi::bit(context));
  return kept_number(context, *cache);
}

std::size_t context_text(Context context, detail::ThreadState& thread, char* to, std::size_t room) noexcept {
  if ((abi::bit(context) & kCachedContexts) == 0) return 0;
  const Borrowed cache(thread, abi::bit(context));
  const char* text = text_of(context, *cache);
  if (text == nullptr) return 0;
  const std::size_t length = std::min(std::strlen(text), room);
  std::memcpy(to, text, length);
  return length;
}

namespace {

// The contexts, asked where they are too old; they stand from then on.
std::size_t put_to_stand(std::uint64_t mask, detail::ThreadState& thread, std::byte* to) noexcept {
  const std::uint32_t pid = thread.pid;
  if ((mask & kKeptContexts) == 0) {
    const detail::ContextsInUse use(thread);
    const auto size = static_cast<std::size_t>(put_plain(to, mask, thread) - to);
    if (use) let_stand(thread, mask, to, size, pid, ~std::uint64_t{0});
    return size;
  }
  // Stood, and does no longer.
  const bool again = thread.known.contexts == mask && !detail::stand(thread, mask);
  const Borrowed cache(thread, mask, {again, true});
  const auto size = static_cast<std::size_t>(put_of(to, mask, thread, *cache, nullptr) - to);
  const std::uint64_t stand = cache->asked_ticks != 0 ? ticks_that_stand() : 0;
  if (!cache.is_spare()) let_stand(thread, mask, to, size, pid, stand != 0 ? cache->asked_ticks + stand : 0);
  return size;
}

}  // namespace

bool write_with_contexts(const SessionView& view, std::uint32_t id, detail::ThreadState& thread, std::uint32_t tag, const void* frame,
                         std::size_t size, void (*put)(const void* of, std::byte* place), const void* of) noexcept {
  alignas(16) std::byte body[ring::kMaxSingleShotBody + 16];
  std::memcpy(body, &thread.tid, detail::kTidSize);
  const std::uint64_t first_word[1] = {thread.tid};
  // The hash is of the stamp, too, which the inline way reads last.
  const bool is_checked = (view.contexts & abi::bit(Context::check)) != 0;
  if (is_checked) tag = 0;
  const auto shoot = [&](std::size_t whole) {
    return ring::detail::shoot_bytes<detail::kTidSize, 0, false, true, true>(thread.route, tag, id, thread.tid, first_word,
                                                                             body + detail::kTidSize, whole - detail::kTidSize);
  };
  // The route's ring tells the time in ticks if the thread is known there; that is the channel's, where it has such.
  const bool may_stand = tag != 0 && thread.route.tag == tag && view.channel->tsc && can_stand(view.contexts);
  if (may_stand && id < ring::kExtendedId && size <= ring::kMaxSingleShotBody - detail::kTidSize - sizeof thread.known.bytes) {
    if (const std::size_t contexts = detail::copy_standing(thread, view.contexts, body + detail::kTidSize); contexts != 0) {
      put(of, body + detail::kTidSize + contexts);
      if (shoot(detail::kTidSize + contexts + size)) return true;
    }
  }
  const std::size_t head = detail::kTidSize + (may_stand ? put_to_stand(view.contexts, thread, body + detail::kTidSize)
                                                         : put_contexts(view.contexts, thread, body + detail::kTidSize, kMaxContexts, frame, view.channel->tsc));
  const std::uint64_t owner = std::uint64_t{thread.tid} << 32 | thread.pid;
  if (size <= ring::kMaxSingleShotBody - head) {
    put(of, body + head);
    if (tag != 0 && id < ring::kExtendedId && shoot(head + size)) return true;
    ring::write_slow(*view.channel, id, body, head + size, owner);
    return is_checked;
  }
  const ring::Reservation r = ring::reserve(*view.channel, id, head + size, owner);
  if (r.body == nullptr) return is_checked;
  std::memcpy(r.body, body, head);
  put(of, r.body + head);
  if (is_checked) abi::put_check(view.generation, r.body - ring::kExtendedHeader, r.size);
  ring::commit(r);
  return is_checked;
}

}  // namespace ouro::trace
