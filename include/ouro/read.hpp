// ouro/read.hpp -- traces on disk as one sequence of events in the order of time. Reads folders of CTF 1.8 and CTF 2: those that
// `ouro record` writes and those of others. docs/reading.md says what of the two is read, and what is refused.
//
//   auto trace = ouro::read::Trace::open("./trace");
//   if (!trace) return fail(trace.error().text);
//   while (const ouro::read::Event* event = trace->next()) use(event->time_ns, event->type->name, event->fields());
//   if (!trace->complete()) for (const auto& damage : trace->damage()) say(damage.text);
//
// What comes out, in this order:
//
//   trace   := event*            time_ns never decreases; events of equal time in the order of their streams' files
//   event   := type context fields
//   context := field*            the stream's, then the event's own; thread ids and the like
//   field   := value value*      a value, and behind it the values inside it (structures, variants, arrays)
//
// Damaged input is no error: everything sound is delivered, everything else is named in damage(), and complete() is
// false. No byte of a file is trusted. The files are mapped while the trace is open: whoever truncates one meanwhile
// may end the reading program by SIGBUS, as with every mapped file.
//
// next() does not allocate, once its buffers have grown to the largest event. Not thread-safe.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ouro/abi/schema.hpp>
#include <ouro/result.hpp>

namespace ouro::read {

enum class Kind : std::uint8_t {
  unsigned_integer,
  signed_integer,
  enumeration,  // an integer with labels
  floating_point,
  string,
  structure,  // its members follow
  variant,    // the selected option follows
  array,      // elements follow, or are packed in place (Value::is_packed)
  // Of CTF 2 alone:
  boolean,    // Value::u is 0 or 1
  bit_array,  // up to 64 bits without a meaning; the first is the lowest of Value::u
  bit_map,    // likewise; labels name bits (Value::holds)
  blob,       // Value::count bytes at Value::bytes
  optional,   // what it holds follows, or nothing: Value::count is 1 or 0
};

// How a text lies in the file. Value::text() is UTF-8 from all of them but the first, which is given as it lies there: nothing vouches for it.
enum class Encoding : std::uint8_t { utf8, utf16le, utf16be, utf32le, utf32be };

struct Type;

struct Field {
  std::string name;  // as the program called it; "" for the elements of arrays
  std::shared_ptr<const Type> type;
};

struct Label {
  std::uint64_t low = 0, high = 0;  // bits of the integer, sign-extended if it is signed; of a bit map: indexes of bits
  std::string text;

  bool holds(std::uint64_t bits, bool is_signed) const {
    return is_signed ? static_cast<std::int64_t>(bits) >= static_cast<std::int64_t>(low) && static_cast<std::int64_t>(bits) <= static_cast<std::int64_t>(high)
                     : bits >= low && bits <= high;
  }
};

// How the decoder takes it from the bytes; settled when the metadata is read.
struct Plan {
  enum class Op : std::uint8_t {
    u8,
    u16,
    u32,
    u64,
    i8,
    i16,
    i32,
    i64,
    f32,
    f64,
    bits,
    float_bits,
    string,
    text_array,
    packed_array,
    array,
    structure,
    variant,
    leb128,
    blob,
    optional
  };
  Op op{};
  bool big_endian = false;
  bool reversed = false;               // the bits of Op::bits, once read, from the last to the first
  std::uint16_t roles = 0;             // what it says of its packet or event (read/document.hpp)
  std::int32_t store = -1;             // slot that keeps the value for a later length or tag; -1: none
  std::int32_t load = -1;              // slot with the length or the tag
  bool maps_clock = false;             // the value is a stamp of the stream's clock, perhaps its low bits only
  std::uint32_t element_size = 0;      // bytes, of packed arrays
  std::vector<std::uint32_t> options;  // of variants: the member that each of the labels selects
};

struct Type {
  Kind kind{};
  std::uint32_t bits = 0;   // of an integer or floating point number
  std::uint32_t align = 1;  // in bits
  bool is_signed = false;
  std::uint8_t base = 10;      // 2, 8, 10 or 16: how people want to see it
  bool is_sequence = false;    // array, text or blob whose length is in the data
  std::uint64_t count = 0;     // of an array without it; of a text or blob: its bytes
  Encoding encoding{};         // of a text
  std::string media_type;      // of a blob: "image/png"
  std::vector<Label> labels;   // of an enumeration, in the metadata's order; they may overlap. Of a bit map: its flags. Of a variant or optional: of what selects
  std::vector<Field> members;  // of structures and variants; one for an array or optional: what it holds
  Plan plan;
};

// One value of an event. Strings, blobs and packed arrays point into the trace's file; texts of other encodings than UTF-8 to where they were converted.
struct Value {
  const Field* field = nullptr;
  union {
    std::uint64_t u = 0;
    std::int64_t i;
    double f;
    const char* bytes;
  };
  std::uint32_t count = 0;  // of a string or blob: bytes; of an array, structure, variant or optional: direct children or elements
  std::uint32_t nodes = 1;  // this value and all inside it: the next sibling is at this + nodes

