// cli/record_targets.hpp -- which programs `ouro record` is to record, beside the one that it runs.
#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

#include <ouro/result.hpp>

#include "base/runtime_dir.hpp"
#include "cli/record_options.hpp"
#include "record/target.hpp"

namespace ouro::cli {

// The running programs that are meant, and the folder in which they and the session find each other.
struct Targets {
  std::vector<record::Target> list;
  base::RuntimeDir folder;
  uid_t owner = ::geteuid();
  gid_t group = ::getegid();
};

// `own`: the user's runtime folder.
Result<Targets> find_targets(const RecordOptions& options, const Result<base::RuntimeDir>& own);

// Events that there are now, of programs that run and of the one that is about to: filters are tried on them before anything begins.
std::vector<std::vector<std::byte>> known_events(const RecordOptions& options, const Targets& targets);

}  // namespace ouro::cli
