#include "cli/triggers.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "cli/event_options.hpp"
#include "cli/report.hpp"
#include "cli/say.hpp"

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using System = std::chrono::system_clock;

constexpr auto kBetweenBells = 1ms;  // programs are not to wake us more often than that
constexpr std::chrono::milliseconds kLookEvery = 100ms;

std::int64_t now_ns() { return std::chrono::duration_cast<std::chrono::nanoseconds>(System::now().time_since_epoch()).count(); }

std::string seconds_text(std::int64_t ns) {
  char text[48];
  std::snprintf(text, sizeof text, "%lld.%09lld", static_cast<long long>(ns / 1'000'000'000), static_cast<long long>(ns % 1'000'000'000));
  return text;
}

std::tm local_time(System::time_point when) {
  const std::time_t seconds = System::to_time_t(when);
  std::tm out{};
  ::localtime_r(&seconds, &out);
  return out;
}

// The next time that the clock on the wall says so.
System::time_point next_at(std::chrono::seconds time_of_day) {
  const System::time_point now = System::now();
  std::tm day = local_time(now);
  const auto at = [&](int days) {
    std::tm out = day;
    out.tm_mday += days;
    out.tm_hour = static_cast<int>(time_of_day.count() / 3600);
    out.tm_min = static_cast<int>(time_of_day.count() / 60 % 60);
    out.tm_sec = static_cast<int>(time_of_day.count() % 60);
    out.tm_isdst = -1;
    return System::from_time_t(std::mktime(&out));
  };
  const System::time_point today = at(0);
  return today > now ? today : at(1);
}

// A dated name in the folder, with -2 and so on behind it if it is there.
std::string snapshot_folder(const std::string& parent) {
  const std::string path = (parent.empty() ? "." : parent) + "/" + dated_name("snapshot");
  std::string out = path;
  for (int i = 2; ::access(out.c_str(), F_OK) == 0; ++i) out = path + "-" + std::to_string(i);
  return out;
}

}  // namespace

Status check_filters(const std::vector<Trigger>& triggers, const std::vector<std::vector<std::byte>>& schemas) {
  for (const Trigger& trigger : triggers) {
    if (trigger.event.filter.empty()) continue;
    record::Rule rule;
    rule.name = trigger.event.event;
    rule.filter = trigger.event.filter;
    rule.code = trigger.event.code;
    if (Status checked = check_filters({rule}, schemas, say_line); !checked) return checked;
  }
  return Ok{};
}

Result<std::unique_ptr<Triggers>> Triggers::create(std::vector<Trigger> triggers, Surroundings around) {
  std::unique_ptr<Triggers> out(new Triggers(std::move(triggers), std::move(around)));
  std::vector<record::EventCondition> conditions;
  for (std::size_t i = 0; i < out->triggers_.size(); ++i) {
    Trigger& trigger = out->triggers_[i];
    State& state = out->states_[i];
    if (trigger.actions.empty()) trigger.actions.emplace_back();
    if (trigger.when == Trigger::When::event) {
      conditions.push_back(trigger.event);
      out->of_condition_.push_back(i);
    }
    if (trigger.when == Trigger::When::daily) state.next = next_at(trigger.time_of_day);
    if (trigger.when == Trigger::When::every) state.next = System::now() + trigger.period;
    if (trigger.when == Trigger::When::crash && !out->crashes_) {
      Result<record::CrashWatch> crashes = record::CrashWatch::create(std::string(out->around_.folder.path), out->around_.session.session_name(), out->around_.session.options().owner);
      if (!crashes) return crashes.error();
      out->crashes_ = std::move(*crashes);
    }
  }
  if (conditions.empty()) return out;
  Result<record::EventWatch> watch = record::EventWatch::create(out->around_.folder, out->around_.session.options(), std::move(conditions));
  if (!watch) return watch.error();
  out->watch_ = std::move(*watch);
  out->bell_ = base::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!out->bell_) return error_from_errno("triggers: no eventfd");
  return out;
}

Triggers::~Triggers() {
  ends_ = true;
  if (listener_.joinable()) listener_.join();
}

const std::vector<record::Session>& Triggers::sessions() const {
  static const std::vector<record::Session> none;
  return watch_ ? watch_->sessions() : none;
}

std::vector<int> Triggers::fds() const {
  std::vector<int> out;
  if (bell_) out.push_back(bell_.get());
  if (crashes_) out.push_back(crashes_->fd());
  return out;
}

