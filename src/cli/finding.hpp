// cli/finding.hpp -- what ouro doctor finds: one check, one line, one hint.
#pragma once
#include <string>
#include <vector>

namespace ouro::cli {

enum class Status { ok, warn, fail };

struct Finding {
  std::string check;
  Status status;
  std::string seen, wanted, hint;
};

// Of a process: why it can be traced, or not.
std::vector<Finding> examine_process(int pid);

}  // namespace ouro::cli
