// cli/triggers.hpp -- `ouro record --on`: waits for what the triggers are about, and does what they say.
//
//   condition --> match --> enough of them within the time? not held off, not too many today? --> job --delay--> its actions, one by one
//
// Actions are processes of their own (ouro snapshot, ouro record, a shell), so that recording goes on beside them. Jobs wait for each other.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "cli/trigger.hpp"
#include "record/crash_watch.hpp"
#include "record/event_watch.hpp"
#include "record/program.hpp"

namespace ouro::cli {

// Their filters, tried on events that there are, as check_filters() does.
Status check_filters(const std::vector<Trigger>& triggers, const std::vector<std::vector<std::byte>>& schemas);

class Triggers {
 public:
  // What there is beside them; all of it must outlive them.
  struct Surroundings {
    const base::RuntimeDir& folder;
    const record::Session& session;
    const record::SignalGuard& signals;
  };
  static Result<std::unique_ptr<Triggers>> create(std::vector<Trigger> triggers, Surroundings around);
  ~Triggers();

  // The programs are to be attached to these.
  const std::vector<record::Session>& sessions() const;
  // Poll them for reading; when one is, or after until_next(), step().
  std::vector<int> fds() const;
  std::chrono::milliseconds until_next() const;
  void step();

  // What others see.
  void on_signal(int signal);
  void on_child(pid_t pid, int status);  // who reaps children says whom
  void on_buffer(double share);          // how full the fullest was

  bool wants_end() const { return wants_end_; }  // an action ended the recording
  bool take_rotation() { return std::exchange(wants_rotation_, false); }  // an action wants the trace to go on in a new folder
  // Does at once what is still to be done. `is_over`: asked now and then; true: lets go of it.
  void finish(const std::function<bool()>& is_over);

 private:
  using Clock = std::chrono::steady_clock;
  struct State {
    std::deque<std::int64_t> matches;         // ns, of those that count for `times`
    std::optional<Clock::time_point> held_until;
    std::chrono::system_clock::time_point next{};  // daily, every
    int day = -1;                             // of the year, and how often on it
    std::uint32_t today = 0;
    std::uint64_t seen = 0, done = 0;
    std::int64_t slowest_ns = 0;              // from an event to us
  };
  struct Job {
    std::size_t trigger;
    Clock::time_point due;
    std::vector<std::pair<std::string, std::string>> environment;
    std::size_t next = 0;  // action
  };
  Triggers(std::vector<Trigger> triggers, Surroundings around) : triggers_(std::move(triggers)), states_(triggers_.size()), around_(std::move(around)) {}
  void listen();
  void match(std::size_t trigger, std::int64_t time_ns, std::vector<std::pair<std::string, std::string>> environment);
  void match_timers();
  bool may_act(std::size_t trigger);
  void run_jobs();
  void begin_action(Job& job);
  std::optional<std::vector<std::string>> command_of(const Action& action, Job& job) const;
  void spawn(const std::vector<std::string>& argv, const Job& job);

  std::vector<Trigger> triggers_;
  std::vector<State> states_;
  Surroundings around_;
  std::optional<record::EventWatch> watch_;
  std::vector<std::size_t> of_condition_;  // which trigger is whose
  std::optional<record::CrashWatch> crashes_;
  base::Fd bell_;                          // an eventfd: events came
  std::thread listener_;
  std::atomic<bool> ends_ = false;
  std::deque<Job> jobs_;
  pid_t child_ = 0;                        // the running action's
  bool wants_end_ = false, wants_rotation_ = false, finishing_ = false;
};

}  // namespace ouro::cli