// In a thread of its own: a futex is nothing that poll(2) waits for. It has all signals blocked that we read from a descriptor, and takes no others.
void Triggers::listen() {
  if (listener_.joinable() || !watch_) return;
  sigset_t all, old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  listener_ = std::thread([this] {
    while (!ends_) {
      if (!watch_->wait(kLookEvery)) continue;
      const std::uint64_t one = 1;
      (void)!::write(bell_.get(), &one, sizeof one);
      std::this_thread::sleep_for(kBetweenBells);
    }
  });
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

std::chrono::milliseconds Triggers::until_next() const {
  std::chrono::milliseconds out = kLookEvery;
  const auto sooner = [&](auto left) { out = std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(left) + 1ms, 0ms, out); };
  for (std::size_t i = 0; i < triggers_.size(); ++i)
    if (states_[i].next != System::time_point{}) sooner(states_[i].next - System::now());
  if (child_ == 0 && !jobs_.empty()) sooner(jobs_.front().due - Clock::now());
  return out;
}

void Triggers::step() {
  listen();
  if (watch_) {
    std::uint64_t rings = 0;
    (void)!::read(bell_.get(), &rings, sizeof rings);
    watch_->take([&](const record::WatchedEvent& event) {
      std::vector<std::pair<std::string, std::string>> environment = {{"OURO_TRIGGER_EVENT", event.name},
                                                                      {"OURO_TRIGGER_PID", std::to_string(event.pid)},
                                                                      {"OURO_TRIGGER_TID", std::to_string(event.tid)},
                                                                      {"OURO_TRIGGER_CPU", std::to_string(event.cpu)}};
      if (event.span_ns >= 0) environment.emplace_back("OURO_TRIGGER_SPAN_NS", std::to_string(event.span_ns));
      for (const auto& [name, value] : event.fields) environment.emplace_back("OURO_FIELD_" + name, value);
      const std::size_t trigger = of_condition_[event.condition];
      states_[trigger].slowest_ns = std::max(states_[trigger].slowest_ns, now_ns() - event.time_ns);
      match(trigger, event.time_ns, std::move(environment));
    });
  }
  if (crashes_)
    crashes_->step([&](const record::Crash& crash) {
      for (std::size_t i = 0; i < triggers_.size(); ++i)
        if (triggers_[i].when == Trigger::When::crash)
          match(i, now_ns(), {{"OURO_TRIGGER_PID", std::to_string(crash.pid)}, {"OURO_TRIGGER_SIGNAL", std::to_string(crash.signal)}, {"OURO_TRIGGER_PROGRAM", crash.name}});
    });
  match_timers();
  if (int status; child_ != 0 && ::waitpid(child_, &status, WNOHANG) == child_) on_child(child_, status);
  run_jobs();
}

void Triggers::on_signal(int signal) {
  for (std::size_t i = 0; i < triggers_.size(); ++i)
    if (triggers_[i].when == Trigger::When::signal && triggers_[i].signal == signal) match(i, now_ns(), {});
}

void Triggers::on_buffer(double share) {
  for (std::size_t i = 0; i < triggers_.size(); ++i)
    if (triggers_[i].when == Trigger::When::buffer && share > triggers_[i].share) match(i, now_ns(), {});
}

void Triggers::match_timers() {
  const System::time_point now = System::now();
  for (std::size_t i = 0; i < triggers_.size(); ++i) {
    State& state = states_[i];
    if (state.next == System::time_point{} || now < state.next) continue;
    const bool is_daily = triggers_[i].when == Trigger::When::daily;
    state.next = is_daily ? next_at(triggers_[i].time_of_day) : std::max(state.next + triggers_[i].period, now);
    state.held_until.reset();
    match(i, now_ns(), {});
  }
}

void Triggers::match(std::size_t trigger, std::int64_t time_ns, std::vector<std::pair<std::string, std::string>> environment) {
  const Trigger& t = triggers_[trigger];
  State& state = states_[trigger];
  ++state.seen;
  if (t.times > 1) {
    state.matches.push_back(time_ns);
    if (state.matches.size() > t.times) state.matches.pop_front();
    if (state.matches.size() < t.times || state.matches.back() - state.matches.front() > t.within.count()) return;
  }
  if (!may_act(trigger)) return;
  state.matches.clear();
  environment.emplace_back("OURO_TRIGGER", t.text);
  environment.emplace_back("OURO_TRIGGER_SESSION", around_.session.options().name);
  environment.emplace_back("OURO_TRIGGER_TIME", seconds_text(time_ns));
  say("trigger '%s': it happened%s", t.text.c_str(), t.delay.count() > 0 ? ", its actions follow" : "");
  const Clock::time_point due = Clock::now() + t.delay;
  const auto place = std::find_if(jobs_.begin() + (child_ != 0 ? 1 : 0), jobs_.end(), [&](const Job& job) { return job.next == 0 && job.due > due; });
  jobs_.insert(place, {trigger, due, std::move(environment)});
}

