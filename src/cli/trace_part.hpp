// cli/trace_part.hpp -- the part of a trace that a command line names: some events, between two times.
#pragma once
#include <vector>

#include <ouro/read.hpp>

#include "cli/event_globs.hpp"
#include "cli/progress.hpp"
#include "cli/time_range.hpp"

namespace ouro::cli {

// Calls `see` with each of its events, and with the recorder's own, whatever their time, from the packet on in which the part begins. `command` is for the progress.
template <class See>
void see_part(const char* command, read::Trace& trace, const EventGlobs& events, TimeRange range, See&& see) {
  range.resolve(trace);
  const std::vector<bool> chosen = events.chosen(trace.classes());
  if (range.begin_ns() != INT64_MIN) trace.seek(range.begin_ns());
  Progress progress(command, trace);
  while (const read::Event* event = trace.next()) {
    progress.see(*event);
    if (event->type->is_state || (chosen[event->type->index] && range.contains(event->time_ns))) see(*event);
  }
}

}  // namespace ouro::cli
