// `ouro top`: what sessions are doing, again and again, on a terminal or as text.
#include <ncurses.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/runtime_dir.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/runtime.hpp"
#include "cli/say.hpp"
#include "cli/session_figures.hpp"
#include "cli/sessions.hpp"
#include "cli/table.hpp"
#include "cli/top_look.hpp"
#include "cli/units.hpp"

namespace ouro::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kHelp = R"(ouro top shows what sessions are doing: events and losses a second, the most frequent events, the slowest spans.

Usage: ouro top [OPTIONS] [SESSION]

Programs are not stopped, and nothing is taken from a session: events and spans are those of the newest part of its memory.
Without SESSION they are the flight recorder's, if there is one, or the first session's. Keys: n next session, q quit.

Options:
      --interval TIME     between two looks: 1s, 500ms (default: 1s)
      --times N           so many looks, then ends; without a terminal each is printed as text
  -h, --help              this text

Exit status: 0; 1 if there is no such session, or the terminal cannot be used; 2 for a wrong command line.

Examples:
  ouro top
  ouro top flight --times 1       one look, as text
)";

struct Options {
  std::string session, interval_text, times_text;
  std::chrono::milliseconds interval{1000};
  std::uint64_t times = 0;  // 0: until told
};

void define(CommandLine& line, Options& options) {
  line.add_argument("session", options.session, "SESSION");
  line.add_option("--interval", options.interval_text, "TIME");
  line.add_option("--times", options.times_text, "N");
}

struct Rates {
  double written = 0, lost = 0;  // a second
};

// Looks, and remembers the look before.
class Watcher {
 public:
  Watcher(std::string folder, Options options) : folder_(std::move(folder)), options_(std::move(options)), scratch_(folder_ + "/top-" + std::to_string(::getpid())) {}

  // Error: the session that was named is not there (any more).
  Result<std::vector<std::string>> page() {
    Sessions sessions = all_sessions(folder_, "top");
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - std::exchange(looked_at_, now)).count();
    std::map<std::string, SessionFigures> looks;
    Table table({"Session", "kind", "processes", "events/s", "lost/s", "events", "lost", "memory"}, "llr");
    std::map<std::string, Rates> rates;
    for (const record::SessionFile& session : sessions) {
      std::optional<Error> failed;
      SessionFigures look = figures_of(folder_, session, failed);
      const Rates rate = rates_of(look, seconds);
      rates[look.name] = rate;
      table.add({(is_chosen(session, sessions) ? "*" : " ") + printable(look.name) + (failed || look.corrupt ? " (damaged)" : ""), look.kind, std::to_string(look.processes),
                 count(rate.written), count(rate.lost), std::to_string(look.written()), std::to_string(look.lost_total()), human_bytes(look.memory)});
      looks.emplace(look.name, std::move(look));
    }
    const bool is_first = before_.empty();  // nobody knows how many events a second of it has
    before_ = std::move(looks);
    const auto chosen = std::find_if(sessions.begin(), sessions.end(), [&](const auto& s) { return is_chosen(s, sessions); });
    if (chosen == sessions.end() && !options_.session.empty()) return named_sessions(std::move(sessions), {options_.session}, folder_).error();
    std::vector<std::string> out = table.lines();
    if (chosen == sessions.end()) return out = {"There is no session (hint: ouro record --flight --all)"}, out;
    if (is_first) return out;
    const Result<NewestEvents> newest = newest_events(folder_, *chosen, options_.interval, rates[chosen->name()].written, scratch_);
    out.emplace_back();
    if (newest) add_newest(out, *newest);
    else out.push_back(newest.error().text);
    return out;
  }
  void choose_next() {
    const auto next = before_.upper_bound(options_.session);
    if (!before_.empty()) options_.session = (next == before_.end() ? before_.begin() : next)->first;
  }

 private:
  static std::string count(double n) {
    char text[32];
    std::snprintf(text, sizeof text, n < 100 ? "%.1f" : "%.0f", n);
    return text;
  }

  bool is_chosen(const record::SessionFile& session, const Sessions& all) const {
    if (!options_.session.empty()) return session.name() == options_.session;
    const auto flight = std::find_if(all.begin(), all.end(), [](const auto& s) { return s.is_kept(); });
    return &session == (flight != all.end() ? &*flight : &all.front());
  }

  Rates rates_of(const SessionFigures& look, double seconds) const {
    const auto before = before_.find(look.name);
    if (before == before_.end() || seconds <= 0) return {};
    const auto rate = [&](std::uint64_t now, std::uint64_t then) { return static_cast<double>(now - std::min(now, then)) / seconds; };
    return {rate(look.written(), before->second.written()), rate(look.lost_total(), before->second.lost_total())};
  }

  static void add_newest(std::vector<std::string>& out, const NewestEvents& newest) {
    const Stats& stats = *newest.stats;
    char head[80];
    std::snprintf(head, sizeof head, "The newest %.3g s of it:", newest.seconds);
    out.push_back(head);
    Table events({"Event", "events/s", "bytes/s"}, "lr", "  ");
    std::vector<const std::pair<const StatsKey, EventStats>*> by_count;
    for (const auto& entry : stats.by_event())
      if (entry.second.count != 0) by_count.push_back(&entry);
    std::sort(by_count.begin(), by_count.end(), [](const auto* a, const auto* b) { return a->second.count > b->second.count; });
    for (std::size_t i = 0; i < std::min<std::size_t>(by_count.size(), 10); ++i)
      events.add({printable(by_count[i]->first.name), count(static_cast<double>(by_count[i]->second.count) / newest.seconds),
                  human_bytes(static_cast<std::uint64_t>(static_cast<double>(by_count[i]->second.bytes) / newest.seconds))});
    if (events.empty()) out.push_back("  no events");
    else for (std::string& line : events.lines()) out.push_back(std::move(line));
    Table spans({"Slowest spans", "spans/s", "p50", "p99", "max"}, "lr", "  ");
    std::vector<const std::pair<const StatsKey, SpanStats>*> by_max;
    for (const auto& entry : stats.spans())
      if (entry.second.durations_ns.count() != 0) by_max.push_back(&entry);
    std::sort(by_max.begin(), by_max.end(), [](const auto* a, const auto* b) { return a->second.durations_ns.max() > b->second.durations_ns.max(); });
    for (std::size_t i = 0; i < std::min<std::size_t>(by_max.size(), 10); ++i) {
      const Histogram& h = by_max[i]->second.durations_ns;
      spans.add({printable(by_max[i]->first.name), count(static_cast<double>(h.count()) / newest.seconds), duration(h.quantile(0.5)), duration(h.quantile(0.99)), duration(h.max())});
    }
    if (spans.empty()) return;
    out.emplace_back();
    for (std::string& line : spans.lines()) out.push_back(std::move(line));
  }

  const std::string folder_;
  Options options_;
  const std::string scratch_;
  std::map<std::string, SessionFigures> before_;
  Clock::time_point looked_at_ = Clock::now();
};

