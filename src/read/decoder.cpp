// read/decoder.cpp -- see the header.
#include "read/decoder.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace ouro::read {
namespace {

// More values in one event than any tracer writes: an array of empty structures would else run for ever, for its
// elements take no bytes.
constexpr std::size_t kMaxValues = 1 << 20;
constexpr const char* kTooLong = "holds an array of more than 2^32 elements";

std::uint64_t sign_extended(std::uint64_t value, std::uint64_t bits) {
  if (bits >= 64) return value;
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return (value ^ sign) - sign;
}

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::uint64_t load_bytes(const char* at, std::uint32_t bits, bool big_endian) {
  switch (bits) {
    case 8: return load<std::uint8_t>(at);
    case 16: return big_endian ? __builtin_bswap16(load<std::uint16_t>(at)) : load<std::uint16_t>(at);
    case 32: return big_endian ? __builtin_bswap32(load<std::uint32_t>(at)) : load<std::uint32_t>(at);
    default: return big_endian ? __builtin_bswap64(load<std::uint64_t>(at)) : load<std::uint64_t>(at);
  }
}

std::uint64_t reversed(std::uint64_t value, std::uint64_t bits) {
  std::uint64_t out = 0;
  for (std::uint64_t i = 0; i < bits; ++i) out = out << 1 | (value >> i & 1);
  return out;
}

// Up to the first nul; `left` if there is none. Most texts are short.
std::uint64_t text_size(const char* bytes, std::uint64_t left) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  std::uint64_t at = 0;
  for (; at + 8 <= left && at < 32; at += 8) {
    const auto word = load<std::uint64_t>(bytes + at);
    if (const std::uint64_t nuls = (word - kOnes) & ~word & kHighs; nuls != 0) return at + static_cast<std::uint64_t>(std::countr_zero(nuls)) / 8;
  }
  if (at == left) return left;
  const void* nul = std::memchr(bytes + at, 0, left - at);
  return nul != nullptr ? static_cast<std::uint64_t>(static_cast<const char*>(nul) - bytes) : left;
}

// IEEE 754's binary16: 1 bit of sign, 5 of exponent, 10 of mantissa.
double from_half(std::uint64_t raw) {
  const int exponent = static_cast<int>(raw >> 10 & 31);
  const double mantissa = static_cast<double>(raw & 1023);
  const double size = exponent == 0    ? std::ldexp(mantissa, -24)
                      : exponent != 31 ? std::ldexp(mantissa + 1024, exponent - 25)
                      : (raw & 1023) != 0 ? std::numeric_limits<double>::quiet_NaN()
                                          : std::numeric_limits<double>::infinity();
  return (raw >> 15 & 1) != 0 ? -size : size;
}

double to_double(std::uint64_t raw, std::uint64_t bits) {
  if (bits == 64) return std::bit_cast<double>(raw);
  if (bits == 16) return from_half(raw);
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(raw)));
}

constexpr const char* kPastEnd = "runs past the packet's end";

}  // namespace

// Kept in registers while a segment is taken.
struct Decoder::Cursor {
  const char* base;
  std::uint64_t bit, end;

  const char* at() const { return base + bit / 8; }
  std::uint64_t left() const { return end - bit; }

  // Little endian: the first bit is a byte's lowest, and earlier bytes are lower. Big endian: the reverse of both.
  std::uint64_t bits(std::uint64_t from, std::uint64_t count, bool big_endian) const {
    std::uint64_t out = 0;
    for (std::uint64_t done = 0; done < count;) {
      const auto byte = static_cast<unsigned char>(base[from / 8]);
      const std::uint64_t offset = from % 8, n = std::min(8 - offset, count - done);
      const std::uint64_t mask = (std::uint64_t{1} << n) - 1;
      if (big_endian)
        out = out << n | ((byte >> (8 - offset - n)) & mask);
      else
        out |= (byte >> offset & mask) << done;
      done += n;
      from += n;
    }
    return out;
  }

