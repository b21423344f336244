// base/foreign.hpp -- memory that somebody else may write to while we look.
//
// Read once: what is checked is then what is used. A plain load the compiler may repeat, behind the check.
#pragma once
#include <type_traits>

namespace ouro::base {

template <class T>
T read_once(const T& shared) noexcept {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  T out;
  __atomic_load(&shared, &out, __ATOMIC_RELAXED);
  return out;
}

}  // namespace ouro::base
