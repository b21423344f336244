#include "cli/record_session.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "cli/report.hpp"
#include "clock/calibrate.hpp"

namespace ouro::cli {
namespace {

constexpr std::uint64_t kDefaultBuffer = 4 << 20, kSmallestDefault = 256 << 10;
constexpr std::uint32_t kDefaultCount = 16;

std::uint64_t available_memory() {
  std::ifstream in("/proc/meminfo");
  std::string key;
  for (std::uint64_t kilobytes = 0; in >> key >> kilobytes; in.ignore(64, '\n'))
    if (key == "MemAvailable:") return kilobytes << 10;
  return ~std::uint64_t{0};
}

// All CPUs at once take at most half of the folder's free room and an eighth of the machine's free memory.
std::uint64_t default_buffer_size(const base::RuntimeDir& folder) {
  const auto cpus = static_cast<std::uint64_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  const std::uint64_t room = std::min(free_space(folder.path) / 2, available_memory() / 8);
  std::uint64_t size = kDefaultBuffer;
  while (size > kSmallestDefault && cpus * (size + size / kDefaultCount) > room) size /= 2;
  return size;
}

void set_geometry(const RecordOptions& options, const base::RuntimeDir& folder, record::SessionOptions& out) {
  out.subbuf_count = options.subbuf_count.value_or(kDefaultCount);
  const std::uint64_t size = options.buffer_size
                                 ? std::bit_ceil(*options.buffer_size)
                                 : std::max(default_buffer_size(folder), out.subbuf_count * abi::kMinSubbufSize);
  if (!options.subbuf_count) {
    while (out.subbuf_count < abi::kMaxSubbufs && size / out.subbuf_count > abi::kMaxSubbufSize) out.subbuf_count *= 2;
    while (out.subbuf_count > abi::kMinSubbufs && size / out.subbuf_count < abi::kMinSubbufSize) out.subbuf_count /= 2;
  }
  out.subbuf_size = size / out.subbuf_count;
}

}  // namespace

Result<record::SessionOptions> session_options(const RecordOptions& options, const base::RuntimeDir& folder) {
  record::SessionOptions out;
  char name[64];
  std::snprintf(name, sizeof name, "%d-%08x", static_cast<int>(::getpid()), record::random_generation());
  if (options.flight) std::strcpy(name, "flight");
  for (int i = 2; options.flight && !options.join && i < 1000 && ::access((std::string(folder.path) + "/session-" + name).c_str(), F_OK) == 0; ++i)
    std::snprintf(name, sizeof name, "flight-%d", i);
  out.name = options.name.empty() ? name : options.name;
  out.is_kept = options.flight;
  out.mode = options.overwrite || options.flight ? abi::FullMode::overwrite : abi::FullMode::discard;
  out.rules = options.rules;
  const clock::TscTrust tsc = clock::tsc_trust();
  if (options.clock == "tsc" && !tsc.trusted)
    return errorf(EINVAL,
                  "clock: the kernel keeps time by '%s' and constant_tsc, nonstop_tsc are %d, %d; want '%s', 1, 1 "
                  "(hint: without --clock ouro chooses what can be trusted)",
                  tsc.clocksource.c_str(), tsc.constant, tsc.nonstop, clock::kTrustedSource);
  out.clock = tsc.trusted && options.clock != "monotonic" ? abi::ClockKind::tsc : abi::ClockKind::monotonic;
  out.contexts = options.contexts;
  if (!options.backing.empty()) {
    char whole[PATH_MAX];
    if (::realpath(options.backing.c_str(), whole) == nullptr) return error_from_errno("folder '%s'", options.backing.c_str());
    out.backing = whole;
    out.contexts |= abi::bit(abi::Context::check);
  }
  set_geometry(options, folder, out);
  return out;
}

}  // namespace ouro::cli
