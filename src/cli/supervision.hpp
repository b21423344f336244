// cli/supervision.hpp -- what happens while `ouro record` records: programs come and go, signals come, triggers act, until it is over.
#pragma once
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "cli/record_options.hpp"
#include "cli/record_targets.hpp"
#include "cli/triggers.hpp"
#include "record/attachment.hpp"
#include "record/program.hpp"
#include "record/recorder.hpp"
#include "record/rotation.hpp"

namespace ouro::cli {

// That are read from a descriptor; not SIGHUP where it is ignored: nohup.
std::vector<int> signals_of(const RecordOptions& options);
// For what comes behind recording, and may take a while: has a signal come that ends it?
bool is_enough(int signals);

// Of the session that is recorded, and of those of the triggers.
class Attachments {
 public:
  // `triggers`: null if there is none. All must outlive it.
  Attachments(const record::Session& session, const Triggers* triggers, const std::string& folder);

  Status add(const RecordOptions& options, const Targets& targets);
  // In place of add(): the programs have the session already. `all`: it does not end with the last of them.
  Status go_on(bool all);
  void step();
  void say_left_out();
  bool all_ended() const { return goes_on_ ? nobody_left_ : list_.front().all_ended(); }
  const record::Session& session() const { return session_; }
  const record::Attachment& main() const { return list_.front(); }
  // For OURO_SESSION.
  const std::string& file_names() const { return file_names_; }

 private:
  const record::Session& session_;
  const std::string folder_;
  std::deque<record::Attachment> list_;
  std::string file_names_;
  bool goes_on_ = false, all_ = false, nobody_left_ = false;
};

// From the beginning to the moment at which recording is to end.
class Supervision {
 public:
  // `program`, `recorder`, `rotation`, `triggers`: null if there is none.
  Supervision(record::Program* program, record::Recorder* recorder, record::Rotation* rotation, Attachments& attachments, Triggers* triggers, int signals,
              std::optional<std::chrono::milliseconds> duration);
  void run();

 private:
  using Clock = std::chrono::steady_clock;
  void step();
  bool is_over() const;
  void wait_and_reap(std::chrono::microseconds pause);
  void wait(std::chrono::microseconds pause);
  void say_who_remains();

  record::Program* program_;
  record::Recorder* recorder_;
  record::Rotation* rotation_;
  Attachments& attachments_;
  Triggers* triggers_;
  int signals_;
  int signals_seen_ = 0;
  Clock::time_point deadline_, ended_at_, next_look_, next_burial_;
  std::optional<Clock::time_point> end_;
  bool said_ = false;
};

}  // namespace ouro::cli
