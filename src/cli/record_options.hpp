// cli/record_options.hpp -- the command line of `ouro record`.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/event_options.hpp"
#include "cli/trigger.hpp"
#include "record/rules.hpp"

namespace ouro::cli {

struct RecordOptions {
  std::string output, name, resume, backing;
  std::vector<record::Rule> rules;
  std::vector<int> pids;
  std::vector<std::string> names;
  bool all = false, seccomp_ok = false;
  std::optional<std::chrono::milliseconds> duration;
  std::optional<std::uint64_t> rotate_size, keep;
  std::optional<std::chrono::milliseconds> rotate_time;
  bool overwrite = false, flight = false, detach = false, compress = false, join = false;
  std::string buffer_size_text, subbuf_count_text, duration_text;
  std::string keep_text;
  std::vector<std::string> pid_texts, context_lists, rotate_texts;
  EventOptions events;
  std::vector<Trigger> triggers;
  std::optional<std::uint64_t> buffer_size;
  std::optional<std::uint32_t> subbuf_count;
  std::string clock;
  std::uint64_t contexts = 0;
  std::vector<std::string> program;

  // A folder of traces in place of one.
  bool rotates() const { return rotate_size || rotate_time || keep || has_rotate_action(triggers); }
  bool attaches() const { return all || !pids.empty() || !names.empty(); }
};

// Fills `options`, or answers with the exit status.
std::optional<int> parse_record_options(int argc, char** argv, RecordOptions& options);

}  // namespace ouro::cli
