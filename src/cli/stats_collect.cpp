#include "cli/stats_collect.hpp"

#include <algorithm>

namespace ouro::cli {
namespace {

std::string without_suffix(const std::string& name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
}

}  // namespace

Stats::Stats(const read::Trace& trace) {
  for (const read::EventClass& type : trace.classes()) {
    Class out;
    if (!type.is_state) out.events = &by_event_[type.name];
    if (type.kind == abi::EventKind::span_begin) out.span = &spans_[without_suffix(type.name, "_begin")];
    if (type.kind == abi::EventKind::span_end) out.span = &spans_[without_suffix(type.name, "_end")];
    if (type.kind == abi::EventKind::counter) out.counter = &counters_[type.name];
    classes_.push_back(out);
  }
}

Stats::PerThread& Stats::thread_of(const read::Event& event) {
  const Key key{event.thread != nullptr ? event.thread->pid : -1, event.tid};
  if (last_thread_ == nullptr || key != last_key_) {
    last_key_ = key;
    last_thread_ = &per_thread_[key];
  }
  return *last_thread_;
}

void Stats::end_span(PerThread& thread, SpanStats* span, std::int64_t now_ns) {
  const auto begin =
      std::find_if(thread.open.rbegin(), thread.open.rend(), [&](const Open& o) { return o.span == span; });
  if (begin == thread.open.rend()) {
    ++span->unmatched_ends;
    return;
  }
  for (auto inner = thread.open.rbegin(); inner != begin; ++inner) ++inner->span->unmatched_begins;
  span->durations_ns.add(static_cast<std::uint64_t>(now_ns - begin->since_ns));
  thread.open.erase(std::next(begin).base(), thread.open.end());
}

void Stats::count(CounterStats& counter, const read::Event& event) {
  for (const read::Value& value : event.fields) {
    long double number = 0;
    switch (value.kind()) {
      case read::Kind::signed_integer: number = static_cast<long double>(value.i); break;
      case read::Kind::enumeration:
        number = value.type().is_signed ? static_cast<long double>(value.i) : static_cast<long double>(value.u);
        break;
      case read::Kind::unsigned_integer: number = static_cast<long double>(value.u); break;
      case read::Kind::floating_point:
        number = static_cast<long double>(value.f);
        counter.is_integer = false;
        break;
      default: continue;
    }
    counter.min = counter.count == 0 ? number : std::min(counter.min, number);
    counter.max = counter.count == 0 ? number : std::max(counter.max, number);
    counter.last = number;
    counter.sum += number;
    ++counter.count;
    return;
  }
}

void Stats::see(const read::Event& event) {
  losses_.see(event);
  if (event.type->is_state) return;
  if (events_ == 0) first_ns_ = event.time_ns;
  last_ns_ = event.time_ns;
  ++events_;
  const Class& type = classes_[event.type->index];
  ++type.events->count;
  type.events->bytes += event.size;
  PerThread& thread = thread_of(event);
  ++thread.events;
  if (type.counter != nullptr) count(*type.counter, event);
  if (type.span == nullptr) return;
  if (event.type->kind == abi::EventKind::span_begin)
    thread.open.push_back({type.span, event.time_ns});
  else
    end_span(thread, type.span, event.time_ns);
}

void Stats::finish(const read::Trace& trace) {
  for (const read::Thread& thread : trace.threads()) per_thread_[{thread.pid, thread.tid}];
  for (auto& [key, thread] : per_thread_) {
    for (const Open& open : thread.open) ++open.span->unmatched_begins;
    thread.open.clear();
    ThreadStats out;
    out.pid = key.first;
    out.tid = key.second;
    out.events = thread.events;
    threads_.push_back(std::move(out));
  }
  std::map<Key, const read::Thread*> named;
  for (const read::Thread& thread : trace.threads()) named[{thread.pid, thread.tid}] = &thread;
  for (ThreadStats& thread : threads_) {
    const auto it = named.find({thread.pid, thread.tid});
    if (it == named.end()) continue;
    thread.name = it->second->name;
    if (it->second->process == nullptr) continue;
    thread.process = it->second->process->name;
    thread.command_line = it->second->process->command_line;
  }
  std::stable_sort(threads_.begin(), threads_.end(),
                   [](const ThreadStats& a, const ThreadStats& b) { return a.events > b.events; });
}

}  // namespace ouro::cli
