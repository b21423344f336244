// `ouro doctor`: what this machine has, and lacks, for recording. One check, one line, one hint.
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define OURO_LIBC_HAS_RSEQ 1
#else
#define OURO_LIBC_HAS_RSEQ 0
#endif

#include "base/runtime_dir.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/finding.hpp"
#include "cli/say.hpp"
#include "clock/calibrate.hpp"
#include "record/session.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro doctor says what this machine has, and lacks, for recording; of a process, whether it can be recorded, and why not.

Usage: ouro doctor [OPTIONS] [PID...]

One line a check: ok, warn (works, but slower or less) or fail (does not work), the value seen, the value wanted, and
what to do about it.

Options:
      --json   [{"check", "status", "seen", "wanted", "hint"}]
  -h, --help   this text

Exit status: 0; 1 if a check failed.

A program can say that it is not to be recorded from outside: one that is started with OURO_ATTACH=0 looks for no folder and makes no registry.

Examples:
  ouro doctor
  ouro doctor 4711
  ouro doctor --json | jq '.[] | select(.status != "ok")'
)";

const char* to_string(Status status) { return status == Status::ok ? "ok" : status == Status::warn ? "warn" : "fail"; }

// What the default buffers of a recording take if all CPUs are busy.
std::uint64_t default_need() {
  const record::SessionOptions defaults;
  const auto cpus = static_cast<std::uint64_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  return cpus * (defaults.subbuf_count + std::uint64_t{1}) * defaults.subbuf_size + (8 << 20);
}

Finding kernel_rseq() {
  // Wrong on purpose: a kernel that has the call refuses its arguments.
  const bool has = ::syscall(SYS_rseq, nullptr, 0, 0, 0) == 0 || errno != ENOSYS;
  const unsigned long size = ::getauxval(AT_RSEQ_FEATURE_SIZE);
  return {"rseq in the kernel", has ? Status::ok : Status::warn,
          !has        ? "no"
          : size != 0 ? "yes, feature size " + std::to_string(size)
                      : "yes, feature size not told",
          "yes", has ? "" : "a kernel with CONFIG_RSEQ (4.18 or later): without it events cost several times as much"};
}

Finding libc_rseq() {
  const char* tunables = std::getenv("GLIBC_TUNABLES");
  unsigned size = 0;
#if OURO_LIBC_HAS_RSEQ
  size = __rseq_size;
#endif
  std::string hint;
  if (size == 0) {
    hint = tunables != nullptr && std::strstr(tunables, "rseq=0") != nullptr
               ? std::string("GLIBC_TUNABLES is '") + tunables + "': without glibc.pthread.rseq=0"
               : "glibc 2.35 or later, and no other library that registers rseq: without it events cost several times "
                 "as much";
  }
  return {"rseq registered by libc", size != 0 ? Status::ok : Status::warn,
          size != 0 ? "yes, size " + std::to_string(size) : "no", "yes", hint};
}

Finding clocksource() {
  const clock::TscTrust tsc = clock::tsc_trust();
  std::string seen = tsc.clocksource.empty() ? "unknown" : tsc.clocksource;
  if (!tsc.constant) seen += ", no constant_tsc";
  if (!tsc.nonstop) seen += ", no nonstop_tsc";
#if defined(__x86_64__)
  const std::string wanted = "tsc, constant_tsc, nonstop_tsc";
#else
  const std::string wanted = clock::kTrustedSource;
#endif
  return {"clock", tsc.trusted ? Status::ok : Status::warn, seen, wanted,
          tsc.trusted ? ""
                      : "events are stamped with CLOCK_MONOTONIC, which costs more; the kernel's log says why it "
                        "distrusts the CPU's counter"};
}

Finding runtime_folder(const base::RuntimeDir& folder, int error) {
  const std::string path = folder.path;
  if (error == 0) return {"runtime folder", Status::ok, path, "this user's own, mode 0700", ""};
  if (error == EINVAL || error == ENAMETOOLONG)
    return {"runtime folder", Status::fail, "OURO_RUNTIME_DIR is '" + path + "'", "a short absolute path", "unset it"};
  return {"runtime folder", Status::fail, path + ": " + std::strerror(error), "this user's own, mode 0700, no link",
          error == EPERM ? "chmod 0700 " + path + ", or set OURO_RUNTIME_DIR"
                         : "set OURO_RUNTIME_DIR to a folder that can be made"};
}

Finding free_room(const std::string& check, const char* folder) {
  struct statvfs status;
  if (::statvfs(folder, &status) != 0)
    return {check, Status::warn, std::string(folder) + ": " + std::strerror(errno), "a file system in memory",
            "mount a tmpfs there"};
  const std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize,
                      all = std::uint64_t{status.f_blocks} * status.f_frsize;
  const Status verdict = free >= default_need() ? Status::ok : free >= (8 << 20) ? Status::warn : Status::fail;
  return {check, verdict, human_bytes(free) + " free of " + human_bytes(all),
          human_bytes(default_need()) + " for default buffers",
          verdict == Status::ok ? "" : "a smaller --buffer-size, or: mount -o remount,size=1G /dev/shm"};
}