  const char* align(std::uint64_t mask) {
    bit = (bit + mask) & ~mask;
    return bit <= end ? nullptr : kPastEnd;
  }

  const char* string(Value& value) {
    const std::uint64_t bytes = left() / 8, size = text_size(at(), bytes);
    if (size == bytes) return "holds a text without an end";
    if (size > UINT32_MAX) return "holds a text of more than 4 GiB";
    value.bytes = at();
    value.count = static_cast<std::uint32_t>(size);
    bit += (size + 1) * 8;
    return nullptr;
  }

  const char* text(Value& value, std::uint64_t length) {
    if (length > UINT32_MAX) return kTooLong;
    if (left() / 8 < length) return kPastEnd;
    value.bytes = at();
    value.count = static_cast<std::uint32_t>(text_size(at(), length));
    bit += length * 8;
    return nullptr;
  }

  const char* packed(Value& value, std::uint64_t length, std::uint64_t element_bits) {
    if (length > UINT32_MAX) return kTooLong;
    if (left() < length * element_bits) return kPastEnd;
    value.bytes = at();
    value.count = static_cast<std::uint32_t>(length);
    bit += length * element_bits;
    return nullptr;
  }
};

// Ends with a unit of that many bytes, all of them 0.
const char* Decoder::take_wide_string(Value& value, std::uint64_t unit, Cursor& cursor) {
  value.bytes = cursor.at();
  const std::uint64_t left = cursor.left() / 8;
  for (std::uint64_t at = 0; at + unit <= left && at <= UINT32_MAX; at += unit) {
    const bool is_end = unit == 2 ? load<std::uint16_t>(value.bytes + at) == 0 : load<std::uint32_t>(value.bytes + at) == 0;
    if (!is_end) continue;
    value.count = static_cast<std::uint32_t>(at);
    cursor.bit += (at + unit) * 8;
    return nullptr;
  }
  return "holds a text without an end";
}

// Seven bits a byte, the lowest first; the highest bit says that there are more.
const char* Decoder::take_leb128(Value& value, bool is_signed, Cursor& cursor) {
  std::uint64_t out = 0, count = 0;
  for (unsigned char byte = 0x80; (byte & 0x80) != 0; cursor.bit += 8, count += 7) {
    if (cursor.left() < 8) return kPastEnd;
    byte = load<unsigned char>(cursor.at());
    const std::uint64_t low = byte & 0x7f;
    if (count < 64) out |= low << count;
    // Behind the 64th bit there may be copies of the sign only.
    const std::uint64_t rest = count < 63 ? 0 : count == 63 ? low >> 1 : low;
    const std::uint64_t filler = is_signed && out >> 63 != 0 ? (count == 63 ? 0x3f : 0x7f) : 0;
    if (count >= 63 && rest != filler) return "holds an integer of more than 64 bits";
  }
  leb128_bits_ = count;
  value.u = is_signed ? sign_extended(out, count) : out;
  return nullptr;
}

// What few traces have, out of the loop's way.
[[gnu::noinline]] const char* Decoder::take_rare(const Step& step, Value& value, Cursor& cursor) {
  using Op = Step::Op;
  switch (step.op) {
    case Op::truth: value.u = value.u != 0 ? 1 : 0; return nullptr;
    case Op::reverse: value.u = reversed(value.u, step.bits); return nullptr;
    case Op::sign: value.u = sign_extended(value.u, step.bits); return nullptr;
    case Op::real: value.f = to_double(value.u, step.bits); return nullptr;
    case Op::to_utf8: return converted_.convert(value, static_cast<Encoding>(step.offset));
    case Op::leb128: return take_leb128(value, false, cursor);
    case Op::signed_leb128: return take_leb128(value, true, cursor);
    case Op::leb128_clock: advance_clock(value.u, ~std::uint64_t{0} >> (64 - std::min<std::uint64_t>(leb128_bits_, 64))); return nullptr;
    case Op::wide_string: return take_wide_string(value, step.bits / 8, cursor);
    case Op::begin_byte: return cursor.bit % 8 == 0 ? nullptr : "changes its byte order inside a byte";
    default: return kTooLong;
  }
}

