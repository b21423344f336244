// ouro/ring/records.hpp -- the records of channels, one by one: ring after ring, or all rings as one sequence in the order of
// their stamps. For channels whose records carry their size, as those that Buffer writes do:
//
//   | header: 4 or 16 | u32 size | size bytes |
//
// One Records per channel. Not thread-safe. A record's bytes are where the writer put them (overwrite: where the reader
// exchanged or copied them to) until the next call.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ouro/detail/merge_heap.hpp>
#include <ouro/ring/local.hpp>
#include <ouro/ring/snapshot.hpp>

namespace ouro::ring {

struct Record {
  std::uint32_t channel = 0;         // its place among those that are read together
  std::uint32_t ring = 0, id = 0;
  std::uint64_t stamp = 0;           // of the channel's clock; without one: 0
  std::span<const std::byte> bytes{};
};

// The records of one packet, for those who take packets themselves.
class PacketRecords {
 public:
  PacketRecords() = default;
  // `form`: LocalChannel::form(ring). `of`: channel and ring of the records.
  PacketRecords(const Packet& packet, RecordForm form, const Record& of = {})
      : bytes_(packet.bytes), now_(packet.begin_stamp), of_(of), form_(form) {}
  // False: that was the last, or the bytes make no sense from here on.
  bool next(Record& out);
  bool corrupt() const { return corrupt_; }
  std::uint64_t discarded() const { return discarded_; }  // by their writers; stepped over so far

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::uint64_t now_ = 0;
  Record of_{};
  RecordForm form_{};
  std::uint64_t discarded_ = 0;
  bool corrupt_ = false;
};

class Records {
 public:
  enum class Order : std::uint8_t {
    by_ring,  // all that a ring has, then the next ring's
    by_time,  // of all rings, the oldest first, a thread's in its order; what is younger than a million ticks before the call (0.4 ms
              // of a TSC of 2.6 GHz: a writer may still be at it) stays for later calls. See late()
  };
  // include_current: also from sub-buffers that are being filled. Without, these come when they are closed, and the last never.
  explicit Records(LocalChannel& channel, Order order = Order::by_time, bool include_current = true);
  // Of several channels as if they were one. EINVAL: none, or, by_time, stamps that do not compare: of two clocks, or none. That
  // stamps of the client (Stamp::client) compare is his promise.
  static Result<Records> of(std::span<LocalChannel* const> channels, Order order = Order::by_time, bool include_current = true);

  // Of a snapshot, which stays the caller's and must outlast this; all of it, nothing is held back.
  explicit Records(const Snapshot& snapshot, Order order = Order::by_time);

  // False: nothing to read now. Later calls go on from there.
  bool next(Record& out);
  // After next() was false: sleeps on the channels' bells (Shape::bell; without, it does not sleep) until a sub-buffer is closed,
  // for so long at most; less where something is held back. Whoever wants to be woken for other reasons gives a short patience.
  void wait(std::uint64_t patience_ns);
  // Nobody writes any more: by_time, nothing is held back. At any time before the last calls of next().
  void writers_are_done() { final_ = true; }

  // Empties the channels, in use as they are: drops all that can be read now, what was read but not delivered included, and
  // returns how many records that were, discarded ones included. delivered() + dropped() + discarded() + lost() are all that was
  // written or reserved, once writers rest.
  std::uint64_t reset();

  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t discarded() const { return discarded_; }  // reserved, and then discarded by their writers
  std::uint64_t dropped() const { return dropped_; }
  // By time: delivered after younger ones. Their writers stood still for longer than that million ticks between stamp and record: in a shared ring, or
  // on a CPU that a hypervisor stopped (elsewhere who is interrupted there begins anew). A thread's records keep their order.
  std::uint64_t late() const { return late_; }
  std::uint64_t lost() const;                  // so far, of all rings
  std::uint64_t lost(abi::Loss cause) const;
  bool corrupt() const { return corrupt_; }    // a ring's memory contradicts itself: that ring is read no further

 private:
  struct Cursor {
    std::optional<Reader> reader;
    std::span<const Packet> copied;  // of a snapshot: not yet read
    Record of;                 // channel and ring of its records
    RecordForm form;
    Packet packet{};
    PacketRecords records{};   // of the packet
    Record record{};           // the next to be delivered, if `has`
    bool holds = false, has = false, broken = false;
  };
  struct Head {                // of a ring that has a record
    std::uint64_t stamp;
    std::uint32_t ring;        // in rings_
    bool operator<(const Head& other) const { return stamp != other.stamp ? stamp < other.stamp : ring < other.ring; }
  };
  Records(Order order, bool include_current) : order_(order), include_current_(include_current) {}
  void add(LocalChannel& channel);
  bool advance(Cursor& cursor);
  Reader::Answer next_packet(Cursor& cursor);
  void refill();
  void note_bells();
  bool next_of_a_ring(Record& out);

  const Snapshot* snapshot_ = nullptr;  // then no channels
  std::vector<LocalChannel*> channels_;
  std::vector<std::uint32_t> bells_;    // their counts when the rings were last looked at
  std::vector<Cursor> rings_;
  ouro::detail::MergeHeap<Head> heap_;  // by_time
  Order order_;
  bool include_current_, corrupt_ = false, final_ = false;
  bool top_is_out_ = false;             // the top's record was delivered and is still looked at
  std::size_t ring_ = 0;                // by_ring: where we are
  std::uint64_t horizon_ = 0;           // by_time: no ring can still get a record that is older
  std::uint64_t newest_ = 0;            // by_time: stamp of those delivered
  std::uint64_t delivered_ = 0, discarded_ = 0, dropped_ = 0, late_ = 0;
};

}  // namespace ouro::ring
