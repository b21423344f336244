#include "cli/check_collect.hpp"

#include <algorithm>
#include <cinttypes>
#include <set>
#include <utility>

#include "base/textf.hpp"
#include "cli/packet_walk.hpp"
#include "cli/print_losses.hpp"
#include "cli/progress.hpp"
#include "cli/units.hpp"
#include "export/clock_time.hpp"
#include "format/pieces.hpp"
#include "read/mapped_file.hpp"

namespace ouro::cli {
namespace {

using base::textf;

// A whole sentence, as the reader's own are.
void add_fault(TraceBooks& books, const std::string& file, std::uint64_t offset, const std::string& why) {
  if (++books.fault_count <= read::Trace::kMaxDamage) books.faults.push_back({file, offset, textf("%s, byte %" PRIu64 ": ", file.c_str(), offset) + why});
}

std::string uuid_text(const std::array<std::uint8_t, 16>& uuid) {
  std::string out;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += textf("%02x", unsigned{uuid[i]});
  }
  return out;
}

// What the packets of one file say. What the reader finds as well (sizes, numbers, stamps that leave their packet) is its to report.
class StreamWalk {
 public:
  StreamWalk(TraceBooks& books, StreamBooks& stream, const read::Metadata& metadata) : books_(books), stream_(stream), metadata_(metadata) {}

  void run(const read::MappedFile& file) {
    read::MappedFile::Glances glances(file);
    PacketWalk walk(metadata_, file.bytes());
    while (const std::optional<Packet> packet = walk.next()) {
      see(*packet);
      glances.next(packet->offset, packet->bytes);
    }
    if (without_end_ != 0) books_.remarks.push_back(textf("%s: %" PRIu64 " of %" PRIu64 " packets have 0 as their end", stream_.file.c_str(), without_end_, stream_.packets));
    if (stream_.packets != 0 && !stream_.first_number)
      books_.remarks.push_back(stream_.file + ": its packets have no numbers: one that is missing would not be noticed");
    if (stream_.packets != 0 && !stream_.states_losses) books_.remarks.push_back(stream_.file + ": its packets do not say how many events were lost");
  }

 private:
  void see(const Packet& packet) {
    const bool first = stream_.packets++ == 0;
    stream_.content_bytes += packet.content_bits / 8;
    stream_.empty_packets += packet.content_bits == packet.header_bits;
    stream_.states_losses |= packet.discarded.has_value();
    if (first) {
      stream_.id = packet.stream->id;
      stream_.instance = packet.instance;
      stream_.clock = packet.stream->clock;
      stream_.first_number = packet.number;
    } else if (packet.instance != stream_.instance) {
      add_fault(books_, stream_.file, packet.offset, textf("packet is of instance %" PRIu64 " of the stream, the first of %" PRIu64, packet.instance.value_or(0), stream_.instance.value_or(0)));
    }
    if (packet.number) stream_.last_number = packet.number;
    stamps(packet);
  }

  // The reader holds a packet against the event ahead of it; the packets ahead may end later than that.
  void stamps(const Packet& packet) {
    if (packet.begin && last_end_ != 0 && *packet.begin < last_end_ && *packet.begin != 0)
      add_fault(books_, stream_.file, packet.offset, textf("packet begins at tick %" PRIu64 ", before the end of the one ahead of it at %" PRIu64, *packet.begin, last_end_));
    without_end_ += packet.end == 0u;
    if (packet.end) last_end_ = std::max(last_end_, *packet.end);
    if (!stream_.clock) return;
    const read::Clock& clock = metadata_.clocks[*stream_.clock];
    if (!stream_.begin_ns && packet.begin) stream_.begin_ns = ctf::to_ns(clock, *packet.begin);
    if (packet.end && *packet.end != 0) stream_.end_ns = std::max(stream_.end_ns.value_or(INT64_MIN), ctf::to_ns(clock, *packet.end));
  }

  TraceBooks& books_;
  StreamBooks& stream_;
  const read::Metadata& metadata_;
  std::uint64_t last_end_ = 0, without_end_ = 0;
};

Status walk_packets(TraceBooks& books) {
  Result<read::MappedFile> file = read::MappedFile::open(books.folder + "/metadata");
  if (!file) return file.error();
  std::string cut, damaged;  // the reader's to report
  Result<std::string> text = read::metadata_text_of(file->bytes(), &cut);
  if (!text) return text.error();
  Result<read::Metadata> metadata = read::parse_metadata(*text, &damaged);
  if (!metadata) return metadata.error();
  if (metadata->uuid) books.uuid = uuid_text(*metadata->uuid);
  books.clocks = metadata->clocks;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> instances;
  for (StreamBooks& stream : books.streams) {
    const std::string path = books.folder + "/" + stream.file;
    std::string trouble;  // the reader's to report
    Result<read::MappedFile> bytes = path.ends_with(format::kCompressedSuffix) ? read::MappedFile::open_compressed(path, trouble) : read::MappedFile::open(path);
    if (!bytes) continue;
    StreamWalk(books, stream, *metadata).run(*bytes);
    if (!stream.instance || stream.packets == 0) continue;
    const auto [other, is_new] = instances.emplace(std::pair{stream.id, *stream.instance}, stream.file);
    if (!is_new) books.remarks.push_back(textf("%s and %s are both instance %" PRIu64 " of stream %" PRIu64, other->second.c_str(), stream.file.c_str(), *stream.instance, stream.id));
  }
  return Ok{};
}

void remark_clocks(TraceBooks& books) {
  std::set<std::size_t> used;
  std::size_t without = 0;
  for (const StreamBooks& stream : books.streams) {
    if (stream.packets == 0) continue;
    if (stream.clock) used.insert(*stream.clock);
    else ++without;
  }
  if (without != 0) books.remarks.push_back(textf("%zu streams have no clock: what is before what, only each of them knows of itself", without));
  for (auto it = used.begin(); it != used.end(); ++it)
    for (auto other = std::next(it); other != used.end(); ++other)
      if (!read::is_same(books.clocks[*it], books.clocks[*other]))
        books.remarks.push_back(textf("streams have different clocks, %s and %s: what aligns them are their offsets from 1970, each as good as it was measured",
                                      books.clocks[*it].name.c_str(), books.clocks[*other].name.c_str()));
}

// A trace in which one stream ends before all others begin is two traces, or has a clock that is wrong.
void remark_overlap(TraceBooks& books) {
  for (const StreamBooks& stream : books.streams) {
    if (!stream.begin_ns || !stream.end_ns || stream.is_state) continue;
    std::size_t others = 0, apart = 0;
    for (const StreamBooks& other : books.streams) {
      if (&other == &stream || !other.begin_ns || !other.end_ns || other.is_state) continue;
      ++others;
      apart += *other.end_ns < *stream.begin_ns || *other.begin_ns > *stream.end_ns;
    }
    if (others > 1 && apart == others) books.remarks.push_back(stream.file + ": its time has nothing in common with that of any other stream");
  }
}

}  // namespace

