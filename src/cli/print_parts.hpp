// cli/print_parts.hpp -- a long trace, printed by several threads. Each reads and prints a part of the time by itself; the texts are written in order:
//
//   time       |--- part 0 ---|--- part 1 ---|--- part 2 ---|--- part 3 ...
//   thread A    0 ->  text                    2 -> text
//   thread B             1 -> text                   3 -> text
//   run()          writes 0          writes 1 ...             and what only the parts before tell: the time since the line before the first one
//
// What comes out is what one thread would write.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <ouro/read.hpp>
#include <ouro/result.hpp>

#include "cli/print_choice.hpp"
#include "cli/print_format.hpp"
#include "cli/print_losses.hpp"
#include "cli/progress.hpp"
#include "cli/time_range.hpp"

namespace ouro::cli {

struct PrintCounts {
  std::uint64_t events = 0, lines = 0;  // read, but the recorder's own; printed

  void add(const PrintCounts& other) {
    events += other.events;
    lines += other.lines;
  }
};

// What was read, and what of it was printed.
struct Printed {
  PrintCounts counts;
  Losses losses;
};
// From where the trace stands up to the range's end, or to the first event at `end_ns` or later, which is not seen then; or until `out` takes no more. Of the
// events that are chosen the first `skip` are passed over. `progress` may be null.
Printed print_events(read::Trace& trace, const EventChoice& events, const TimeRange& range, std::optional<std::int64_t> end_ns, std::uint64_t skip, EventPrinter& printer,
                     PrintBuffer& out, Progress* progress);

// What each thread needs to print on its own.
struct PartsPlan {
  std::vector<std::string> folders;
  std::vector<std::int64_t> cuts;  // in order of time: what Trace::cuts() gave
  std::size_t threads = 1;
  TimeRange range;  // resolved
  PrintStyle style;
  MakePrinter make = nullptr;
  std::function<Result<EventChoice>(const read::Trace&)> choose;  // called by every thread
};

class PartsPrinter {
 public:
  explicit PartsPrinter(const PartsPlan& plan);

  // Until all is written, or `out` takes no more. Error: a thread could not read the trace.
  Status run(PrintBuffer& out, Progress& progress);

  // After run().
  const Printed& printed() const { return printed_; }
  std::uint64_t discarded() const;                  // by the streams
  bool saw_damage() const { return saw_damage_; }  // which one, is for who reads the whole trace to say

 private:
  struct Part {
    std::string text;
    std::unique_ptr<EventPrinter> printer;
    Printed printed;
    std::vector<std::uint64_t> discarded;  // by stream
    bool damaged = false, done = false;
  };

  std::optional<std::size_t> next_part(std::string& text);
  Status work();
  void print_part(read::Trace& trace, const EventChoice& choice, std::size_t index, Part& part) const;
  bool write(PrintBuffer& out, Part& part, std::optional<std::int64_t>& last_ns);

  const PartsPlan& plan_;
  std::size_t count_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Part> parts_;  // from written_ on
  std::vector<std::string> spare_;
  std::size_t next_ = 0, written_ = 0;
  bool stop_ = false;
  std::optional<Error> error_;

  Printed printed_;
  std::vector<std::uint64_t> discarded_;
  bool saw_damage_ = false;
};

// How many processors this process may use.
std::size_t usable_cpus();

}  // namespace ouro::cli
