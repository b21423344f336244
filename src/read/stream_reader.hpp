// read/stream_reader.hpp -- one stream file: packets, and the events in them.
//
//   offset_              decoder_.bit()        content            packet_end_
//   +--------+-----------+---------------------+------------------+--------+-----
//   | header | context   | events              | padding          | header | ...
//   +--------+-----------+---------------------+------------------+--------+-----
//
// peek() finds the next sound event, its time and class and where it ends; take() steps behind it. So a merge over many
// streams holds one event per stream.
//
// What is not sound is reported once and stepped over: an event that cannot be ends its packet, for nothing tells
// where the next one begins; behind a packet that cannot be, the next sound packet header is sought.
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "read/decoder.hpp"
#include "read/mapped_file.hpp"
#include "read/metadata.hpp"
#include "read/packet_index.hpp"

namespace ouro::read {

class DamageLog {
 public:
  void add(const std::string& file, std::uint64_t offset, const std::string& why);
  const std::vector<Damage>& first() const { return first_; }
  std::uint64_t count() const { return count_; }

 private:
  std::vector<Damage> first_;
  std::uint64_t count_ = 0;
};

// Packets of files of one trace: snapshots of one recording overlap.
class PacketsSeen {
 public:
  struct Packet {
    std::uint64_t stream = 0, instance = 0, number = 0, begin = 0, end = 0;
    auto operator<=>(const Packet&) const = default;
  };
  // False if another reader has it.
  bool take(const Packet& packet, const void* reader) { return readers_.emplace(packet, reader).first->second == reader; }
  void clear() { readers_.clear(); }

 private:
  std::map<Packet, const void*> readers_;
};

class StreamReader {
 public:
  // All must outlive the reader; `log` may be null.
  StreamReader(const Metadata& metadata, Stream& info, std::string_view file, DamageLog* log);

  // Whether there is another event. Then the three below are its.
  bool peek() {
    if (!peeked_) take_before(INT64_MIN);
    return peeked_;
  }
  // If the one before was taken: peek(), and take() if the event's time is before `limit_ns`. Null: it is not, or there is none.
  Event* take_before(std::int64_t limit_ns);
  std::int64_t time_ns() const { return event_.time_ns; }
  std::uint64_t ticks() const { return decoder_.clock(); }
  const EventClass& event_class() const { return *kind_->type; }

  // The event that peek() found, all but Event::thread. It and its values are valid until the next call of anything.
  Event& take() {
    peeked_ = false;
    ++info_->events;
    return event_;
  }
  Decoder& decoder() { return decoder_; }

  // Back to the beginning of the file, which may be mapped elsewhere by now.
  void rewind(std::string_view file);
  // Of a reader that is at the beginning: to the packet at `offset`.
  void start_at(std::uint64_t offset) { packet_end_ = content_end_ = offset; }

  // Reads all headers, and is at the end then. Of packets that do not say when they begin, the first one only.
  std::vector<PacketPlace> packets(const MappedFile& file);
  // Whether just this one is there. Ticks are of its clock from now on.
  bool has_packet(const PacketPlace& place);
  std::int64_t begin_ns(const PacketPlace& place) { return to_ns(place.begin); }
  std::int64_t end_ns(const PacketPlace& place) { return place.end == PacketPlace::kNoEnd ? INT64_MAX : to_ns(place.end); }

  // What other files of the trace have given out is not given out again.
  void share(PacketsSeen* seen) { seen_ = seen; }

  // `file` is where the bytes are mapped: they are read by windows, and what has been read goes from this program's memory. `together`: so many streams are read in turns.
  void read_by_windows(const MappedFile* file, std::size_t together);

 private:
  static constexpr std::uint64_t kNoZeros = ~std::uint64_t{0};
  static constexpr std::uint64_t kPage = FileWindow::kPage;
  static constexpr std::uint64_t kHeaderRoom = 4096;  // in which a packet's header is expected
  struct Packet {
    const StreamClass* stream = nullptr;
    std::uint64_t content_bits = 0, packet_bytes = 0;
    std::uint64_t odd_bits = 0;  // of the packet's size beyond whole bytes
    bool says_content = false, truncated = false;
    std::uint64_t stream_id = 0, begin = 0, end = ~std::uint64_t{0};
    std::optional<std::uint64_t> instance, seq_num, discarded, cpu;
    std::string doubt;  // what is wrong with it, though it can be read
  };

