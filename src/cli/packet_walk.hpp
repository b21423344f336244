// cli/packet_walk.hpp -- a stream's packets by their headers alone, without the events in them. Reads the bytes by itself and by the
// metadata's types: what checks a trace should not ask the reader that it checks.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "read/metadata.hpp"

namespace ouro::cli {

struct Packet {
  std::uint64_t offset = 0, bytes = 0;  // in the file
  std::uint64_t header_bits = 0, content_bits = 0;
  bool is_cut = false;                  // the file ends before it does
  const read::StreamClass* stream = nullptr;
  std::optional<std::uint64_t> instance, begin, end, number, discarded, cpu;  // those that it states
};

class PacketWalk {
 public:
  // Both must outlive it.
  PacketWalk(const read::Metadata& metadata, std::string_view file) : metadata_(metadata), file_(file) {}
  // The next one whose header holds together; what stands before it is left out.
  std::optional<Packet> next();

 private:
  std::optional<Packet> parse(std::uint64_t offset) const;
  std::optional<std::uint64_t> find(std::uint64_t from) const;

  const read::Metadata& metadata_;
  std::string_view file_;
  std::uint64_t at_ = 0;
};

}  // namespace ouro::cli
