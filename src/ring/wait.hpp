// ring/wait.hpp -- sleeping until one of several words has changed.
#pragma once
#include <cstdint>
#include <span>

#include <ouro/abi/ring_layout.hpp>

namespace ouro::ring {

struct Sleep {
  abi::Word32* word;
  abi::Word32* sleepers;  // of this word: counted while we sleep
  std::uint32_t seen;
};
// Until one of the words is no longer what was seen, for so long at most; without words, at once. Of more than 128 the first
// 128 count. Linux before 5.16 cannot wait for several words: there, looks at all of them every 10 ms.
void sleep_on_any(std::span<const Sleep> sleeps, std::uint64_t patience_ns);

}  // namespace ouro::ring