  const Type& type() const { return *field->type; }
  Kind kind() const { return type().kind; }
  std::string_view name() const { return field->name; }
  std::string_view text() const { return {bytes, count}; }  // of a string
  bool is_packed() const { return kind() == Kind::array && nodes == 1 && count != 0; }
  Value element(std::size_t index) const;  // of a packed array
  std::string_view label() const;          // of an enumeration: the first; "" if the value has none
  bool holds(const Label& label) const;    // one of type().labels: whether the value lies in it; of a bit map: whether a bit of it is set
};

struct Clock {
  std::string name, description;
  std::string uid;     // the same clock in several traces has the same; a uuid, mostly. "" if not stated
  std::string origin;  // "unix-epoch", "NAMESPACE/NAME/UID" of another one, "" if not stated: of CTF 1.8 unless the clock is absolute
  std::uint64_t frequency = 1'000'000'000;
  std::int64_t offset_s = 0;
  std::int64_t offset_ticks = 0;
  std::uint64_t precision_ticks = 0, accuracy_ticks = 0;
};

struct EventClass {
  std::string name;
  std::uint64_t id = 0, stream_id = 0;
  int level = -1;  // as abi::Level counts; -1: not stated
  abi::EventKind kind = abi::EventKind::point;
  std::string file;  // where it stands in the source; "" if not stated
  std::uint32_t line = 0;
  bool is_state = false;               // of the recorder: ouro:process, ouro:thread, ouro:lost, ouro:left_out, ouro:stream
  std::size_t index = 0;               // in Trace::classes()
  std::vector<Field> context, fields;  // context: of the event alone
  bool has_context = false, has_fields = false;  // perhaps of no members
  const Clock* clock = nullptr;                                // of its stream's events; null: these have no times
  std::shared_ptr<const Type> packet_context, stream_context;  // of the stream; null: it has none
};

struct Process {
  std::int32_t pid = -1, parent_pid = -1;
  std::string name, command_line;
};

struct Thread {
  std::int32_t tid = -1, pid = -1;
  std::string name;
  const Process* process = nullptr;  // null if the trace does not say
};

// One file of the trace. The figures are those of the part that was read so far.
struct Stream {
  std::string file;
  std::uint64_t id = 0;  // of its class
  bool is_state = false;  // the recorder's own: no event of a program is in it
  int cpu = -1;
  std::size_t source = 0;   // in Trace::sources()
  std::uint64_t bytes = 0;  // of the whole file
  std::uint64_t packets = 0;
  std::uint64_t events = 0;
  std::uint64_t events_discarded = 0;  // said by the tracer: written by the program, not in the trace
  std::uint64_t packets_missing = 0;   // gaps in the packets' numbers, and at the end, if the recorder said how many there were; each is damage, too
};

class StreamReader;

struct Event {
  const EventClass* type = nullptr;
  const Stream* stream = nullptr;
  std::int64_t time_ns = 0;  // since 1970-01-01 00:00 UTC, as far as the trace's clock knows
  std::uint64_t ticks = 0;   // the same as the clock of the stream counts
  int cpu = -1;              // -1: the trace does not say
  std::int32_t tid = -1;
  const Thread* thread = nullptr;
  std::uint32_t size = 0;  // bytes in the file, header included
  std::span<const Value> packet_context;  // of the packet that it stands in

