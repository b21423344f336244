#include "cli/metrics.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "record/ring_drain.hpp"

namespace ouro::cli {
namespace {

using Labels = std::vector<std::pair<const char*, std::string>>;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\\' ? "\\\\" : c == '"' ? "\\\"" : c == '\n' ? "\\n" : std::string(1, c);
  return out;
}

// A family is opened once, and then has its samples.
class Writer {
 public:
  void family(const char* name, const char* type, const char* help) {
    name_ = name;
    out_ += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  }
  void sample(double value, const Labels& labels = {}) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    write(labels, text);
  }
  void sample(std::uint64_t value, const Labels& labels = {}) { write(labels, std::to_string(value)); }
  std::string take() { return std::move(out_); }

 private:
  void write(const Labels& labels, const std::string& value) {
    out_ += name_;
    for (std::size_t i = 0; i < labels.size(); ++i) out_ += (i == 0 ? "{" : ",") + std::string(labels[i].first) + "=\"" + escaped(labels[i].second) + "\"";
    out_ += (labels.empty() ? " " : "} ") + value + "\n";
  }
  const char* name_ = "";
  std::string out_;
};

using Session = DaemonFigures::Session;
Labels labels_of(const Session& session) { return {{"session", session.figures.name}, {"user", session.user}}; }

void write_daemon(Writer& out, const DaemonFigures& all) {
  out.family("ouro_build_info", "gauge", "Which ouro this is.");
  out.sample(std::uint64_t{1}, {{"version", OURO_VERSION}});
  out.family("ouro_daemon_start_time_seconds", "gauge", "When the daemon began, in seconds since the epoch.");
  out.sample(all.started);
  out.family("ouro_daemon_reloads_total", "counter", "How often the configuration was read again.");
  out.sample(all.reloads);
  out.family("ouro_daemon_config_good", "gauge", "Whether the configuration made sense when it was read last.");
  out.sample(std::uint64_t{all.is_config_good});
  out.family("ouro_daemon_watched", "gauge", "Whether the process runs that watches a session's triggers.");
  for (const Session& session : all.sessions)
    if (session.is_of_the_file) out.sample(std::uint64_t{session.is_watched}, labels_of(session));
  out.family("ouro_daemon_restarts_total", "counter", "How often that process ended and was started again.");
  for (const Session& session : all.sessions)
    if (session.is_of_the_file) out.sample(session.restarts, labels_of(session));
  if (!all.has_retention) return;
  out.family("ouro_snapshots", "gauge", "Snapshots in the folder of [retention].");
  out.sample(all.kept.snapshots);
  out.family("ouro_snapshots_bytes", "gauge", "Bytes that they take.");
  out.sample(all.kept.bytes);
  out.family("ouro_snapshots_removed_total", "counter", "Snapshots that were removed since the daemon began.");
  out.sample(all.kept.removed);
}

}  // namespace

std::string MetricsText::of(const DaemonFigures& all) {
  Writer out;
  write_daemon(out, all);
  std::set<std::pair<std::string, std::uint32_t>> seen;
  const auto family = [&](const char* name, const char* type, const char* help, const auto& value) {
    out.family(name, type, help);
    for (const Session& session : all.sessions)
      if (session.generation != 0) out.sample(value(session), labels_of(session));
  };
  family("ouro_session_events_total", "counter", "Events written to a session since it began.", [&](const Session& session) {
    const std::pair key(session.user + "/" + session.figures.name, session.generation);
    seen.insert(key);
    return events_[key] = std::max(events_[key], session.figures.written());
  });
  family("ouro_session_events", "gauge", "Events that are in memory.", [](const Session& s) { return s.figures.events; });
  family("ouro_session_overwritten_events_total", "counter", "Events that newer ones took the place of.", [](const Session& s) { return s.figures.overwritten(); });
  out.family("ouro_session_lost_events_total", "counter", "Events that were lost, by cause.");
  for (const Session& session : all.sessions) {
    if (session.generation == 0) continue;
    for (std::size_t i = 0; i < abi::kLossCauses; ++i) {
      if (i == static_cast<std::size_t>(abi::Loss::lapped)) continue;
      Labels labels = labels_of(session);
      labels.emplace_back("cause", record::kLossNames[i]);
      out.sample(session.figures.lost[i], labels);
    }
  }
  family("ouro_session_processes", "gauge", "Running programs that are in the session.", [](const Session& s) { return s.figures.processes; });
  family("ouro_session_covered_seconds", "gauge", "For how long back all events are in memory.", [](const Session& s) { return s.figures.covers; });
  family("ouro_session_memory_bytes", "gauge", "Memory that the session takes.", [](const Session& s) { return s.figures.memory; });
  family("ouro_session_buffer_bytes", "gauge", "Size of a CPU's buffer.", [](const Session& s) { return s.figures.buffer; });
  family("ouro_session_memory_sane", "gauge", "Whether the session's memory makes sense.", [](const Session& s) { return std::uint64_t{!s.figures.corrupt}; });
  std::erase_if(events_, [&](const auto& entry) { return !seen.contains(entry.first); });
  return out.take();
}

}  // namespace ouro::cli
