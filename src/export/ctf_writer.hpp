// export/ctf_writer.hpp -- events of any trace, of any types, as a trace of its own.
//
//   for each trace:  begin(trace)   before(event)*   (write(event) | skip(event))*   end()      finish()
//
//   FOLDER/stream...   a file for each file that an event came from, in packets as there; appended to when a packet is full
//   FOLDER/metadata    at the end, from the types that were met: what has none is no trace, should the program be killed before
//
// Kept: times to the tick (unless one clock is wanted, nanoseconds since 1970), CPUs, contexts, levels, places in the source, environment, and what the packets
// said of losses. Not kept: padding, fields of packets' contexts that CTF gives no meaning, encodings of numbers in events' headers.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <ouro/read.hpp>
#include <ouro/result.hpp>

#include "export/ctf_encoder.hpp"
#include "export/ctf_metadata.hpp"

namespace ouro::ctf {

struct WriterOptions {
  Version version = Version::v1_8;
  bool nanoseconds = false;
};

class Writer {
 public:
  // Makes the folder; fails if there is something of that name.
  static Result<std::unique_ptr<Writer>> create(const std::string& folder, const WriterOptions& options);

  using Choice = std::function<bool(const read::EventClass&)>;
  // Until end(), events are this trace's. `prefix`: ahead of its files' names. `chosen`: what is declared even if no such event comes.
  void begin(const read::Trace& trace, const std::string& prefix, Choice chosen);
  // An event that is not in the range: what was lost up to it is none of ours.
  void before(const read::Event& event) { stream_of(event).lost_before = event.stream->events_discarded; }
  Status write(const read::Event& event);
  // One that is in the range, and not wanted: what was lost before it is told.
  void skip(const read::Event& event);
  // `whole`: the range goes up to the trace's end, so losses that no event follows are in it.
  Status end(bool whole);
  Status finish();

  std::uint64_t events() const { return events_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t lost() const;
  std::size_t streams() const;  // without the recorder's own

 private:
  struct Class {  // of streams
    std::string key, context;
    MetadataStream out;
    bool is_state = false;
    std::map<std::string, std::uint32_t> events;  // as printed -> id
  };
  struct Stream {
    const read::Stream* source = nullptr;
    std::string file;
    std::size_t number = 0;
    bool is_known = false;  // its class and clock are
    std::size_t class_index = 0, clock = 0;
    std::vector<read::Field> context;
    Places places;  // of the context's lengths and tags
    std::vector<std::int64_t> ids;  // by the source's class; -1: not yet
    Encoder packet;
    bool is_open = false;  // a packet is
    std::uint64_t source_packet = 0, packets = 0;
    std::uint64_t begin = 0, last = 0;
    std::uint64_t events = 0;
    std::uint64_t lost_before = 0, lost = 0;  // by the source's count; `lost`: in the range so far
    std::uint64_t file_bytes = 0, last_packet_at = 0, lost_written = 0;
  };

  Writer(std::string folder, const WriterOptions& options);
  Stream& stream_of(const read::Event& event);
  Status learn(Stream& stream, const read::Event& event);
  Result<std::uint32_t> id_of(Stream& stream, const read::EventClass& type);
  void join_class(Stream& stream, Class made);
  void take_losses();
  Result<std::uint32_t> declare(Stream& stream, const read::EventClass& type);
  Status declare_chosen();
  std::size_t clock_of(const read::Event& event);
  std::uint64_t ticks_of(const Stream& stream, const read::Event& event) const;
  void open_packet(Stream& stream, std::uint64_t begin);
  std::size_t largest_packet() const;
  Status close_packet(Stream& stream);
  Status state_losses(Stream& stream);
  Status append(const std::string& file, std::string_view bytes, std::int64_t at);
  void take_environment(const read::Trace& trace);

  std::string folder_;
  WriterOptions options_;
  std::unique_ptr<MetadataPrinter> printer_;
  MetadataParts parts_;
  std::vector<Class> classes_;
  std::vector<std::unique_ptr<Stream>> all_;
  std::map<std::string, int> names_;  // of files
  const read::Trace* trace_ = nullptr;
  std::string prefix_;
  Choice chosen_;
  std::unordered_map<const read::Stream*, Stream*> streams_;  // of the trace
  const read::Stream* last_source_ = nullptr;
  Stream* last_stream_ = nullptr;
  std::uint64_t events_ = 0, bytes_ = 0;
};

}  // namespace ouro::ctf
