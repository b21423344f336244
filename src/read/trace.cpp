// read/trace.cpp -- a folder's streams merged into one sequence, or those of the traces in a folder (format/pieces.hpp), two of them at a time.
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include <ouro/detail/merge_heap.hpp>
#include <ouro/read.hpp>

#include "format/pieces.hpp"
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

bool is_compressed(const std::string& file) { return file.ends_with(format::kCompressedSuffix); }

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
  // One that was just being compressed when its recorder was killed is there twice.
  std::erase_if(out, [&, all = out](const std::string& name) {
    return is_compressed(name) && std::binary_search(all.begin(), all.end(), name.substr(0, name.size() - format::kCompressedSuffix.size()));
  });
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

// Names of the traces in a folder of a recording that was rotated, in order.
std::vector<std::string> pieces_in(const std::string& folder) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir))
    if (format::parse_piece_name(entry->d_name) && ::access((folder + "/" + entry->d_name + "/metadata").c_str(), F_OK) == 0) out.emplace_back(entry->d_name);
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

// A trace of its own, or one of several that follow each other.
struct Piece {
  std::string folder, prefix;  // prefix: of its files' names
  std::unique_ptr<Metadata> metadata;
  std::size_t begin = 0, end = 0;  // its streams
  std::size_t open = 0;            // of them, with more events
};

}  // namespace

struct Trace::State {
  std::string folder;
  std::vector<Piece> pieces;
  std::vector<EventClass> classes;  // of all of them
  std::vector<Stream> streams;
  std::vector<std::optional<MappedFile>> files;        // per stream; those of the pieces that are being read
  std::vector<std::unique_ptr<StreamReader>> readers;  // likewise
  DamageLog log;
  Names names;
  ouro::detail::MergeHeap<Head> heap;  // per stream that has more events, the time of its next one
  Event event;
  std::size_t current = 0;  // the stream whose event was given out last
  bool has_current = false;
  std::size_t open_piece = 0, next_piece = 0;  // those from the one up to the other are being read

  Status open(const std::string& path);
  Status add_piece(const std::string& path, const std::string& prefix);
  bool open_file(std::size_t stream, bool says);
  void read_names(const Piece& piece);
  void start();
  void open_next_piece();
  void end_pieces();
  Head head_of(std::size_t stream) const { return {readers[stream]->time_ns(), readers[stream]->ticks(), stream}; }
  Piece& piece_of(std::size_t stream) {
    return *(std::upper_bound(pieces.begin(), pieces.end(), stream, [](std::size_t s, const Piece& p) { return s < p.begin; }) - 1);
  }
};

Status Trace::State::open(const std::string& path) {
  folder = path;
  std::vector<std::string> parts;
  if (::access((path + "/metadata").c_str(), F_OK) != 0) parts = pieces_in(path);
  if (parts.empty()) {
    if (Status added = add_piece(path, ""); !added) return added;
  }
  for (const std::string& part : parts)
    if (Status added = add_piece(path + "/" + part, part + "/"); !added) {
      // While a recording goes on, its oldest traces may be removed, and the newest gets another name.
      if (added.error().code == ENOENT) continue;
      return added;
    }
  if (pieces.empty()) return errorf(ENOENT, "trace '%s': its traces went away meanwhile (is it being recorded? again, then)", path.c_str());
  files.resize(streams.size());
  readers.resize(streams.size());
  for (const Piece& piece : pieces)
    for (EventClass& type : piece.metadata->events) {
      type.index = classes.size();
      classes.push_back(type);
    }
  for (const Piece& piece : pieces) read_names(piece);
  names.finish();
  start();
  return Ok{};
}

Status Trace::State::add_piece(const std::string& path, const std::string& prefix) {
  Result<std::vector<std::string>> names_of_files = stream_files(path);
  if (!names_of_files) return names_of_files.error();
  Result<MappedFile> text_file = MappedFile::open(path + "/metadata");
  if (!text_file)
    return errorf(text_file.error().code, "trace '%s': %s (is it the folder that 'ouro record' wrote?)", path.c_str(),
                  text_file.error().text.c_str());
  const Result<std::string> text = metadata_text_of(text_file->bytes());
  if (!text) return errorf(text.error().code, "trace '%s': %s", path.c_str(), text.error().text.c_str());
  Result<Metadata> parsed = parse_metadata(*text);
  if (!parsed) return errorf(parsed.error().code, "trace '%s': %s", path.c_str(), parsed.error().text.c_str());
  Piece piece{path, prefix, std::make_unique<Metadata>(std::move(*parsed)), streams.size(), 0};
  for (const std::string& name : *names_of_files) {
    Stream stream;
    stream.file = prefix + name;
    streams.push_back(std::move(stream));
  }
  piece.end = streams.size();
  pieces.push_back(std::move(piece));
  return Ok{};
}

