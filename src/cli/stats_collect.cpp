#include "cli/stats_collect.hpp"

#include <algorithm>

#include "cli/print_value.hpp"

namespace ouro::cli {
namespace {

std::string without_suffix(const std::string& name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
}

}  // namespace

Stats::Stats(const read::Trace& trace, std::string by) : by_(std::move(by)) {
  for (const read::EventClass& type : trace.classes()) {
    Class out;
    if (!type.is_state) out.events = &by_event_[{type.name, ""}];
    if (type.kind == abi::EventKind::span_begin) out.span_name = without_suffix(type.name, "_begin");
    if (type.kind == abi::EventKind::span_end) out.span_name = without_suffix(type.name, "_end");
    if (!out.span_name.empty()) out.span = &spans_[{out.span_name, ""}];
    if (type.kind == abi::EventKind::counter) out.counter = &counters_[type.name];
    classes_.push_back(std::move(out));
  }
}

// "" if the event has no such field.
std::string Stats::value_of(const read::Event& event) {
  for (const std::span<const read::Value> values : {event.fields(), event.context()})
    for (std::size_t at = 0; at < values.size(); at += values[at].nodes) {
      if (values[at].name() != by_) continue;
      std::string out;
      PrintBuffer buffer(out);
      print_value(buffer, &values[at]);
      buffer.flush();
      return out;
    }
  if (by_ == "cpu" && event.cpu >= 0) return std::to_string(event.cpu);
  if (by_ == "tid" && event.tid >= 0) return std::to_string(event.tid);
  if (event.thread == nullptr) return "";
  if (by_ == "thread") return escaped(event.thread->name);
  if (by_ == "process" && event.thread->process != nullptr) return escaped(event.thread->process->name);
  return "";
}

// Values come from programs: there may be as many as events.
template <class T>
T& Stats::of_value(std::map<StatsKey, T>& map, const std::string& name, const std::string& value) {
  if (const auto it = map.find({name, value}); it != map.end()) return it->second;
  return map[{name, map.size() < kMaxValues ? value : "(others)"}];
}

Stats::PerThread& Stats::thread_of(const read::Event& event) {
  const Key key{event.thread != nullptr ? event.thread->pid : -1, event.tid};
  if (last_thread_ == nullptr || key != last_key_) {
    last_key_ = key;
    last_thread_ = &per_thread_[key];
  }
  return *last_thread_;
}

void Stats::end_span(PerThread& thread, const Class& type, const read::Event& event) {
  const auto begin = std::find_if(thread.open.rbegin(), thread.open.rend(), [&](const Open& o) { return o.span == type.span; });
  if (begin == thread.open.rend()) {
    ++type.span->unmatched_ends;
    return;
  }
  for (auto inner = thread.open.rbegin(); inner != begin; ++inner) {
    ++inner->span->unmatched_begins;
    begin->inside_ns += inner->inside_ns;
  }
  SpanStats* span = type.span;
  if (!by_.empty())
    if (const std::string value = begin->value.empty() ? value_of(event) : begin->value; !value.empty()) span = &of_value(spans_, type.span_name, value);
  const std::int64_t duration = event.time_ns - begin->since_ns;
  span->durations_ns.add(static_cast<std::uint64_t>(duration));
  span->self_ns += static_cast<std::uint64_t>(duration - begin->inside_ns);
  thread.open.erase(std::next(begin).base(), thread.open.end());
  if (thread.open.empty()) thread.span_ns += static_cast<std::uint64_t>(duration);
  else thread.open.back().inside_ns += duration;
}

void Stats::see_gap(const read::Event& event) {
  const std::int64_t size = event.time_ns - last_ns_;
  if (size <= 0 || (gaps_.size() == kMaxGaps && size <= gaps_.back().size_ns())) return;
  const Gap gap{last_ns_, event.time_ns, last_class_->name, event.type->name};
  gaps_.insert(std::upper_bound(gaps_.begin(), gaps_.end(), gap, [](const Gap& a, const Gap& b) { return a.size_ns() > b.size_ns(); }), gap);
  if (gaps_.size() > kMaxGaps) gaps_.pop_back();
}

void Stats::count(CounterStats& counter, const read::Event& event) {
  for (const read::Value& value : event.fields()) {
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
  else see_gap(event);
  last_ns_ = event.time_ns;
  last_class_ = event.type;
  ++events_;
  const Class& type = classes_[event.type->index];
  const std::string value = by_.empty() ? "" : value_of(event);
  EventStats& events = value.empty() ? *type.events : of_value(by_event_, event.type->name, value);
  ++events.count;
  events.bytes += event.size;
  PerThread& thread = thread_of(event);
  ++thread.events;
  if (type.counter != nullptr) count(*type.counter, event);
  if (type.span == nullptr) return;
  if (event.type->kind == abi::EventKind::span_begin)
    thread.open.push_back({type.span, event.time_ns, 0, value});
  else
    end_span(thread, type, event);
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
    out.span_ns = thread.span_ns;
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
                   [](const ThreadStats& a, const ThreadStats& b) { return a.span_ns != b.span_ns ? a.span_ns > b.span_ns : a.events > b.events; });
}

}  // namespace ouro::cli
