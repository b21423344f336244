// How a session wants an event: looked up in the session's rules (ouro/abi/rules_layout.hpp) when the event first comes after they
// changed, and kept in the session's view.
//
//   rules_version v   area v mod 2 -> the rule that decides -> copy -> still v? -> bound to the event's fields -> view.plan[row] = {v, plan}
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <span>

#include <ouro/abi/context_layout.hpp>

#include "base/rules.hpp"
#include "filter/bind.hpp"
#include "filter/first_tests.hpp"
#include "filter/run.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::uint32_t kPlanAlignment = 64;

const std::byte* rules_of(const SessionView& view, std::uint64_t version) {
  return view.base + view.rules_offset + (version & 1) * view.rules_size;
}

// The rule that decides, while the list stood still. `code`: where its filter goes. False: none, or the list never stood still.
struct Found {
  std::uint64_t version;
  bool wanted;
  abi::RuleHeader header;
};
Found find(const SessionView& view, const base::EventFacts& event, std::byte* code) noexcept {
  Found out{};
  for (int tries = 0; tries < 1000; ++tries) {
    out.version = view.header->rules_version.load(std::memory_order_acquire);
    base::Rule rule;
    out.wanted = base::find_rule(rules_of(view, out.version), view.rules_size, event, rule);
    out.header = rule.header;
    if (out.wanted && code != nullptr) {
      if (out.header.filter_size > abi::kMaxFilterCode) out.wanted = false;
      else std::memcpy(code, rule.filter, out.header.filter_size);
    }
    // Fence; pairs with the tool's release of version v + 1, before which it does not touch our area: what was copied is of `version`.
    abi::fence(std::memory_order_acquire);
    if (view.header->rules_version.load(relaxed) == out.version) return out;
  }
  out.wanted = false;
  return out;
}

// The end of what is used; what the caller takes of it is his own by compare-exchange. Null: there is no more.
std::byte* take(SessionView& view, std::uint32_t size, std::uint32_t& begin) noexcept {
  begin = view.plans_used.load(relaxed);
  do {
    if (size > kPlansSize - kPlanAlignment - begin) return nullptr;
  } while (!view.plans_used.compare_exchange_weak(begin, begin + size, relaxed));
  begin += kPlanAlignment;  // so that no place is one of Decision's other values
  return view.plans + begin;
}
void give_back(SessionView& view, std::uint32_t begin, std::uint32_t size, std::uint32_t used) noexcept {
  std::uint32_t end = begin - kPlanAlignment + size;
  const std::uint32_t rounded = (used + kPlanAlignment - 1) & ~(kPlanAlignment - 1);
  view.plans_used.compare_exchange_strong(end, begin - kPlanAlignment + rounded, relaxed);  // else somebody took more behind it
}

std::uint64_t entry(std::uint64_t version, std::uint32_t what) { return version << 32 | what; }

std::byte* code_of(Plan& plan) { return reinterpret_cast<std::byte*>(&plan) + sizeof plan; }

bool is_same(Plan& old, const Plan& made, std::uint32_t id) noexcept {
  return old.id == id && old.rate == made.rate && old.every == made.every && old.longer == made.longer && old.code_size == made.code_size &&
         std::memcmp(code_of(old), code_of(const_cast<Plan&>(made)), made.code_size) == 0;
}

Decided answer(SessionView& view, std::uint64_t known) noexcept {
  const auto what = static_cast<std::uint32_t>(known);
  if (what < kPlanAlignment) return {static_cast<Decision>(what), nullptr};
  return {Decision::plan, reinterpret_cast<Plan*>(view.plans + what)};
}

// Of both ends of a span the same: its name and place, and the session's generation, for each session asks for itself.
std::uint32_t span_of(const SessionView& view, const detail::Site& site, const base::EventFacts& event) noexcept {
  abi::SchemaHeader header;
  std::memcpy(&header, site.schema, sizeof header);
  std::uint32_t h = view.generation ^ header.line;
  for (const char* text : {event.name, event.file})
    for (const char* c = text; *c != '\0'; ++c) h = (h ^ static_cast<std::uint8_t>(*c)) * 16777619u;  // FNV-1a
  return h | 1;
}

