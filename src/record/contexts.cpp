#include "record/contexts.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include "base/glob.hpp"
#include "base/perf_counter.hpp"

namespace ouro::record {
namespace {

using abi::Context;

std::string first_line_of(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::optional<std::string> no_file(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) return std::nullopt;
  return path + ": " + std::strerror(errno);
}

std::optional<std::string> no_counter(base::Counter counter) {
  int error = 0;
  const void* page = base::open_counter(counter, error);
  if (page != nullptr) {
    base::close_counter(page);
    return std::nullopt;
  }
  switch (error) {
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:  // ENOTSUP
      if (::access("/sys/bus/event_source/devices/cpu/rdpmc", F_OK) == 0)
        return "it can only be read by a system call, and for that a file would have to stay open in the program "
               "(/sys/bus/event_source/devices/cpu/rdpmc is " +
               first_line_of("/sys/bus/event_source/devices/cpu/rdpmc") + ", want 1 and an x86-64 program)";
      return "this machine has no such counter (a virtual machine without a PMU, perhaps)";
    case EACCES:
    case EPERM:
      return "kernel.perf_event_paranoid is " + first_line_of("/proc/sys/kernel/perf_event_paranoid") +
             ", want 2 at most, and no sandbox that forbids perf_event_open";
    case ENOSYS: return "this kernel has no performance events";
    default: return std::string("perf_event_open: ") + std::strerror(error);
  }
}

// What may stand behind the name: "callstack:N". 0: it is no number that makes sense.
std::uint32_t depth_of(const std::string& text) {
  std::uint32_t depth = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), depth);
  return error == std::errc() && end == text.data() + text.size() && depth <= abi::kMaxDepth ? depth : 0;
}

std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// "cycles" is meant for "perf.cycles": what stands before the dot may be missing. Empty: nothing is near.
std::string nearest(const std::string& name) {
  std::string best;
  std::size_t least = ~std::size_t{0};
  for (const abi::ContextInfo& info : abi::kContexts) {
    if (!abi::is_for_users(info.context)) continue;
    const char* dot = std::strchr(info.name, '.');
    const std::size_t short_one = dot != nullptr ? distance(name, dot + 1) : least;
    const std::size_t d = std::min(distance(name, info.name), short_one);
    if (d < least) {
      least = d;
      best = info.name;
    }
  }
  return least <= name.size() / 2 ? best : "";
}

Error unknown(const std::string& name) {
  std::string all;
  for (const abi::ContextInfo& info : abi::kContexts)
    if (abi::is_for_users(info.context)) all += (all.empty() ? "" : ", ") + std::string(info.name);
  const std::string near = nearest(name);
  return errorf(EINVAL, "context '%s' is unknown,%s want one of: %s", name.c_str(),
                near.empty() ? "" : (" perhaps " + near + " is meant;").c_str(), all.c_str());
}

// Adds what the name or pattern says.
Status add(const std::string& name, std::uint64_t& contexts) {
  bool any = false;
  for (const abi::ContextInfo& info : abi::kContexts) {
    if (!abi::is_for_users(info.context) || !base::glob_match(name.c_str(), info.name)) continue;
    if (const auto why = unavailable(info))
      return errorf(ENOTSUP, "context '%s' cannot be had here: %s", info.name, why->c_str());
    any = true;
    contexts |= abi::bit(info.context);
  }
  if (!any) return unknown(name);
  return Ok{};
}

Status add_entry(const std::string& entry, std::uint64_t& contexts) {
  const std::size_t colon = entry.find(':');
  const std::string name = entry.substr(0, colon);
  if (colon == std::string::npos) return add(name, contexts);
  if (name != "callstack") return unknown(entry);
  const std::uint32_t depth = depth_of(entry.substr(colon + 1));
  if (depth == 0) return errorf(EINVAL, "context '%s': want 1 to %u addresses", entry.c_str(), abi::kMaxDepth);
  contexts = (contexts & abi::kAllContexts) | abi::depth_bits(depth);
  return add(name, contexts);
}

}  // namespace

std::optional<std::string> unavailable(const abi::ContextInfo& info) {
  switch (info.context) {
    case Context::comm: return no_file("/proc/self/comm");
    case Context::cgroup: return no_file("/proc/thread-self/cgroup");
    case Context::cycles: return no_counter(base::Counter::cycles);
    case Context::instructions: return no_counter(base::Counter::instructions);
    case Context::cache_misses: return no_counter(base::Counter::cache_misses);
    case Context::branch_misses: return no_counter(base::Counter::branch_misses);
    default: break;
  }
  constexpr const char kNamespace[] = "ns.";
  if (std::strncmp(info.name, kNamespace, 3) == 0) return no_file(std::string("/proc/thread-self/ns/") + (info.name + 3));
  return std::nullopt;
}

Result<std::uint64_t> parse_contexts(const std::vector<std::string>& lists) {
  std::uint64_t contexts = 0;
  for (const std::string& list : lists) {
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t end = std::min(list.find(',', begin), list.size());
      if (Status added = add_entry(list.substr(begin, end - begin), contexts); !added) return added.error();
      begin = end + 1;
    }
  }
  return contexts;
}

std::string context_names(std::uint64_t contexts) {
  std::string out;
  for (const abi::ContextInfo& info : abi::kContexts) {
    if ((contexts & abi::bit(info.context)) == 0) continue;
    out += (out.empty() ? "" : ",") + std::string(info.name);
    if (info.context == Context::callstack && (contexts & ~abi::kAllContexts) != 0) out += ":" + std::to_string(abi::callstack_depth(contexts));
  }
  return out;
}

}  // namespace ouro::record