Result<TraceBooks> check_trace(const std::string& folder) {
  Result<read::Trace> trace = read::Trace::open(folder);
  if (!trace) return trace.error();
  TraceBooks books;
  books.folder = folder;
  books.host = trace->environment("hostname");
  for (const read::Stream& stream : trace->streams()) books.streams.emplace_back().file = stream.file;
  if (Status walked = walk_packets(books); !walked) return walked.error();
  Losses losses;
  Progress progress("check", *trace);
  while (const read::Event* event = trace->next()) {
    progress.see(*event);
    losses.see(*event);
    if (event->type->is_state) continue;
    ++books.events;
    if (!books.first_ns) books.first_ns = event->time_ns;
    books.last_ns = event->time_ns;
  }
  progress.clear();
  for (std::size_t i = 0; i < books.streams.size(); ++i) {
    const read::Stream& seen = trace->streams()[i];
    StreamBooks& stream = books.streams[i];
    stream.cpu = seen.cpu;
    stream.is_state = seen.is_state;
    stream.events = seen.events;
    stream.lost = seen.events_discarded;
    stream.packets_missing = seen.packets_missing;
    stream.bytes = seen.bytes;
  }
  books.lost = losses.total(*trace);
  books.lost_by_cause = losses.by_cause();
  // The reader's own first: it says more of the same place.
  std::vector<read::Damage> own = std::exchange(books.faults, trace->damage());
  books.fault_count = trace->damage_count();
  for (read::Damage& fault : own) {
    const bool known = std::any_of(books.faults.begin(), books.faults.end(), [&](const read::Damage& d) { return d.file == fault.file && d.offset == fault.offset; });
    if (known) continue;
    ++books.fault_count;
    books.faults.push_back(std::move(fault));
  }
  std::stable_sort(books.faults.begin(), books.faults.end(), [](const auto& a, const auto& b) { return a.file != b.file ? a.file < b.file : a.offset < b.offset; });
  remark_clocks(books);
  remark_overlap(books);
  return books;
}

Alignment align(const TraceBooks& a, const TraceBooks& b) {
  Alignment out;
  if (a.clocks.empty() || b.clocks.empty()) {
    out.text = "no telling: a trace has no clock";
    return out;
  }
  const read::Clock &one = a.clocks.front(), &other = b.clocks.front();
  const char *const host_of_one = a.host.empty() ? "?" : a.host.c_str(), *const host_of_other = b.host.empty() ? "?" : b.host.c_str();
  out.relation = read::relate(one, a.host, other, b.host);
  switch (*out.relation) {
    case read::Relation::same: out.text = textf("both have clock %s of %s, with one offset: stamps compare exactly", one.name.c_str(), host_of_one); break;
    case read::Relation::measured: {
      // What the first makes of the ticks that the second one begins with: their frequencies may have been measured, too.
      __extension__ using Wide = __int128;
      const std::uint64_t ticks = ctf::to_ticks(other, b.first_ns.value_or(0));
      const Wide apart = Wide{ctf::to_ns(other, ticks)} - Wide{ctf::to_ns(one, ticks)};
      out.offset_ns = apart > INT64_MAX || apart < INT64_MIN ? INT64_MAX : static_cast<std::int64_t>(apart);
      const std::string size = duration(static_cast<double>(out.offset_ns < 0 ? -out.offset_ns : out.offset_ns));
      out.text = textf("both have clock %s of %s; where it began was measured twice, with %s between the two (if the machine was not started anew meanwhile, that is the error)",
                       one.name.c_str(), host_of_one, size.c_str());
      break;
    }
    case read::Relation::stated:
      out.text = textf("different clocks (%s and %s) that both count from 1970: as good as each was measured", one.name.c_str(), other.name.c_str());
      break;
    case read::Relation::guessed:
      out.text = textf("different clocks (%s of %s, %s of %s): as good as these machines knew the time of day", one.name.c_str(), host_of_one, other.name.c_str(), host_of_other);
      break;
  }
  return out;
}

}  // namespace ouro::cli
