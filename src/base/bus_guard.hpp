// base/bus_guard.hpp -- for tools: memory that somebody else may cut short under us. A file that is mapped and then truncated raises
// SIGBUS where it is read; here what is gone becomes zeros instead, and the mapping is marked.
//
// Only one handler can have SIGBUS: it belongs to the process from the first call of guard_mapping on. Never for traced programs.
#pragma once
#include <cstddef>

namespace ouro::base {

// From now on, until unguard_mapping(), reading what is gone of [memory, memory + size) gives zeros. False: too many are guarded already.
[[nodiscard]] bool guard_mapping(void* memory, std::size_t size);
void unguard_mapping(void* memory);
// Was something gone when it was looked for?
bool was_cut_short(const void* memory);

}  // namespace ouro::base