// `says`: what cannot be opened is damage.
bool Trace::State::open_file(std::size_t stream, bool says) {
  const Piece& piece = piece_of(stream);
  Stream& info = streams[stream];
  const std::string path = piece.folder + "/" + info.file.substr(piece.prefix.size());
  std::string trouble;
  Result<MappedFile> file = is_compressed(path) ? MappedFile::open_compressed(path, trouble) : MappedFile::open(path);
  if (!file) {
    if (says) log.add(info.file, 0, file.error().text);
    return false;
  }
  if (says && !trouble.empty()) log.add(info.file, 0, trouble);
  info.bytes = file->bytes().size();
  files[stream] = std::move(*file);
  return true;
}

// Reads the streams that hold state events once, ahead of all: a name holds also for events that come before it was
// learnt. Damage is left to the reading proper to report.
void Trace::State::read_names(const Piece& piece) {
  for (std::size_t i = piece.begin; i < piece.end; ++i) {
    // To decompress a stream only to see whether it is of that kind is too much.
    if ((is_compressed(streams[i].file) && streams[i].file.find("ouro_state") == std::string::npos) || !open_file(i, false)) continue;
    Stream scratch = streams[i];
    StreamReader reader(*piece.metadata, scratch, files[i]->bytes(), nullptr);
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
    files[i].reset();
  }
}

void Trace::State::start() {
  heap.clear();
  has_current = false;
  next_piece = open_piece = 0;
  for (Stream& stream : streams) stream.packets = stream.events = stream.events_discarded = stream.packets_missing = 0;
  // Rings end in one trace and begin in the next one after the other: two that follow each other overlap a little.
  open_next_piece();
  open_next_piece();
  end_pieces();
}

void Trace::State::open_next_piece() {
  if (next_piece == pieces.size()) return;
  Piece& piece = pieces[next_piece++];
  piece.open = 0;
  for (std::size_t i = piece.begin; i < piece.end; ++i) {
    if (!files[i] && !open_file(i, readers[i] == nullptr)) continue;
    if (readers[i] == nullptr) readers[i] = std::make_unique<StreamReader>(*piece.metadata, streams[i], files[i]->bytes(), &log);
    else readers[i]->rewind(files[i]->bytes());
    if (!readers[i]->peek()) continue;
    heap.push(head_of(i));
    ++piece.open;
  }
}

// Files of what is read to its end go: there may be thousands.
void Trace::State::end_pieces() {
  for (; open_piece < pieces.size() && pieces[open_piece].open == 0; ++open_piece) {
    if (pieces.size() > 1)
      for (std::size_t i = pieces[open_piece].begin; i < pieces[open_piece].end; ++i) files[i].reset();
    open_next_piece();
  }
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

// The stream whose event is given out is not in the heap: mostly its next event comes before those of the others, and one comparison says so.
const Event* Trace::next() {
  State& s = *state_;
  for (;;) {
    if (s.has_current && !s.readers[s.current]->peek()) {
      s.has_current = false;
      if (--s.piece_of(s.current).open == 0) s.end_pieces();
    }
    if (!s.has_current) {
      if (s.heap.empty()) return nullptr;
      s.current = s.heap.top().stream;
      s.heap.pop();
      s.has_current = true;
    } else if (!s.heap.empty()) {
      const Head head = s.head_of(s.current);
      if (s.heap.top() < head) {
        s.current = s.heap.top().stream;
        s.heap.replace_top(head);
      }
    }
    if (s.readers[s.current]->take(s.event)) break;
  }
  if (s.event.tid >= 0) s.event.thread = s.names.find(s.event.tid, s.event.time_ns);
  return &s.event;
}

void Trace::rewind() { state_->start(); }

const std::vector<EventClass>& Trace::classes() const { return state_->classes; }
const std::vector<Stream>& Trace::streams() const { return state_->streams; }
std::size_t Trace::event_streams() const {
  std::set<std::string_view> names;  // a ring's has the same in all traces of a recording
  for (const Stream& stream : streams())
    if (!stream.is_state) {
      std::string_view name = stream.file;
      name.remove_prefix(name.rfind('/') + 1);
      if (is_compressed(stream.file)) name.remove_suffix(format::kCompressedSuffix.size());
      names.insert(name);
    }
  return names.size();
}
const std::vector<Clock>& Trace::clocks() const { return state_->pieces.front().metadata->clocks; }
const std::vector<Thread>& Trace::threads() const { return state_->names.threads(); }
const std::vector<Process>& Trace::processes() const { return state_->names.processes(); }
const std::vector<std::pair<std::string, std::string>>& Trace::environment() const { return state_->pieces.front().metadata->env; }

std::string_view Trace::environment(std::string_view name) const {
  for (const auto& [key, value] : environment())
    if (key == name) return value;
  return {};
}

bool Trace::complete() const { return state_->log.count() == 0; }
const std::vector<Damage>& Trace::damage() const { return state_->log.first(); }
std::uint64_t Trace::damage_count() const { return state_->log.count(); }

}  // namespace ouro::read
