// ouro/abi/check.hpp -- records that prove themselves: what a file's memory may have lost a part of is known by it.
//
//   record   | word | u32 id | u64 stamp | u32 tid | u64 check | contexts | payload |       always with the longer header
//   at         0      4        8           16        20          28
//   check    63                 24 23       0
//            | hash: 40           | size: 24 |     of the whole record
//
// The hash is of everything but the first word and the check itself, and of the session's generation. A record of which a page is older, or
// missing, or another's, has another hash but for one case in 2^40.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ouro::abi {

inline constexpr std::size_t kCheckAt = 20, kCheckedFrom = 4, kLeastChecked = kCheckAt + 8;
inline constexpr std::uint32_t kCheckSizeBits = 24;

constexpr std::uint64_t size_in_check(std::uint64_t check) { return check & ((std::uint64_t{1} << kCheckSizeBits) - 1); }

// Of a record of `size` bytes, kLeastChecked at least.
inline std::uint64_t check_of(std::uint32_t generation, const void* record, std::size_t size) noexcept {
  __extension__ using Wide = unsigned __int128;
  const auto fold = [](std::uint64_t a, std::uint64_t b) {
    const Wide product = Wide{a} * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  constexpr std::uint64_t kOdd1 = 0x9e3779b97f4a7c15, kOdd2 = 0xd6e8feb86659fd93;
  const auto* const bytes = static_cast<const unsigned char*>(record);
  std::uint64_t hash = fold(generation ^ kOdd1, size ^ kOdd2);
  const auto add = [&](std::size_t at, std::size_t n) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, n);
    hash = fold(hash ^ word ^ kOdd2, kOdd1) + n;
  };
  add(kCheckedFrom, 8);
  add(kCheckedFrom + 8, 8);
  std::size_t at = kLeastChecked;
  for (; size - at >= 8; at += 8) add(at, 8);
  if (at != size) add(at, size - at);
  hash = fold(hash ^ kOdd1, kOdd2);
  return hash << kCheckSizeBits | size;
}
inline void put_check(std::uint32_t generation, std::byte* record, std::size_t size) noexcept {
  const std::uint64_t check = check_of(generation, record, size);
  std::memcpy(record + kCheckAt, &check, sizeof check);
}

}  // namespace ouro::abi
