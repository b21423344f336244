// ring/reader_state.hpp -- what a Reader knows: of the packet it is at (reader.cpp), and of writers that died (bury.cpp).
#pragma once
#include <cstdint>
#include <deque>
#include <vector>

#include <ouro/ring/reader.hpp>

#include "ring/internal.hpp"
#include "ring/look.hpp"
#include "ring/writer_internal.hpp"

namespace ouro::ring {

struct Reader::State {
  struct Range {  // of a dead writer's record
    std::uint64_t sequence, offset, length;
    abi::Pending* entry;  // which says so, to readers after us; null: freed
  };

  abi::RingHead* head;
  abi::Bell* bell;
  const Channel* channel;
  Geometry g;
  std::uint64_t next_sequence = 0;
  std::uint64_t consumed = 0;          // bytes of it that were delivered
  std::uint64_t consumed_records = 0;
  std::uint64_t records = 0;           // per_cpu: written before what comes next
  std::uint64_t lapped = 0;            // per_cpu; shared: what writers overcounted, see skip_lapped
  std::uint64_t booked = 0;            // next_sequence as the ring's books have it
  std::uint64_t end_stamp = 0;         // of the last packet
  std::uint64_t delivered = 0, dropped = 0;
  std::uint64_t lost_said = 0;         // highest count said with a packet
  std::uint32_t spare = 0;             // overwrite
  std::vector<std::byte> copy;
  std::vector<Range> dead;
  struct Past {  // a retired ring, read to its end, `last` included
    abi::RingHead* head;
    Geometry g;
    std::uint64_t last;
    bool returned;  // its memory
  };
  std::vector<Past> past;
  void start(abi::RingHead& ring, const Geometry& geometry);
  bool follow();
  void return_memory();
  std::uint64_t counted(abi::Loss cause) const;
  std::uint64_t counted_before() const;

  // The packet that is out: what release() does.
  enum class Out : std::uint8_t { none, closed, current } out = Out::none;
  bool out_in_place = false;
  std::uint32_t out_physical = 0;
  std::uint64_t out_end = 0, out_records = 0, out_delivered = 0, out_end_stamp = 0;

  // A packet that is done with here, if not by others: what goes back to the writers, and what the ring's books say then.
  struct Done {
    abi::RingHead* head;
    abi::Word* slot;
    std::uint64_t sequence, next_sequence, consumed, consumed_records, records, lapped, end_stamp;
    std::uint32_t physical;
    bool current, follows;  // follows: goes back with the one before it
  };
  std::deque<Done> kept;

  // What is known of the sub-buffer being looked at.
  struct Content {
    std::uint32_t physical;
    std::uint64_t begin, end;  // in it
    std::uint64_t records;     // from its beginning to `end`
    std::uint64_t begin_stamp, end_stamp, lost;
  };

  Look look() const { return {*head, g}; }
  bool shared() const { return g.kind == abi::RingKind::shared; }
  abi::Word& slot_of(std::uint64_t sequence) { return head->slot[sequence & (g.subbuf_count - 1)]; }
  std::uint64_t in_subbuf(std::uint64_t w) const { return look().in_subbuf(w); }
  std::uint64_t physical_of(std::uint64_t w) const { return look().physical_of(w); }

  bool closed_content(std::uint32_t physical, Content&);
  Answer take_closed(Packet&);
  Answer take_current(Packet&, std::uint64_t sequence);
  void skip_lapped(std::uint64_t to);
  void advance();
  void deliver(Packet&, const Content&, bool current);
  void cut_dead(Packet&, const Content&);
  Done finish();
  void give_back(const Done&);
  void book(abi::RingHead&, const ReadSoFar&);
  void end_books(ReadSoFar);

  // Two-phase records of dead writers: bury.cpp.
  struct Suspect;
  struct Half;
  struct Books {  // per_cpu: in records written in two phases; shared: in bytes
    std::uint64_t sequence, opened, committed;
    std::uint64_t end;  // in the sub-buffer: W never passed it
  };
  void adopt_dead();
  void forget_dead();
  void mark_and_count(const Range&);
  std::vector<Suspect> find_dead();
  bool books_of(std::uint64_t where, Books&);
  enum class Claim : std::uint8_t { reserved, none, unknown };
  Claim claim_of(const Suspect&, const std::vector<Suspect>& all, const Books&);
  Claim claim_of_shared(const Suspect&, const std::vector<Suspect>& all, const Books&);
  enum class Header : std::uint8_t { own, of_this_use, stale };
  Header header_at(std::uint64_t offset, std::uint64_t sequence, const Suspect&);
  bool begins_a_record(std::uint64_t offset, const Suspect&, const Books&);
  bool bury_open(const Suspect&, const std::vector<Suspect>& all);
  bool same_use(std::uint64_t where, std::uint64_t other) const;
  bool is_in_use(std::uint64_t where, const std::vector<Half>& except) const;
  bool make_up(const std::vector<Half>&);
  void settle(const std::vector<Suspect>&);
};

}  // namespace ouro::ring
