// An event on its way, whenever it is not on the inline path: the first of its kind, the first of its thread, one
// that several sessions want, or one in a thread without rseq.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ring/writer_internal.hpp"
#include "trace/context.hpp"
#include "trace/pair.hpp"
#include "trace/spans.hpp"
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

std::uint64_t owner(const detail::ThreadState& thread) { return std::uint64_t{thread.tid} << 32 | thread.pid; }

void count_loss(SessionView& view, abi::Loss cause) noexcept {
  view.channel->shared[0]->losses.lost[static_cast<std::size_t>(cause)].fetch_add(1, std::memory_order_relaxed);
}

// The next event of this kind, and this thread's next in this session, may take a shorter way: inline, or by the plan. `word`: the
// event's filter word, read before the enabled word was.
void remember(detail::Site& site, detail::ThreadState& thread, const SessionView& view, std::uint32_t word, std::uint32_t id, Plan* plan) noexcept {
  const std::uint32_t index = site.filter_index;
  if ((word & 0xffff) != std::uint32_t{1} << view.slot || tracer.filter()[index].load(std::memory_order_relaxed) != word) return;
  if (!view.channel->per_cpu) return;  // no inline path
  ring::refresh(thread.route, *view.channel, word);
  if (id >= ring::kExtendedId) return;
  if (plan != nullptr) {
    plan->word.store(word, std::memory_order_release);
    // Sequentially consistent, as in retire(): either we see that the view is retired, or it sees our plan.
    site.choice.store(plan, std::memory_order_seq_cst);
    if (view.retired.load(std::memory_order_seq_cst)) site.choice.store(nullptr, std::memory_order_relaxed);
    return;
  }
  // Good as long as the word has this name, also if other events share the word: rules that change rename it, and ours were looked up
  // after we had read it.
  site.target.store(std::uint64_t{id} << 32 | word, std::memory_order_relaxed);
}

// Calls write(view, id, plan) for each session that wants the event; plan null: as it is.
template <class Write>
void for_sessions(detail::Site& site, Write write) noexcept {
  if (tracer.registry == nullptr) return;
  const int saved = errno;
  detail::ThreadState& thread = detail::ouro_thread;
  const std::uint32_t word = tracer.filter()[site.filter_index].load(std::memory_order_acquire);
  abi::Word& row = const_cast<abi::Word&>(*site.enabled.load(std::memory_order_relaxed));
  const std::uint64_t enabled = row.load(std::memory_order_relaxed);
  Wanted wanted[2];
  std::uint32_t count = 0;
  for (std::uint32_t bits = static_cast<std::uint32_t>(enabled); bits != 0; bits &= bits - 1) {
    const auto slot = static_cast<std::uint32_t>(__builtin_ctz(bits));
    SessionView* view = slot < abi::kSessionSlots ? view_of(slot) : nullptr;
    if (view == nullptr) continue;
    know_oneself(thread);
    const std::uint32_t id = id_in(*view, site);
    const Decided how = id != kNoId ? decide(*view, site, id) : Decided{Decision::plain, nullptr};
    if (how.decision == Decision::off) continue;  // its rules are just changing
    if ((thread.announced >> slot & 1) == 0) {
      thread.announced |= std::uint32_t{1} << slot;
      announce(*view, thread);
    }
    if (id == kNoId || how.decision == Decision::no_room) {
      count_loss(*view, abi::Loss::table_full);
      continue;  // without its plan it must not take a shorter way
    }
    write(*view, id, how.plan);
    if (count < 2) wanted[count] = {view, id, how};
    ++count;
    if (enabled == abi::enabled_change(view->generation, slot)) remember(site, thread, *view, word, id, how.plan);
  }
  if (count == 2 || (count == 1 && (word & 0xffff & (word - 1)) != 0)) remember_pair(site, thread, word, enabled, wanted, count);
  errno = saved;
}

// Puts a payload that lies somewhere already.
struct Payload {
  const std::byte* from;
  std::size_t size;
  static void put(const void* of, std::byte* to) {
    const auto& payload = *static_cast<const Payload*>(of);
    std::memcpy(to, payload.from, payload.size);
  }
};

// Whoever waits for the session's events has one.
void tell(const SessionView& view) noexcept {
  if (!view.is_watched) return;
  abi::SessionHeader& header = *view.header;
  // Sequentially consistent, both, as in ring::sleep_on(): either the sleeper sees the count, or we see him.
  header.bell.fetch_add(1, std::memory_order_seq_cst);
  if (header.sleepers.load(std::memory_order_seq_cst) != 0) ring::wake(header.bell, 1);
}

