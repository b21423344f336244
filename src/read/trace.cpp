// read/trace.cpp -- the streams of one or more traces (sources.hpp) merged into one sequence.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <ouro/detail/merge_heap.hpp>
#include <ouro/read.hpp>

#include "base/textf.hpp"
#include "format/pieces.hpp"
#include "read/clocks.hpp"
#include "read/mapped_file.hpp"
#include "read/metadata.hpp"
#include "read/names.hpp"
#include "read/packet_index.hpp"
#include "read/sources.hpp"
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

const Value* field(const Event& event, std::string_view name, Kind kind) {
  for (const Value& value : event.fields())
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
  return base::printable(std::string(value != nullptr ? value->text() : std::string_view()), ' ');
}

// A trace of its own, or one of a chain.
struct Piece {
  TraceFolder place;
  std::unique_ptr<Metadata> metadata;
  std::size_t begin = 0, end = 0;  // its streams
  std::size_t open = 0;            // of them, with more events
  std::map<std::string, std::uint64_t> packets;  // by file, as the recorder said at the end, or LTTng's indexes do
};

// Traces that follow each other: two of them are read at a time, for rings end in one trace and begin in the next one after the other, and these overlap a little.
struct Chain {
  std::size_t begin = 0, end = 0;                 // its pieces
  std::size_t open_piece = 0, next_piece = 0;     // those from the one up to the other are being read
  std::unique_ptr<Names> names = std::make_unique<Names>();
};

}  // namespace

struct Trace::State {
  std::vector<Piece> pieces;
  std::vector<Chain> chains;
  std::vector<Source> sources;      // of the pieces
  std::vector<EventClass> classes;  // of all of them
  std::vector<Stream> streams;
  std::set<std::size_t> missed;     // streams of which packets at the end are missing, and that was said
  std::vector<std::optional<MappedFile>> files;        // per stream; those of the pieces that are being read
  std::vector<std::unique_ptr<StreamReader>> readers;  // likewise
  std::map<std::array<std::uint8_t, 16>, PacketsSeen> seen;  // by uuid; of those that several chains have
  std::vector<const Names*> names;                     // per stream, its chain's
  std::size_t together = 0;                            // streams that are read in turns, at most
  std::vector<PacketIndex> indexes;                    // per stream; of files that somebody sought in
  std::vector<Thread> threads;
  std::vector<Process> processes;
  DamageLog log;
  std::vector<std::string> warnings;
  ouro::detail::MergeHeap<Head> heap;  // per stream that has more events, the time of its next one
  std::size_t current = 0;         // the stream whose event was given out last
  StreamReader* chosen = nullptr;  // of it; null: there is none
  std::int64_t from_ns = INT64_MIN;  // events before are passed over
  // Events of `chosen` before this are before those of all other streams, and none of them is passed over.
  std::int64_t others_ns = INT64_MIN;

  const Names* names_of_chosen = nullptr;  // null: it names nobody

  struct Span {  // a packet's
    std::int64_t begin_ns;
    std::uint64_t size;
  };

  Status open(const std::vector<std::string>& roots);
  Status add_piece(const TraceFolder& place);
  void add_chains();
  bool open_file(std::size_t stream, bool says);
  void read_state(Piece& piece, Names& out);
  void miss_files(const Piece& piece);
  void miss_packets(std::size_t stream);
  std::optional<std::uint64_t> stated_packets(std::size_t stream);
  void start(std::int64_t from);
  void open_next_piece(Chain& chain);
  void open_stream(std::size_t stream);
  void end_pieces(Chain& chain);
  void end_stream(std::size_t stream);
  std::string path_of(std::size_t stream);
  std::string name_of(std::size_t stream);
  template <class Look>
  bool look_at(std::size_t stream, const Look& look);
  void read_index(std::size_t stream);
  template <class Use>
  void use_index(std::size_t stream, const Use& use);
  bool start_before(const std::vector<PacketPlace>& packets, StreamReader& scout, StreamReader& reader) const;
  std::size_t piece_at(const Chain& chain, std::int64_t time_ns);
  std::int64_t begin_of(const Piece& piece);
  std::int64_t last_time(std::size_t stream);
  bool add_spans(std::size_t stream, std::vector<Span>& out, std::uint64_t& across);
  bool choose();
  const Event* next_of_all();
  const Event* give(Event& event) const;
  Head head_of(std::size_t stream) const { return {readers[stream]->time_ns(), readers[stream]->ticks(), stream}; }
  Chain& chain_of(std::size_t stream) {
    const std::size_t piece = streams[stream].source;
    return *(std::upper_bound(chains.begin(), chains.end(), piece, [](std::size_t p, const Chain& c) { return p < c.begin; }) - 1);
  }
  Piece& piece_of(std::size_t stream) { return pieces[streams[stream].source]; }
};

