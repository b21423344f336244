// read/packet_index.hpp -- where the packets of a stream's file are, kept so that nobody needs to read all their headers again.
//
//   LTTng's own    FOLDER/index/STREAM.idx           written with the trace
//   the cache's    ~/.cache/ouro/packets/HASH        written by us, for files whose headers take time to read. $XDG_CACHE_HOME in place of ~/.cache;
//                                                    HASH: FNV-1a of the file's path. OURO_CACHE=0: none is read or written
//
//   cached := magic device inode size modified_ns count (offset size begin end)*      u64 each, in this machine's byte order
//
// No byte of either is trusted. Here: that it is of this very file, that packets follow each other up to its end, in order of time. Whether there is just such
// a packet at a place, StreamReader::has_packet() tells of those that are used: the one to begin with, and the one ahead of it, which is over by then.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "read/mapped_file.hpp"

namespace ouro::read {

struct PacketPlace {
  static constexpr std::uint64_t kNoEnd = ~std::uint64_t{0};
  std::uint64_t offset = 0, size = 0;         // in bytes
  std::uint64_t begin = 0, end = kNoEnd;      // in ticks; begin 0: it does not say
  bool operator==(const PacketPlace&) const = default;
};

struct PacketIndex {
  FileIdentity file;
  std::vector<PacketPlace> places;  // empty: nothing is known
  bool is_whole = false;            // all of the file is in them, in order of time, and their headers have no damage
};

// Of the stream file at `path`, which is `file`. No places if there is no index, or none that can be.
PacketIndex load_packet_index(const std::string& path, const FileIdentity& file);
// By stream, how many packets LTTng's indexes in `folder` count. None if there are no indexes.
std::map<std::string, std::uint64_t> lttng_packets(const std::string& folder);
// Sets is_whole, of places that were just read. `damage`: the headers have some.
void judge_packet_index(PacketIndex& index, bool damage);
// Into the cache, if it is whole, there is one and reading the headers takes long enough. Nobody needs to know whether it could be written.
void save_packet_index(const std::string& path, const PacketIndex& index);

}  // namespace ouro::read
