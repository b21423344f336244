// ring/channel_head.hpp -- what a channel's memory says of itself: written by its creator, checked by all others.
#pragma once
#include <cstdint>

#include <ouro/abi/channel_layout.hpp>
#include <ouro/ring/local.hpp>

namespace ouro::ring {

struct ChannelShape {
  LocalChannel::Options options;  // of those, what travels with the memory
  std::uint32_t cpus = 0;
  bool other_boot = false;        // made before this kernel started
  bool has_ends = false;          // functions of its creator's write to sub-buffers' ends
  std::uint32_t rings() const { return options.sync == Sync::exclusive ? 1 : 2 * cpus; }
  std::uint64_t ring_stride() const;
  std::uint64_t total_size() const { return abi::kRingsOffset + rings() * ring_stride(); }
};

// Can a sub-buffer count as many of the smallest records as it has room for?
Status check_countable(const LocalChannel::Options& options);

// Into zeroed memory, as the last thing: it is a channel from here on.
void describe(abi::ChannelHead& head, const ChannelShape& shape);
// `name`: what errors call it. Each field is read once.
Result<ChannelShape> check(abi::ChannelHead& head, std::uint64_t file_size, const char* name);

}  // namespace ouro::ring