Status Trace::State::open(const std::vector<std::string>& roots) {
  const Result<std::vector<TraceFolder>> found = find_traces(roots);
  if (!found) return found.error();
  std::optional<Error> first;
  for (const TraceFolder& place : *found) {
    const Status added = add_piece(place);
    if (added) continue;
    // While a recording goes on, its oldest traces may be removed, and the newest gets another name.
    const bool went_away = added.error().code == ENOENT && place.prefix != "";
    if (!went_away) log.add(place.prefix + "metadata", 0, added.error().text);
    if (!first && !went_away) first = added.error();
  }
  if (pieces.empty() && first) return *first;
  if (pieces.empty()) return errorf(ENOENT, "trace '%s': its traces went away meanwhile (is it being recorded? again, then)", roots.front().c_str());
  files.resize(streams.size());
  indexes.resize(streams.size());
  readers.resize(streams.size());
  add_chains();
  warnings = clock_warnings(sources);
  start(INT64_MIN);
  return Ok{};
}

Status Trace::State::add_piece(const TraceFolder& place) {
  const std::string& path = place.folder;
  Result<std::vector<std::string>> names_of_files = stream_files(path);
  if (!names_of_files) return names_of_files.error();
  Result<MappedFile> text_file = MappedFile::open(path + "/metadata");
  if (!text_file) return errorf(text_file.error().code, "trace '%s': %s", path.c_str(), text_file.error().text.c_str());
  std::string cut, damaged;
  const Result<std::string> text = metadata_text_of(text_file->bytes(), &cut);
  if (!text) return errorf(text.error().code, "trace '%s': %s", path.c_str(), text.error().text.c_str());
  Result<Metadata> parsed = parse_metadata(*text, &damaged);
  if (!parsed) return errorf(parsed.error().code, "trace '%s': %s", path.c_str(), parsed.error().text.c_str());
  for (const std::string& trouble : {cut, damaged})
    if (!trouble.empty()) log.add(place.prefix + "metadata", 0, trouble + "; what stands ahead of it holds");
  Piece piece{place, std::make_unique<Metadata>(std::move(*parsed)), streams.size(), 0, 0, lttng_packets(path)};
  for (const std::string& name : *names_of_files) {
    Stream stream;
    stream.file = place.prefix + name;
    stream.source = pieces.size();
    streams.push_back(std::move(stream));
  }
  piece.end = streams.size();
  pieces.push_back(std::move(piece));
  return Ok{};
}

void Trace::State::add_chains() {
  std::map<std::array<std::uint8_t, 16>, std::size_t> uuids;  // and the first chain that has it
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    Piece& piece = pieces[i];
    if (i == 0 || piece.place.chain != pieces[i - 1].place.chain) chains.push_back({i, i});
    chains.back().end = i + 1;
    for (EventClass& type : piece.metadata->events) {
      type.index = classes.size();
      classes.push_back(type);
    }
    if (piece.metadata->uuid && uuids.emplace(*piece.metadata->uuid, piece.place.chain).first->second != piece.place.chain) seen.try_emplace(*piece.metadata->uuid);
    sources.push_back({piece.place.folder, piece.metadata->uuid, piece.metadata->clocks, piece.metadata->env});
    read_state(piece, *chains.back().names);
    miss_files(piece);
    names.resize(piece.end, chains.back().names.get());
  }
  for (Chain& chain : chains) {
    std::size_t most = 0;
    for (std::size_t i = chain.begin; i < chain.end; ++i) most = std::max(most, pieces[i].end - pieces[i].begin);
    together += most * std::min<std::size_t>(chain.end - chain.begin, 2);
    chain.names->finish();
    threads.insert(threads.end(), chain.names->threads().begin(), chain.names->threads().end());
    processes.insert(processes.end(), chain.names->processes().begin(), chain.names->processes().end());
  }
}

