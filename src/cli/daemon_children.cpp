#include "cli/daemon_children.hpp"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "cli/say.hpp"
#include "cli/systemd.hpp"
#include "record/session_file.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using Clock = DaemonChildren::Clock;

constexpr auto kLongestPause = 60s;
constexpr auto kPatience = 20s;  // with those that are told to end: a snapshot may be under way, a trace to be finished

// As its programs find it who have no XDG_RUNTIME_DIR: services.
std::string folder_of(uid_t user) {
  const std::string name = "/ouro-" + std::to_string(user);
  return (::access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp") + name;
}

}  // namespace

uid_t DaemonChildren::Child::owner() const { return session.user ? session.user->uid : ::geteuid(); }

void DaemonChildren::set(const std::vector<DaemonConfig::Session>& sessions, const std::string& work_folder) {
  const bool moves = std::exchange(work_folder_, work_folder) != work_folder;
  for (Child& child : children_) {
    if (std::any_of(sessions.begin(), sessions.end(), [&](const auto& session) { return session.is(child.session); })) continue;
    child.fate = Child::Fate::is_removed;
    child.next = Clock::now();
    if (child.pid != 0 && !child.ends_session) ::kill(child.pid, SIGTERM);
  }
  for (const DaemonConfig::Session& session : sessions) {
    const auto there = std::find_if(children_.begin(), children_.end(), [&](const Child& child) { return child.session.is(session); });
    if (there == children_.end()) {
      Child& made = children_.emplace_back();
      made.session = session;
      made.runtime_folder = !session.runtime_dir.empty() ? session.runtime_dir : session.user ? folder_of(session.user->uid) : folder_;
      continue;
    }
    const bool changes = there->session.arguments != session.arguments || moves || there->fate == Child::Fate::is_removed;
    there->session = session;
    if (!changes) continue;
    there->fate = there->pid != 0 ? Child::Fate::is_replaced : Child::Fate::goes_on;
    there->next = Clock::now();
    there->failures = 0;
    if (there->pid != 0 && !there->ends_session) ::kill(there->pid, SIGTERM);
  }
  step();
}

void DaemonChildren::step() {
  for (auto child = children_.begin(); child != children_.end();) {
    int status = 0;
    if (child->pid != 0 && ::waitpid(child->pid, &status, WNOHANG) == child->pid && !on_end(*child, status)) {
      child = children_.erase(child);
      continue;
    }
    if (child->pid == 0 && Clock::now() >= child->next) begin(*child);
    ++child;
  }
}

// A recording whose recorder was killed: what its memory holds is to be written.
bool DaemonChildren::has_left_behind(const Child& child) const {
  if (child.session.is_flight() || child.resumed_in_vain) return false;
  const Result<record::SessionFile> session = record::SessionFile::open(child.runtime_folder, record::kSessionPrefix + child.session.name, child.owner());
  return session && session->is_left_behind();
}

std::vector<std::string> DaemonChildren::arguments_of(Child& child) const {
  if (child.ends_session) return {"ouro", "stop", child.session.name};
  child.resumes = has_left_behind(child);
  child.resumed_in_vain &= child.resumes;
  const std::vector<std::string>& with = child.resumes ? child.session.resumes : child.session.arguments;
  std::vector<std::string> out = {"ouro", "record"};
  out.insert(out.end(), with.begin(), with.end());
  return out;
}

void DaemonChildren::begin(Child& child) {
  child.began = Clock::now();
  child.ends_session = child.fate == Child::Fate::is_removed;
  // A new recording clears up what killed recorders left: not before it is taken up.
  const auto is_others = [&](const Child& other) { return &other != &child && other.runtime_folder == child.runtime_folder && has_left_behind(other); };
  if (!child.session.is_flight() && !has_left_behind(child) && std::any_of(children_.begin(), children_.end(), is_others)) {
    child.next = Clock::now() + 50ms;
    return;
  }
  child.pid = spawn(child, arguments_of(child));
  if (child.pid >= 0) return;
  say("error: daemon: session %s: cannot fork: %s", child.session.name.c_str(), std::strerror(errno));
  child.pid = 0;
  child.next = Clock::now() + kLongestPause;
}