// One body that passes the plan's filter. `word`: under which the thread's route leads to the session; 0: it does not. `frame`: of the
// function that the event's code called. True: the route need not be refreshed.
bool put_accepted(SessionView& view, std::uint32_t id, void* body, std::size_t size, std::uint32_t word, const void* frame) noexcept {
  detail::ThreadState& thread = detail::ouro_thread;
  const Payload payload{static_cast<const std::byte*>(body) + detail::kTidSize, size - detail::kTidSize};
  if (view.contexts != 0) return write_with_contexts(view, id, thread, word, frame, payload.size, Payload::put, &payload);
  constexpr std::uint64_t head[1] = {};  // the thread's id takes its place
  if (word != 0 &&
      ring::detail::shoot_bytes<detail::kTidSize, 0, false, true, true>(thread.route, word, id, thread.tid, head, payload.from, payload.size))
    return true;
  std::memcpy(body, &thread.tid, sizeof thread.tid);
  ring::write_slow(*view.channel, id, body, size, owner(thread));
  return false;
}
bool write_accepted(SessionView& view, std::uint32_t id, const Plan& plan, void* body, std::size_t size, std::uint32_t word, const void* frame) noexcept {
  if ((plan.every > 1 || plan.rate != 0) && !passes_limits(plan)) return true;
  const bool is_fresh = put_accepted(view, id, body, size, word, frame);
  tell(view);
  return is_fresh;
}

// What a span's end has as Context::span: its bytes, which would be none, stand right before the payload.
struct SpanBytes {
  std::size_t size = sizeof(abi::SpanHead);
  alignas(8) std::byte bytes[sizeof(abi::SpanHead) + kKeptBytes];
  static void put(const void* of, std::byte* to) {
    const auto& span = *static_cast<const SpanBytes*>(of);
    const auto size = static_cast<std::uint32_t>(span.size);
    std::memcpy(to - sizeof size, &size, sizeof size);
    std::memcpy(to, span.bytes, span.size);
  }
};

// An end that took long enough, of a session that asks how it began.
void write_end(const Plan& plan, const OpenSpan& open, std::uint64_t ticks) noexcept {
  if (!passes_limits(plan)) return;
  SpanBytes span;
  abi::SpanHead head{ticks, abi::kNoSpanBegin};
  std::uint32_t id = 0;
  std::size_t size = 0;
  if (find_begin(plan.view->begins, open, id, span.bytes + sizeof head, size)) {
    head.begin_id = id;
    span.size += size;
  }
  std::memcpy(span.bytes, &head, sizeof head);
  const int saved = errno;
  write_with_contexts(*plan.view, plan.id, detail::ouro_thread, 0, nullptr, span.size, SpanBytes::put, &span);
  tell(*plan.view);
  errno = saved;
}

// Of a span that is wanted if it takes long: its begin is kept, its end asks how long it took. One that is not wanted is kept too, lest its end
// be taken for another's. True: the end is to be written as it is.
[[gnu::noinline]] bool judge_span(const Plan& plan, const std::byte* payload, std::size_t size) noexcept {
  constexpr std::uint64_t kNever = ~std::uint64_t{0};
  detail::ThreadState& thread = detail::ouro_thread;
  const std::uint64_t now = plan.view->channel->now();
  OpenSpan open{thread.tid, 0, plan.span, now};
  if (!plan.is_end) {
    const bool is_wanted = passes_filter(plan, payload, size);
    open.place = begin_span(thread.open_spans, plan.span, is_wanted ? now : kNever);
    if (is_wanted && plan.view->begins != nullptr) keep_begin(plan.view->begins, open, plan.id, payload, payload != nullptr ? size : 0);
    return false;
  }
  if (!end_span(thread.open_spans, plan.span, open.begin, open.place) || open.begin > now || now - open.begin < plan.longer) return false;
  if (plan.view->begins == nullptr) return true;
  write_end(plan, open, now - open.begin);
  return false;
}

bool is_wanted(const Plan& plan, const std::byte* payload, std::size_t size) noexcept {
  return plan.longer == 0 ? passes_filter(plan, payload, size) : judge_span(plan, payload, size);
}
bool is_wanted_of(const Plan& plan, const void* body, std::size_t size) noexcept {
  return (plan.code_size == 0 && plan.longer == 0) || is_wanted(plan, static_cast<const std::byte*>(body) + detail::kTidSize, size - detail::kTidSize);
}

void write_large(SessionView& view, std::uint32_t id, const void* frame, std::size_t size, void (*put)(const void*, std::byte*),
                 const void* context) noexcept {
  detail::ThreadState& thread = detail::ouro_thread;
  if (view.contexts != 0) {
    write_with_contexts(view, id, thread, 0, frame, size, put, context);
    return tell(view);
  }
  const ring::Reservation r = ring::reserve(*view.channel, id, detail::kTidSize + size, owner(thread));
  if (r.body == nullptr) return;
  std::memcpy(r.body, &thread.tid, detail::kTidSize);
  put(context, r.body + detail::kTidSize);
  ring::commit(r);
  tell(view);
}

