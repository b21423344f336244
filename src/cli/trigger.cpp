#include "cli/trigger.hpp"

#include <signal.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include "cli/units.hpp"
#include "filter/filter.hpp"

namespace ouro::cli {

const char* const kTriggerOptionsHelp =
    R"(      --on CONDITION      does something when that happens; may be repeated. A CONDITION is one of
                            event NAME [if EXPR]           an event, as 'event shop:refused if total > 100'
                            span NAME > TIME [if EXPR]     a span that takes so long, as 'span shop:checkout > 50ms'
                            counter NAME > N               a counter's value; also >=, <, <=, == and !=
                            signal NAME                    a signal sent to ouro, as 'signal USR1'
                            crash                          a recorded program is killed by a signal
                            buffer > N%                    so much of a CPU's buffer waits to be written to the disk
                            at HH:MM[:SS]                  every day at that time
                            every TIME                     again and again
                          What follows belongs to the --on before it:
      --do ACTION         what is done, in the order given (default: snapshot):
                            snapshot [--last TIME] [FOLDER]   a trace of what is in memory, in FOLDER (default: this one)
                            run COMMAND                       a shell command; what happened stands in its environment as
                                                              OURO_TRIGGER, OURO_TRIGGER_EVENT, _TIME, _PID, _TID, _CPU,
                                                              _SPAN_NS (how long the span took), _SESSION, _SNAPSHOT (its
                                                              folder), OURO_FIELD_<name> (a span's: as it began) ...
                            start ARGUMENTS                   ouro record ARGUMENTS, beside this
                            stop [SESSION]                    ends a session (default: this recording)
                            rotate                            the trace goes on in a new folder, as with --rotate
      --times N/TIME      only when it happens N times within TIME, as 5/10s
      --delay TIME        the actions come so much later, so that a snapshot has what followed
      --hold-off TIME     then nothing for so long (default: 10s); what happens meanwhile is counted
      --per-day N         at most so many a day
)";

namespace {

using Words = std::string_view;

Words trimmed(Words text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

// Takes the first word off.
std::string take_word(Words& text) {
  text = trimmed(text);
  const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
  const std::string out(text.substr(0, end));
  text = trimmed(text.substr(end));
  return out;
}

template <class T>
bool is_number(Words text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

Error wanted(const std::string& what, const std::string& seen, const char* want) { return errorf(EINVAL, "%s is '%s', want %s", what.c_str(), seen.c_str(), want); }

Status set_filter(record::EventCondition& event, const std::string& text) {
  Result<filter::Filter> compiled = filter::compile(text);
  if (!compiled) return compiled.error();
  event.filter = text;
  event.code = std::move(compiled->code);
  return Ok{};
}

// "NAME", then perhaps "> TIME", then perhaps "if EXPR".
Status parse_event(Trigger& out, Words rest, bool is_span) {
  out.event.event = take_word(rest);
  if (out.event.event.empty()) return wanted("--on", out.text, is_span ? "span NAME > TIME" : "event NAME");
  if (is_span) {
    const std::string sign = take_word(rest), time = take_word(rest);
    const auto longer = parse_duration(time);
    if (sign != ">" || !longer) return wanted("--on", out.text, "span NAME > TIME, such as 'span shop:checkout > 50ms'");
    out.event.longer = *longer;
  }
  if (rest.empty()) return Ok{};
  if (take_word(rest) != "if" || rest.empty())
    return wanted("--on", out.text, is_span ? "nothing behind the time, or 'if' and an expression" : "nothing behind the name, or 'if' and an expression");
  return set_filter(out.event, std::string(rest));
}

Status parse_counter(Trigger& out, Words rest) {
  out.event.event = take_word(rest);
  const std::string sign = take_word(rest), limit = take_word(rest);
  double number = 0;
  const bool is_sign = sign == ">" || sign == ">=" || sign == "<" || sign == "<=" || sign == "==" || sign == "!=";
  if (!is_sign || !is_number(limit, number) || !rest.empty()) return wanted("--on", out.text, "counter NAME > N, such as 'counter shop:queue_depth > 1000'");
  return set_filter(out.event, "value " + sign + " " + limit);
}

Status parse_signal(Trigger& out, Words rest) {
  std::string name = take_word(rest);
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (const int number : {SIGUSR1, SIGUSR2, SIGWINCH, SIGURG, SIGIO, SIGALRM, SIGVTALRM, SIGPWR, SIGCONT})
    if (name == ::sigabbrev_np(number)) out.signal = number;
  if (out.signal == 0 || !rest.empty()) return wanted("--on", out.text, "signal USR1, USR2, WINCH, URG, IO, ALRM, VTALRM, PWR or CONT: others mean something else to ouro");
  return Ok{};
}

Status parse_buffer(Trigger& out, Words rest) {
  const std::string sign = take_word(rest), share = take_word(rest);
  std::uint32_t percent = 0;
  if (sign != ">" || !share.ends_with('%') || !is_number(Words(share).substr(0, share.size() - 1), percent) || percent >= 100 || !rest.empty())
    return wanted("--on", out.text, "buffer > N%, of 0 to 99");
  out.share = percent / 100.0;
  return Ok{};
}

Status parse_time_of_day(Trigger& out, Words rest) {
  const std::string time = take_word(rest);
  std::uint32_t part[3] = {};
  Words left = time;
  std::size_t parts = 0;
  bool good = rest.empty() && !time.empty();
  for (; good && parts < 3 && !left.empty(); ++parts) {
    const std::size_t end = std::min(left.find(':'), left.size());
    good = end == 2 && is_number(left.substr(0, end), part[parts]);
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  if (!good || parts < 2 || !left.empty() || part[0] > 23 || part[1] > 59 || part[2] > 59) return wanted("--on", out.text, "at HH:MM or HH:MM:SS");
  out.time_of_day = std::chrono::hours(part[0]) + std::chrono::minutes(part[1]) + std::chrono::seconds(part[2]);
  return Ok{};
}

Status parse_period(Trigger& out, Words rest) {
  const auto period = parse_time(std::string(rest));
  if (!period) return wanted("--on", out.text, "every TIME, such as 'every 10m'");
  out.period = *period;
  return Ok{};
}

Status parse_condition(Trigger& out, const std::string& kind, Words rest) {
  using When = Trigger::When;
  const auto is = [&](const char* name, When when) { return kind == name && (out.when = when, true); };
  if (is("event", When::event)) return parse_event(out, rest, false);
  if (is("span", When::event)) return parse_event(out, rest, true);
  if (is("counter", When::event)) return parse_counter(out, rest);
  if (is("signal", When::signal)) return parse_signal(out, rest);
  if (is("crash", When::crash) && rest.empty()) return Ok{};
  if (is("buffer", When::buffer)) return parse_buffer(out, rest);
  if (is("at", When::daily)) return parse_time_of_day(out, rest);
  if (is("every", When::every)) return parse_period(out, rest);
  return wanted("--on", out.text, "a condition that begins with event, span, counter, signal, crash, buffer, at or every");
}

Result<Action> parse_action(const std::string& text) {
  Action out;
  Words rest = text;
  const std::string what = take_word(rest);
  out.text = rest;
  if (what == "rotate" && rest.empty()) return out.what = Action::What::rotate, out;
  if (what == "stop") return out.what = Action::What::stop, out;
  if (what == "start" && !rest.empty()) return out.what = Action::What::start, out;
  if (what == "run" && !rest.empty()) return out.what = Action::What::run, out;
  if (what != "snapshot") return wanted("--do", text, "snapshot [--last TIME] [FOLDER], run COMMAND, start ARGUMENTS, stop [SESSION] or rotate");
  if (!rest.starts_with("--last")) return out;
  take_word(rest);
  out.last = take_word(rest);
  out.text = rest;
  if (!parse_time(out.last)) return wanted("--do", text, "snapshot --last TIME, such as 'snapshot --last 30s'");
  return out;
}

Status set_times(Trigger& trigger, const std::string& value) {
  const std::size_t slash = std::min(value.find('/'), value.size());
  const auto within = slash == value.size() ? std::nullopt : parse_duration(value.substr(slash + 1));
  if (!is_number(Words(value).substr(0, slash), trigger.times) || trigger.times == 0 || trigger.times > 1'000'000 || !within)
    return wanted("--times", value, "N/TIME, such as 5/10s");
  trigger.within = *within;
  return Ok{};
}

Status set_time(std::chrono::milliseconds& to, const std::string& option, const std::string& value) {
  const auto time = value == "0" ? std::chrono::milliseconds(0) : parse_time(value);
  if (!time) return wanted(option, value, "a time such as 10s, 500ms, 5m or 2h");
  to = *time;
  return Ok{};
}

// `text`: as behind --on.
Result<Trigger> parse_trigger(const std::string& text) {
  Trigger out;
  out.text = trimmed(text);
  Words rest = out.text;
  const std::string kind = take_word(rest);
  if (Status parsed = parse_condition(out, kind, rest); !parsed) return parsed.error();
  return out;
}

Status set_option(Trigger& trigger, const std::string& option, const std::string& value) {
  if (option == "--times") return set_times(trigger, value);
  if (option == "--delay") return set_time(trigger.delay, option, value);
  if (option == "--hold-off") return set_time(trigger.hold_off, option, value);
  if (option == "--per-day") {
    if (!is_number(Words(value), trigger.per_day) || trigger.per_day == 0) return wanted(option, value, "a number above 0");
    return Ok{};
  }
  Result<Action> action = parse_action(value);
  if (!action) return action.error();
  trigger.actions.push_back(std::move(*action));
  return Ok{};
}

constexpr const char* kOptions[] = {"--do", "--times", "--delay", "--hold-off", "--per-day"};

}  // namespace

bool has_rotate_action(const std::vector<Trigger>& triggers) {
  return std::any_of(triggers.begin(), triggers.end(), [](const Trigger& t) {
    return std::any_of(t.actions.begin(), t.actions.end(), [](const Action& a) { return a.what == Action::What::rotate; });
  });
}

void define_triggers(CommandLine& line) {
  line.add_option("--on", "CONDITION");
  line.add_option("--do", "ACTION");
  line.add_option("--times", "N/TIME");
  line.add_option("--delay", "TIME");
  line.add_option("--hold-off", "TIME");
  line.add_option("--per-day", "N");
}

Result<std::vector<Trigger>> triggers_of(const CommandLine& line) {
  std::vector<Trigger> out;
  for (const CommandLine::Given& given : line.given()) {
    if (given.option == "--on") {
      Result<Trigger> trigger = parse_trigger(given.value);
      if (!trigger) return trigger.error();
      out.push_back(std::move(*trigger));
    } else if (std::find(std::begin(kOptions), std::end(kOptions), given.option) != std::end(kOptions)) {
      if (out.empty()) return errorf(EINVAL, "%s has no --on before it, want the condition to which it belongs", given.option.c_str());
      if (Status set = set_option(out.back(), given.option, given.value); !set) return set.error();
    }
  }
  return out;
}

}  // namespace ouro::cli
