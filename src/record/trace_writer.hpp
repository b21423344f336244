// record/trace_writer.hpp -- a trace folder while it is being written (docs/trace-format.md).
//
//   DIR/metadata          rewritten whole and renamed into place, so that it is never half there
//   DIR/stream_cpu3 ...   one file per ring, made with its first packet
//
//   packet 0        packet 1              packet n
//   +--------+------+--------+----------+--------+----
//   | header | bytes| header | bytes    | header | ..    a failed write is cut back to here: readers refuse
//   +--------+------+--------+----------+--------+----    a trace with a packet that is not whole
//                                       ^ end
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ouro/result.hpp>

#include "base/fd.hpp"
#include "format/ctf.hpp"

namespace ouro::record {

// Makes the folder, or takes an empty one. An error names what stands in the way.
class TraceFolder {
 public:
  static Result<TraceFolder> create(const std::string& path);
  // One that is there: somebody else's trace, to go on with.
  static Result<TraceFolder> reopen(const std::string& path);

  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  Status write_metadata(const std::string& text);
  std::uint64_t metadata_bytes() const { return metadata_bytes_; }
  // Removes the folder again, if nothing was written into it and it was not there before.
  void discard();

 private:
  std::string path_;
  base::Fd fd_;
  std::uint64_t metadata_bytes_ = 0;
  bool made_ = false;
};

// One stream's file. The caller sees to it that stamps and losses do not go back.
class StreamFile {
 public:
  StreamFile(std::string name, format::Uuid uuid, std::uint32_t stream_id, std::uint64_t instance, std::uint32_t cpu)
      : name_(std::move(name)), uuid_(uuid), stream_id_(stream_id), instance_(instance), cpu_(cpu) {}

  // One packet, not empty. After an error the file ends with the packet before it, and the next one may be tried.
  Status append(const TraceFolder& folder, std::uint64_t begin, std::uint64_t end, std::uint64_t discarded,
                std::span<const std::byte> bytes);
  // Goes on in the file that a killed recorder left, if there is one: a last packet that is not whole is cut off. `last`: of the one before it.
  struct Last {
    std::uint64_t begin = 0, end = 0;
    std::vector<std::byte> bytes;
  };
  Status reopen(const TraceFolder& folder, Last& last);
  // Losses after the last packet: written over its header. Nothing if there is none.
  Status set_discarded(std::uint64_t discarded);
  // Reports what the file system found out late, as network file systems do.
  Status close();

  const std::string& name() const { return name_; }
  std::uint64_t packets() const { return packets_; }
  std::uint64_t bytes() const { return end_; }
  std::uint64_t discarded() const { return discarded_; }

 private:
  bool cut();

  std::string name_;
  format::Uuid uuid_;
  std::uint32_t stream_id_;
  std::uint64_t instance_;
  std::uint32_t cpu_;
  base::Fd fd_;
  bool broken_ = false;  // ends with a part of a packet: nothing may follow it until that is gone
  std::uint64_t packets_ = 0;
  std::uint64_t end_ = 0;          // of what is whole
  std::uint64_t last_packet_ = 0;  // where it begins
  std::uint64_t discarded_ = 0;    // as its header says
};

}  // namespace ouro::record
