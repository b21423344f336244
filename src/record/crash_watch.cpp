#include "record/crash_watch.hpp"

#include <linux/types.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include "record/registry_file.hpp"

namespace ouro::record {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1s;  // with a parent that does not wait for its child

// linux/pidfd.h of 6.15 and later.
struct PidfdInfo {
  std::uint64_t mask, cgroup;
  std::uint32_t pid, tgid, ppid, ids[8];
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kExit = 1 << 3;
constexpr unsigned long kGetInfo = _IOWR(0xff, 11, PidfdInfo);

// As waitpid(2) has it. None: the kernel does not say, or its parent has not waited for it yet.
std::optional<int> status_of(int pidfd) {
  PidfdInfo info{};
  info.mask = kExit;
  if (::ioctl(pidfd, kGetInfo, &info) != 0 || (info.mask & kExit) == 0) return std::nullopt;
  return info.exit_code;
}

}  // namespace

Result<CrashWatch> CrashWatch::create(const std::string& folder, const SessionName& session, uid_t owner) {
  CrashWatch out;
  out.folder_ = folder;
  out.session_ = session;
  out.owner_ = owner;
  out.epoll_ = base::Fd(::epoll_create1(EPOLL_CLOEXEC));
  out.inotify_ = base::Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  epoll_event event{EPOLLIN, {}};
  event.data.fd = 0;
  if (!out.epoll_ || !out.inotify_ || ::inotify_add_watch(out.inotify_.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO) < 0 ||
      ::epoll_ctl(out.epoll_.get(), EPOLL_CTL_ADD, out.inotify_.get(), &event) != 0)
    return error_from_errno("crash: cannot watch '%s'", folder.c_str());
  for (const std::string& path : find_registries(folder)) out.add(path.substr(path.rfind('/') + 1));
  return out;
}

// A process that has registries of several libraries is looked at once, by the first.
void CrashWatch::add(const std::string& file) {
  if (!is_registry_name(file.c_str())) return;
  const int pid = std::atoi(file.c_str());
  if (processes_.contains(pid)) return;
  Process process{base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), folder_ + "/" + file, {}};
  epoll_event event{EPOLLIN, {}};
  event.data.fd = pid;
  if (process.pidfd && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, process.pidfd.get(), &event) == 0) processes_.emplace(pid, std::move(process));
}

void CrashWatch::find_new() {
  alignas(inotify_event) char buffer[16 << 10];
  for (ssize_t size; (size = ::read(inotify_.get(), buffer, sizeof buffer)) > 0;)
    for (ssize_t at = 0; at < size;) {
      const auto& event = *reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0)
        for (const std::string& path : find_registries(folder_)) add(path.substr(path.rfind('/') + 1));
      else if (event.len != 0)
        add(event.name);
    }
}

// False: not known yet.
bool CrashWatch::judge(Process& process, int pid, const std::function<void(const Crash&)>& see) const {
  const Result<RegistryFile> registry = RegistryFile::open(process.path, RegistryFile::Access::read_only, owner_);
  if (!registry) return true;  // it took it away as it ended
  if (!registry->is_in_our_pid_namespace() || !registry->slot_of(session_)) return true;
  const std::optional<int> status = status_of(process.pidfd.get());
  if (!status && Clock::now() - process.ended_at < kPatience) return false;
  if (!status || WIFSIGNALED(*status)) see({pid, status ? WTERMSIG(*status) : 0, registry->process_name()});
  return true;
}

void CrashWatch::step(const std::function<void(const Crash&)>& see) {
  epoll_event events[64];
  const int n = ::epoll_wait(epoll_.get(), events, 64, 0);  // of more, later ones the next time
  for (int i = 0; i < n; ++i) {
    const int pid = events[i].data.fd;
    const auto process = processes_.find(pid);
    if (process == processes_.end()) continue;
    process->second.ended_at = Clock::now();
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, process->second.pidfd.get(), nullptr);
    ended_.insert(pid);
  }
  std::erase_if(ended_, [&](int pid) {
    if (!judge(processes_.at(pid), pid, see)) return false;
    processes_.erase(pid);
    return true;
  });
  find_new();
}

}  // namespace ouro::record
