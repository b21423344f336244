// export/live_trace.hpp -- a trace's folder while it is being written, as those who follow it see it.
//
//   .recording     locked: more will come; events before `complete_until` are all there   (format/live_mark.hpp)
//   stream files   grow by whole packets      -> streams()[i].packets, in order
//   metadata       replaced as a whole        -> preamble(), declarations()
//
// look() reads the mark, then the files, then the metadata: so what the mark promises is in the files, and of what is in those the
// metadata knows all events. All streams that there may be are there from the beginning, most of them empty for ever: a viewer that
// has never heard of a stream does not wait for it, and then it is too late for its events.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "format/ctf.hpp"

namespace ouro::live {

class LiveTrace {
 public:
  struct Packet {
    std::uint64_t offset, bytes;
    std::uint64_t begin, end;  // ticks
    std::uint64_t discarded;
  };
  struct Stream {
    std::string name;
    std::uint32_t stream_class;
    base::Fd fd;  // none: there is no file yet
    std::uint64_t end = 0;  // of the last whole packet
    std::vector<Packet> packets;
    std::string damage;  // not empty: why nothing behind `end` is read
  };

  // Waits a moment for a recording that is just beginning.
  static Result<LiveTrace> open(const std::string& path);

  // What has come since; nothing if that was just asked.
  void look();
  // Nothing more comes.
  bool is_over() const { return is_over_; }
  // Ticks; 0: nothing is known yet.
  std::uint64_t complete_until() const { return complete_until_; }
  const std::string& path() const { return path_; }
  const std::vector<Stream>& streams() const { return streams_; }
  // Metadata: what stands before the events' declarations, clock included, and these, as they came. Empty: it is too early.
  const std::string& preamble() const { return preamble_; }
  const std::vector<std::string>& declarations() const { return declarations_; }

  // Bytes of whole packets. Short: the file was cut.
  std::size_t read(std::size_t stream, std::uint64_t offset, std::span<std::byte> out) const;

 private:
  using Clock = std::chrono::steady_clock;
  bool look_at_mark();
  void add_stream(const std::string& name);
  void add_files();
  void look_at(Stream& stream);
  void look_at_metadata();

  std::string path_;
  base::Fd folder_, mark_;
  bool is_over_ = false;
  std::uint64_t complete_until_ = 0;
  std::optional<format::Uuid> uuid_;
  std::vector<Stream> streams_;
  std::string preamble_;
  base::Fd metadata_;  // kept, so that its inode's number is nobody else's
  std::vector<std::string> declarations_;
  std::set<std::string> known_;
  Clock::time_point next_look_;
};

// TSDL's declarations, each with the space behind it: "event { ... };\n\n".
std::vector<std::string> split_declarations(const std::string& text);

}  // namespace ouro::live