// `known`: the decision under the rules before.
std::uint64_t make(SessionView& view, const detail::Site& site, std::uint32_t id, std::uint64_t known) noexcept {
  constexpr auto what = [](Decision d) { return static_cast<std::uint32_t>(d); };
  constexpr std::uint32_t kWhole = (sizeof(Plan) + abi::kMaxFilterCode + filter::kMaxBoundSize + 2 * kPlanAlignment - 1) & ~(kPlanAlignment - 1);
  char name[256];
  base::EventFacts event;
  const std::uint64_t seen = view.header->rules_version.load(std::memory_order_acquire);
  if (!base::facts_of(site.schema, name, event)) return entry(seen, what(Decision::off));
  std::uint32_t begin = 0;
  auto* plan = reinterpret_cast<Plan*>(take(view, kWhole, begin));
  const Found found = find(view, event, plan != nullptr ? code_of(*plan) : nullptr);
  const bool is_plain = found.header.filter_size == 0 && found.header.rate == 0 && found.header.every <= 1 && found.header.longer == 0 &&
                        view.contexts == 0 && !view.is_watched;
  if (!found.wanted || is_plain || plan == nullptr) {
    if (plan != nullptr) give_back(view, begin, kWhole, 0);
    return entry(found.version, what(!found.wanted ? Decision::off : is_plain ? Decision::plain : Decision::no_room));
  }
  plan->word.store(0, relaxed);
  plan->id = id;
  plan->view = &view;
  plan->row = reinterpret_cast<abi::EventRow*>(view.base + view.events_offset) + (id != kNoId ? id : 0);
  plan->rate = found.header.rate;
  plan->every = found.header.every;
  plan->longer = found.header.longer;
  plan->span = span_of(view, site, event);
  plan->is_end = event.kind == abi::EventKind::span_end;
  plan->code_size = found.header.filter_size;
  const std::size_t bound = (sizeof *plan + plan->code_size + 15) & ~std::size_t{15};
  plan->bound_offset = static_cast<std::uint32_t>(bound);
  plan->contexts = view.contexts;
  plan->is_pair = false;
  const bool is_asked = plan->rate != 0 || plan->every > 1 || plan->longer != 0 || view.is_watched || (view.contexts & (abi::bit(abi::Context::check) | abi::bit(abi::Context::span))) != 0;
  plan->begin = is_asked ? detail::Choice::kAsk : view.contexts != 0 ? detail::Choice::kWriteBehind : detail::Choice::kWrite;
  if (const Decided old = answer(view, known); old.plan != nullptr && is_same(*old.plan, *plan, id)) {
    give_back(view, begin, kWhole, 0);
    return entry(found.version, static_cast<std::uint32_t>(known));
  }
  std::size_t used = bound;
  if (plan->code_size != 0) {
    const filter::BindResult binding =
        filter::bind({code_of(*plan), plan->code_size}, std::as_bytes(std::span(site.schema, site.schema_size)),
                     {reinterpret_cast<std::byte*>(plan) + bound, filter::kMaxBoundSize});
    if (!binding) {  // no filter for such an event, or none at all
      give_back(view, begin, kWhole, 0);
      return entry(found.version, what(Decision::off));
    }
    plan->bound_offset = static_cast<std::uint32_t>(reinterpret_cast<const std::byte*>(binding.bound) - reinterpret_cast<const std::byte*>(plan));
    used = plan->bound_offset + filter::size_of(*binding.bound);
    if (plan->longer == 0) filter::take_first_tests(*binding.bound, std::as_bytes(std::span(site.schema, site.schema_size)), plan->begin, *plan);
  }
  give_back(view, begin, kWhole, static_cast<std::uint32_t>(used));
  return entry(found.version, begin);
}

