// cli/list_sources.hpp -- where `ouro list` has events from: registries of running programs, files of programs, traces.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "cli/print_losses.hpp"
#include "format/event_class.hpp"

namespace ouro::cli {

struct ListedLabel {
  std::string low, high;  // as numbers; equal but for ranges
  std::string text;
};

struct ListedField {
  std::string name, type;
  std::vector<ListedLabel> labels;
};

struct ListedEvent {
  std::string name, kind, level, file;  // level, file: "" if a trace does not say
  std::uint32_t line = 0;
  std::vector<ListedField> fields;
  std::optional<std::uint64_t> count;  // in a trace
  struct OnIn {
    std::string session;
    std::optional<std::uint64_t> count;  // in the session's trace so far; none if nobody counts
  };
  std::vector<OnIn> sessions;  // that a running program's event is on for

  std::string place() const { return file.empty() ? "" : file + ":" + std::to_string(line); }
};

// What has events: a running program, a program's file, or a trace.
struct Listing {
  enum class Of { process, file, trace } of{};
  int pid = 0;
  std::string name;  // of a process; else its path
  std::vector<ListedEvent> events;
  // Of traces.
  bool complete = true;
  std::uint64_t event_count = 0, lost = 0;
  std::map<std::string, std::uint64_t> lost_by_cause;
};

// Programs of this user that run, by pid: ours of each, where its PID namespace is another. Registries of dead ones are removed; what is wrong with others is said.
std::vector<Listing> list_processes(const std::string& folder);

// One that need not be this user's, nor have its runtime folder: as ouro record -p finds it.
Result<Listing> list_process(int pid);

// `status`: made 1 by what is wrong with a part of it, which is said.
Result<Listing> list_file(const std::string& path, int& status);
Result<Listing> list_trace(const std::string& path, int& status);

}  // namespace ouro::cli
