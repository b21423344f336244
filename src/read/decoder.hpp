// read/decoder.hpp -- values from bits, by programs (program.hpp). Every access is checked against the end of what may be
// read; nothing else is assumed of the bytes.
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
#include "read/program.hpp"
#include "read/transcode.hpp"

namespace ouro::read {

class Decoder {
 public:
  explicit Decoder(std::size_t slots) : slots_(slots) {}

  void start(const char* base, std::uint64_t bytes) {
    base_ = base;
    bit_ = 0;
    end_ = bytes * 8;
  }
  const char* base() const { return base_; }
  std::uint64_t bit() const { return bit_; }
  void go_to(std::uint64_t bit) { bit_ = bit; }
  void set_base(const char* base) { base_ = base; }  // the same bytes, elsewhere
  std::uint64_t end() const { return end_; }
  bool at_end() const { return bit_ >= end_; }
  void set_end(std::uint64_t bit) { end_ = bit; }

  std::uint64_t slot(Slot slot) const { return slots_[static_cast<std::size_t>(slot)]; }
  void set_slot(Slot slot, std::uint64_t value) { slots_[static_cast<std::size_t>(slot)] = value; }

  // The stream's clock as the last stamp left it.
  std::uint64_t clock() const { return clock_; }
  void set_clock(std::uint64_t ticks) { clock_ = ticks; }
  // A stamp of less than 64 bits is the clock's next value with these low bits.
  void advance_clock(std::uint64_t stamp, std::uint64_t mask) { clock_ += (stamp - clock_) & mask; }

  // Takes what `program` describes. Null, or what is wrong. The values are valid until the next call, and as long as the program and the bytes; numbers are
  // taken when they are asked for first.
  const char* run(Program& program);
  const char* run_here(Program& program);  // the same, inlined
  // The same for a program with a lead, in two steps (decoder_walk.hpp).
  void take_lead(Program& program, std::uint64_t run, std::uint64_t end);
  bool take_text(Program& program, std::uint64_t lead_end);
  const char* walk_rest(Program& program);
  std::span<const Value> values() {
    if (waiting_ != nullptr) take_waiting();
    return values_;
  }
  std::size_t split() const { return split_; }  // of values(): how many of them are of the scopes before the last

  // If the header is a compact one, takes it: id into its slot, stamp into the clock.
  bool take_compact(const CompactHeader& shape) {
    const std::uint64_t at = (bit_ + shape.align_mask) & ~shape.align_mask;
    if (at % 8 != 0 || at + 64 > end_) return false;
    std::uint64_t word;
    std::memcpy(&word, base_ + at / 8, sizeof word);
    const std::uint64_t id = word & shape.id_mask;
    if (id >= shape.id_limit) return false;
    slots_[kIdSlot] = id;
    advance_clock(word >> shape.stamp_at, shape.stamp_mask);
    bit_ = at + shape.bits;
    return true;
  }

 private:
  const char* walk(Program::Segment& segment, Value* values, std::size_t first);
  void load(Program::Segment& segment, Value* values);
  const char* perform(std::span<const Step> steps, const std::uint64_t* runs, Value* values);
  void take_waiting();
  const char* run_segments(Program& program);
  const char* append(Program::Segment& segment);
  const char* append_inside(Program::Segment& segment, std::size_t at);
  Program* option(Program::Segment& segment) const;
  bool is_selected(const Type& optional) const;
  const char* packed(Value& value, std::uint64_t length, std::uint64_t element_bits);
  const char* take_wide_string(Value& value, std::uint64_t unit);
  const char* take_leb128(Value& value, bool is_signed);
  const char* at() const { return base_ + bit_ / 8; }
  std::uint64_t left() const { return end_ - bit_; }

  const char* base_ = nullptr;
  std::uint64_t bit_ = 0, end_ = 0;
  std::uint64_t clock_ = 0;
  std::vector<std::uint64_t> slots_;
  std::span<const Value> values_;
  std::size_t split_ = 0;
  Program* waiting_ = nullptr;  // whose loads have not been done
  std::vector<Value> buffer_;  // of events whose values are not the same each time
  std::uint64_t leb128_bits_ = 0;  // of the newest one
  TextBuffer converted_;
};

}  // namespace ouro::read