Finding populate() {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const bool works = page != MAP_FAILED && ::madvise(page, 4096, MADV_POPULATE_WRITE) == 0;
  const int error = errno;
  if (page != MAP_FAILED) ::munmap(page, 4096);
  return {"memory can be reserved (MADV_POPULATE_WRITE)", works ? Status::ok : Status::warn,
          works ? "yes" : std::strerror(error), "yes", works ? "" : "Linux 5.14 or later; fallocate is used instead"};
}

Finding cpus() {
  const std::uint32_t possible = record::possible_cpus();
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  const bool fine = possible < 8192 && online > 0;
  return {"CPUs", fine ? Status::ok : Status::fail,
          std::to_string(online) + " online, " + std::to_string(possible) + " possible", "fewer than 8192", ""};
}

Finding file_size_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) return {"file size limit (ulimit -f)", Status::ok, "none", "none", ""};
  // A session's file spans the rings of all possible CPUs, both kinds, though only what is used takes memory.
  const record::SessionOptions defaults;
  const std::uint64_t need =
      (16 << 20) + 2 * std::uint64_t{record::possible_cpus()} * (defaults.subbuf_count + 2) * defaults.subbuf_size;
  const bool enough = limit.rlim_cur >= need;
  return {"file size limit (ulimit -f)", enough ? Status::warn : Status::fail, human_bytes(limit.rlim_cur),
          "none, or at least " + human_bytes(need),
          enough ? "streams longer than that are cut off, and said to be" : "ulimit -f unlimited"};
}

Finding memory() {
  std::ifstream in("/proc/meminfo");
  std::string key;
  std::uint64_t available = 0;
  for (std::uint64_t kilobytes = 0; in >> key >> kilobytes; in.ignore(64, '\n'))
    if (key == "MemAvailable:") available = kilobytes << 10;
  const bool enough = available >= 4 * default_need();
  return {"free memory", enough ? Status::ok : Status::warn, human_bytes(available),
          human_bytes(4 * default_need()) + " for default buffers", enough ? "" : "a smaller --buffer-size"};
}

// Sessions whose recorder was killed: until somebody removes them, their memory is not given back.
Finding leftovers(const std::string& folder) {
  std::string names;
  for (const std::string& name : record::find_left_behind(folder)) names += (names.empty() ? "" : " ") + folder + "/" + name;
  return {"sessions left behind", names.empty() ? Status::ok : Status::warn, names.empty() ? "none" : names, "none",
          names.empty() ? "" : "their recorders were killed: the next ouro record removes them"};
}

std::vector<Finding> examine() {
  base::RuntimeDir folder;
  const int error = base::find_runtime_dir(folder, true);
  std::vector<Finding> out = {kernel_rseq(), libc_rseq(), clocksource(), runtime_folder(folder, error)};
  if (error == 0) {
    out.push_back(free_room("room in the runtime folder", folder.path));
    out.push_back(leftovers(folder.path));
  }
  if (error != 0 || std::strncmp(folder.path, "/dev/shm/", 9) != 0) {
    Finding shm = free_room("room in /dev/shm", "/dev/shm");
    if (shm.status == Status::fail) shm.status = Status::warn;  // not used now
    out.push_back(shm);
  }
  for (const Finding& finding : {populate(), cpus(), file_size_limit(), memory()}) out.push_back(finding);
  return out;
}

void print_text(const std::vector<Finding>& findings) {
  for (const Finding& f : findings) {
    std::string line = std::string(to_string(f.status)) + std::string(6 - std::strlen(to_string(f.status)), ' ') +
                       f.check + ": " + f.seen;
    if (f.status != Status::ok) line += ", want " + f.wanted;
    if (!f.hint.empty()) line += " (hint: " + f.hint + ")";
    std::puts(line.c_str());
  }
}

void print_json(const std::vector<Finding>& findings) {
  nlohmann::json out = nlohmann::json::array();
  for (const Finding& f : findings)
    out.push_back({{"check", f.check},
                   {"status", to_string(f.status)},
                   {"seen", f.seen},
                   {"wanted", f.wanted},
                   {"hint", f.hint}});
  std::puts(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

struct Options {
  bool json = false;
  std::vector<std::string> pids;
};

void define(CommandLine& line, Options& options) {
  line.add_flag("--json", options.json);
  line.add_argument("pids", options.pids, "PID");
}

}  // namespace

const char* define_doctor(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int doctor_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  std::vector<Finding> findings;
  for (const std::string& text : options.pids) {
    int pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return usage_error("doctor", "PID is '" + text + "', want a number above 0");
    for (Finding& finding : examine_process(pid)) {
      if (options.pids.size() > 1) finding.check = text + ": " + finding.check;
      findings.push_back(std::move(finding));
    }
  }
  if (options.pids.empty()) findings = examine();
  if (options.json)
    print_json(findings);
  else
    print_text(findings);
  for (const Finding& finding : findings)
    if (finding.status == Status::fail) return 1;
  return 0;
}

}  // namespace ouro::cli
