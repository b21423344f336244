// read/decoder.hpp -- values from bits, by the plans of their types. Every access is checked against the end of what
// may be read; nothing else is assumed of the bytes.
//
//   base                              bit_                    end_
//   +---------------------------------+-----------------------+
//   | decoded                         | next                  |     positions are bits from `base`, the packet's
//   +---------------------------------+-----------------------+     first byte: alignment counts from there
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "read/metadata.hpp"

namespace ouro::read {

class Decoder {
 public:
  explicit Decoder(std::size_t slots) : slots_(slots) {}

  void start(const char* base, std::uint64_t bytes) {
    base_ = base;
    bit_ = 0;
    end_ = bytes * 8;
  }
  std::uint64_t bit() const { return bit_; }
  std::uint64_t end() const { return end_; }
  bool at_end() const { return bit_ >= end_; }
  void set_end(std::uint64_t bit) { end_ = bit; }

  std::uint64_t slot(Slot slot) const { return slots_[static_cast<std::size_t>(slot)]; }
  void set_slot(Slot slot, std::uint64_t value) { slots_[static_cast<std::size_t>(slot)] = value; }

  // The stream's clock as the last stamp left it.
  std::uint64_t clock() const { return clock_; }
  void set_clock(std::uint64_t ticks) { clock_ = ticks; }
  // A stamp of less than 64 bits is the clock's next value with these low bits.
  void advance_clock(std::uint64_t stamp, unsigned bits) {
    if (bits >= 64) {
      clock_ = stamp;
      return;
    }
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    const std::uint64_t low = clock_ & mask;
    clock_ = clock_ - low + stamp + (stamp < low ? mask + 1 : 0);
  }

  std::vector<Value>& values() { return values_; }

  // These append what they find to values(). They answer null, or what is wrong, and leave bit() where it went wrong.
  const char* decode(const Field& field);
  const char* decode(std::span<const Field> fields, std::uint32_t struct_align) {
    if (const char* wrong = align(struct_align)) return wrong;
    for (const Field& field : fields)
      if (const char* wrong = decode(field)) return wrong;
    return nullptr;
  }

  // If the header is a compact one, takes it: id into its slot, stamp into the clock.
  bool take_compact(const CompactHeader& shape) {
    if (shape.id_bits == 0 || bit_ % 8 != 0 || end_ - bit_ < 32 || bit_ > end_) return false;
    std::uint32_t word;
    std::memcpy(&word, base_ + bit_ / 8, sizeof word);
    const std::uint64_t id = word & ((std::uint32_t{1} << shape.id_bits) - 1);
    if (id >= shape.id_limit) return false;
    slots_[kIdSlot] = id;
    advance_clock(word >> shape.id_bits, shape.stamp_bits);
    bit_ += 32;
    return true;
  }

  const char* align(std::uint32_t bits) {
    bit_ = (bit_ + bits - 1) & ~std::uint64_t{bits - 1};
    return bit_ <= end_ ? nullptr : kPastEnd;
  }

  static constexpr const char* kPastEnd = "runs past the packet's end";

 private:
  const char* decode_integer(const Type& type, Value& value);
  const char* decode_float(const Type& type, Value& value);
  const char* decode_string(Value& value);
  const char* decode_text_array(const Type& type, Value& value);
  const char* decode_packed_array(const Type& type, Value& value);
  const char* decode_children(const Type& type, std::size_t at);
  const char* decode_variant(const Type& type, std::size_t at);
  const char* length_of(const Type& type, std::uint64_t& length) const;
  std::uint64_t bits(std::uint32_t count, bool big_endian) const;

  const char* base_ = nullptr;
  std::uint64_t bit_ = 0, end_ = 0;
  std::uint64_t clock_ = 0;
  std::vector<std::uint64_t> slots_;
  std::vector<Value> values_;
};

}  // namespace ouro::read
