// ouro/ring/reader.hpp -- taking packets out of one ring. A reader never stops, signals or slows a writer.
//
//   sequence      n .. c-1             c (current)
//               +------------------+----------------+
//               | closed           | readable | free|      next() gives the oldest packet not yet delivered:
//               +------------------+----------------+      a whole closed sub-buffer, or what is readable of it
//                                  ^begin     ^W           or of the current one beyond what was delivered before
//
// discard    the packet is read in place; release() marks the sub-buffer taken, and a writer may have it.
// overwrite  the sub-buffer is exchanged out of the ring for the reader's spare; release() makes it the next
//            spare. The current sub-buffer is copied out and validated instead.
//
// One Reader per ring. Not thread-safe. Never allocates after construction but for copies (of one sub-buffer) and what it keeps.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <ouro/abi/ring_layout.hpp>
#include <ouro/result.hpp>

namespace ouro::ring {

struct Channel;

// What a ring is, checked once against what the file can hold; later loads of ShapeLine do not count.
struct Geometry {
  abi::RingKind kind{};
  abi::FullMode mode{};
  std::uint32_t subbuf_count{};  // n; a power of two
  std::uint64_t subbuf_size{};   // S; a power of two
  std::uint32_t cpu{};
  std::uint64_t data_size() const { return (std::uint64_t{subbuf_count} + 1) * subbuf_size; }
  std::uint64_t memory_size() const { return abi::kRingDataOffset + data_size(); }
};
Result<Geometry> check(const Geometry& wanted);

// Writes the first state of a ring into zeroed memory (the head only; the data is not touched). Its data counts as
// not reserved: the first writer does that, through `Reserve` of ring/writer.hpp.
void initialise(abi::RingHead& head, const Geometry& geometry);

struct Packet {
  std::uint64_t sequence = 0;        // of the sub-buffer it came from
  std::uint64_t begin_stamp = 0;     // no record is earlier; a compact stamp is relative to it
  std::uint64_t end_stamp = 0;       // no record is later, nor does the ring's next packet begin earlier
  std::uint64_t records = 0;         // in `bytes`
  std::uint64_t lost_lapped = 0;     // records of this ring written and overwritten unread, up to this packet; cumulative
  std::uint64_t lost_counted = 0;    // records of this ring counted as lost by their writers or as dead_writer, up to
                                     // this packet's end; cumulative
  bool current = false;              // a part of the current sub-buffer
  bool in_place = false;             // `bytes` lie in the ring's memory, else in a copy of the reader's
  std::span<const std::byte> bytes;  // valid until release(); records one behind the other, nothing else
};

// Where records begin in a packet of a ring; for channels whose records carry their size (Records).
struct RecordForm {
  bool has_headers = true;   // without stamps, only records of shared rings have
  std::size_t prefix = 0;    // bytes before a record that are not its own: with stamps of the client, a shared ring's header
};

class Reader {
 public:
  // `head` and the data behind it must stay mapped, readable and writable. Continues where an earlier reader of the
  // same ring stopped. `bell`, if not null, is rung for writers that wait for room. `channel`, if not null, is whose ring this is:
  // at the ring's end, if it is retired, the reader goes on in the channel's next memory, and gives back this one.
  Reader(abi::RingHead& head, const Geometry& geometry, abi::Bell* bell = nullptr, const Channel* channel = nullptr);
  ~Reader();
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;

  enum class Answer {
    packet,   // `out` holds one: release() it before the next call
    nothing,  // nothing to read now
    waiting,  // the oldest sub-buffer holds a two-phase record that is still being written
    corrupt,  // the ring's memory contradicts itself: poisoned by somebody; stop reading it
  };
  // include_current: also what is readable of the current sub-buffer (costs its writer a cache miss: do it rarely).
  Answer next(Packet& out, bool include_current);
  void release();
  // The same, but where the record of a writer that died stands in the way, it is buried (see bury_dead) and looked again.
  Answer next_past_dead(Packet& out, bool include_current);

  // For those who pass packets on without a copy and wait for others to be done with them.
  //
  // keep() in the place of release(): the packet's bytes stay where they are, beyond further calls of next(), until give_back() or
  // the end of the reader. False, and the packet is out as before: in overwrite mode (there is one spare), or not in place.
  // give_back(): the oldest that is kept. A packet that is released behind one that is kept goes back with that.
  // Whatever is not given back when a reader ends, its successor gets again.
  bool keep();
  void give_back();

  // Drops all that can be read now; no packet may be out. Returns how many records; they count as dropped(), not as delivered.
  std::uint64_t reset();

  // Steps over two-phase records whose owners died. Call it when next() says `waiting`, and at times for a ring
  // nobody reads. Returns how many it found.
  std::uint64_t bury_dead();

  // Losses so far by cause (abi::Loss), `lapped` included as far as next() could see it.
  std::uint64_t lost(abi::Loss cause) const;
  std::uint64_t lost_total() const;
  // Records delivered by this reader, and dropped by its reset().
  std::uint64_t delivered() const;
  std::uint64_t dropped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ouro::ring
