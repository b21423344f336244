// ouro/ring/mapped_reader.hpp -- reads the packets that another process shows through a View, where they lie, without a copy. Knows
// abi/view_layout.hpp and two descriptors, nothing of rings.
//
//   MappedPacket p;
//   while (reader.next(p) == MappedReader::Answer::packet) { ...p.bytes...; reader.release(); }
//
// Not thread-safe; one MappedReader a view.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <ouro/result.hpp>

namespace ouro::ring {

struct MappedPacket {
  std::uint32_t ring = 0;
  bool has_headers = false, has_two_headers = false;  // before each record; of two, the second is the client's
  bool current = false;              // of a sub-buffer that was still being filled
  std::uint64_t sequence = 0;
  std::uint64_t begin_stamp = 0, end_stamp = 0;  // no record is outside; of the channel's clock
  std::uint64_t records = 0;
  std::uint64_t lost = 0;            // records of this ring so far; cumulative
  std::span<const std::byte> bytes;  // until release(). In memory that others may write to: what is checked must be a copy
};

struct MappedRecord {
  std::uint32_t id = 0;
  std::uint64_t stamp = 0;
  std::span<const std::byte> bytes;
};

class MappedReader {
 public:
  // The two descriptors of a View: its page, and the data. They stay the caller's. Goes on where an earlier reader of the same page stopped.
  static Result<MappedReader> attach(int view_fd, int data_fd);
  MappedReader(MappedReader&&) noexcept;
  MappedReader& operator=(MappedReader&&) noexcept;
  ~MappedReader();  // what was not released is not consumed

  enum class Answer : std::uint8_t {
    packet,   // release() it before the next call
    nothing,  // now
    ended,    // and nothing will come
    corrupt,  // the page says what cannot be
  };
  Answer next(MappedPacket& out);
  void release();
  // After `nothing`: until something was published, for so long at most. False: nothing was.
  bool sleep(std::uint64_t patience_ns);

  // Of channels whose records carry their size, as those that Buffer writes: the packet's record at `at`, which begins at 0 and moves on.
  // `record` stays the same variable from record to record: stamps build on the one before. Discarded ones are left out.
  // False: no further one, or nonsense.
  static bool next_record(const MappedPacket& packet, std::size_t& at, MappedRecord& record);

 private:
  struct State;
  explicit MappedReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ouro::ring