std::string Trace::State::path_of(std::size_t stream) {
  const TraceFolder& place = piece_of(stream).place;
  return place.folder + "/" + streams[stream].file.substr(place.prefix.size());
}

// `says`: what cannot be opened is damage.
bool Trace::State::open_file(std::size_t stream, bool says) {
  Stream& info = streams[stream];
  const std::string path = path_of(stream);
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
void Trace::State::read_state(Piece& piece, Names& out) {
  for (std::size_t i = piece.begin; i < piece.end; ++i) {
    // To decompress a stream only to see whether it is of that kind is too much.
    if ((is_compressed(streams[i].file) && streams[i].file.find("ouro_state") == std::string::npos) || !open_file(i, false)) continue;
    Stream scratch = streams[i];
    StreamReader reader(*piece.metadata, scratch, files[i]->bytes(), nullptr);
    while (reader.peek() && reader.event_class().is_state) {
      const Event& state = reader.take();
      if (state.type->name == "ouro:process")
        out.add_process(state.time_ns, {number_of(state, "pid"), number_of(state, "parent_pid"),
                                          text_of(state, "name"), text_of(state, "cmdline")});
      else if (state.type->name == "ouro:thread")
        out.add_thread(state.time_ns,
                         {number_of(state, "tid"), number_of(state, "pid"), text_of(state, "name"), nullptr});
      else if (const Value* packets = field(state, "packets", Kind::unsigned_integer); packets != nullptr && state.type->name == "ouro:stream")
        piece.packets[text_of(state, "file")] = packets->u;
    }
    files[i].reset();
  }
}

// Its name in the trace's folder, without what compressing it added.
std::string Trace::State::name_of(std::size_t stream) {
  return std::string(without_compressed_suffix(streams[stream].file)).substr(piece_of(stream).place.prefix.size());
}

std::optional<std::uint64_t> Trace::State::stated_packets(std::size_t stream) {
  const auto& packets = piece_of(stream).packets;
  const auto stated = packets.empty() ? packets.end() : packets.find(name_of(stream));
  return stated != packets.end() ? std::optional(stated->second) : std::nullopt;
}

void Trace::State::miss_files(const Piece& piece) {
  std::set<std::string> there;
  for (std::size_t i = piece.begin; i < piece.end && !piece.packets.empty(); ++i) there.insert(name_of(i));
  for (const auto& [name, packets] : piece.packets)
    if (there.count(name) == 0) log.add(piece.place.prefix + name, 0, "the file is not there; it had " + std::to_string(packets) + " packets");
}

// What ends between two packets looks whole. Behind the last event, of a trace that was read from its begin on.
void Trace::State::miss_packets(std::size_t stream) {
  Stream& info = streams[stream];
  const std::optional<std::uint64_t> stated = from_ns == INT64_MIN ? stated_packets(stream) : std::nullopt;
  if (!stated || info.packets + info.packets_missing >= *stated) return;
  const std::uint64_t missing = *stated - info.packets - info.packets_missing;
  info.packets_missing += missing;
  if (missed.insert(stream).second) log.add(info.file, info.bytes, "the file ends here; " + std::to_string(missing) + " of its " + std::to_string(*stated) + " packets are missing");
}

void Trace::State::start(std::int64_t from) {
  heap.clear();
  for (auto& [uuid, packets] : seen) packets.clear();
  chosen = nullptr;
  from_ns = from;
  others_ns = INT64_MIN;
  for (Stream& stream : streams) stream.packets = stream.events = stream.events_discarded = stream.packets_missing = 0;
  for (Chain& chain : chains) {
    chain.open_piece = chain.next_piece = from == INT64_MIN ? chain.begin : piece_at(chain, from);
    open_next_piece(chain);
    open_next_piece(chain);
    end_pieces(chain);
  }
}

void Trace::State::open_next_piece(Chain& chain) {
  if (chain.next_piece == chain.end) return;
  Piece& piece = pieces[chain.next_piece++];
  piece.open = 0;
  for (std::size_t i = piece.begin; i < piece.end; ++i) open_stream(i);
}

// Reads a stream beside the reading proper. False if it cannot be opened.
template <class Look>
bool Trace::State::look_at(std::size_t stream, const Look& look) {
  const bool was_open = files[stream].has_value();
  if (!was_open && !open_file(stream, false)) return false;
  Stream scratch = streams[stream];
  StreamReader reader(*piece_of(stream).metadata, scratch, files[stream]->bytes(), nullptr);
  look(reader);
  if (!was_open) files[stream].reset();
  return true;
}

void Trace::State::open_stream(std::size_t stream) {
  Piece& piece = piece_of(stream);
  std::unique_ptr<StreamReader>& reader = readers[stream];
  if (!files[stream] && !open_file(stream, reader == nullptr)) return;
  if (reader == nullptr) {
    reader = std::make_unique<StreamReader>(*piece.metadata, streams[stream], files[stream]->bytes(), &log);
    const auto shared = piece.metadata->uuid ? seen.find(*piece.metadata->uuid) : seen.end();
    if (shared != seen.end()) reader->share(&shared->second);
  } else {
    reader->rewind(files[stream]->bytes());
  }
  if (from_ns != INT64_MIN) {
    look_at(stream, [&](StreamReader& scout) {
      use_index(stream, [&](const PacketIndex& index) { return start_before(index.places, scout, *reader); });
    });
  }
  reader->read_by_windows(&*files[stream], together);
  if (!reader->peek()) return miss_packets(stream);
  heap.push(head_of(stream));
  ++piece.open;
}

void Trace::State::end_stream(std::size_t stream) {
  miss_packets(stream);
  if (--piece_of(stream).open == 0) end_pieces(chain_of(stream));
}

// Files of what is read to its end go: there may be thousands.
void Trace::State::end_pieces(Chain& chain) {
  for (; chain.open_piece < chain.end && pieces[chain.open_piece].open == 0; ++chain.open_piece) {
    if (pieces.size() > 1)
      for (std::size_t i = pieces[chain.open_piece].begin; i < pieces[chain.open_piece].end; ++i) files[i].reset();
    open_next_piece(chain);
  }
}

// ---- places in time

void Trace::State::read_index(std::size_t stream) {
  const MappedFile& file = *files[stream];
  Stream scratch = streams[stream];
  DamageLog damage;
  StreamReader reader(*piece_of(stream).metadata, scratch, file.bytes(), &damage);
  indexes[stream] = {file.identity(), reader.packets(file), false};
  judge_packet_index(indexes[stream], damage.count() != 0);
}

// `use` has the places of a stream's packets, of which the file is open: from memory, from the disk, or, if there are none or it finds them to be wrong (false),
// from the headers.
template <class Use>
void Trace::State::use_index(std::size_t stream, const Use& use) {
  PacketIndex& index = indexes[stream];
  const bool is_kept = !is_compressed(streams[stream].file);  // what such a file holds was just written anew, and is in memory
  if (index.places.empty() || index.file != files[stream]->identity()) {
    index = {};
    if (is_kept) index = load_packet_index(path_of(stream), files[stream]->identity());
  }
  if (!index.places.empty() && use(index)) return;
  read_index(stream);
  if (is_kept) save_packet_index(path_of(stream), index);
  if (!index.places.empty()) use(index);
}

// A packet may end with an event of the time at which the next one begins. Of what is over by then, the last packet has the losses.
bool Trace::State::start_before(const std::vector<PacketPlace>& packets, StreamReader& scout, StreamReader& reader) const {
  if (!scout.has_packet(packets.front())) return false;
  auto first = std::lower_bound(packets.begin(), packets.end(), from_ns, [&](const PacketPlace& packet, std::int64_t t) { return scout.begin_ns(packet) < t; });
  if (first != packets.end() && !scout.has_packet(*first)) return false;
  if (first != packets.begin() && !scout.has_packet(*(first - 1))) return false;
  if (first != packets.begin() && (first == packets.end() || scout.end_ns(*(first - 1)) >= from_ns)) --first;
  if (first != packets.end()) reader.start_at(first->offset);
  return true;
}

std::int64_t Trace::State::begin_of(const Piece& piece) {
  std::int64_t out = INT64_MAX;
  for (std::size_t i = piece.begin; i < piece.end; ++i)
    look_at(i, [&](StreamReader& reader) {
      if (reader.peek() && !reader.event_class().is_state) out = std::min(out, reader.time_ns());
    });
  return out;
}

// The one before the last that begins at or before the time.
std::size_t Trace::State::piece_at(const Chain& chain, std::int64_t time_ns) {
  std::size_t low = chain.begin, high = chain.end;  // the first that begins after it is between them
  if (high - low <= 2) return low;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (begin_of(pieces[middle]) <= time_ns) low = middle + 1;
    else high = middle;
  }
  return low >= chain.begin + 2 ? low - 2 : chain.begin;
}

