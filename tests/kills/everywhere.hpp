// everywhere.hpp -- what all tests that kill somebody at each place have in common.
#pragma once
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../race/stepper.hpp"

namespace ouro::race {

// Have these bytes changed since they were last looked at?
class Changes {
 public:
  Changes(std::initializer_list<std::span<const std::byte>> watched) : watched_(watched), last_(now()) {}
  bool operator()() {
    const std::vector<std::byte> before = std::exchange(last_, now());
    return before != last_;
  }

 private:
  std::vector<std::byte> now() const {
    std::vector<std::byte> out;
    for (const auto part : watched_) out.insert(out.end(), part.begin(), part.end());
    return out;
  }
  std::vector<std::span<const std::byte>> watched_;
  std::vector<std::byte> last_;
};
template <class T>
std::span<const std::byte> bytes_of(const T& object) {
  return std::as_bytes(std::span(&object, 1));
}

// Has the child just come out of the kernel? Its code is where ours is.
inline bool behind_system_call(const Stepped& child) {
  constexpr unsigned char kSyscall[2] = {0x0f, 0x05};
  return std::memcmp(reinterpret_cast<const void*>(child.pc() - sizeof kSyscall), kSyscall, sizeof kSyscall) == 0;
}

struct Tally {
  std::uint64_t points = 0, missed = 0;
  std::uint64_t base = image().base;  // of the program that is killed
  // kill_at(place): false, if the way did not lead there this time. Ends at the first failure, and says where.
  template <class KillAt>
  void at_each(const std::vector<Place>& all, const std::string& title, KillAt&& kill_at) {
    for (const Place& place : all) {
      ++(kill_at(place) ? points : missed);
      ASSERT_FALSE(testing::Test::HasFailure()) << title << ", at " << std::hex << place.address - base << ", time " << place.nth;
    }
  }
  void say() const {
    std::printf("%llu kills, %llu places missed\n", static_cast<unsigned long long>(points), static_cast<unsigned long long>(missed));
  }
};

}  // namespace ouro::race