  Event* take_text_before(std::int64_t limit_ns, std::uint64_t lead_end);
  Event* take_rest_before(std::int64_t limit_ns);
  [[gnu::cold]] Event* take_any_before(std::int64_t limit_ns);
  Event* give_before(std::int64_t limit_ns);
  bool find_any_event();
  void see_ahead();
  const char* byte_at(std::uint64_t offset) const { return window_.holds(offset) ? window_.place_of(offset) : file_.data() + offset; }
  bool find_past_zeros(std::uint64_t bit);
  bool stops_early() const { return decoder_.end() < packet_.content_bits; }
  bool open_packet();
  bool resynchronise(const std::string& why);
  void look_into_padding(Packet& packet);
  // `is_expected`: the packet ahead says that one stands here, so that less must speak for it.
  bool parse_packet(std::uint64_t offset, Packet& out, std::string& why, bool is_expected = false);
  bool parse_packet_header(Packet& out, std::string& why);
  bool parse_packet_context(Packet& out, std::string& why);
  bool check_sizes(std::uint64_t left, bool is_expected, Packet& out, std::string& why) const;
  bool check_packet(std::uint64_t offset, bool is_expected, Packet& out, std::string& why) const;
  void account(const Packet& packet);
  bool has_other(const Packet& packet) const;
  std::optional<std::uint64_t> find_packet(std::uint64_t from, std::uint64_t limit,
                                           std::optional<std::uint64_t> wanted_seq_num);
  bool decode_header();
  bool decode_rare_header();
  bool decode_event();
  void settle_event();
  [[gnu::cold]] void refuse_id(std::uint64_t id);
  [[gnu::cold]] void refuse_time();
  [[gnu::cold]] void refuse_event(const char* wrong);
  [[gnu::cold]] void give_up_packet(const std::string& why);
  void start_decoder(std::uint64_t offset);
  void move_window();
  void map_window(std::uint64_t at);
  void find_zeros();
  void forget_zeros() {  // who goes back in the file seeks them anew
    zeros_ = kNoZeros;
    searched_ = 0;
  }
  void set_end();
  bool go_on(std::uint64_t bit);
  void see_all();
  void see_copy();
  void report(std::uint64_t offset, const std::string& why);
  std::int64_t to_ns(std::uint64_t ticks);
  std::int64_t ns_since_anchor(std::uint64_t ticks) const;
  void set_anchor(std::uint64_t ticks);

  struct StreamPrograms {
    const StreamClass* stream = nullptr;
    Program packet_context, event_header;
  };
  StreamPrograms& programs_of(const StreamClass& stream);
  // What events of one class have in common.
  struct EventKind {
    const EventClass* type = nullptr;
    std::uint64_t id = 0;
    Program program;
  };
  EventKind* find_kind(std::uint64_t id);

  // ---- all that take_before() touches, together
  Decoder decoder_;
  std::uint64_t event_bit_ = 0;
  EventKind* kind_ = nullptr;  // of the event that peek() found
  // It takes events that begin before this bit of the packet, whose id is lower than that, and that are of this tick at most.
  std::uint64_t plain_end_ = 0, plain_ids_ = 0, latest_ = 0;
  CompactHeader compact_;               // of the packet's stream
  std::vector<EventKind*> kinds_by_id_; // of small ids; null until such an event comes
  // ns = anchor_ns + (anchor_rest + (ticks - anchor_ticks) * 10^9) / frequency, exact
  std::uint64_t anchor_ticks_ = 0, anchor_rest_ = 0;
  std::int64_t anchor_ns_ = 0;
  std::uint64_t anchor_frequency_ = 0;  // 0: no anchor yet
  std::uint64_t reciprocal_ = 0;        // 2^64 / frequency, rounded down, or one less
  std::uint64_t tick_ns_ = 0;           // of a frequency of 10^9: tick 0
  std::uint64_t last_ticks_ = 0;        // of the newest event found
  Event event_;                         // that peek() found
  bool peeked_ = false;

  bool in_packet_ = false, seen_packet_ = false;
  Stream* info_;
  const Metadata* metadata_;
  std::string_view file_;
  DamageLog* log_;
  PacketsSeen* seen_ = nullptr;
  Program packet_header_;
  StreamPrograms stream_programs_;
  std::vector<std::unique_ptr<EventKind>> kinds_;  // by index; null until such an event comes

  std::uint64_t offset_ = 0;       // of the packet
  std::uint64_t packet_end_ = 0;   // where the next one begins
  std::uint64_t content_end_ = 0;  // where its padding begins
  Packet packet_;
  std::vector<Value> packet_context_;
  const MappedFile* mapped_ = nullptr;
  // Where the file is mapped it is read by windows, which are copied to window_, or, where that cannot be, mapped: [begin, end) of the file. An event that goes
  // beyond its window begins the next one; if that is too small as well, the file is seen as a whole for its sake.
  FileWindow window_;
  bool is_copied_ = false;  // the decoder reads in window_, else in file_
  bool sees_all_ = true;
  std::uint64_t whole_for_ = 0;   // of that event, which begins at this bit of the packet
  bool stops_at_window_ = false;  // the decoder's end is that of the window
  std::uint64_t window_begin_ = 0, window_end_ = 0;
  // A page of zeros in the window is where the packet ends, until an event is found that holds all of it. Positions in the file.
  std::uint64_t zeros_ = kNoZeros, searched_ = 0;
  std::uint64_t earliest_ = 0;                           // tick of the one that is sought: the packet's begin, or of the event before
  std::uint64_t furthest_report_ = 0, quiet_below_ = 0;  // damage found before rewind() is not reported again
};

}  // namespace ouro::read