int refuse(const Error& error) {
  say("error: top: %s", error.text.c_str());
  return 1;
}

int print_pages(Watcher& watcher, const Options& options) {
  Result<std::vector<std::string>> page = watcher.page();  // for the rates of the first that is shown
  for (std::uint64_t i = 0; page && i < std::max<std::uint64_t>(options.times, 1); ++i) {
    ::usleep(static_cast<useconds_t>(options.interval.count() * 1000));
    page = watcher.page();
    if (!page) break;
    for (const std::string& line : *page) std::puts(line.c_str());
    std::puts("");
    std::fflush(stdout);
  }
  return page ? 0 : refuse(page.error());
}

void draw(const std::vector<std::string>& page) {
  ::erase();
  const int rows = getmaxy(stdscr), columns = getmaxx(stdscr);
  for (int y = 0; y < rows && static_cast<std::size_t>(y) < page.size(); ++y) {
    const bool is_head = page[static_cast<std::size_t>(y)].find("/s") != std::string::npos && page[static_cast<std::size_t>(y)].find("  ") != std::string::npos;
    if (is_head) attron(A_BOLD);
    mvaddnstr(y, 0, page[static_cast<std::size_t>(y)].c_str(), columns);
    if (is_head) attroff(A_BOLD);
  }
  ::refresh();
}

// False: the user has enough.
bool obey_keys(Watcher& watcher, std::chrono::milliseconds patience) {
  const auto end = Clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    ::timeout(static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    switch (::getch()) {
      case 'q': return false;
      case 'n': watcher.choose_next(); return true;
      case ERR: return true;
      case KEY_RESIZE: return true;
      default: break;
    }
  }
}

int show_pages(Watcher& watcher, const Options& options) {
  std::setlocale(LC_ALL, "");
  SCREEN* const screen = ::newterm(nullptr, stdout, stdin);
  if (screen == nullptr) return refuse(errorf(ENOTTY, "terminal '%s' cannot be used (hint: --times 1 | cat)", std::getenv("TERM") != nullptr ? std::getenv("TERM") : ""));
  ::cbreak();
  ::noecho();
  ::curs_set(0);
  Result<std::vector<std::string>> page = watcher.page();
  for (std::uint64_t i = 0; page && (options.times == 0 || i < options.times); ++i) {
    draw(*page);
    if (!obey_keys(watcher, i == 0 ? std::min(options.interval, std::chrono::milliseconds(200)) : options.interval)) break;
    page = watcher.page();
  }
  ::endwin();
  ::delscreen(screen);
  return page ? 0 : refuse(page.error());
}

}  // namespace

const char* define_top(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int top_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (line.count("--interval") != 0) {
    const auto interval = parse_time(options.interval_text);
    if (!interval || *interval > std::chrono::hours(1)) return usage_error("top", "--interval is '" + options.interval_text + "', want a time such as 500ms or 2s, up to 1h");
    options.interval = *interval;
  }
  if (line.count("--times") != 0) {
    const auto times = parse_size(options.times_text);
    if (!times || *times == 0) return usage_error("top", "--times is '" + options.times_text + "', want a number above 0");
    options.times = *times;
  }
  const Result<base::RuntimeDir> folder = runtime_dir(false);
  if (!folder) return refuse(folder.error());
  Watcher watcher(folder->path, options);
  return ::isatty(STDOUT_FILENO) != 0 && ::isatty(STDIN_FILENO) != 0 ? show_pages(watcher, options) : print_pages(watcher, options);
}

}  // namespace ouro::cli
