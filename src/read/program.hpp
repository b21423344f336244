// read/program.hpp -- how the values of one kind of event are taken from its bytes: compiled from the types once, when the first such event is seen.
//
//   types     struct { u32 a; u8 b; string s; struct { u64 c; u64 d; } e[n]; u16 f; }
//
//   program   segment 1   values a b s e        steps  run 40 bits: u32 a, u8 b; text s
//                         then `e`: n times     program: segment  values {} c d   steps  run 128 bits: u64 c, u64 d
//             segment 2   values f              steps  run 16 bits: u16 f
//
// What lies behind each other at distances that the types settle is a run: one check against the packet's end, then loads at known places. All values of
// a segment are known beforehand but for what they hold, so their rest is filled in here. Most events have one segment: then the same values serve all of them.
//
// A segment's steps are in two lists. The outline finds where everything lies, with all checks, and takes what that needs: lengths, tags, texts up to their
// ends. The loads are the rest. They cannot fail, so they can wait until somebody asks for a value. An outline has few kinds of steps, so that its
// interpreter stays in registers; what has no kind there stands in it behind `others`. How most outlines begin, and many end, is their lead.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <ouro/read.hpp>

namespace ouro::read {

struct Step {
  enum class Op : std::uint8_t {
    align,  // to a multiple of `offset` + 1
    run,    // the same, then `bits` more must be there; steps in it count from here. `value` is the run's index
    // of outlines alone; `offset` in a run, in bytes
    keep_u8,  // a value, which slot `bits` gets, too
    keep_u16,
    keep_u32,
    keep_u64,
    keep_i32,
    packed_of_kept,  // packed_sequence, the step before took its length
    counted_u8,      // a run, a length in it, and what has that length: the next two steps are keep_u8 and packed_of_kept, and done with this one
    counted_u16,
    counted_u32,
    others,  // the next `bits` steps are none of outlines
    in_run,  // the steps that follow are of the run `value`
    // in a run, `offset` in bytes
    u8,
    u16,
    u32,
    u64,  // and what else has 64 bits
    i8,
    i16,
    i32,
    u16_swapped,
    u32_swapped,
    u64_swapped,
    i16_swapped,
    i32_swapped,
    f32,
    f32_swapped,
    text_array,    // of `bits` / 8 bytes
    packed_array,  // its elements stay where they are
    raw_array,     // `bits` / 8 bytes
    // in a run, `offset` in bits
    bits,
    bits_swapped,  // swapped: big endian
    signed_bits,
    signed_bits_swapped,
    float_bits,
    float_bits_swapped,
    // of the value that the step before gave
    keep,   // in slot `offset`, as a later length or tag
    clock,  // a stamp; `offset` is the mask of its bits
    leb128_clock,  // a stamp of as many bits as its bytes have
    truth,         // not 0
    reverse,       // its `bits` from the last to the first
    sign,          // of `bits`
    real,          // a floating point number of `bits`
    to_utf8,       // from the encoding `offset`
    first_nul,     // of bytes: they are a text up to there. In loads alone
    // alone, and the first two of outlines, too; `offset` is the slot with the length
    string,
    packed_sequence,  // of elements of `bits`
    leb128,
    signed_leb128,
    wide_string,  // ends with `bits` of zero
    too_long,         // an array that no packet can hold
    begin_byte,       // the byte order changes
  };
  Op op{};
  std::uint32_t value = 0;  // among its segment's
  std::uint64_t bits = 0;
  std::uint64_t offset = 0;
};

// A run, and the thread's id in it: the first steps of an outline, for a loop over events that takes them itself. And what is behind them, if that is a usual shape.
struct Lead {
  static constexpr std::uint64_t kNone = std::uint64_t{1} << 62;  // more bits than any packet has
  enum class Rest : std::uint8_t { nothing, text, text_and_run, others };
  std::uint64_t align_mask = 0, bits = kNone;
  std::int64_t thread_at = -1;  // in bytes of the run; -1: no id is in it
  Rest rest = Rest::others;
  std::uint32_t text = 0;  // among the values
  Step run{};              // behind the text
  std::size_t steps = 0;   // of the outline: where the rest of it begins
};

struct Program {
  struct Segment {
    std::vector<Step> outline, loads;
    std::vector<std::uint64_t> runs;  // where each begins, in bits of the packet; of the newest event. Never empty
    std::vector<Value> values;
    // What the segment's last value has inside, if only the bytes say how much: null, or a structure, array, variant or optional.
    const Type* last = nullptr;
    std::vector<Program> inside;  // of a structure, array or optional one, of a variant one for each option
  };
  std::vector<Segment> segments;
  // Where the second of the two scopes begins.
  std::size_t split_segment = 0, split_value = 0;
  std::span<Value> values;  // all of them, if one segment is all there is
  std::span<std::uint64_t> runs;  // the same
  bool is_static = false;
  Lead lead;  // if it is static, its outline has no `others`, and the thread's id is nowhere else
};

// A structure whose members are wanted, but not itself.
struct Scope {
  std::span<const Field> fields;
  std::uint32_t align = 1;  // in bits

  static Scope of(const Field& structure) { return structure.type != nullptr ? Scope{structure.type->members, structure.type->align} : Scope{}; }
};

// One scope behind the other; the last one, or the second of the two, is what `split` tells apart. The fields must outlive the program.
Program compile(std::span<const Scope> scopes);
inline Program compile(const Scope& scope) { return compile({&scope, 1}); }

}  // namespace ouro::read