// Counts it if so.
bool Triggers::may_act(std::size_t trigger) {
  const Trigger& t = triggers_[trigger];
  State& state = states_[trigger];
  const Clock::time_point now = Clock::now();
  const bool is_under_way = std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.trigger == trigger; });
  if (is_under_way || (state.held_until && now < *state.held_until)) return false;
  if (const std::tm day = local_time(System::now()); std::exchange(state.day, day.tm_yday) != day.tm_yday) state.today = 0;
  if (t.per_day != 0 && state.today >= t.per_day) return false;
  ++state.today;
  ++state.done;
  state.held_until = now + t.hold_off;
  return true;
}

void Triggers::run_jobs() {
  while (child_ == 0 && !jobs_.empty() && (finishing_ || Clock::now() >= jobs_.front().due)) {
    Job& job = jobs_.front();
    if (job.next == triggers_[job.trigger].actions.size()) jobs_.pop_front();
    else begin_action(job);
  }
}

// What is run for an action; none: it is done without.
std::optional<std::vector<std::string>> Triggers::command_of(const Action& action, Job& job) const {
  const std::string self = "/proc/self/exe", &session = around_.session.options().name;
  switch (action.what) {
    case Action::What::snapshot: {
      const std::string folder = snapshot_folder(action.text);
      job.environment.emplace_back("OURO_TRIGGER_SNAPSHOT", folder);
      std::vector<std::string> out = {self, "snapshot", session, "-o", folder};
      if (!action.last.empty()) out.insert(out.end(), {"--last", action.last});
      return out;
    }
    case Action::What::stop: return action.text.empty() || action.text == session ? std::nullopt : std::optional(std::vector<std::string>{self, "stop", action.text});
    case Action::What::start: return std::vector<std::string>{"/bin/sh", "-c", "exec \"$0\" record " + action.text, self};
    case Action::What::run: return std::vector<std::string>{"/bin/sh", "-c", action.text};
    case Action::What::rotate: return std::nullopt;
  }
  return std::nullopt;
}

void Triggers::begin_action(Job& job) {
  const Action& action = triggers_[job.trigger].actions[job.next++];
  if (const auto command = command_of(action, job)) return spawn(*command, job);
  (action.what == Action::What::stop ? wants_end_ : wants_rotation_) = true;
}

void Triggers::spawn(const std::vector<std::string>& argv, const Job& job) {
  const bool is_waited_for = triggers_[job.trigger].actions[job.next - 1].what != Action::What::start;
  const pid_t pid = ::fork();
  if (pid < 0) return say("error: trigger '%s': cannot fork: %s", triggers_[job.trigger].text.c_str(), std::strerror(errno));
  if (pid == 0) {
    around_.signals.restore();
    for (const auto& [name, value] : job.environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::unsetenv("OURO_SESSION");
    std::vector<char*> pointers;
    for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  if (is_waited_for) child_ = pid;
}

void Triggers::on_child(pid_t pid, int status) {
  if (pid != child_) return;
  child_ = 0;
  const Job& job = jobs_.front();
  const bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!is_good)
    say("warning: trigger '%s': action %zu ended with %s %d", triggers_[job.trigger].text.c_str(), job.next, WIFEXITED(status) ? "status" : "signal",
        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

void Triggers::finish(const std::function<bool()>& is_over) {
  finishing_ = true;
  step();
  while ((child_ != 0 || !jobs_.empty()) && !is_over()) {
    ::usleep(1000);
    step();
  }
  for (std::size_t i = 0; i < triggers_.size(); ++i) {
    const State& state = states_[i];
    if (state.seen == 0) continue;
    char seen_after[48] = "";
    if (state.slowest_ns > 0) std::snprintf(seen_after, sizeof seen_after, " (seen after %.1f ms at most)", static_cast<double>(state.slowest_ns) / 1e6);
    say("trigger '%s': it happened %llu times%s, and %llu times something was done", triggers_[i].text.c_str(), static_cast<unsigned long long>(state.seen), seen_after,
        static_cast<unsigned long long>(state.done));
  }
  if (watch_ && watch_->lost() != 0)
    say("warning: triggers: %llu events that matched came faster than they were looked at, and are not counted above", static_cast<unsigned long long>(watch_->lost()));
}

}  // namespace ouro::cli
