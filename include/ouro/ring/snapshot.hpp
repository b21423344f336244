// ouro/ring/snapshot.hpp -- a copy of what a channel holds now. Takes nothing from its readers, stops no writer; both go on
// meanwhile, in this thread's signal handlers or in other threads.
//
//   ring     | taken | t | t+1 | current: readable | free |     W is looked at once; then, oldest first, each sub-buffer is
//                      v    v         v                         copied and its slot looked at again: if that is as it was,
//   copy             | t | t+1 |    up to W        |            nobody wrote into what was copied, nor had a reader taken it
//
// What is guaranteed: a packet is whole, and what its ring held; those of a ring are in order, none twice; a sub-buffer that
// was readable when the ring was looked at and is not here is named in `missing`. Of the sub-buffer that a reader is reading,
// all of it is copied, also what that reader has delivered already.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <ouro/ring/local.hpp>

namespace ouro::ring {

class Snapshot {
 public:
  struct Missing {
    enum class Why : std::uint8_t {
      lapped,      // overwrite: its writer came round before it was copied
      taken,       // a reader took it or gave it back while it was copied: its records were delivered, or are about to be
      unfinished,  // a two-phase record in it is still being written
    } why;
    std::uint64_t sequence;
  };
  struct Ring {
    Geometry geometry;                // of its newest memory
    RecordForm form;
    std::vector<Packet> packets;      // oldest first; bytes as long as the snapshot, the last packet may be `current`
    std::vector<Missing> missing;     // in order; sequence numbers begin anew in each memory (LocalChannel::resize)
    std::array<std::uint64_t, abi::kLossCauses> lost{};  // by cause, when it was looked at; `lapped` as its readers would say
    bool corrupt = false;             // its memory contradicts itself: what is here is not all
  };
  // A ring in memory that somebody else made, and how it was checked to be.
  struct Place {
    const abi::RingHead* head;
    Geometry geometry;
  };
  // Allocates what it copies. Any thread, at any time.
  explicit Snapshot(const LocalChannel& channel);
  // Of these, records that are still being written do not hold back the others of their sub-buffer: they are marked as dead writers' are.
  explicit Snapshot(std::span<const Place> places);
  Snapshot(Snapshot&&) noexcept = default;  // a copy's packets would be the original's bytes
  Snapshot& operator=(Snapshot&&) noexcept = default;

  std::span<const Ring> rings() const { return rings_; }
  std::uint64_t records() const;      // in all packets; of dead writers' records, also those that next() of a Records steps over
  std::uint64_t lost() const;
  std::uint64_t lost(abi::Loss cause) const;

 private:
  // Adds what is in this memory of the ring to what older ones had. Returns the records that were lapped unread, by its reader's books.
  std::uint64_t add(Ring& ring, const abi::RingHead& head, std::uint64_t lapped_before);
  void end(Ring& ring, std::uint64_t lapped_by_books);

  bool cuts_open_ = false;
  std::vector<std::vector<std::byte>> bytes_;  // of the packets
  std::vector<Ring> rings_;
};

}  // namespace ouro::ring
