// cli/rewrite.hpp -- what cut, merge and convert have in common: traces read, and what is wanted of them written as one.
#pragma once
#include <string>
#include <vector>

#include "cli/event_globs.hpp"
#include "cli/time_range.hpp"
#include "export/ctf_writer.hpp"

namespace ouro::cli {

struct Rewrite {
  const char* command = "";  // which one it is, for messages
  const char* done = "";     // "cut"
  std::vector<std::string> folders;  // of traces, each as read::Trace opens it
  std::string output;
  EventGlobs events{{}};
  TimeRange range;
  ctf::WriterOptions options;
};

// Says what it did, or what is wrong. The exit status.
int rewrite(Rewrite job);

}  // namespace ouro::cli
