#include "cli/print_parts.hpp"

#include <sched.h>

#include <algorithm>
#include <numeric>
#include <thread>

namespace ouro::cli {
namespace {

// Bytes of text for which there is room at once, so that they need not move as it grows. What is not used takes no memory.
constexpr std::size_t kText = 128 << 20;

}  // namespace

std::size_t usable_cpus() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<std::size_t>(CPU_COUNT(&set)) : 1;
}

Printed print_events(read::Trace& trace, const EventChoice& events, const TimeRange& range, std::optional<std::int64_t> end_ns, std::uint64_t skip, EventPrinter& printer,
                     PrintBuffer& out, Progress* progress) {
  Printed done;
  while (const read::Event* event = trace.next()) {
    if (end_ns && event->time_ns >= *end_ns) break;
    if (progress != nullptr) progress->see(*event);
    done.losses.see(*event);
    if (range.is_over(event->time_ns)) break;
    const bool is_chosen = events.accepts(*event);
    done.counts.events += !event->type->is_state || is_chosen;
    if (!is_chosen || !range.contains(event->time_ns)) continue;
    if (skip != 0) {
      --skip;
      continue;
    }
    printer.print(*event);
    ++done.counts.lines;
    if (!out.ok()) break;
  }
  out.flush();
  return done;
}

PartsPrinter::PartsPrinter(const PartsPlan& plan) : plan_(plan), count_(plan.cuts.size() + 1) {}

std::uint64_t PartsPrinter::discarded() const { return std::accumulate(discarded_.begin(), discarded_.end(), std::uint64_t{0}); }

// Texts that wait to be written take memory: nobody begins a part far ahead, and the memory of what is written is used again.
std::optional<std::size_t> PartsPrinter::next_part(std::string& text) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stop_ || next_ == count_ || next_ < written_ + plan_.threads + 1; });
  if (stop_ || next_ == count_) return std::nullopt;
  parts_.emplace_back();
  if (!spare_.empty()) {
    text = std::move(spare_.back());
    spare_.pop_back();
  }
  text.reserve(kText);
  return next_++;
}

void PartsPrinter::print_part(read::Trace& trace, const EventChoice& choice, std::size_t index, Part& part) const {
  const std::int64_t begin = index == 0 ? plan_.range.begin_ns() : plan_.cuts[index - 1];
  const std::optional<std::int64_t> end = index + 1 == count_ ? std::nullopt : std::optional(plan_.cuts[index]);
  PrintBuffer out(part.text, 1 << 18);
  part.printer = plan_.make(plan_.style, trace, out);
  if (index != 0) part.text.clear(), out.drop();  // a head
  if (begin == INT64_MIN) trace.rewind();
  else trace.seek(begin);
  part.printed = print_events(trace, choice, plan_.range, end, 0, *part.printer, out, nullptr);
  for (const read::Stream& stream : trace.streams()) part.discarded.push_back(stream.events_discarded);
  part.damaged = !trace.complete();
}

Status PartsPrinter::work() {
  Result<read::Trace> trace = read::Trace::open(plan_.folders);
  if (!trace) return trace.error();
  const Result<EventChoice> choice = plan_.choose(*trace);
  if (!choice) return choice.error();
  for (;;) {
    Part part;
    const std::optional<std::size_t> index = next_part(part.text);
    if (!index) return Ok{};
    print_part(*trace, *choice, *index, part);
    const std::lock_guard lock(mutex_);
    part.done = true;
    if (!stop_) parts_[*index - written_] = std::move(part);
    changed_.notify_all();
  }
}

bool PartsPrinter::write(PrintBuffer& out, Part& part, std::optional<std::int64_t>& last_ns) {
  if (part.printed.counts.lines != 0) {
    const EventPrinter::Times times = part.printer->times();
    if (last_ns) part.printer->join(part.text, times.first_ns - *last_ns);
    last_ns = times.last_ns;
  }
  printed_.counts.add(part.printed.counts);
  printed_.losses.add(part.printed.losses);
  saw_damage_ |= part.damaged;
  discarded_.resize(part.discarded.size());
  for (std::size_t i = 0; i < discarded_.size(); ++i) discarded_[i] = std::max(discarded_[i], part.discarded[i]);
  out.put(part.text);
  return out.ok();
}

Status PartsPrinter::run(PrintBuffer& out, Progress& progress) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < plan_.threads; ++i)
    threads.emplace_back([&] {
      const Status status = work();
      if (status) return;
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = status.error();
      stop_ = true;
      changed_.notify_all();
    });
  std::optional<std::int64_t> last_ns;
  for (std::size_t i = 0; i < count_; ++i) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stop_ || (!parts_.empty() && parts_.front().done); });
    if (stop_) break;
    Part part = std::move(parts_.front());
    parts_.pop_front();
    ++written_;
    changed_.notify_all();
    lock.unlock();
    const bool good = write(out, part, last_ns);
    progress.see(printed_.counts.events, static_cast<double>(i + 1) / static_cast<double>(count_));
    part.text.clear();
    lock.lock();
    spare_.push_back(std::move(part.text));
    if (good) continue;
    stop_ = true;
    changed_.notify_all();
    break;
  }
  threads.clear();  // waits for them
  out.flush();
  return error_ ? Status(*error_) : Status(Ok{});
}

}  // namespace ouro::cli