// What a filter asks of the thread that writes.
struct ThreadContexts : filter::Contexts {
  ThreadContexts() noexcept : Contexts{get} {}
  mutable std::uint32_t number = 0;
  mutable char text[16] = {};

 private:
  static const void* get(const Contexts& self, abi::FilterContext which) noexcept {
    const auto& mine = static_cast<const ThreadContexts&>(self);
    const detail::ThreadState& thread = detail::ouro_thread;
    switch (which) {
      case abi::FilterContext::tid: return &thread.tid;
      case abi::FilterContext::pid: return &thread.pid;
      case abi::FilterContext::cpu: {
        unsigned cpu = 0;
        if (getcpu(&cpu, nullptr) != 0) return nullptr;
        return &(mine.number = cpu);
      }
      case abi::FilterContext::uid: return &(mine.number = getuid());
      case abi::FilterContext::gid: return &(mine.number = getgid());
      case abi::FilterContext::thread: return prctl(PR_GET_NAME, mine.text) == 0 ? mine.text : nullptr;
      case abi::FilterContext::comm: return tracer.header().name;
    }
    return nullptr;
  }
};

std::uint32_t second_now() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint32_t>(now.tv_sec);
}

}  // namespace

bool wants(SessionView& view, const detail::Site& site) noexcept {
  // Without an id: what is kept of it is not its plan.
  const std::uint32_t used = view.plans_used.load(relaxed);
  const auto how = static_cast<std::uint32_t>(make(view, site, kNoId, 0));
  // Nobody will go by it: its room is given back, unless somebody took more behind it.
  if (std::uint32_t end = view.plans_used.load(relaxed); how >= kPlanAlignment && how - kPlanAlignment == used)
    view.plans_used.compare_exchange_strong(end, used, relaxed);
  return how != static_cast<std::uint32_t>(Decision::off);
}

Decided decide(SessionView& view, const detail::Site& site, std::uint32_t id) noexcept {
  std::atomic<std::uint64_t>& known = view.plan[site.row.load(relaxed)];
  std::uint64_t seen = known.load(std::memory_order_acquire);
  const std::uint64_t version = view.header->rules_version.load(std::memory_order_acquire);
  if (static_cast<std::uint32_t>(seen) != 0 && seen >> 32 == (version & 0xffffffff)) return answer(view, seen);
  const std::uint64_t made = make(view, site, id, seen);
  // Release: the plan is there. Whoever is second has made the same, or the rules changed once more.
  known.store(made, std::memory_order_release);
  return answer(view, made);
}

bool passes_filter(const Plan& plan, const std::byte* payload, std::size_t size) noexcept {
  if (plan.code_size == 0) return true;
  const auto* bound = reinterpret_cast<const filter::Bound*>(reinterpret_cast<const std::byte*>(&plan) + plan.bound_offset);
  return filter::run(*bound, payload, size, ThreadContexts());
}

bool passes_limits(const Plan& plan) noexcept {
  abi::EventRow& row = *plan.row;
  if (plan.every > 1 && row.seen.fetch_add(1, relaxed) % plan.every != 0) {
    row.not_sampled.fetch_add(1, relaxed);
    return false;
  }
  if (plan.rate == 0) return true;
  const std::uint64_t now = second_now();
  std::uint64_t window = row.window.load(relaxed);
  for (;;) {
    const bool is_new = window >> 32 < now;  // another CPU may be a second ahead
    if (!is_new && static_cast<std::uint32_t>(window) >= plan.rate) break;
    // Ends: a failed exchange means that somebody else counted, and of them there are at most `rate` in a second.
    if (row.window.compare_exchange_weak(window, is_new ? now << 32 | 1 : window + 1, relaxed)) return true;
  }
  row.over_rate.fetch_add(1, relaxed);
  return false;
}

}  // namespace ouro::trace
