// ring/retire.hpp -- moving the writers of a channel from one memory to the next, while they write.
//
//   old rings, per CPU         writers on that CPU                     old rings, shared   writers
//   mask = 1                   inline writes decline; slow path
//   barrier                      goes on in the old ring
//   W -> retired, barrier,     shared ring (for good, or not? the
//     still retired? else again  new ring would be out of order)
//   `retired` = 1              the new ring                            W -> retired        the new ring
//
// The barrier restarts every section of this process (membarrier(2)), so that none is on its way that loaded the old mask, or
// compared with the old W. A ring's last record is therefore older than the first in its successor.
#pragma once
#include <cstdint>

#include <ouro/result.hpp>
#include <ouro/ring/writer.hpp>

namespace ouro::ring {

// ENOTSUP: this kernel has no such barrier, and the channel needs it.
Status can_retire(const Channel& channel);
// Afterwards every writer writes to `next`, which has as many rings of the same kinds. One call at a time.
void retire(Channel& old, const Channel& next) noexcept;

// How often this process has forked since the first call.
std::uint64_t count_forks();
// While one is there, other threads' forks wait, and so does another of these.
class NoForks {
 public:
  NoForks();
  ~NoForks();
  NoForks(const NoForks&) = delete;
  NoForks& operator=(const NoForks&) = delete;
};

// Tests put what others do meanwhile in its place.
enum class RetirePoint : std::uint8_t { masked, poisoned, certain, shared };
inline void (*retire_reached)(RetirePoint) = [](RetirePoint) {};

}  // namespace ouro::ring
