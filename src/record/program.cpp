#include "record/program.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace ouro::record {

SignalGuard::SignalGuard(const std::vector<int>& blocked) {
  ::sigemptyset(&blocked_);
  for (const int signal : blocked) ::sigaddset(&blocked_, signal);
  ::sigprocmask(SIG_BLOCK, &blocked_, &old_mask_);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &old_pipe_);
  ::sigaction(SIGXFSZ, &ignore, &old_file_size_);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &standard, &old_child_);
}

SignalGuard::~SignalGuard() {
  constexpr timespec kNow{};
  while (::sigtimedwait(&blocked_, nullptr, &kNow) > 0) {
  }
  restore();
}

void SignalGuard::restore() const {
  ::sigaction(SIGPIPE, &old_pipe_, nullptr);
  ::sigaction(SIGXFSZ, &old_file_size_, nullptr);
  ::sigaction(SIGCHLD, &old_child_, nullptr);
  ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
}

base::Fd SignalGuard::descriptor() const { return base::Fd(::signalfd(-1, &blocked_, SFD_CLOEXEC | SFD_NONBLOCK)); }

void prefer_short_turns() {
  struct {
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
  } attributes{};  // sched_attr, as its first version was
  static_assert(sizeof attributes == 48);
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != 0) return;
  attributes.size = sizeof attributes;
  attributes.runtime = 100'000;  // ns; of SCHED_OTHER it is the slice
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

Result<Program> Program::start(const std::vector<std::string>& argv,
                               const std::vector<std::pair<std::string, std::string>>& env,
                               const SignalGuard& signals) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return error_from_errno("program '%s': no pipe", argv[0].c_str());
  base::Fd in(ends[0]), out(ends[1]);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t pid = ::fork();
  if (pid < 0) return error_from_errno("program '%s': cannot fork", argv[0].c_str());
  if (pid == 0) {
    signals.restore();
    for (const auto& [name, value] : env) ::setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> pointers;
    for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    ::execvp(pointers[0], pointers.data());
    const int error = errno;
    (void)!::write(out.get(), &error, sizeof error);
    ::_exit(127);
  }
  out.reset();
  // The pipe closes as the exec succeeds; otherwise it says why not.
  int error = 0;
  ssize_t n = 0;
  while ((n = ::read(in.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (n != static_cast<ssize_t>(sizeof error)) return Program(pid);
  ::waitpid(pid, nullptr, 0);
  errno = error;
  Error failed = error_from_errno("program '%s': cannot run it", argv[0].c_str());
  if (error == ENOENT) failed.text += " (hint: a path, such as ./app, or a name that stands in a folder of PATH)";
  if (error == EACCES) failed.text += " (hint: chmod +x, if it is a program)";
  return failed;
}

void Program::reap(const std::function<void(pid_t, int)>& others) {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) nobody_left_ = true;
    if (pid <= 0) return;
    if (pid != pid_) {
      if (others) others(pid, status);
      continue;
    }
    status_ = status;
    ended_ = true;
  }
}

int Program::killed_by() const { return ended_ && WIFSIGNALED(status_) ? WTERMSIG(status_) : 0; }

int Program::exit_status() const { return killed_by() != 0 ? 128 + killed_by() : WEXITSTATUS(status_); }

void Program::send(int signal) const {
  if (!ended_) ::kill(pid_, signal);
}

}  // namespace ouro::record