// Of the last event; INT64_MIN if there is none.
std::int64_t Trace::State::last_time(std::size_t stream) {
  std::int64_t out = INT64_MIN;
  look_at(stream, [&](StreamReader& reader) {
    use_index(stream, [&](const PacketIndex& index) {
      for (auto packet = index.places.rbegin(); out == INT64_MIN && packet != index.places.rend(); ++packet) {
        if (!reader.has_packet(*packet)) return false;
        reader.rewind(files[stream]->bytes());
        reader.start_at(packet->offset);
        while (reader.peek() && !reader.event_class().is_state) out = reader.take().time_ns;
      }
      return true;
    });
  });
  return out;
}

// Adds the packets of a stream to `out`, and the size of the largest to `across`. False if reading cannot begin at just any of them.
bool Trace::State::add_spans(std::size_t stream, std::vector<Span>& out, std::uint64_t& across) {
  if (is_compressed(streams[stream].file)) return false;
  bool can_be_parted = true;
  std::uint64_t largest = 0;
  const auto add = [&](const PacketIndex& index, StreamReader& scout) {
    if (!scout.has_packet(index.places.front())) return false;
    can_be_parted = index.is_whole && index.places.size() >= stated_packets(stream).value_or(0);
    std::int64_t end = INT64_MIN;
    for (const PacketPlace& packet : index.places) {
      can_be_parted = can_be_parted && end <= scout.begin_ns(packet);
      end = scout.end_ns(packet);
      largest = std::max(largest, packet.size);
      out.push_back({scout.begin_ns(packet), packet.size});
    }
    return true;
  };
  const bool is_open = look_at(stream, [&](StreamReader& scout) {
    use_index(stream, [&](const PacketIndex& index) { return add(index, scout); });
    can_be_parted = can_be_parted && (indexes[stream].is_whole || streams[stream].bytes == 0);
  });
  across += largest;
  return is_open && can_be_parted;
}

