// ouro/ring/records.hpp -- the records of a channel, one by one: ring after ring, or all rings as one sequence in the order of
// their stamps. For channels whose records carry their size, as those that Buffer writes do:
//
//   | header: 4 or 16 | u32 size | size bytes |
//
// One Records per channel. Not thread-safe. A record's bytes are where the writer put them (overwrite: where the reader
// exchanged or copied them to) until the next call.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include <ouro/ring/local.hpp>

namespace ouro::ring {

struct Record {
  std::uint32_t ring = 0, id = 0;
  std::uint64_t stamp = 0;           // of the channel's clock; without one: 0
  std::span<const std::byte> bytes;
};

class Records {
 public:
  enum class Order : std::uint8_t {
    by_ring,  // all that a ring has, then the next ring's
    by_time,  // of all rings, the oldest first, a thread's in its order; what is younger than a million ticks before the call (0.4 ms
              // of a TSC of 2.6 GHz: a writer may still be at it) stays for later calls
  };
  // include_current: also from sub-buffers that are being filled. Without, these come when they are closed, and the last never.
  explicit Records(LocalChannel& channel, Order order = Order::by_time, bool include_current = true);

  // False: nothing to read now. Later calls go on from there.
  bool next(Record& out);
  // After next() was false: sleeps on the channel's bell (Shape::bell) until a sub-buffer is closed, for so long at most; less where
  // something is held back. Whoever wants to be woken for other reasons gives a short patience.
  void wait(std::uint64_t patience_ns);
  // Nobody writes any more: by_time, nothing is held back. At any time before the last calls of next().
  void writers_are_done() { final_ = true; }

  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t discarded() const { return discarded_; }  // reserved, and then discarded by their writers
  std::uint64_t lost() const;                  // so far, of all rings
  std::uint64_t lost(abi::Loss cause) const;
  bool corrupt() const { return corrupt_; }    // a ring's memory contradicts itself: that ring is read no further

 private:
  struct Cursor {
    Reader reader;
    bool has_headers;          // without stamps, only records of shared rings have them
    std::size_t prefix;        // bytes before a record that are not its own: with stamps of the client, a shared ring's header
    Packet packet{};
    std::size_t at = 0;        // in packet.bytes
    Record record{};           // the next to be delivered, if `has`
    std::uint64_t now = 0;     // its stamp, or the packet's begin
    bool holds = false, has = false, broken = false;
  };
  bool advance(Cursor& cursor, std::uint32_t ring);
  bool parse(Cursor& cursor, std::uint32_t ring);
  void refill();
  bool later(std::uint32_t a, std::uint32_t b) const { return rings_[a].record.stamp > rings_[b].record.stamp; }

  LocalChannel* memory_;
  const Channel* channel_;
  std::uint32_t bell_ = 0;           // its count when the rings were last looked at
  std::vector<Cursor> rings_;
  std::vector<std::uint32_t> heap_;  // rings with a record, the oldest on top (by_time)
  Order order_;
  bool include_current_, corrupt_ = false, final_ = false;
  bool top_is_out_ = false;          // the top's record was delivered and is still looked at
  std::uint32_t ring_ = 0;           // by_ring: where we are
  std::uint64_t horizon_ = 0;        // by_time: no ring can still get a record that is older
  std::uint64_t delivered_ = 0, discarded_ = 0;
};

}  // namespace ouro::ring
