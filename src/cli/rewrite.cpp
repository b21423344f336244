#include "cli/rewrite.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/print_losses.hpp"
#include "cli/progress.hpp"
#include "cli/say.hpp"
#include "read/clocks.hpp"

namespace ouro::cli {
namespace {

// Several traces keep their clock if it is one and the same.
bool have_one_clock(const std::vector<std::unique_ptr<read::Trace>>& traces) {
  for (const auto& trace : traces)
    if (trace->clocks().size() != 1 || !read::is_same(trace->clocks().front(), traces.front()->clocks().front())) return false;
  return true;
}

// "a", "b"; the same twice has its place in front of it.
std::vector<std::string> prefixes_of(const std::vector<std::string>& folders) {
  if (folders.size() == 1) return {""};
  std::vector<std::string> out;
  for (const std::string& folder : folders) {
    const std::filesystem::path path = std::filesystem::path(folder + "/").parent_path();
    std::string name = path.filename().string();
    if (name.empty() || name.starts_with('.') || name.starts_with("metadata")) name = "trace";
    for (int n = 2; std::find(out.begin(), out.end(), name + "_") != out.end(); ++n) name = path.filename().string() + std::to_string(n);
    out.push_back(name + "_");
  }
  return out;
}

struct Figures {
  std::uint64_t events = 0, lost = 0;
  bool is_all = true;  // events behind the range were not even counted
};

// What a thread or a process is called holds for all of the recording: these go along whatever the range. What was lost by cause is of the whole as well, and
// so is no part of a range's books.
bool is_name(const read::EventClass& type) { return type.name == "ouro:process" || type.name == "ouro:thread"; }

Status copy(ctf::Writer& writer, read::Trace& trace, const std::string& prefix, const Rewrite& job, TimeRange range, Figures& figures) {
  range.resolve(trace);
  const std::vector<bool> chosen = job.events.chosen(trace.classes());
  const bool has_state = std::any_of(trace.classes().begin(), trace.classes().end(), [](const read::EventClass& type) { return type.is_state; });
  writer.begin(trace, prefix, [&](const read::EventClass& type) { return chosen[type.index]; });
  Losses losses;
  bool is_over = false;
  Progress progress(job.command, trace);
  while (const read::Event* event = trace.next()) {
    progress.see(*event);
    losses.see(*event);
    if (event->type->is_state) {
      if ((!range.is_open() && !is_name(*event->type)) || event->type->name == "ouro:stream") continue;  // the new trace has other packets
    } else {
      ++figures.events;
      if (event->time_ns < range.begin_ns()) {
        writer.before(*event);
        continue;
      }
      is_over = is_over || range.is_over(event->time_ns);
      if (is_over && !has_state) {
        figures.is_all = false;
        break;
      }
      if (is_over) continue;
      if (!chosen[event->type->index]) {
        writer.skip(*event);
        continue;
      }
    }
    if (Status written = writer.write(*event); !written) return written;
  }
  figures.lost += losses.total(trace);
  return writer.end(!is_over);
}

}  // namespace

int rewrite(Rewrite job) {
  const auto fail = [&](const Error& error) {
    say("error: %s: %s", job.command, error.text.c_str());
    return 1;
  };
  std::vector<std::unique_ptr<read::Trace>> traces;
  std::vector<read::Source> sources;
  for (const std::string& folder : job.folders) {
    Result<read::Trace> trace = read::Trace::open(folder);
    if (!trace) return fail(trace.error());
    sources.insert(sources.end(), trace->sources().begin(), trace->sources().end());
    traces.push_back(std::make_unique<read::Trace>(std::move(*trace)));
  }
  say_warnings(job.command, read::clock_warnings(sources));
  job.options.nanoseconds |= traces.size() > 1 && !have_one_clock(traces);
  Result<std::unique_ptr<ctf::Writer>> writer = ctf::Writer::create(job.output, job.options);
  if (!writer) return fail(writer.error());
  Figures figures;
  int status = 0;
  const std::vector<std::string> prefixes = prefixes_of(job.folders);
  for (std::size_t i = 0; i < traces.size(); ++i) {
    if (Status copied = copy(**writer, *traces[i], prefixes[i], job, job.range, figures); !copied) {
      fail(copied.error());
      say("'%s' is not complete, and no trace: it has no metadata", job.output.c_str());
      return 1;
    }
    status |= say_damage(job.command, *traces[i]);
    traces[i].reset();
  }
  if (Status finished = (*writer)->finish(); !finished) return fail(finished.error());
  const bool is_part = !job.range.is_open();
  const std::string of = figures.is_all ? " of " + std::to_string(figures.events) : "";
  say("%s %llu%s events, %llu lost%s, %zu streams, %s to %s%s", job.done, static_cast<unsigned long long>((*writer)->events()), of.c_str(),
      static_cast<unsigned long long>(is_part ? (*writer)->lost() : figures.lost), is_part ? " among them" : "", (*writer)->streams(), human_bytes((*writer)->bytes()).c_str(),
      job.output.c_str(), job.options.nanoseconds ? " (clocks differ: times are nanoseconds since 1970)" : "");
  return status;
}

}  // namespace ouro::cli
