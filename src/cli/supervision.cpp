#include "cli/supervision.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "cli/say.hpp"
#include "cli/sessions.hpp"
#include "record/snapshot.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kGrace = 2s;
constexpr std::chrono::microseconds kLookEvery = 100ms;

}  // namespace

std::vector<int> signals_of(const RecordOptions& options) {
  std::vector<int> out = {SIGCHLD, SIGINT, SIGTERM};
  struct sigaction hangup;
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) out.push_back(SIGHUP);
  for (const Trigger& trigger : options.triggers)
    if (trigger.when == Trigger::When::signal) out.push_back(trigger.signal);
  return out;
}

bool is_enough(int signals) {
  signalfd_siginfo info;
  return ::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info) && info.ssi_signo != SIGCHLD;
}

Attachments::Attachments(const record::Session& session, const Triggers* triggers, const std::string& folder) : session_(session), folder_(folder), file_names_(session.file()) {
  list_.emplace_back(session, folder);
  if (triggers == nullptr) return;
  for (const record::Session& watched : triggers->sessions()) {
    list_.emplace_back(watched, folder);
    file_names_ += " " + watched.file();
  }
}

Status Attachments::add(const RecordOptions& options, const Targets& targets) {
  for (record::Attachment& one : list_) {
    if (options.seccomp_ok) one.ignore_seccomp();
    if (options.all)
      if (Status added = one.add_everyone(); !added) return added;
    for (const record::Target& target : targets.list)
      if (Status added = one.add(target); !added) return added;
  }
  return Ok{};
}

Status Attachments::go_on(bool all) {
  goes_on_ = true;
  all_ = all;
  for (auto watched = list_.begin() + 1; watched != list_.end(); ++watched)
    if (Status followed = watched->follow(session_.session_name()); !followed) return followed;
  return Ok{};
}

void Attachments::step() {
  for (record::Attachment& one : list_) one.step();
  say_left_out();
  nobody_left_ = goes_on_ && !all_ && count_processes(folder_, session_.session_name()) == 0;
}

void Attachments::say_left_out() {
  for (const std::string& why : list_.front().take_left_out()) say("warning: not recorded: %s", why.c_str());
}

Supervision::Supervision(record::Program* program, record::Recorder* recorder, record::Rotation* rotation, Attachments& attachments, Triggers* triggers, int signals,
                         std::optional<std::chrono::milliseconds> duration)
    : program_(program), recorder_(recorder), rotation_(rotation), attachments_(attachments), triggers_(triggers), signals_(signals) {
  if (duration) end_ = Clock::now() + *duration;
}

void Supervision::run() {
  while (!is_over()) step();
  if (triggers_ == nullptr) return;
  signals_seen_ = 0;
  triggers_->finish([this] {
    wait_and_reap(0us);
    return signals_seen_ != 0;
  });
}

void Supervision::step() {
  std::chrono::microseconds pause = recorder_ != nullptr ? recorder_->step() : kLookEvery;
  if (rotation_ != nullptr) rotation_->step(*recorder_);
  if (triggers_ != nullptr) {
    if (recorder_ != nullptr) triggers_->on_buffer(recorder_->fullest());
    triggers_->step();
    if (triggers_->take_rotation() && rotation_ != nullptr)
      if (Status rotated = rotation_->rotate(*recorder_); !rotated) say("warning: %s", rotated.error().text.c_str());
    pause = std::min<std::chrono::microseconds>(pause, triggers_->until_next());
  }
  wait_and_reap(pause);
  if (Clock::now() >= next_look_) {
    attachments_.step();
    next_look_ = Clock::now() + kLookEvery;
  }
  if (recorder_ == nullptr && Clock::now() >= next_burial_) {
    record::bury_dead(attachments_.session());
    next_burial_ = Clock::now() + 1s;
  }
  say_who_remains();
}

bool Supervision::is_over() const {
  if (end_ && Clock::now() >= *end_) return true;
  if (triggers_ != nullptr && triggers_->wants_end()) return true;
  if (const record::Session& session = attachments_.session(); session.options().is_kept && !session.is_open()) return true;  // ouro stop
  if (program_ == nullptr) return signals_seen_ != 0 || attachments_.all_ended();
  return program_->all_ended() || signals_seen_ > 1 || (signals_seen_ == 1 && Clock::now() >= deadline_);
}

void Supervision::wait_and_reap(std::chrono::microseconds pause) {
  wait(pause);
  // Also without a signal: several SIGCHLD may come as one.
  if (program_ == nullptr) return;
  program_->reap([this](pid_t pid, int status) {
    if (triggers_ != nullptr) triggers_->on_child(pid, status);
  });
}

void Supervision::wait(std::chrono::microseconds pause) {
  std::vector<pollfd> on = {{signals_, POLLIN, 0}};
  if (triggers_ != nullptr)
    for (const int fd : triggers_->fds()) on.push_back({fd, POLLIN, 0});
  const timespec timeout{pause.count() / 1'000'000, pause.count() % 1'000'000 * 1000};
  if (::ppoll(on.data(), on.size(), &timeout, nullptr) <= 0 || on.front().revents == 0) return;
  for (signalfd_siginfo info; ::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info);) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD) continue;
    if (signal != SIGINT && signal != SIGTERM && signal != SIGHUP) {
      triggers_->on_signal(signal);
      continue;
    }
    ++signals_seen_;
    deadline_ = Clock::now() + kGrace;
    // A signal from the kernel is the terminal's: the program got it too.
    if (program_ != nullptr && signal != SIGINT && info.ssi_code <= 0) program_->send(signal);
  }
}

void Supervision::say_who_remains() {
  if (program_ == nullptr || !program_->has_ended() || program_->all_ended()) return;
  if (ended_at_ == Clock::time_point{}) ended_at_ = Clock::now();
  if (said_ || Clock::now() - ended_at_ < 1s || signals_seen_ > 0) return;
  said_ = true;
  say("the program has ended, but processes that it started have not: recording them (hint: Ctrl-C ends it and "
      "leaves them running)");
}

}  // namespace ouro::cli
