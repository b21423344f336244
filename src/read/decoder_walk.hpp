// read/decoder_walk.hpp -- the part of the decoder that every event goes through, to be compiled into the loop over them.
#pragma once
#include <bit>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "read/decoder.hpp"

namespace ouro::read {

inline constexpr const char* kTooLong = "holds an array of more than 2^32 elements";
inline constexpr const char* kPastEnd = "runs past the packet's end";

template <class T>
T load_as(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// To a multiple of `mask` + 1 bits. What is aligned to bytes only, as most is, does not wait for that: a branch that is foreseen.
inline std::uint64_t aligned(std::uint64_t bit, std::uint64_t mask) {
  if (bit % 8 == 0 && mask <= 7) [[likely]] return bit;
  return (bit + mask) & ~mask;
}

#if defined(__SSE2__)
using Chunk = __m128i;
inline unsigned nuls_in(Chunk chunk) { return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(chunk, _mm_setzero_si128()))); }
inline constexpr unsigned kBitsPerNul = 1;
#else
using Chunk = std::uint64_t;
inline std::uint64_t nuls_in(Chunk chunk) { return (chunk - 0x0101010101010101) & ~chunk & 0x8080808080808080; }  // the first is right
inline constexpr unsigned kBitsPerNul = 8;
#endif

inline constexpr std::uint64_t kShortText = 32;

// Up to the first nul; `left` if there is none. Most texts are short.
inline std::uint64_t text_size(const char* bytes, std::uint64_t left) {
  std::uint64_t at = 0;
  for (; at + sizeof(Chunk) <= left && at < kShortText; at += sizeof(Chunk))
    if (const auto nuls = nuls_in(load_as<Chunk>(bytes + at)); nuls != 0) return at + static_cast<std::uint64_t>(std::countr_zero(nuls)) / kBitsPerNul;
  if (at == left) return left;
  const void* nul = std::memchr(bytes + at, 0, left - at);
  return nul != nullptr ? static_cast<std::uint64_t>(static_cast<const char*>(nul) - bytes) : left;
}

// text_size(bytes, kShortText), without branches.
inline std::uint64_t short_text_size(const char* bytes) {
#if defined(__SSE2__)
  const auto nuls = nuls_in(load_as<Chunk>(bytes)) | nuls_in(load_as<Chunk>(bytes + sizeof(Chunk))) << sizeof(Chunk);
  return nuls != 0 ? static_cast<std::uint64_t>(std::countr_zero(nuls)) : kShortText;
#else
  return text_size(bytes, kShortText);
#endif
}

