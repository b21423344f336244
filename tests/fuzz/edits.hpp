// fuzz/edits.hpp -- a fuzzer's bytes as changes to something sound: what would take it days to hit upon is there from the beginning.
//
//   input   | choice: 8 | edit | edit | ...
//   edit    | kind: 8 | where: 16, a kind's place | n: 8 | n bytes |
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ouro::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool is_empty() const { return at_ == end_; }
  // What is not there is 0.
  template <class T>
  T take() {
    T out{};
    const std::size_t n = std::min(sizeof out, static_cast<std::size_t>(end_ - at_));
    std::memcpy(&out, at_, n);
    at_ += n;
    return out;
  }
  std::span<const std::uint8_t> take_bytes(std::size_t most) {
    const std::size_t n = std::min(most, static_cast<std::size_t>(end_ - at_));
    at_ += n;
    return {at_ - n, n};
  }

 private:
  const std::uint8_t *at_, *end_;
};

struct Edit {
  std::uint8_t kind = 0;
  std::uint16_t where = 0;
  std::span<const std::uint8_t> bytes;
};
inline Edit take_edit(Input& input) {
  Edit out;
  out.kind = input.take<std::uint8_t>();
  out.where = input.take<std::uint16_t>();
  out.bytes = input.take_bytes(input.take<std::uint8_t>());
  return out;
}

// Something whose answer is known was not so.
[[noreturn, gnu::cold]] inline void fail() { __builtin_trap(); }

}  // namespace ouro::fuzz