bool DaemonChildren::on_end(Child& child, int status) {
  child.pid = 0;
  child.resumed_in_vain = child.resumes && WIFEXITED(status) && WEXITSTATUS(status) != 0;
  if (child.fate != Child::Fate::goes_on) {
    if (child.fate == Child::Fate::is_removed && (child.ends_session || !child.session.is_flight())) return false;
    if (child.fate == Child::Fate::is_replaced) child.fate = Child::Fate::goes_on;
    child.next = Clock::now();
    return true;
  }
  if (Clock::now() - child.began > kLongestPause) child.failures = 0;
  const auto pause = std::min<std::chrono::seconds>(1s * (1u << std::min(child.failures, 10u)), kLongestPause);
  ++child.failures;
  ++child.restarts;
  child.next = Clock::now() + pause;
  const bool was_killed = WIFSIGNALED(status);
  say("warning: daemon: session %s: who was beside it ended with %s %d, and begins again in %lld s", child.session.name.c_str(), was_killed ? "signal" : "status",
      was_killed ? WTERMSIG(status) : WEXITSTATUS(status), static_cast<long long>(pause.count()));
  return true;
}

std::chrono::milliseconds DaemonChildren::until_next() const {
  std::chrono::milliseconds out = kLongestPause;
  for (const Child& child : children_)
    if (child.pid == 0) out = std::min(out, std::chrono::duration_cast<std::chrono::milliseconds>(child.next - Clock::now()) + 1ms);
  return std::max(out, 0ms);
}

bool DaemonChildren::all_began() const {
  return std::all_of(children_.begin(), children_.end(), [](const Child& child) {
    if (child.failures != 0 || child.fate == Child::Fate::is_removed) return true;
    const Result<record::SessionFile> session = record::SessionFile::open(child.runtime_folder, record::kSessionPrefix + child.session.name, child.owner());
    return session && (session->is_kept() || !session->is_left_behind());
  });
}

void DaemonChildren::stop() {
  for (const Child& child : children_)
    if (child.pid != 0) ::kill(child.pid, SIGTERM);
  const auto end = Clock::now() + kPatience;
  for (const Child& child : children_) {
    if (child.pid == 0) continue;
    while (::waitpid(child.pid, nullptr, WNOHANG) == 0) {
      if (Clock::now() < end) ::usleep(5'000);
      else ::kill(child.pid, SIGKILL), ::usleep(5'000);
    }
  }
  children_.clear();
}

// All that the child is not to have of the daemon. Rights last but one: what follows them needs none.
void DaemonChildren::become(const Child& child) const {
  signals_.restore();
  ::setpgid(0, 0);  // a terminal's Ctrl-C is for the daemon, which ends us
  forget_manager();
  ::unsetenv("OURO_SESSION");
  if (const auto& user = child.session.user) {
    if (::initgroups(user->name.c_str(), user->gid) != 0 || ::setgid(user->gid) != 0 || ::setuid(user->uid) != 0) {
      say("error: daemon: session %s: cannot become user %s: %s", child.session.name.c_str(), user->name.c_str(), std::strerror(errno));
      ::_exit(1);
    }
    ::unsetenv("XDG_RUNTIME_DIR");
    ::setenv("HOME", user->home.c_str(), 1);
    ::setenv("USER", user->name.c_str(), 1);
    ::setenv("LOGNAME", user->name.c_str(), 1);
  }
  if (child.session.user || !child.session.runtime_dir.empty()) ::setenv("OURO_RUNTIME_DIR", child.runtime_folder.c_str(), 1);
  if (!work_folder_.empty() && ::chdir(work_folder_.c_str()) != 0)
    say("warning: daemon: session %s: folder '%s': %s, want to work there", child.session.name.c_str(), work_folder_.c_str(), std::strerror(errno));
}

pid_t DaemonChildren::spawn(const Child& child, const std::vector<std::string>& arguments) const {
  const pid_t parent = ::getpid(), pid = ::fork();
  if (pid != 0) return pid;
  become(child);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // not before: setuid(2) takes it back
  if (::getppid() != parent) ::_exit(1);
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::execv("/proc/self/exe", pointers.data());
  say("error: daemon: session %s: cannot run ouro: %s", child.session.name.c_str(), std::strerror(errno));
  ::_exit(127);
}

}  // namespace ouro::cli