// By the plan that the event has and that accepts it; kept apart, so that refusing takes few registers.
[[gnu::noinline]] void write_known(const Plan& plan, void* body, std::size_t size, std::uint32_t word, const void* frame) noexcept {
  if (write_accepted(*plan.view, plan.id, plan, body, size, word, frame)) return;
  const int saved = errno;
  ring::refresh(detail::ouro_thread.route, *plan.view->channel, word);
  errno = saved;
}

// By what is known of the two sessions that want it. False: nothing was written, and nothing judged.
bool write_by_pair(const Pair& pair, const detail::Site& site, void* body, std::size_t size, std::uint32_t word, const void* frame) noexcept {
  detail::ThreadState& thread = detail::ouro_thread;
  const Held held = hold(pair, site, word, thread);
  if (held.view == nullptr) return false;
  constexpr std::uint64_t head[1] = {};  // the thread's id takes its place
  if (!ring::detail::shoot_bytes<detail::kTidSize, 0, false, true, true>(thread.route, held.route, held.id, thread.tid, head,
                                                                         static_cast<const std::byte*>(body) + detail::kTidSize, size - detail::kTidSize)) [[unlikely]] {
    const int saved = errno;
    std::memcpy(body, &thread.tid, sizeof thread.tid);
    ring::write_slow(*held.view->channel, held.id, body, size, owner(thread));
    ring::refresh(thread.route, *held.view->channel, held.route);
    errno = saved;
  }
  if (held.other != nullptr && is_wanted_of(*held.other, body, size)) [[unlikely]] {
    const int saved = errno;
    write_accepted(*held.other->view, held.other->id, *held.other, body, size, 0, frame);
    errno = saved;
  }
  return true;
}

[[gnu::noinline, gnu::cold]] void write_to_all(const detail::Site& site, void* body, std::size_t size, const void* frame) noexcept {
  for_sessions(const_cast<detail::Site&>(site), [&](SessionView& view, std::uint32_t id, const Plan* plan) {
    if (plan != nullptr) {
      if (is_wanted_of(*plan, body, size)) write_accepted(view, id, *plan, body, size, 0, frame);
      return;
    }
    std::memcpy(body, &detail::ouro_thread.tid, sizeof detail::ouro_thread.tid);
    ring::write_slow(*view.channel, id, body, size, owner(detail::ouro_thread));
  });
}

}  // namespace
}  // namespace ouro::trace

namespace ouro::detail {

using namespace trace;

__thread ThreadState ouro_thread = {};

// To those who call it, it is cold. With filters, limits and contexts it is not, and what is cold is compiled for size: so it has two names.
extern "C" __attribute__((used, visibility("hidden"))) void ouro_trace_by_plan(const Site* site, void* body, std::size_t size,
                                                                             const void* frame, std::uint32_t accepted) noexcept {
  const std::uint32_t word = tracer.registry != nullptr ? tracer.filter()[site->filter_index].load(std::memory_order_relaxed) : 0;
  const Choice* const choice = word != 0 ? choice_of(*site, word) : nullptr;
  if (choice != nullptr && choice->is_pair) {
    if (write_by_pair(static_cast<const Pair&>(*choice), *site, body, size, word, frame)) return;
  } else if (choice != nullptr && ouro_thread.route.tag == word) [[likely]] {  // the route's tag: the thread has made itself known to the session
    const auto& plan = static_cast<const Plan&>(*choice);
    if (accepted == word || is_wanted_of(plan, body, size)) write_known(plan, body, size, word, frame);
    return;
  }
  write_to_all(*site, body, size, frame);
}
void ouro_trace_slow(const Site* site, void* body, std::size_t size, const void* frame, std::uint32_t accepted) noexcept
    __attribute__((alias("ouro_trace_by_plan")));

void ouro_trace_large(const Site* site, std::size_t size, void (*put)(const void* context, std::byte* place), const void* context,
                      const void* frame) noexcept {
  for_sessions(const_cast<Site&>(*site), [&](SessionView& view, std::uint32_t id, const Plan* plan) {
    Payload seen{nullptr, size - kTidSize};
    // A filter wants to see it before it has a place, and on a handler's stack there may be no room.
    if (plan != nullptr && plan->code_size != 0) {
      void* const room = mmap(nullptr, seen.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (room == MAP_FAILED) return count_loss(view, abi::Loss::no_memory);
      put(context, static_cast<std::byte*>(room));
      seen.from = static_cast<const std::byte*>(room);
    }
    if (plan == nullptr || (is_wanted(*plan, seen.from, seen.size) && passes_limits(*plan)))
      write_large(view, id, frame, seen.size, seen.from != nullptr ? Payload::put : put, seen.from != nullptr ? &seen : context);
    if (seen.from != nullptr) munmap(const_cast<std::byte*>(seen.from), seen.size);
  });
}

}  // namespace ouro::detail