// `values`: the segment's.
[[gnu::always_inline]] inline const char* Decoder::take(const Program::Segment& segment, Value* values) {
  using Op = Step::Op;
  Cursor cursor{base_, bit_, end_};
  const char* run = nullptr;
  std::uint64_t run_bit = 0;
  const char* wrong = nullptr;
  for (const Step& step : segment.steps) {
    Value* const value = values + step.value;
    const auto at = [&] { return run + step.offset; };
    const auto bits = [&](bool big_endian) { return cursor.bits(run_bit + step.offset, step.bits, big_endian); };
    switch (step.op) {
      case Op::align: wrong = cursor.align(step.offset); break;
      case Op::run:
        wrong = cursor.align(step.offset);
        if (wrong == nullptr && cursor.left() < step.bits) wrong = kPastEnd;
        run = cursor.at();
        run_bit = cursor.bit;
        cursor.bit += step.bits;
        break;
      case Op::u8: value->u = load<std::uint8_t>(at()); continue;
      case Op::u16: value->u = load<std::uint16_t>(at()); continue;
      case Op::u32: value->u = load<std::uint32_t>(at()); continue;
      case Op::u64: value->u = load<std::uint64_t>(at()); continue;
      case Op::i8: value->i = load<std::int8_t>(at()); continue;
      case Op::i16: value->i = load<std::int16_t>(at()); continue;
      case Op::i32: value->i = load<std::int32_t>(at()); continue;
      case Op::u16_swapped: value->u = __builtin_bswap16(load<std::uint16_t>(at())); continue;
      case Op::u32_swapped: value->u = __builtin_bswap32(load<std::uint32_t>(at())); continue;
      case Op::u64_swapped: value->u = __builtin_bswap64(load<std::uint64_t>(at())); continue;
      case Op::i16_swapped: value->i = static_cast<std::int16_t>(__builtin_bswap16(load<std::uint16_t>(at()))); continue;
      case Op::i32_swapped: value->i = static_cast<std::int32_t>(__builtin_bswap32(load<std::uint32_t>(at()))); continue;
      case Op::f32: value->f = to_double(load<std::uint32_t>(at()), 32); continue;
      case Op::f32_swapped: value->f = to_double(__builtin_bswap32(load<std::uint32_t>(at())), 32); continue;
      case Op::text_array:
        value->bytes = at();
        value->count = static_cast<std::uint32_t>(text_size(at(), step.bits / 8));
        continue;
      case Op::packed_array: value->bytes = at(); continue;
      case Op::raw_array:
        value->bytes = at();
        value->count = static_cast<std::uint32_t>(step.bits / 8);
        continue;
      case Op::bits: value->u = bits(false); continue;
      case Op::bits_swapped: value->u = bits(true); continue;
      case Op::signed_bits: value->u = sign_extended(bits(false), step.bits); continue;
      case Op::signed_bits_swapped: value->u = sign_extended(bits(true), step.bits); continue;
      case Op::float_bits: value->f = to_double(bits(false), step.bits); continue;
      case Op::float_bits_swapped: value->f = to_double(bits(true), step.bits); continue;
      case Op::keep: slots_[step.offset] = value->u; continue;
      case Op::clock: advance_clock(value->u, step.offset); continue;
      case Op::string: wrong = cursor.string(*value); break;
      case Op::text_sequence: wrong = cursor.text(*value, slots_[step.offset]); break;
      case Op::packed_sequence: wrong = cursor.packed(*value, slots_[step.offset], step.bits); break;
      default: {
        Cursor copy = cursor;  // for the address: that of `cursor` would have it in memory
        wrong = take_rare(step, *value, copy);
        cursor = copy;
      }
    }
    if (wrong != nullptr) break;
  }
  bit_ = cursor.bit;
  return wrong;
}