  // Its values, valid until the next call of the trace. Their bytes have been checked; who does not ask does not pay for taking numbers from them.
  std::span<const Value> context() const;
  std::span<const Value> fields() const;

 private:
  friend class StreamReader;
  StreamReader* reader_ = nullptr;
};

struct Damage {
  std::string file;
  std::uint64_t offset = 0;  // in bytes
  std::string text;          // the whole sentence, file and offset included
};

// One of the traces that are read together.
struct Source {
  std::string folder;
  std::optional<std::array<std::uint8_t, 16>> uuid;
  std::vector<Clock> clocks;
  std::vector<std::pair<std::string, std::string>> environment;
};

struct TimeRange {
  std::int64_t begin_ns = 0, end_ns = 0;  // of the first and last event
};

class Trace {
 public:
  // `folder` holds `metadata` and the stream files; or traces that do, one behind the other, as `ouro record --rotate` makes them; or traces at any depth
  // below it, as LTTng makes them. All of them are read as one, and files have their place in `folder` before their own name. Fails if nothing can be
  // understood; damaged streams, and a trace of several whose metadata is damaged, are no failure.
  static Result<Trace> open(const std::string& folder);
  // Several such, of the same time.
  static Result<Trace> open(const std::vector<std::string>& folders);
  ~Trace();
  Trace(Trace&&) noexcept;
  Trace& operator=(Trace&&) noexcept;

  // The next event, valid until the next call; null at the end.
  const Event* next();
  // Back to the first event. Damage already found stays.
  void rewind();
  // To the first event at or after a time. Finds packets by one pass over their headers; the rest of the files is not read. Of large files, where the
  // packets are is kept in the user's cache: $XDG_CACHE_HOME/ouro or ~/.cache/ouro, unless OURO_CACHE=0.
  void seek(std::int64_t time_ns);
  // Of the programs' events; none if there are none. Reads the first and the last packet of each stream, and the headers between.
  std::optional<TimeRange> time_range();
  // Times that part the trace: who seeks one of them and reads up to the next one, with a Trace of its own, meets every event of that part, and all parts
  // together are the trace. Each is of at least `bytes`, and so large that the packets across its begin are the smaller part of it. None if the trace is
  // shorter, compressed, one of several with one uuid, or its packets do not say, in order, when they begin and end. Reads the headers of all packets.
  // Not while events are read.
  std::vector<std::int64_t> cuts(std::uint64_t bytes);

  const std::vector<EventClass>& classes() const;
  const std::vector<Stream>& streams() const;
  const std::vector<Source>& sources() const;
  std::size_t event_streams() const;  // how many of them are programs': what `ouro record` counts
  const std::vector<Clock>& clocks() const;       // of several traces: the first one's; so is environment()
  const std::vector<Thread>& threads() const;     // every one that the trace names; names it had one after another
  const std::vector<Process>& processes() const;  // appear one after another
  const std::vector<std::pair<std::string, std::string>>& environment() const;
  std::string_view environment(std::string_view name) const;  // "" if the trace does not say

  // Whether everything read so far was sound, and all of it there. Lost events do not count: losing is the tracer's
  // right, and said in streams().
  bool complete() const;
  const std::vector<Damage>& damage() const;  // the first kMaxDamage
  std::uint64_t damage_count() const;
  // Of several traces: where the order of their events is a guess, since nothing says that their clocks agree. A sentence for each clock that is not the
  // first trace's; none for traces of one machine whose clocks both count from 1970, or are one.
  const std::vector<std::string>& warnings() const;
  static constexpr std::size_t kMaxDamage = 1000;

 private:
  struct State;
  explicit Trace(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ouro::read
