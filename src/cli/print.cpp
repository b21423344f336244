// `ouro print`: a trace's events as text, one line each.
//
//   14:03:22.123456789  +0.000001234  3  shop/worker-1 4712     shop:order  id=5 total=9.5  {uid=1000}
//   time                since the     cpu  process/thread tid   event       fields          contexts
//                       line before
#include <unistd.h>

#include <csignal>
#include <ctime>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <ouro/read.hpp>

#include "base/glob.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/print_buffer.hpp"
#include "cli/print_losses.hpp"
#include "cli/print_value.hpp"
#include "cli/say.hpp"

namespace ouro::cli {
namespace {

constexpr const char* kHelp = R"(ouro print shows the events of a trace, one line each, in order of time.

Usage: ouro print [OPTIONS] DIR

A line: time (local), time since the line before, CPU, process/thread and thread id, event, fields, and in braces the
contexts that were recorded with it. Lost events are
always said on stderr at the end, also when there are none. DIR is what `ouro record` wrote, or any trace of CTF 1.8 or 2.

Options:
  -e, --events GLOB   only events whose name matches; may be repeated. '!GLOB' excludes; the last one that matches
                      decides. A span's name selects its begin and its end.
      --relative      time since the trace's first event, in seconds
      --utc           time of day in UTC
      --all           also the recorder's own events: ouro:process, ouro:thread, ouro:lost
  -h, --help          this text

Exit status: 0; 1 if the trace is damaged or cannot be read; 2 if the command line makes no sense.

Examples:
  ouro print trace
  ouro print trace --relative -e 'shop:*' -e '!shop:queue_depth'
  ouro print trace | grep 'id=4711'
)";

struct Options {
  std::string folder;
  std::vector<std::string> events;
  bool relative = false, utc = false, all = false;
};

void define(CommandLine& line, Options& options) {
  line.add_option("-e,--events", options.events, "EVENT");
  line.add_flag("--relative", options.relative);
  line.add_flag("--utc", options.utc);
  line.add_flag("--all", options.all);
  line.add_argument("folder", options.folder, "TRACE");
}

std::string span_name(const read::EventClass& type) {
  const std::size_t suffix = type.kind == abi::EventKind::span_begin ? 6
                             : type.kind == abi::EventKind::span_end ? 4
                                                                     : 0;
  return type.name.substr(0, type.name.size() - std::min(suffix, type.name.size()));
}

// The last pattern that matches decides; if the first one excludes, everything else is meant.
bool is_selected(const Options& options, const read::EventClass& type) {
  if (type.is_state && !options.all) return false;
  if (options.events.empty()) return true;
  const std::string span = span_name(type);
  bool selected = options.events.front().starts_with('!');
  for (const std::string& pattern : options.events) {
    const bool excludes = pattern.starts_with('!');
    const char* glob = pattern.c_str() + (excludes ? 1 : 0);
    if (base::glob_match(glob, type.name.c_str()) || base::glob_match(glob, span.c_str())) selected = !excludes;
  }
  return selected;
}

class Printer {
 public:
  Printer(const Options& options, const read::Trace& trace, PrintBuffer& out) : options_(options), out_(out) {
    for (const read::EventClass& type : trace.classes()) {
      selected_.push_back(is_selected(options, type));
      names_.push_back(escaped(type.name));
      if (selected_.back()) name_width_ = std::max(name_width_, std::min<std::size_t>(type.name.size(), 40));
    }
  }

  void print(const read::Event& event) {
    if (first_ns_ == kNone && !event.type->is_state) first_ns_ = event.time_ns;
    if (!selected_[event.type->index]) return;
    if (event.type->is_state && first_ns_ == kNone) first_ns_ = event.time_ns;
    time(event.time_ns);
    delta(event.time_ns);
    cpu(event.cpu);
    thread(event);
    const std::string& name = names_[event.type->index];
    out_.put(name);
    if (!event.fields.empty()) out_.pad(std::max(name_width_ + 2, name.size() + 1) - name.size());
    print_fields(out_, event.fields);
    contexts(event.context);
    out_.put('\n');
    ++lines_;
  }

  std::uint64_t lines() const { return lines_; }

 private:
  static constexpr std::int64_t kNone = INT64_MIN;
  static constexpr std::int64_t kSecond = 1'000'000'000;

  // Pads to `width`; what is longer pushes the rest to the right.
  template <class Print>
  void column(Print print, std::size_t width) {
    const std::uint64_t begin = out_.size();
    print();
    const std::uint64_t used = out_.size() - begin;
    if (used < width)
      out_.pad(width - used);
    else if (width != 0)
      out_.pad(1);
  }

  static std::int64_t floor_seconds(std::int64_t ns) { return ns / kSecond - (ns % kSecond < 0 ? 1 : 0); }

