// read/trace.cpp -- a folder's streams merged into one sequence.
#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <ouro/detail/merge_heap.hpp>
#include <ouro/read.hpp>

#include "read/mapped_file.hpp"
#include "read/metadata.hpp"
#include "read/names.hpp"
#include "read/stream_reader.hpp"

namespace ouro::read {
namespace {

struct Head {
  std::int64_t time_ns;
  std::uint64_t ticks;
  std::size_t stream;
  // Ticks tell apart what falls into one nanosecond; the file's order makes every reading the same.
  bool operator<(const Head& other) const {
    if (time_ns != other.time_ns) return time_ns < other.time_ns;
    if (ticks != other.ticks) return ticks < other.ticks;
    return stream < other.stream;
  }
};

// Names of the stream files, sorted. Indexes and other folders beside them are none.
Result<std::vector<std::string>> stream_files(const std::string& folder) {
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return error_from_errno("trace '%s' cannot be opened", folder.c_str());
  std::vector<std::string> out;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    struct stat about {};
    if (name[0] == '.' || name.starts_with("metadata")) continue;
    if (::stat((folder + "/" + name).c_str(), &about) == 0 && S_ISDIR(about.st_mode)) continue;
    out.push_back(name);
  }
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

const Value* field(const Event& event, std::string_view name, Kind kind) {
  for (const Value& value : event.fields)
    if (value.name() == name && value.kind() == kind) return &value;
  return nullptr;
}

std::int32_t number_of(const Event& event, const char* name) {
  const Value* value = field(event, name, Kind::signed_integer);
  return value != nullptr ? static_cast<std::int32_t>(value->i) : -1;
}

// Texts of other processes end up on terminals: control characters are taken out.
std::string text_of(const Event& event, const char* name) {
  const Value* value = field(event, name, Kind::string);
  std::string out(value != nullptr ? value->text() : std::string_view());
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return out;
}

}  // namespace

struct Trace::State {
  Metadata metadata;
  std::vector<MappedFile> files;
  std::vector<Stream> streams;
  std::vector<StreamReader> readers;  // one per stream
  DamageLog log;
  Names names;
  ouro::detail::MergeHeap<Head> heap;  // per stream that has more events, the time of its next one
  Event event;
  std::size_t current = 0;  // the stream whose event was given out last
  bool has_current = false;

  Status open(const std::string& folder);
  void read_names();
  void start();
  Head head_of(std::size_t stream) const { return {readers[stream].time_ns(), readers[stream].ticks(), stream}; }
};

Status Trace::State::open(const std::string& folder) {
  Result<std::vector<std::string>> names_of_files = stream_files(folder);
  if (!names_of_files) return names_of_files.error();
  Result<MappedFile> text_file = MappedFile::open(folder + "/metadata");
  if (!text_file)
    return errorf(text_file.error().code, "trace '%s': %s (is it the folder that 'ouro record' wrote?)", folder.c_str(),
                  text_file.error().text.c_str());
  const Result<std::string> text = metadata_text_of(text_file->bytes());
  if (!text) return errorf(text.error().code, "trace '%s': %s", folder.c_str(), text.error().text.c_str());
  Result<Metadata> parsed = parse_metadata(*text);
  if (!parsed) return errorf(parsed.error().code, "trace '%s': %s", folder.c_str(), parsed.error().text.c_str());
  metadata = std::move(*parsed);
  for (const std::string& name : *names_of_files) {
    Result<MappedFile> file = MappedFile::open(folder + "/" + name);
    if (!file) {
      log.add(name, 0, file.error().text);
      continue;
    }
    Stream stream;
    stream.file = name;
    stream.bytes = file->bytes().size();
    streams.push_back(std::move(stream));
    files.push_back(std::move(*file));
  }
  readers.reserve(streams.size());
  for (std::size_t i = 0; i < streams.size(); ++i) readers.emplace_back(metadata, streams[i], files[i].bytes(), &log);
  read_names();
  start();
  return Ok{};
}

// Reads the streams that hold state events once, ahead of all: a name holds also for events that come before it was
// learnt. Damage is left to the reading proper to report.
void Trace::State::read_names() {
  for (std::size_t i = 0; i < streams.size(); ++i) {
    Stream scratch = streams[i];
    StreamReader reader(metadata, scratch, files[i].bytes(), nullptr);
    Event state;
    while (reader.peek() && reader.event_class().is_state) {
      if (!reader.take(state)) continue;
      if (state.type->name == "ouro:process")
        names.add_process(state.time_ns, {number_of(state, "pid"), number_of(state, "parent_pid"),
                                          text_of(state, "name"), text_of(state, "cmdline")});
      else if (state.type->name == "ouro:thread")
        names.add_thread(state.time_ns,
                         {number_of(state, "tid"), number_of(state, "pid"), text_of(state, "name"), nullptr});
    }
  }
  names.finish();
}

void Trace::State::start() {
  heap.clear();
  has_current = false;
  for (std::size_t i = 0; i < readers.size(); ++i)
    if (readers[i].peek()) heap.push(head_of(i));
}

Result<Trace> Trace::open(const std::string& folder) {
  auto state = std::make_unique<State>();
  if (Status ok = state->open(folder); !ok) return ok.error();
  return Trace(std::move(state));
}

Trace::Trace(std::unique_ptr<State> state) : state_(std::move(state)) {}
Trace::~Trace() = default;
Trace::Trace(Trace&&) noexcept = default;
Trace& Trace::operator=(Trace&&) noexcept = default;

const Event* Trace::next() {
  State& s = *state_;
  for (;;) {
    if (s.has_current) {
      if (s.readers[s.current].peek())
        s.heap.replace_top(s.head_of(s.current));
      else
        s.heap.pop();
      s.has_current = false;
    }
    if (s.heap.empty()) return nullptr;
    s.current = s.heap.top().stream;
    s.has_current = true;
    if (s.readers[s.current].take(s.event)) break;
  }
  if (s.event.tid >= 0) s.event.thread = s.names.find(s.event.tid, s.event.time_ns);
  return &s.event;
}

void Trace::rewind() {
  for (StreamReader& reader : state_->readers) reader.rewind();
  state_->start();
}

const std::vector<EventClass>& Trace::classes() const { return state_->metadata.events; }
const std::vector<Stream>& Trace::streams() const { return state_->streams; }
std::size_t Trace::event_streams() const {
  return static_cast<std::size_t>(
      std::count_if(streams().begin(), streams().end(), [](const Stream& stream) { return !stream.is_state; }));
}
const std::vector<Clock>& Trace::clocks() const { return state_->metadata.clocks; }
const std::vector<Thread>& Trace::threads() const { return state_->names.threads(); }
const std::vector<Process>& Trace::processes() const { return state_->names.processes(); }
const std::vector<std::pair<std::string, std::string>>& Trace::environment() const { return state_->metadata.env; }

std::string_view Trace::environment(std::string_view name) const {
  for (const auto& [key, value] : state_->metadata.env)
    if (key == name) return value;
  return {};
}

bool Trace::complete() const { return state_->log.count() == 0; }
const std::vector<Damage>& Trace::damage() const { return state_->log.first(); }
std::uint64_t Trace::damage_count() const { return state_->log.count(); }

}  // namespace ouro::read