// From step `first` on: of those before, only the first may be a run. `values`: the segment's. All that is needed stays in registers.
[[gnu::always_inline]] inline const char* Decoder::walk(Program::Segment& segment, Value* values, std::size_t first) {
  using Op = Step::Op;
  const char* const base = base_;
  const std::uint64_t end = end_;
  std::uint64_t bit = bit_;
  std::uint64_t* const runs = segment.runs.data();
  std::uint64_t* const slots = slots_.data();
  const char* run = base + runs[0] / 8;
  std::uint64_t kept = 0;
  const Step* const last = segment.outline.data() + segment.outline.size();
  for (const Step* step = segment.outline.data() + first; step != last; ++step) {
    const auto keep = [&](std::uint64_t number) { values[step->value].u = slots[step->bits] = kept = number; };
    const auto give = [&](std::uint64_t count) {
      values[step->value].bytes = base + bit / 8;
      values[step->value].count = static_cast<std::uint32_t>(count);
    };
    const auto take_run = [&] {
      bit = aligned(bit, step->offset);
      runs[step->value] = bit;
      run = base + bit / 8;
      bit += step->bits;
      return bit <= end;
    };
    const auto take_counted = [&](auto length) {  // two steps in one; the loop takes the third
      std::memcpy(&length, run + (++step)->offset, sizeof length);
      keep(length);
      ++step;
      if (end - bit < std::uint64_t{length} * step->bits) return false;
      give(length);
      bit += std::uint64_t{length} * step->bits;
      return true;
    };
    switch (step->op) {
      case Op::align:
        bit = aligned(bit, step->offset);
        if (bit > end) return kPastEnd;
        break;
      case Op::run:
        if (!take_run()) return kPastEnd;
        break;
      case Op::counted_u8:
        if (!take_run() || !take_counted(std::uint8_t{})) return kPastEnd;
        break;
      case Op::counted_u16:
        if (!take_run() || !take_counted(std::uint16_t{})) return kPastEnd;
        break;
      case Op::counted_u32:
        if (!take_run() || !take_counted(std::uint32_t{})) return kPastEnd;
        break;
      case Op::keep_u8: keep(load_as<std::uint8_t>(run + step->offset)); break;
      case Op::keep_u16: keep(load_as<std::uint16_t>(run + step->offset)); break;
      case Op::keep_u32: keep(load_as<std::uint32_t>(run + step->offset)); break;
      case Op::keep_u64: keep(load_as<std::uint64_t>(run + step->offset)); break;
      case Op::keep_i32: keep(static_cast<std::uint64_t>(std::int64_t{load_as<std::int32_t>(run + step->offset)})); break;
      case Op::string: {
        const std::uint64_t room = (end - bit) / 8, size = text_size(base + bit / 8, room);
        if (size == room) return "holds a text without an end";
        if (size > UINT32_MAX) return "holds a text of more than 4 GiB";
        give(size);
        bit += (size + 1) * 8;
        break;
      }
      case Op::packed_sequence: kept = slots[step->offset]; [[fallthrough]];
      case Op::packed_of_kept: {
        const std::uint64_t length = kept;
        if (length > UINT32_MAX) return kTooLong;
        if (end - bit < length * step->bits) return kPastEnd;
        give(length);
        bit += length * step->bits;
        break;
      }
      case Op::others: {
        const std::size_t count = step->bits;
        bit_ = bit;
        if (const char* wrong = perform({step + 1, count}, runs, values)) return wrong;
        bit = bit_;
        step += count;
        break;
      }
      default: __builtin_unreachable();
    }
  }
  bit_ = bit;
  return nullptr;
}

[[gnu::always_inline]] inline const char* Decoder::run_here(Program& program) {
  converted_.clear();
  if (!program.is_static) return run_segments(program);
  const char* wrong = walk(program.segments[0], program.values.data(), 0);
  waiting_ = wrong == nullptr ? &program : nullptr;
  return wrong;
}

// `run`: where the run of the program's lead is, `end` where it ends, in bits.
inline void Decoder::take_lead(Program& program, std::uint64_t run, std::uint64_t end) {
  program.runs[0] = run;
  bit_ = end;
  waiting_ = &program;
}

// What is behind the lead, if that begins with a short text and is of a usual shape. False: nothing was taken. `lead_end` is where the decoder is: who has it does
// not wait until that is stored.
[[gnu::always_inline]] inline bool Decoder::take_text(Program& program, std::uint64_t lead_end) {
  const Lead& lead = program.lead;
  if (end_ - lead_end < kShortText * 8) return false;
  const char* const text = base_ + lead_end / 8;
  const std::uint64_t size = short_text_size(text);
  if (size == kShortText) return false;
  std::uint64_t bit = lead_end + (size + 1) * 8;
  program.values[lead.text].bytes = text;
  program.values[lead.text].count = static_cast<std::uint32_t>(size);
  if (lead.rest == Lead::Rest::text_and_run) {
    bit = aligned(bit, lead.run.offset);
    program.runs[lead.run.value] = bit;
    bit += lead.run.bits;
    if (bit > end_) return false;
  }
  bit_ = bit;
  return true;
}

// What is behind the lead. Null, or what is wrong.
[[gnu::always_inline]] inline const char* Decoder::walk_rest(Program& program) { return walk(program.segments[0], program.values.data(), program.lead.steps); }

}  // namespace ouro::read
