// ouro/ring/local.hpp -- a channel in memory of one's own, shared with children that fork() makes or, by a descriptor or a
// file, with others: for those who use the ring without a tracer, and for tests and benchmarks.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include <ouro/result.hpp>
#include <ouro/ring/reader.hpp>
#include <ouro/ring/writer.hpp>

namespace ouro::ring {

enum class Sync : std::uint8_t {
  per_cpu,    // a ring per CPU, restartable sequences; where they are missing, as `shared`
  shared,     // a ring per CPU that anybody may write to, atomic operations
  exclusive,  // one ring; the client promises that one thread writes at a time, and no signal handler beside it
};

// Which number of a thread says which ring is its own, for Sync::per_cpu.
enum class Index : std::uint8_t {
  cpu,          // its CPU's; rings may be shared by processes
  concurrency,  // its concurrency id (mm_cid, Linux 6.3): memory follows the threads of this process that run at once, not the CPUs of
                // the machine. Private memory only, and a child of fork() has a copy of its own, in which reservations that other threads had open
                // stay open for ever. Where the kernel has none: Sync::shared
};

enum class Memory : std::uint8_t {
  anonymous,  // this process and its children
  memfd,      // the same, and whoever is given the descriptor (LocalChannel::fd, attach); never shrinks: sealed
  file,       // at `path`, where nothing may be yet: outlives the process (LocalChannel::open)
  huge,       // anonymous, in huge pages of the system's default size; these must have been set aside (hugetlbpage)
};

// What a process that did not make a channel wants of it.
enum class Use : std::uint8_t {
  read,   // take records out; also after a crash or a reboot, when nobody else has the channel
  write,  // put records in, and read. Not in a channel made before the last reboot: its clock is another
};

class LocalChannel {
 public:
  struct Options {
    Sync sync = Sync::per_cpu;
    Index index = Index::cpu;
    std::uint32_t cpus = 0;  // rings of each kind; 0: as many as the machine may ever have CPUs
    abi::FullMode mode = abi::FullMode::discard;
    std::uint32_t subbuf_count = 16;
    std::uint64_t subbuf_size = 256 * 1024;
    bool tsc = true;        // false, where the kernel does not keep time by it: CLOCK_MONOTONIC, and for per_cpu shared rings
    bool stamped = true;    // else records have no header: see write_unstamped
    bool client_stamped = false;         // see Stamp::client
    std::uint64_t stream_from = ~std::uint64_t{0};  // see Policy
    const SubbufEnds* ends = nullptr;    // constant; see there
    Memory memory = Memory::anonymous;
    std::string path{};     // of Memory::file
    // A ring's memory is reserved when its CPU first writes, on that CPU and so on its NUMA node. Or:
    bool prefault = false;  // now, all of it
    bool lock = false;      // now, and it is never swapped out (mlock(2))
    // Sleeping readers and writers; see abi::Bell. Costs a writer nothing but at a sub-buffer's end.
    bool bell = false;
    std::uint32_t wake_every = 1;
    bool event_fd = false;
    std::uint64_t patience_ns = 0;  // see Channel
  };
  static Result<LocalChannel> create(const Options& options);
  // The channel that another process made in a memfd or a file, in all as its creator's but for the eventfd, which its writers
  // alone serve. `fd`: readable and writable; it stays the caller's. Nothing in the memory is believed that the file's size
  // and the format's bounds do not bear out. Writers do trust whoever else may write to it, as all writers of a ring do; readers
  // trust nobody. Memory that shrinks under a mapping kills with SIGBUS: a memfd is sealed against that, a file cannot be; whoever
  // may truncate it is trusted. The promises stay the caller's: one reader a ring, one writer in an exclusive channel.
  static Result<LocalChannel> attach(int fd, Use use);
  static Result<LocalChannel> open(const std::string& path, Use use);
  LocalChannel(LocalChannel&&) noexcept;
  LocalChannel& operator=(LocalChannel&&) noexcept;
  // Other sub-buffers for a channel in use: from its return on, writers write to new memory of this shape; the old is read to its end,
  // ring by ring, before the new is, and given back then, but for 16 KiB per ring that was written to, which stay as long as the
  // channel. No writer waits; what is written meanwhile is not lost by that, though it may go to shared rings. Any thread, one at a
  // time, not in a signal handler; in an exclusive channel it counts as the writer's own act. Readers go on by themselves; what
  // channel(), head() and geometry() say is of the newest memory.
  // EINVAL: a shape that no ring can have; memfd, file, SubbufEnds. EBUSY: this process has forked since create(). ENOTSUP: the kernel
  // cannot say when no writer is in a section any more (Linux 5.10).
  // A Buffer's channel: Buffer::resize().
  Status resize(std::uint32_t subbuf_count, std::uint64_t subbuf_size);
  ~LocalChannel();  // unmaps: nobody may be writing any more

  const Channel& channel() const noexcept;
  const Channel& oldest() const noexcept;   // the first memory; Channel::successor leads to the others
  Sync sync() const;
  Use use() const;  // of one's own: write
  // Readers for ring i: the per-CPU rings first, then the shared ones. Exclusive: one ring.
  std::uint32_t ring_count() const;
  abi::RingHead& head(std::uint32_t i) const noexcept;
  Geometry geometry(std::uint32_t i) const;
  RecordForm form(std::uint32_t i) const;
  Reader reader(std::uint32_t i);  // one at a time; its release() wakes writers that wait for room
  int fd() const;                  // of the memory (memfd, file); -1: none. abi/channel_layout.hpp says what is where

  // For readers that sleep, with Options::bell: take the count, read what there is, and if that was nothing, sleep until
  // the count has changed, for so long at most. One sleeper wakes for each `wake_every` sub-buffers. False: nothing came.
  std::uint32_t bell_count() const;
  bool sleep(std::uint32_t seen, std::uint64_t patience_ns);

 private:
  struct State;
  static Result<LocalChannel> attach(int fd, Use use, const char* name);
  explicit LocalChannel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ouro::ring