const Program* Decoder::option(const Program::Segment& segment) const {
  const Type& type = *segment.last;
  const std::uint64_t tag = slots_[static_cast<std::size_t>(type.plan.load)];
  for (std::size_t i = 0; i < type.labels.size(); ++i)
    if (type.labels[i].holds(tag, type.is_signed)) return &segment.inside[type.plan.options[i]];
  return nullptr;
}

bool Decoder::is_selected(const Type& optional) const {
  const std::uint64_t selector = slots_[static_cast<std::size_t>(optional.plan.load)];
  return std::any_of(optional.labels.begin(), optional.labels.end(), [&](const Label& range) { return range.holds(selector, optional.is_signed); });
}

// What is inside buffer_[at], the last value of its segment.
const char* Decoder::append_inside(const Program::Segment& segment, std::size_t at) {
  const Type& type = *segment.last;
  std::uint64_t count = 1;
  const Program* program = segment.inside.data();
  if (type.kind == Kind::array) count = type.is_sequence ? slots_[static_cast<std::size_t>(type.plan.load)] : type.count;
  if (count > UINT32_MAX) return kTooLong;
  if (type.kind == Kind::optional) count = is_selected(type) ? 1 : 0;
  if (type.kind == Kind::variant) program = option(segment);
  if (program == nullptr) return "holds a variant whose tag selects nothing";
  for (std::uint64_t i = 0; i < count; ++i)
    for (const Program::Segment& inner : program->segments)
      if (const char* wrong = append(inner)) return wrong;
  buffer_[at].count = static_cast<std::uint32_t>(type.kind == Kind::structure ? type.members.size() : count);
  buffer_[at].nodes = static_cast<std::uint32_t>(buffer_.size() - at);
  return nullptr;
}

// Recursion is as deep as the types are nested, which the parser bounds.
const char* Decoder::append(const Program::Segment& segment) {
  const std::size_t first = buffer_.size();
  if (first + segment.values.size() > kMaxValues) return "holds more than 1048576 values";
  buffer_.insert(buffer_.end(), segment.values.begin(), segment.values.end());
  if (const char* wrong = take(segment, buffer_.data() + first)) return wrong;
  return segment.last != nullptr ? append_inside(segment, buffer_.size() - 1) : nullptr;
}

const char* Decoder::run(Program& program) {
  converted_.clear();
  if (program.is_static) {
    values_ = program.values;
    split_ = program.split_value;
    return take(program.segments[0], program.values.data());
  }
  buffer_.clear();
  const char* wrong = nullptr;
  split_ = 0;
  for (std::size_t i = 0; i < program.segments.size() && wrong == nullptr; ++i) {
    if (i == program.split_segment) split_ = buffer_.size() + program.split_value;
    wrong = append(program.segments[i]);
  }
  values_ = buffer_;
  return wrong;
}

Value Value::element(std::size_t index) const {
  const Field& member = type().members[0];
  const Type& inner = *member.type;
  Value out;
  out.field = &member;
  const std::uint64_t raw = load_bytes(bytes + index * type().plan.element_size, inner.bits, inner.plan.big_endian);
  if (inner.kind == Kind::floating_point)
    out.f = to_double(raw, inner.bits);
  else
    out.u = inner.is_signed ? sign_extended(raw, inner.bits) : raw;
  return out;
}

bool Value::holds(const Label& label) const {
  if (kind() != Kind::bit_map) return label.holds(u, type().is_signed);
  const std::uint64_t from_low = label.low < 64 ? u >> label.low << label.low : 0;
  return (label.high < 63 ? from_low & ((std::uint64_t{2} << label.high) - 1) : from_low) != 0;
}

std::string_view Value::label() const {
  for (const Label& label : type().labels)
    if (label.holds(u, type().is_signed)) return label.text;
  return {};
}

}  // namespace ouro::read
