// cli/trigger.hpp -- what `ouro record --on` waits for, and what is done then: as the command line says it.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "cli/command_line.hpp"
#include "record/event_watch.hpp"

namespace ouro::cli {

struct Action {
  enum class What : std::uint8_t { snapshot, rotate, start, stop, run };
  What what = What::snapshot;
  std::string text;  // snapshot: the folder it goes to, empty: the working folder; start: ouro record's arguments; stop: a session; run: a shell command
  std::string last;  // snapshot: as --last has it
};

struct Trigger {
  enum class When : std::uint8_t { event, signal, crash, buffer, daily, every };
  std::string text;  // as it was given
  When when = When::event;
  record::EventCondition event;
  int signal = 0;
  double share = 0;                   // of the buffer
  std::chrono::seconds time_of_day{0};
  std::chrono::milliseconds period{0};
  // Only where so many come within that time; 1: each.
  std::uint32_t times = 1;
  std::chrono::nanoseconds within{0};
  std::chrono::milliseconds delay{0};
  std::chrono::milliseconds hold_off{10'000};
  std::uint32_t per_day = 0;          // 0: any number
  std::vector<Action> actions;        // empty: a snapshot
};

bool has_rotate_action(const std::vector<Trigger>& triggers);

extern const char* const kTriggerOptionsHelp;
void define_triggers(CommandLine& line);
// From the line, parsed. Error: what is wrong with it, and what is wanted.
Result<std::vector<Trigger>> triggers_of(const CommandLine& line);

}  // namespace ouro::cli
