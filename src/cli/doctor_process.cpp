// `ouro doctor PID`: why a running process can be traced, or not. Nothing is done to it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include <ouro/abi/registry_layout.hpp>

#include "base/textf.hpp"
#include "cli/finding.hpp"
#include "record/registry_file.hpp"
#include "record/target.hpp"

namespace ouro::cli {
namespace {

using record::RegistryFile;

constexpr const char* kCalls = "openat, newfstatat, mmap, munmap, madvise, close, read, gettid, getpid, getppid, getuid, prctl, clock_gettime";

// A value of /proc/PID/status; empty: not told.
std::string status_of(int pid, const std::string& key) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.rfind(key + ":", 0) == 0) return line.substr(std::min(line.find_first_not_of(" \t", key.size() + 1), line.size()));
  return {};
}

Finding process(int pid) {
  const std::string name = status_of(pid, "Name");
  const std::string state = status_of(pid, "State");
  const bool runs = !name.empty() && state.rfind("Z", 0) != 0 && state.rfind("X", 0) != 0;
  Finding out{"process", runs ? Status::ok : Status::fail, name.empty() ? "none has the number " + std::to_string(pid) : name + ", state " + state,
              "one that runs", runs ? "" : "ouro list shows those with events"};
  return out;
}

Finding user(int pid, bool& may_look) {
  std::istringstream ids(status_of(pid, "Uid"));
  uid_t real = 0, effective = 0;
  ids >> real >> effective;
  const bool is_ours = effective == ::geteuid() || ::geteuid() == 0;
  may_look = is_ours && ::access(("/proc/" + std::to_string(pid) + "/root").c_str(), X_OK) == 0;
  const std::string seen = std::to_string(effective) + (is_ours && !may_look ? ", who may not look into it" : "");
  return {"user", may_look ? Status::ok : Status::fail, seen, std::to_string(::geteuid()) + ", or to be root",
          may_look ? "" : is_ours ? "it has changed its user or has other privileges: as root" : "as root, or as user " + std::to_string(effective)};
}

Finding events(const std::vector<record::Mapped>& mapped) {
  if (!mapped.empty()) return {"registry", Status::ok, mapped.front().path + (mapped.front().is_deleted ? " (removed)" : ""), "mapped", ""};
  return {"registry", Status::fail, "none is mapped", "a program that links ouro::trace and states an event",
          "if it does: it found no runtime folder that it could use as it started (ouro doctor, as its user and with its environment), or "
          "OURO_ATTACH or a sandbox kept it from making one"};
}

// Whether a tool and the program meet in the folder: as find_target() has it.
Finding folder(const Result<record::Target>& target, const std::vector<record::Mapped>& mapped) {
  if (target) return {"runtime folder", Status::ok, target->shown_folder, "its own, mode 0700, within its root", ""};
  std::string text = target.error().text;
  std::string hint;
  if (const std::size_t at = text.find(" (hint: "); at != std::string::npos) {
    hint = text.substr(at + 8, text.rfind(')') - at - 8);
    text.resize(at);
  }
  static_cast<void>(mapped);
  return {"runtime folder", Status::fail, text, "its own, mode 0700, within its root", hint};
}

Finding version(const Result<RegistryFile>& registry) {
  if (registry) return {"version", Status::ok, "registry of version " + std::to_string(abi::kRegistryVersion), "", ""};
  return {"version", Status::fail, registry.error().text, "a registry of version " + std::to_string(abi::kRegistryVersion),
          registry.error().code == EINVAL ? "the program was built with another Ouro: use that one's ouro" : "try again"};
}

Finding own_registry(const RegistryFile& registry, int inner_pid) {
  const bool is_own = registry.pid() == inner_pid;
  return {"whose registry", is_own ? Status::ok : Status::fail, is_own ? "its own" : "that of process " + std::to_string(registry.pid()), "its own",
          is_own ? "" : "a forked child that could not make one is recorded with its parent: the sessions of that one"};
}

Finding seccomp(int pid, const RegistryFile& registry) {
  const std::optional<std::uint32_t> now = record::seccomp_filters_of_process(pid);
  const std::uint32_t then = registry.seccomp_filters();
  if (!now) return {"seccomp", Status::warn, "not told", "no filter that came after its start", "as root"};
  const bool is_same = *now == 0 || *now == then;
  return {"seccomp", is_same ? Status::ok : Status::fail,
          *now == 0 ? "no filter" : std::to_string(*now) + (*now == 1 ? " filter, " : " filters, ") + std::to_string(then) + " as it started",
          "no filter that came after its start",
          is_same ? "" : "a filter that kills would kill it: record it from its start on, or --seccomp-ok if it allows " + std::string(kCalls)};
}

