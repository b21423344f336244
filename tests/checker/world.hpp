// world.hpp -- a tiny ring and what is known of it from outside: who wrote what, what was answered, what was delivered.
//
//   record n of writer w     id 1100 + 16 w + n, or 16 w + n     body: two u32, the same tag and its complement, of kLongWriter twice
//
// What is checked of each packet: every byte of every record; begun by a writer, not delivered before (by this reader), in order
// of stamps within the packet's times, as many as the packet says, losses that do not go back. What is checked at the end: the rest can be
// read; delivered + lost, by cause, is what was written.
#pragma once

#include <ouro/ring/local.hpp>
#include <ouro/ring/reader.hpp>
#include <ouro/ring/snapshot.hpp>
#include <ouro/ring/writer.hpp>

#include "machine.hpp"

namespace ouro::checker {

using namespace ouro::ring;

enum class Writers : std::uint8_t { per_cpu, shared, exclusive };

// What an execution did; a scenario names what some execution must do, or it proves nothing.
inline constexpr unsigned closed_packet = 1, current_packet = 2, lost_full = 4, lost_lapped = 8, lost_busy = 16, lost_dead = 32, waited = 64,
                          whole_snapshot = 128, partial_snapshot = 256, switched = 512, lost_answers = 1024;

// A record whose writer died before the threads begin, in whose midst: its entry names a place that W never passed for it; W passed it,
// and nothing is there; its header is; it is whole and marked; its commit is counted too. `open`: it lives, see commit_open().
enum class Left : std::uint8_t { nothing, named, exchanged, reserved, marked, counted, open };

struct Shape {
  Writers sync = Writers::per_cpu;
  abi::FullMode mode = abi::FullMode::discard;
  std::uint64_t subbuf_size = 32;
  std::uint32_t cpus = 1;
  bool compact = false;       // headers of 4 bytes where the ring takes them
  unsigned may_lose = 0;      // lost_full, lost_busy: causes that are right here
  int warm = 0;               // records that are there at the beginning, of writer kWarmWriter
  Left left = Left::nothing;  // behind these
  int left_size = 8;
  int warm_behind = 0;        // and behind that
  int read_warm = 0;          // packets that were read of them
  bool reader_dies = false;   // with a packet in hand, perhaps
  bool fits = false;          // all of it: nothing may be lost as full
};
inline constexpr int kWarmWriter = 5, kLongWriter = 4;  // whose records are 8 bytes longer
inline constexpr int kLeftWriter = 3;

class World {
 public:
  static constexpr std::size_t kStride = abi::kRingDataOffset + 3 * 128;
  static constexpr int kRings = 4, kWriters = 6, kNumbers = 16;

  void begin(const Shape&);   // an execution
  void examine();             // its end

  // For threads.
  void write(int writer);     // in one shot
  void write_slowly(int writer);    // the same, but not by the inline path
  void write_in_two(int writer);
  void commit_open();         // what was `open` at the beginning; by thread 0
  void read(int rounds, bool include_current);  // by the ring's reader
  void bury();                // as a recorder does from time to time
  void ask();                 // the reader, how many were lapped
  void succeed(int rounds);   // a new reader, the first being gone
  void snapshot();

  std::span<std::byte> region() { return {memory_, sizeof memory_}; }
  unsigned reached() const { return reached_; }
  void forget_reached() { reached_ = 0; }

 private:
  struct Attempt {
    bool begun, answered, lost, alone;
    std::uint64_t old_loads;
    int delivered;
  };
  struct Reading {  // what one reader has seen of one ring
    std::uint32_t ring = 0;
    std::uint64_t end_stamp = 0, last_stamp = 0, lost = 0, records = 0;
    std::uint64_t seen[kWriters] = {};  // bit n: record n
  };
  abi::RingHead& head(std::uint32_t ring) { return *reinterpret_cast<abi::RingHead*>(memory_ + ring * kStride); }
  std::uint32_t rings() const { return shape_.sync == Writers::exclusive ? 1 : 2 * shape_.cpus; }
  Geometry geometry(std::uint32_t ring) const;
  bool is_shared(std::uint32_t ring) const { return shape_.sync != Writers::exclusive && ring >= shape_.cpus; }
  std::uint32_t read_ring() const { return shape_.sync == Writers::shared ? shape_.cpus : 0; }
  struct Body {
    std::uint32_t words[4], id;
    std::size_t size;
  };
  Body body_of(int writer, int number) const;
  bool others_under_way();
  void answer(int writer, int number, bool lost);
  void check(const Packet&, Reading&, bool counts);
  void take(Reader&, Reading&, int rounds, bool include_current, bool to_the_end);
  void leave();
  void balance();
  void compare_with_books(std::uint32_t ring);

  Shape shape_;
  alignas(64) std::byte memory_[kRings * kStride];
  alignas(Channel) std::byte channel_memory_[sizeof(Channel) + kRings * sizeof(void*)];
  Channel* channel_ = nullptr;
  Reader* reader_[kRings];
  bool reading_began_ = false, succeeded_ = false;
  Reading reading_[kRings], successor_[kRings];
  Attempt attempt_[kWriters][kNumbers];
  int next_[kWriters];
  unsigned reached_ = 0;
  std::uint64_t delivered_[kRings];              // in packets that were given back
  std::uint64_t in_hand_ = 0, died_with_ = 0;
  std::uint64_t told_ = 0;
  Reservation open_;
};

inline World world;

// sections.cpp. The inline write's section.
bool shoot(const Channel&, std::uint32_t index, std::uint32_t id, const std::uint32_t* body) noexcept;
// The LocalChannel of whoever asks for one.
inline const Channel* local_channel = nullptr;

// Checks in the sections' stand-ins that can be broken; those of the sources are numbered from 1.
enum Check : int { section_index = 1000, section_word, section_slot, section_stamp, section_room, section_deadline, section_atomic };

}  // namespace ouro::checker
