#include "cli/diff_samples.hpp"

#include <algorithm>
#include <utility>

namespace ouro::cli {

Samples::Samples(const read::Trace& trace) {
  const auto rate = [&](const std::string& name) {
    const auto [it, is_new] = rates_.try_emplace(name);
    if (is_new) it->second.index = rates_.size() - 1;
    return &it->second;
  };
  for (const read::EventClass& type : trace.classes()) {
    Class out;
    out.is_end = type.kind == abi::EventKind::span_end;
    const std::size_t suffix = type.kind == abi::EventKind::span_begin ? 6 : out.is_end ? 4 : 0;
    const std::string name = type.name.substr(0, type.name.size() - std::min(suffix, type.name.size()));
    if (suffix != 0) out.span = &spans_[name];
    if (!out.is_end && !type.is_state) out.rate = rate(name);
    classes_.push_back(out);
  }
}

// Spans are paired as ouro stats does it.
void Samples::see(const read::Event& event) {
  losses_.see(event);
  if (event.type->is_state) return;
  ++events_;
  windows_.see(event.time_ns);
  const Class& type = classes_[event.type->index];
  if (type.rate != nullptr) {
    ++type.rate->count;
    windows_.count(type.rate->index);
  }
  if (type.span == nullptr) return;
  std::vector<Open>& open = open_[{event.thread != nullptr ? event.thread->pid : -1, event.tid}];
  if (!type.is_end) {
    open.push_back({type.span, event.time_ns});
    return;
  }
  const auto begin = std::find_if(open.rbegin(), open.rend(), [&](const Open& o) { return o.span == type.span; });
  if (begin == open.rend()) return;
  type.span->add(static_cast<std::uint64_t>(event.time_ns - begin->since_ns));
  open.erase(std::next(begin).base(), open.end());
}

}  // namespace ouro::cli
