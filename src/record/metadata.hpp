// record/metadata.hpp -- a trace's metadata, from what its session says and how its clock has run.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "clock/calibrate.hpp"
#include "format/ctf.hpp"
#include "record/event_table.hpp"
#include "record/session.hpp"
#include "record/trace_writer.hpp"

namespace ouro::record {

struct Metadata {
  format::Uuid uuid{};
  std::vector<std::pair<std::string, std::string>> env;
  clock::Pair begin, realtime;  // as clock::calibrate() takes them
  clock::Pair earlier = begin;  // in place of `begin` as long as that is so near that the clock's frequency would be a guess
};

// Of a trace that is not the first of its session.
format::Uuid random_uuid();

// Writes it as things are now, or as they were at `end`. Returns what the clock was found to be.
Result<clock::Calibration> write_metadata(const Session& session, const EventTable& events, const Metadata& metadata, TraceFolder& folder,
                                          const clock::Pair* end = nullptr);

}  // namespace ouro::record
