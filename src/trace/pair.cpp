#include "trace/pair.hpp"

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::uint32_t kBeingWritten = 1;  // no filter word: it names no use

std::uint32_t use_of(const SessionView& view) { return tracer.header().slot[view.slot].use.load(relaxed); }

}  // namespace

void remember_pair(detail::Site& site, detail::ThreadState& thread, std::uint32_t word, std::uint64_t enabled, const Wanted* wanted, std::uint32_t count) noexcept {
  const std::uint32_t first = wanted[0].how.decision == Decision::plain ? 0 : 1;
  if (first >= count || wanted[first].how.decision != Decision::plain) return;
  SessionView& view = *wanted[first].view;
  const std::uint32_t id = wanted[first].id;
  const Plan* const other = count == 2 ? wanted[1 - first].how.plan : nullptr;
  if ((count == 2 && other == nullptr) || !view.channel->per_cpu || view.is_watched || id >= ring::kExtendedId) return;
  std::uint64_t whole = abi::enabled_change(view.generation, view.slot);
  if (other != nullptr) whole ^= abi::enabled_change(other->view->generation, other->view->slot);
  const std::uint32_t use = use_of(view), route = abi::filter_change(use, view.slot), other_use = other != nullptr ? use_of(*other->view) : 0;
  // The rules by which it was decided are those of these uses: they were counted before the word was read.
  if (enabled != whole || tracer.filter()[site.filter_index].load(relaxed) != word) return;
  Pair& pair = view.pairs[site.row.load(relaxed)];
  if (pair.word.exchange(kBeingWritten, std::memory_order_acquire) == kBeingWritten) return;
  abi::fence(std::memory_order_release);  // who sees what follows sees that it is being written
  pair.id = id;
  pair.contexts = 0;
  pair.begin = detail::Choice::kAsk;
  pair.is_pair = true;
  pair.view = &view;
  pair.other = other;
  pair.enabled = enabled;
  pair.route = route;
  pair.use[0] = use;
  pair.use[1] = other_use;
  pair.word.store(word, std::memory_order_release);
  ring::refresh(thread.route, *view.channel, route);
  // Sequentially consistent, as in remember(): either we see that a view is retired, or it sees our pair.
  site.choice.store(&pair, std::memory_order_seq_cst);
  if (view.retired.load(std::memory_order_seq_cst) || (other != nullptr && other->view->retired.load(std::memory_order_seq_cst)))
    site.choice.store(nullptr, relaxed);
}

Held hold(const Pair& pair, const detail::Site& site, std::uint32_t word, const detail::ThreadState& thread) noexcept {
  Held out{pair.view, pair.other, pair.id, pair.route};
  const std::uint64_t enabled = pair.enabled;
  const std::uint32_t use = pair.use[0], other_use = pair.use[1];
  abi::fence(std::memory_order_acquire);
  const bool is_whole = pair.word.load(relaxed) == word;
  if (!is_whole || thread.route.tag != out.route || site.enabled.load(relaxed)->load(relaxed) != enabled || use_of(*out.view) != use ||
      (out.other != nullptr && (use_of(*out.other->view) != other_use || (thread.announced >> out.other->view->slot & 1) == 0)))
    out.view = nullptr;
  return out;
}

}  // namespace ouro::trace