Finding refusals(const RegistryFile& registry) {
  const int error = registry.refused();
  if (error == 0) return {"sessions that it could not map", Status::ok, "none", "none", ""};
  return {"sessions that it could not map", Status::fail, std::string("the last one: ") + std::strerror(error), "none",
          error == EPERM || error == EACCES || error == ENOSYS
              ? "a seccomp filter, a security module or other rights than it started with keep it from its runtime folder"
              : "whatever the error says"};
}

Finding slots(const RegistryFile& registry) {
  std::uint32_t used = 0;
  std::string names;
  for (std::uint32_t k = 0; k < abi::kSessionSlots; ++k) {
    const abi::SessionSlot& slot = registry.slot(k);
    if (slot.state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(abi::SlotState::offered)) continue;
    ++used;
    std::string file(slot.file, ::strnlen(slot.file, sizeof slot.file));
    if (file.rfind("session-", 0) == 0) file.erase(0, 8);
    names += (names.empty() ? ": " : " ") + base::printable(file);
  }
  const bool full = used == abi::kSessionSlots;
  return {"sessions", full ? Status::fail : Status::ok, std::to_string(used) + " of " + std::to_string(abi::kSessionSlots) + names, "a free place",
          full ? "end one: ouro list --sessions" : ""};
}

Finding rows(const RegistryFile& registry) {
  std::uint32_t events = 0, on = 0;
  for (std::uint32_t i = 0, n = registry.row_count(); i < n; ++i) {
    if (registry.schema(i).empty()) continue;
    ++events;
    on += static_cast<std::uint32_t>(registry.row(i).enabled.load(std::memory_order_relaxed)) != 0;
  }
  const std::uint32_t refused = registry.rows_refused();
  std::string seen = std::to_string(events) + ", " + std::to_string(on) + " of them on";
  if (refused != 0) seen += "; " + std::to_string(refused) + " more found no room";
  return {"events", refused != 0 || events == 0 ? Status::warn : Status::ok, seen, "some, all with a place in the registry",
          refused != 0 ? "it has loaded libraries with more kinds of event than fit: start it anew" : events == 0 ? "its libraries with events are unloaded, or it is ending" : ""};
}

// The C library puts the area for restartable sequences into each thread's memory, and does not tell outside; what can be seen is what keeps
// it from it.
Finding rseq(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  const std::string environment((std::istreambuf_iterator<char>(in)), {});
  const std::size_t at = environment.find("GLIBC_TUNABLES=");
  const std::string tunables = at == std::string::npos ? "" : environment.c_str() + at;
  const bool is_off = tunables.find("pthread.rseq=0") != std::string::npos;
  return {"rseq", is_off ? Status::warn : Status::ok, is_off ? tunables : "nothing switches it off", "restartable sequences",
          is_off ? "without glibc.pthread.rseq=0: without it events cost several times as much" : ""};
}

}  // namespace

std::vector<Finding> examine_process(int pid) {
  std::vector<Finding> out = {process(pid)};
  if (out.back().status == Status::fail) return out;
  bool may_look = false;
  out.push_back(user(pid, may_look));
  if (!may_look) return out;
  const std::vector<record::Mapped> mapped = record::mapped_registries(pid);
  out.push_back(events(mapped));
  if (mapped.empty()) return out;
  const Result<record::Target> target = record::find_target(pid);
  out.push_back(folder(target, mapped));
  if (!target) return out;
  std::string file;
  for (const record::Mapped& m : mapped)
    if (!m.is_deleted && file.empty()) file = m.path.substr(m.path.rfind('/') + 1);
  const Result<RegistryFile> registry =
      RegistryFile::open("/proc/self/fd/" + std::to_string(target->folder.get()) + "/" + file, RegistryFile::Access::read_only, target->uid);
  out.push_back(version(registry));
  if (!registry) return out;
  for (const Finding& finding : {own_registry(*registry, target->inner_pid), seccomp(pid, *registry), refusals(*registry), slots(*registry), rows(*registry), rseq(pid)})
    out.push_back(finding);
  return out;
}

}  // namespace ouro::cli
