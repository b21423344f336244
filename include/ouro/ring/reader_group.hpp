// ouro/ring/reader_group.hpp -- several threads read one channel: each packet, and so each record, goes to exactly one of them.
//
//   ouro::ring::ReaderGroup group(samples->channel());
//   ouro::ring::ReaderGroup::Share share;                    // one per thread
//   while (group.take(share))
//     for (ouro::ring::Record r; share.next(r);) ...         // several threads do this at once
//
//   ring     | held by A | held by B | next to be taken | ... | current |
//
// Taking and giving back is serialised, per ring; the work on packets is not. Writers never wait for that. What a share costs:
//
//   discard    nothing: it is read in place. Shares may be given back in any order; their memory goes back to the writers in the
//              ring's, so a writer that comes round to one that is still held finds the ring full
//   overwrite  a copy, made while the ring's other readers wait: there is one spare for all of them
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include <ouro/ring/records.hpp>

namespace ouro::ring {

class ReaderGroup {
  struct Ring;

 public:
  // What one thread has taken. Not thread-safe. Given back at the latest when it ends; before the group does.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept;
    Share& operator=(Share&& other) noexcept;
    ~Share() { give_back(); }
    bool next(Record& out) { return records_.next(out); }      // bytes: until the share is given back
    bool corrupt() const { return records_.corrupt(); }        // its bytes make no sense, from where next() ended
    std::uint32_t ring() const { return ring_; }
    const Packet& packet() const { return packet_; }           // for records without sizes
    void give_back();

   private:
    friend ReaderGroup;
    Packet packet_{};
    PacketRecords records_{};
    std::uint32_t ring_ = 0, seen_ = 0;
    Ring* held_ = nullptr;       // null: copied
    std::uint64_t ticket_ = 0;   // among those held of that ring
    std::vector<std::byte> copy_;
  };

  // include_current: take() also gives parts of sub-buffers that are being filled, where nothing else is left. Such shares may
  // be small.
  explicit ReaderGroup(LocalChannel& channel, bool include_current = false);
  ReaderGroup(ReaderGroup&&) noexcept;
  ReaderGroup& operator=(ReaderGroup&&) noexcept;
  ~ReaderGroup();

  // All of these by any thread, at any time.

  // Gives back what the share had, and takes the next packet: the rings take turns, each gives its own in order. False: nothing
  // now. Blocks while another thread takes from the same ring, no longer.
  bool take(Share& share);
  // After take() gave this share nothing: sleeps on the channel's bell (Shape::bell; without, it does not sleep) until a
  // sub-buffer is closed, for so long at most. For each, one sleeper wakes, who sleeps longest first.
  void wait(const Share& share, std::uint64_t patience_ns);
  // Nobody writes any more: the rest is taken, too. Threads that wait see it when their patience ends.
  void writers_are_done();
  // Drops all that can be read now and is not taken; returns how many records that were.
  std::uint64_t reset();

  // delivered() + dropped() + lost() are all that was written or reserved, once writers rest and all is taken. Records discarded by
  // their writers count as delivered, or dropped.
  std::uint64_t delivered() const;
  std::uint64_t dropped() const;
  std::uint64_t lost() const;
  std::uint64_t lost(abi::Loss cause) const;
  bool corrupt() const;  // a ring's memory contradicts itself: that ring is read no further

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ouro::ring
