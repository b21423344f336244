// filter/bound.hpp -- what bind() makes and run() runs. Nobody else includes it.
//
//   0       16                     16 + 56 n        walk_at
//   +-------+--------+-----+-------+----------------+------------------+
//   | Bound | instr. | ... | n - 1 | pool: texts    | Step[0 .. steps] |
//   +-------+--------+-----+-------+----------------+------------------+
//
// One instruction is one term: load an operand, compare it, go on to one of two others. Fields before the first string
// or sequence lie at constant offsets: they are `near`, and one look at the body's size covers all of them. The others
// are counted from the end of the nearest string or sequence before them:
//
//   u32 id | string user | u16 port | u64[] times | u64 total
//   segment 0            | segment 1              | segment 2        Step[k]: what ends segment k
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <ouro/abi/filter_layout.hpp>

namespace ouro::filter {

enum class Place : std::uint8_t {
  near,         // payload + offset, within least_size
  field,        // start of the segment + offset
  element,      // of the sequence there: the one with `index`
  text_length,  // of the text there
  context,      // number `index`
  constant,     // `index` itself
  nowhere,      // the comparison is false
};

enum class Load : std::uint8_t { u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, text };
constexpr std::uint32_t width_of(Load load) {
  constexpr std::uint8_t widths[] = {1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1};  // of a text: its NUL
  return widths[static_cast<std::uint8_t>(load)];
}
constexpr bool is_real(Load load) { return load == Load::f32 || load == Load::f64; }

struct Operand {
  Place place;
  Load load;
  std::uint8_t segment;
  std::uint8_t element_size;  // of a sequence
  std::uint32_t offset;
  std::uint32_t index;
  std::uint32_t reserved;
  std::uint64_t mask;  // of integers; what is masked is never negative
};

enum class Op : std::uint8_t {
  // An integer, widened to 64 bits and masked: is it in a range? All six comparisons are that or its contrary.
  in_u8, in_u16, in_u32, in_u64, in_i8, in_i16, in_i32,
  real32, real64,    // with a constant
  bytes,             // the text begins with these bytes; to be equal, its NUL is one of them
  suffix, glob,
  numbers, texts,    // with another operand
};
// Beside the Op of an instruction whose left operand is not near.
inline constexpr std::uint8_t kFar = 0x80;

// How two numbers lie to each other, and the comparisons that accept it: a bit for each.
enum class Outcome : std::uint8_t { less, equal, greater, unordered };
constexpr std::uint8_t accepted_by(abi::FilterCompare compare) {
  constexpr std::uint8_t sets[] = {0b0010, 0b1101, 0b0001, 0b0011, 0b0100, 0b0110};
  return sets[static_cast<std::uint8_t>(compare)];
}
constexpr bool is_in(Outcome outcome, std::uint8_t set) { return (set >> static_cast<std::uint8_t>(outcome) & 1) != 0; }

struct Range {
  std::uint64_t low, span;  // low <= x <= low + span, modulo 2^64: signed numbers are in order from any `low` on
};
struct Text {
  std::uint32_t at, size;         // from the Bound's beginning; `bytes`: with the NUL if there must be one
  std::uint64_t word, word_mask;  // `bytes`: the first eight
};

struct Instruction {
  std::uint8_t op;         // an Op, kFar
  std::uint8_t accepted;   // set of Outcome: real32, real64, numbers, texts
  std::uint16_t next[2];   // if not, if so: an instruction, abi::kFilterAccept or abi::kFilterReject
  std::uint16_t missing;   // if there is nothing to compare
  Operand left;
  union {
    Range range;
    double real;
    Text text;
    Operand right;
  };
};
static_assert(sizeof(Operand) == 24 && sizeof(Instruction) == 56 && std::is_trivially_copyable_v<Instruction>);

struct Step {
  std::uint32_t offset;        // of the string or sequence in its segment
  std::uint32_t element_size;  // 0: a string
};
inline constexpr std::uint32_t kMaxSteps = 32;

struct Bound {
  std::uint32_t size;
  std::uint32_t least_size;  // of bodies that have all near operands
  std::uint32_t walk_at;
  std::uint16_t contexts;
  std::uint16_t count;
  const Instruction* instructions() const noexcept { return reinterpret_cast<const Instruction*>(this + 1); }
  const char* text(std::uint32_t at) const noexcept { return reinterpret_cast<const char*>(this) + at; }
  const Step* walk() const noexcept { return reinterpret_cast<const Step*>(text(walk_at)); }
};
static_assert(sizeof(Bound) == 16);

}  // namespace ouro::filter