std::vector<std::int64_t> Trace::cuts(std::uint64_t bytes) {
  State& s = *state_;
  if (!s.seen.empty()) return {};  // which of two traces gives a packet that both have depends on where reading begins
  std::vector<State::Span> all;
  std::uint64_t across = 0;
  for (std::size_t i = 0; i < s.streams.size(); ++i)
    if (!s.add_spans(i, all, across)) return {};
  std::sort(all.begin(), all.end(), [](const State::Span& a, const State::Span& b) { return a.begin_ns < b.begin_ns; });
  std::vector<std::int64_t> out;
  std::uint64_t size = 0;
  for (const State::Span& packet : all) {
    if (size >= std::max(bytes, across) && (out.empty() || packet.begin_ns > out.back())) {
      out.push_back(packet.begin_ns);
      size = 0;
    }
    size += packet.size;
  }
  return out;
}

Result<Trace> Trace::open(const std::string& folder) { return open(std::vector<std::string>{folder}); }

Result<Trace> Trace::open(const std::vector<std::string>& folders) {
  if (folders.empty()) return errorf(EINVAL, "no trace given");
  auto state = std::make_unique<State>();
  if (Status ok = state->open(folders); !ok) return ok.error();
  return Trace(std::move(state));
}

Trace::Trace(std::unique_ptr<State> state) : state_(std::move(state)) {}
Trace::~Trace() = default;
Trace::Trace(Trace&&) noexcept = default;
Trace& Trace::operator=(Trace&&) noexcept = default;