  void time(std::int64_t ns) {
    if (options_.relative) {
      duration(ns - first_ns_);
    } else {
      const std::int64_t second = floor_seconds(ns);
      if (second != shown_second_) name_second(second);
      out_.put({clock_, 9});
      out_.digits(static_cast<std::uint64_t>(ns - second * kSecond), 9);
    }
    out_.put("  ");
  }

  // "HH:MM:SS.": computed once per second of trace.
  void name_second(std::int64_t second) {
    const auto when = static_cast<std::time_t>(second);
    std::tm parts{};
    if ((options_.utc ? ::gmtime_r(&when, &parts) : ::localtime_r(&when, &parts)) == nullptr) parts = {};
    std::strftime(clock_, sizeof clock_, "%H:%M:%S.", &parts);
    shown_second_ = second;
  }

  void duration(std::int64_t ns) {
    if (ns < 0) out_.put('-');
    const std::uint64_t size = ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
    out_.number(size / kSecond);
    out_.put('.');
    out_.digits(size % kSecond, 9);
  }

  void delta(std::int64_t ns) {
    out_.put('+');
    column([&] { duration(last_ns_ == kNone ? 0 : ns - last_ns_); }, 12);
    last_ns_ = ns;
  }

  void cpu(int cpu) {
    column(
        [&] {
          if (cpu >= 0)
            out_.number(cpu);
          else
            out_.put('-');
        },
        4);
  }

  // Threads write many events: their columns are kept.
  void thread(const read::Event& event) {
    ThreadColumn& column = thread_columns_[static_cast<std::uint32_t>(event.tid) % thread_columns_.size()];
    if (event.tid != column.tid || event.thread != column.thread || column.text.empty()) name_thread(event, column);
    out_.put(column.text);
  }

  // But for the thread's id, which has its column, and stands first.
  void contexts(std::span<const read::Value> values) {
    while (!values.empty() && (values.front().name() == "tid" || values.front().name() == "vtid")) values = values.subspan(1);
    if (values.empty()) return;
    out_.put("  {");
    print_fields(out_, values);
    out_.put('}');
  }

  struct ThreadColumn {
    std::int32_t tid = -1;
    const read::Thread* thread = nullptr;
    std::string text;
  };

  static void name_thread(const read::Event& event, ThreadColumn& column) {
    constexpr std::size_t kWidth = 26;
    std::string& out = column.text;
    out.clear();
    if (event.thread != nullptr) {
      const read::Process* process = event.thread->process;
      if (process != nullptr && process->name != event.thread->name) out += escaped(process->name) + "/";
      out += escaped(event.thread->name) + " ";
    }
    out += event.tid >= 0 ? std::to_string(event.tid) : "-";
    out.resize(std::max(kWidth, out.size()) + 1, ' ');
    column.tid = event.tid;
    column.thread = event.thread;
  }

  const Options& options_;
  PrintBuffer& out_;
  std::vector<bool> selected_;      // by class
  std::vector<std::string> names_;  // likewise; escaped
  std::array<ThreadColumn, 256> thread_columns_;
  std::size_t name_width_ = 0;
  std::int64_t first_ns_ = kNone, last_ns_ = kNone, shown_second_ = kNone;
  char clock_[16] = {};
  std::uint64_t lines_ = 0;
};

int print_trace(const Options& options) {
  Result<read::Trace> trace = read::Trace::open(options.folder);
  if (!trace) {
    say("error: print: %s", trace.error().text.c_str());
    return 1;
  }
  PrintBuffer out(STDOUT_FILENO);
  Printer printer(options, *trace, out);
  Losses losses;
  std::uint64_t events = 0;
  while (const read::Event* event = trace->next()) {
    losses.see(*event);
    events += !event->type->is_state;
    printer.print(*event);
    if (!out.ok()) break;
  }
  out.flush();
  if (out.error() == EPIPE) return 0;  // whoever read has seen enough
  if (!out.ok()) {
    say("error: print: standard output cannot be written: %s", std::strerror(out.error()));
    return 1;
  }
  const int status = say_damage("print", *trace);
  say("printed %llu of %llu events, %llu lost, %zu streams", static_cast<unsigned long long>(printer.lines()),
      static_cast<unsigned long long>(events), static_cast<unsigned long long>(losses.total(*trace)),
      trace->event_streams());
  for (const auto& [cause, count] : losses.by_cause())
    if (count != 0) say("lost: %llu events: %s", static_cast<unsigned long long>(count), cause.c_str());
  return status;
}

}  // namespace

const char* define_print(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int print_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (options.folder.empty()) return usage_error("print", "no trace given, want the folder that 'ouro record' wrote");
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe comes as EPIPE
  return print_trace(options);
}

}  // namespace ouro::cli
