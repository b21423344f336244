// read/decoder_walk.hpp -- the part of the decoder that every event goes through, to be compiled into the loop over them.
#pragma once
#include <bit>
#include <cstring>

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

// Up to the first nul; `left` if there is none. Most texts are short.
inline std::uint64_t text_size(const char* bytes, std::uint64_t left) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  std::uint64_t at = 0;
  for (; at + 8 <= left && at < 32; at += 8) {
    const auto word = load_as<std::uint64_t>(bytes + at);
    if (const std::uint64_t nuls = (word - kOnes) & ~word & kHighs; nuls != 0) return at + static_cast<std::uint64_t>(std::countr_zero(nuls)) / 8;
  }
  if (at == left) return left;
  const void* nul = std::memchr(bytes + at, 0, left - at);
  return nul != nullptr ? static_cast<std::uint64_t>(static_cast<const char*>(nul) - bytes) : left;
}

// `values`: the segment's. All that is needed stays in registers: what an event costs is how long it takes to know where it ends.
[[gnu::always_inline]] inline const char* Decoder::walk(Program::Segment& segment, Value* values) {
  using Op = Step::Op;
  const char* const base = base_;
  const std::uint64_t end = end_;
  std::uint64_t bit = bit_;
  std::uint64_t* const runs = segment.runs.data();
  std::uint64_t* const slots = slots_.data();
  const char* run = nullptr;
  std::uint64_t kept = 0;
  const Step* const last = segment.outline.data() + segment.outline.size();
  for (const Step* step = segment.outline.data(); step != last; ++step) {
    const auto keep = [&](std::uint64_t number) { values[step->value].u = slots[step->bits] = kept = number; };
    const auto give = [&](std::uint64_t count) {
      values[step->value].bytes = base + bit / 8;
      values[step->value].count = static_cast<std::uint32_t>(count);
    };
    // Most events are a run and a thread's id in it, and some texts.
    if (step->op == Op::run) {
      bit = (bit + step->offset) & ~step->offset;
      runs[step->value] = bit;
      run = base + bit / 8;
      bit += step->bits;
      if (bit > end) return kPastEnd;
      if (++step == last) break;
      if (step->op == Op::keep_i32) {
        keep(static_cast<std::uint64_t>(std::int64_t{load_as<std::int32_t>(run + step->offset)}));
        if (++step == last) break;
      }
    }
    switch (step->op) {
      case Op::align:
        bit = (bit + step->offset) & ~step->offset;
        if (bit > end) return kPastEnd;
        break;
      case Op::run: --step; break;
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
      case Op::text_sequence: kept = slots[step->offset]; [[fallthrough]];
      case Op::text_of_kept: {
        const std::uint64_t length = kept;
        if (length > UINT32_MAX) return kTooLong;
        if ((end - bit) / 8 < length) return kPastEnd;
        give(text_size(base + bit / 8, length));
        bit += length * 8;
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
  Program::Segment& segment = program.segments[0];
  const char* wrong = walk(segment, program.values.data());
  waiting_ = wrong == nullptr ? &program : nullptr;
  return wrong;
}

}  // namespace ouro::read