// The one with the earliest event takes the place of the one that was chosen. False if there is none.
bool Trace::State::choose() {
  if (chosen != nullptr && chosen->peek()) {
    const Head head = head_of(current);
    current = heap.top().stream;
    heap.replace_top(head);
  } else {
    if (chosen != nullptr) end_stream(current);
    chosen = nullptr;
    if (heap.empty()) return false;
    current = heap.top().stream;
    heap.pop();
  }
  chosen = readers[current].get();
  names_of_chosen = names[current]->threads().empty() ? nullptr : names[current];
  return true;
}

inline const Event* Trace::State::give(Event& event) const {
  if (names_of_chosen != nullptr) event.thread = event.tid >= 0 ? names_of_chosen->find(event.tid, event.time_ns) : nullptr;
  return &event;
}

const Event* Trace::State::next_of_all() {
  const Event* event;
  do {
    const bool stays = chosen != nullptr && chosen->peek() && (heap.empty() || head_of(current) < heap.top());
    if (!stays && !choose()) return nullptr;
    event = give(chosen->take());
  } while (event->time_ns < from_ns);
  others_ns = heap.empty() ? INT64_MAX : heap.top().time_ns;
  return event;
}

// The stream whose event is given out is not in the heap: mostly its next event comes before those of the others, and one comparison says so.
const Event* Trace::next() {
  State& s = *state_;
  if (s.chosen == nullptr) return s.next_of_all();
  Event* const event = s.chosen->take_before(s.others_ns);
  return event != nullptr ? s.give(*event) : s.next_of_all();
}

void Trace::rewind() { state_->start(INT64_MIN); }
void Trace::seek(std::int64_t time_ns) { state_->start(time_ns); }

std::optional<TimeRange> Trace::time_range() {
  State& s = *state_;
  TimeRange out{INT64_MAX, INT64_MIN};
  for (const Chain& chain : s.chains) {
    for (std::size_t i = chain.begin; i < chain.end && i < chain.begin + 2; ++i) out.begin_ns = std::min(out.begin_ns, s.begin_of(s.pieces[i]));
    for (std::size_t i = chain.end; i-- > chain.begin && i + 2 >= chain.end;)
      for (std::size_t stream = s.pieces[i].begin; stream < s.pieces[i].end; ++stream) out.end_ns = std::max(out.end_ns, s.last_time(stream));
  }
  if (out.end_ns == INT64_MIN) return std::nullopt;
  return out;
}

const std::vector<EventClass>& Trace::classes() const { return state_->classes; }
const std::vector<Stream>& Trace::streams() const { return state_->streams; }
const std::vector<Source>& Trace::sources() const { return state_->sources; }
std::size_t Trace::event_streams() const {
  std::set<std::string_view> names;  // a ring's has the same in all traces of a recording
  for (const Stream& stream : streams())
    if (!stream.is_state) {
      const std::string_view name = without_compressed_suffix(stream.file);
      names.insert(name.substr(name.rfind('/') + 1));
    }
  return names.size();
}
const std::vector<Clock>& Trace::clocks() const { return state_->sources.front().clocks; }
const std::vector<Thread>& Trace::threads() const { return state_->threads; }
const std::vector<Process>& Trace::processes() const { return state_->processes; }
const std::vector<std::pair<std::string, std::string>>& Trace::environment() const { return state_->sources.front().environment; }

std::string_view Trace::environment(std::string_view name) const {
  for (const auto& [key, value] : environment())
    if (key == name) return value;
  return {};
}

bool Trace::complete() const { return state_->log.count() == 0; }
const std::vector<Damage>& Trace::damage() const { return state_->log.first(); }
const std::vector<std::string>& Trace::warnings() const { return state_->warnings; }
std::uint64_t Trace::damage_count() const { return state_->log.count(); }

}  // namespace ouro::read
