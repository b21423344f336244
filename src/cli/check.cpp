// `ouro check`: whether a trace's books are in order.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/textf.hpp"
#include "cli/check_collect.hpp"
#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/say.hpp"
#include "cli/table.hpp"
#include "cli/traces_in.hpp"
#include "cli/units.hpp"

namespace ouro::cli {
namespace {

using base::textf;

constexpr const char* kHelp = R"(ouro check says whether a trace is sound, and what is in its books.

Usage: ouro check [OPTIONS] DIR...

Every packet's header is read by itself, and every event: numbers of packets, their sizes against their contents and
the file, the order of time within packets and across them, uuids, what the tracer counts as lost, what clocks the
streams have. Each fault is named with its file, its byte and the reason. Several traces, or a folder that has some in
it (a rotated recording, an LTTng session), are checked one by one, and their clocks held against each other.

Lost events are no fault: the trace says so itself. They are always told, also when there are none. Packets that are
missing from a stream are one.

Options:
      --json   the same as JSON: {"sound", "traces": [{"trace", "sound", "uuid", "host", "clocks": [...], "streams":
               [...], "events", "lost": {"total", "by_cause"}, "faults": [...], "remarks": [...]}], "alignment": [...]}
  -h, --help   this text

Exit status: 0 if all of it is sound; 1 if something is damaged or cannot be read; 2 if the command line makes no
sense.

Examples:
  ouro check trace
  ouro check --json trace | jq '.traces[].faults[].text'
)";

constexpr std::size_t kShown = 40;

struct Options {
  std::vector<std::string> folders;
  bool json = false;
};

void define(CommandLine& line, Options& options) {
  line.add_flag("--json", options.json);
  line.add_argument("folders", options.folders, "TRACE");
}

struct Unreadable {
  std::string folder, why;
};

std::string utc(std::int64_t ns) {
  const auto when = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm parts{};
  char text[40];
  if (::gmtime_r(&when, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) == 0) return "?";
  return textf("%s.%09" PRId64 " UTC", text, ns % 1'000'000'000);
}

std::string optional_number(const std::optional<std::uint64_t>& number) { return number ? std::to_string(*number) : "-"; }

std::string verdict(const TraceBooks& books) {
  if (!books.is_sound()) return textf("damaged in %" PRIu64 " places", books.fault_count);
  return books.lost == 0 ? "sound, nothing lost" : "sound; the program's events that were lost are counted in it";
}

// ---- text

void print_clocks(const TraceBooks& books) {
  for (const read::Clock& clock : books.clocks)
    std::printf("  clock %s: %" PRIu64 " Hz, begins at 1970 %+" PRId64 " s %+" PRId64 " ticks, precision %" PRIu64 " ticks\n", printable(clock.name).c_str(), clock.frequency,
                clock.offset_s, clock.offset_ticks, clock.precision_ticks);
}

void print_streams(const TraceBooks& books) {
  Table table({"Stream", "cpu", "packets", "numbers", "missing", "bytes", "content", "events", "lost", "time"}, "lr", "  ");
  for (std::size_t i = 0; i < std::min(kShown, books.streams.size()); ++i) {
    const StreamBooks& s = books.streams[i];
    const std::string numbers = s.first_number ? optional_number(s.first_number) + "-" + optional_number(s.last_number) : "-";
    const std::string time = s.begin_ns && s.end_ns ? duration(static_cast<double>(std::max<std::int64_t>(*s.end_ns - *s.begin_ns, 0))) : "-";
    table.add({printable(s.file), s.cpu >= 0 ? std::to_string(s.cpu) : "-", std::to_string(s.packets), numbers, std::to_string(s.packets_missing), std::to_string(s.bytes),
               std::to_string(s.content_bytes), std::to_string(s.events), s.states_losses ? std::to_string(s.lost) : "?", time});
  }
  if (!table.empty()) table.print();
  if (books.streams.size() > kShown) std::printf("  ... and %zu more streams (--json has all)\n\n", books.streams.size() - kShown);
}

void print_trace(const TraceBooks& books) {
  std::printf("%s: %s\n", printable(books.folder).c_str(), verdict(books).c_str());
  std::printf("  %" PRIu64 " events, %" PRIu64 " lost", books.events, books.lost);
  const char* separator = ": ";
  for (const auto& [cause, count] : books.lost_by_cause) {
    if (count == 0) continue;
    std::printf("%s%" PRIu64 " %s", separator, count, cause.c_str());
    separator = ", ";
  }
  std::printf("; host %s, uuid %s\n", books.host.empty() ? "-" : printable(books.host).c_str(), books.uuid.empty() ? "-" : books.uuid.c_str());
  if (books.first_ns) std::printf("  %s to %s: %s\n", utc(*books.first_ns).c_str(), utc(*books.last_ns).c_str(), duration(static_cast<double>(*books.last_ns - *books.first_ns)).c_str());
  print_clocks(books);
  std::puts("");
  print_streams(books);
  for (std::size_t i = 0; i < std::min(kShown, books.faults.size()); ++i) std::printf("  FAULT   %s\n", printable(books.faults[i].text).c_str());
  if (books.fault_count > kShown) std::printf("  FAULT   ... and %" PRIu64 " more (--json has the first %zu)\n", books.fault_count - kShown, books.faults.size());
  for (const std::string& remark : books.remarks) std::printf("  remark  %s\n", printable(remark).c_str());
  if (!books.faults.empty() || !books.remarks.empty()) std::puts("");
}

// ---- JSON

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json json_of(const StreamBooks& s) {
  return {{"file", s.file},
          {"id", s.id},
          {"instance", or_null(s.instance)},
          {"is_state", s.is_state},
          {"cpu", s.cpu >= 0 ? Json(s.cpu) : Json(nullptr)},
          {"clock", or_null(s.clock)},
          {"packets", s.packets},
          {"empty_packets", s.empty_packets},
          {"first_number", or_null(s.first_number)},
          {"last_number", or_null(s.last_number)},
          {"packets_missing", s.packets_missing},
          {"bytes", s.bytes},
          {"content_bytes", s.content_bytes},
          {"events", s.events},
          {"lost", s.states_losses ? Json(s.lost) : Json(nullptr)},
          {"begin_ns", or_null(s.begin_ns)},
          {"end_ns", or_null(s.end_ns)}};
}

Json json_of(const TraceBooks& books) {
  Json clocks = Json::array(), streams = Json::array(), faults = Json::array(), causes = Json::object();
  for (const read::Clock& c : books.clocks)
    clocks.push_back({{"name", c.name}, {"frequency", c.frequency}, {"offset_s", c.offset_s}, {"offset_ticks", c.offset_ticks}, {"precision_ticks", c.precision_ticks}});
  for (const StreamBooks& s : books.streams) streams.push_back(json_of(s));
  for (const read::Damage& d : books.faults) faults.push_back({{"file", d.file}, {"offset", d.offset}, {"text", d.text}});
  for (const auto& [cause, count] : books.lost_by_cause) causes[cause] = count;
  return {{"trace", books.folder},
          {"sound", books.is_sound()},
          {"uuid", books.uuid},
          {"host", books.host},
          {"clocks", clocks},
          {"time", {{"begin_ns", or_null(books.first_ns)}, {"end_ns", or_null(books.last_ns)}}},
          {"streams", streams},
          {"events", books.events},
          {"lost", {{"total", books.lost}, {"by_cause", causes}}},
          {"fault_count", books.fault_count},
          {"faults", faults},
          {"remarks", books.remarks}};
}

// Each against the first: n lines, not n squared.
template <class Use>
void alignments(const std::vector<TraceBooks>& all, Use use) {
  for (std::size_t i = 1; i < all.size(); ++i) use(all[i], align(all.front(), all[i]));
}

void print_json(const std::vector<TraceBooks>& all, const std::vector<Unreadable>& unreadable, bool sound) {
  static constexpr const char* kinds[] = {"same", "measured", "stated", "guessed"};
  Json traces = Json::array(), aligned = Json::array();
  for (const TraceBooks& books : all) traces.push_back(json_of(books));
  for (const Unreadable& u : unreadable) traces.push_back({{"trace", u.folder}, {"sound", false}, {"fault_count", 1}, {"faults", {{{"file", "metadata"}, {"offset", 0}, {"text", u.why}}}}});
  alignments(all, [&](const TraceBooks& books, const Alignment& a) {
    aligned.push_back({{"trace", books.folder},
                       {"against", all.front().folder},
                       {"kind", a.relation ? kinds[static_cast<std::size_t>(*a.relation)] : "unknown"},
                       {"offset_ns", a.relation == read::Relation::measured ? Json(a.offset_ns) : Json(nullptr)},
                       {"text", a.text}});
  });
  std::puts(Json{{"sound", sound}, {"traces", traces}, {"alignment", aligned}}.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_text(const std::vector<TraceBooks>& all, const std::vector<Unreadable>& unreadable) {
  for (const TraceBooks& books : all) print_trace(books);
  for (const Unreadable& u : unreadable) std::printf("%s: cannot be read\n  FAULT   %s\n\n", printable(u.folder).c_str(), printable(u.why).c_str());
  std::size_t shown = 0;
  alignments(all, [&](const TraceBooks& books, const Alignment& a) {
    if (++shown <= kShown) std::printf("%s beside %s: %s\n", printable(books.folder).c_str(), printable(all.front().folder).c_str(), printable(a.text).c_str());
  });
}

}  // namespace

const char* define_check(CommandLine& line) {
  static Options unread;
  define(line, unread);
  return kHelp;
}

int check_command(int argc, char** argv) {
  CommandLine line;
  Options options;
  define(line, options);
  if (const std::optional<int> status = line.parse(argc, argv, kHelp)) return *status;
  if (options.folders.empty()) return usage_error("check", "no trace given, want the folder that 'ouro record' wrote, or any with a CTF trace in it");
  std::vector<TraceBooks> all;
  std::vector<Unreadable> unreadable;
  std::uint64_t events = 0, lost = 0, faults = 0;
  for (const std::string& folder : options.folders)
    for (const std::string& one : traces_in(folder)) {
      Result<TraceBooks> books = check_trace(one);
      if (!books) {
        unreadable.push_back({one, books.error().text});
        continue;
      }
      events += books->events;
      lost += books->lost;
      faults += books->fault_count;
      all.push_back(std::move(*books));
    }
  const bool sound = faults == 0 && unreadable.empty();
  if (options.json)
    print_json(all, unreadable, sound);
  else
    print_text(all, unreadable);
  if (std::fflush(stdout) != 0) {
    say("error: check: standard output cannot be written");
    return 1;
  }
  say("checked %zu trace%s: %s; %llu events, %llu lost, %llu faults", all.size() + unreadable.size(), all.size() + unreadable.size() == 1 ? "" : "s",
      sound ? "sound" : "damaged", static_cast<unsigned long long>(events), static_cast<unsigned long long>(lost), static_cast<unsigned long long>(faults + unreadable.size()));
  return sound ? 0 : 1;
}

}  // namespace ouro::cli
