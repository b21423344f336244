// read/decoder.cpp -- see the header.
#include "read/decoder_walk.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace ouro::read {
namespace {

// More values in one event than any tracer writes: an array of empty structures would else run for ever, for its
// elements take no bytes.
constexpr std::size_t kMaxValues = 1 << 20;

std::uint64_t sign_extended(std::uint64_t value, std::uint64_t bits) {
  if (bits >= 64) return value;
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return (value ^ sign) - sign;
}

std::uint64_t load_bytes(const char* at, std::uint32_t bits, bool big_endian) {
  switch (bits) {
    case 8: return load_as<std::uint8_t>(at);
    case 16: return big_endian ? __builtin_bswap16(load_as<std::uint16_t>(at)) : load_as<std::uint16_t>(at);
    case 32: return big_endian ? __builtin_bswap32(load_as<std::uint32_t>(at)) : load_as<std::uint32_t>(at);
    default: return big_endian ? __builtin_bswap64(load_as<std::uint64_t>(at)) : load_as<std::uint64_t>(at);
  }
}

std::uint64_t reversed(std::uint64_t value, std::uint64_t bits) {
  std::uint64_t out = 0;
  for (std::uint64_t i = 0; i < bits; ++i) out = out << 1 | (value >> i & 1);
  return out;
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

// Little endian: the first bit is a byte's lowest, and earlier bytes are lower. Big endian: the reverse of both.
std::uint64_t bits_at(const char* base, std::uint64_t from, std::uint64_t count, bool big_endian) {
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

[[gnu::noinline]] void load_bits(const Step& step, const char* base, std::uint64_t run, Value& value) {
  using Op = Step::Op;
  const bool big_endian = step.op == Op::bits_swapped || step.op == Op::signed_bits_swapped || step.op == Op::float_bits_swapped;
  const std::uint64_t raw = bits_at(base, run + step.offset, step.bits, big_endian);
  if (step.op == Op::bits || step.op == Op::bits_swapped) value.u = raw;
  else if (step.op == Op::signed_bits || step.op == Op::signed_bits_swapped) value.u = sign_extended(raw, step.bits);
  else value.f = to_double(raw, step.bits);
}

// What lies in the run that begins at bit `run`. False if `step` is of another kind.
[[gnu::always_inline]] inline bool load_one(const Step& step, const char* base, std::uint64_t run, Value& value) {
  using Op = Step::Op;
  const char* const at = base + run / 8 + step.offset;
  switch (step.op) {
    case Op::u8: value.u = load_as<std::uint8_t>(at); return true;
    case Op::u16: value.u = load_as<std::uint16_t>(at); return true;
    case Op::u32: value.u = load_as<std::uint32_t>(at); return true;
    case Op::u64: value.u = load_as<std::uint64_t>(at); return true;
    case Op::i8: value.i = load_as<std::int8_t>(at); return true;
    case Op::i16: value.i = load_as<std::int16_t>(at); return true;
    case Op::i32: value.i = load_as<std::int32_t>(at); return true;
    case Op::u16_swapped: value.u = __builtin_bswap16(load_as<std::uint16_t>(at)); return true;
    case Op::u32_swapped: value.u = __builtin_bswap32(load_as<std::uint32_t>(at)); return true;
    case Op::u64_swapped: value.u = __builtin_bswap64(load_as<std::uint64_t>(at)); return true;
    case Op::i16_swapped: value.i = static_cast<std::int16_t>(__builtin_bswap16(load_as<std::uint16_t>(at))); return true;
    case Op::i32_swapped: value.i = static_cast<std::int32_t>(__builtin_bswap32(load_as<std::uint32_t>(at))); return true;
    case Op::f32: value.f = static_cast<double>(load_as<float>(at)); return true;
    case Op::f32_swapped: value.f = static_cast<double>(std::bit_cast<float>(__builtin_bswap32(load_as<std::uint32_t>(at)))); return true;
    case Op::text_array:
      value.bytes = at;
      value.count = static_cast<std::uint32_t>(text_size(at, step.bits / 8));
      return true;
    case Op::first_nul: value.count = static_cast<std::uint32_t>(text_size(value.bytes, value.count)); return true;
    case Op::packed_array: value.bytes = at; return true;
    case Op::raw_array:
      value.bytes = at;
      value.count = static_cast<std::uint32_t>(step.bits / 8);
      return true;
    case Op::bits:
    case Op::bits_swapped:
    case Op::signed_bits:
    case Op::signed_bits_swapped:
    case Op::float_bits:
    case Op::float_bits_swapped: load_bits(step, base, run, value); return true;
    default: return false;
  }
}

}  // namespace

// Ends with a unit of that many bytes, all of them 0.
const char* Decoder::take_wide_string(Value& value, std::uint64_t unit) {
  value.bytes = at();
  const std::uint64_t left_bytes = left() / 8;
  for (std::uint64_t i = 0; i + unit <= left_bytes && i <= UINT32_MAX; i += unit) {
    const bool is_end = unit == 2 ? load_as<std::uint16_t>(value.bytes + i) == 0 : load_as<std::uint32_t>(value.bytes + i) == 0;
    if (!is_end) continue;
    value.count = static_cast<std::uint32_t>(i);
    bit_ += (i + unit) * 8;
    return nullptr;
  }
  return "holds a text without an end";
}

// Seven bits a byte, the lowest first; the highest bit says that there are more.
const char* Decoder::take_leb128(Value& value, bool is_signed) {
  std::uint64_t out = 0, count = 0;
  for (unsigned char byte = 0x80; (byte & 0x80) != 0; bit_ += 8, count += 7) {
    if (left() < 8) return kPastEnd;
    byte = static_cast<unsigned char>(*at());
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

// Steps of all kinds but those that are of outlines alone, or that for_outline() leaves as they are.
const char* Decoder::perform(std::span<const Step> steps, const std::uint64_t* runs, Value* values) {
  using Op = Step::Op;
  std::uint64_t run = 0;
  for (const Step& step : steps) {
    Value& value = values[step.value];
    const char* wrong = nullptr;
    switch (step.op) {
      case Op::in_run: run = runs[step.value]; break;
      case Op::keep: slots_[step.offset] = value.u; break;
      case Op::clock: advance_clock(value.u, step.offset); break;
      case Op::packed_sequence: wrong = packed(value, slots_[step.offset], step.bits); break;
      case Op::truth: value.u = value.u != 0 ? 1 : 0; break;
      case Op::reverse: value.u = reversed(value.u, step.bits); break;
      case Op::sign: value.u = sign_extended(value.u, step.bits); break;
      case Op::real: value.f = to_double(value.u, step.bits); break;
      case Op::to_utf8: wrong = converted_.convert(value, static_cast<Encoding>(step.offset)); break;
      case Op::leb128: wrong = take_leb128(value, false); break;
      case Op::signed_leb128: wrong = take_leb128(value, true); break;
      case Op::leb128_clock: advance_clock(value.u, ~std::uint64_t{0} >> (64 - std::min<std::uint64_t>(leb128_bits_, 64))); break;
      case Op::wide_string: wrong = take_wide_string(value, step.bits / 8); break;
      case Op::begin_byte: wrong = bit_ % 8 == 0 ? nullptr : "changes its byte order inside a byte"; break;
      case Op::too_long: return kTooLong;
      default: load_one(step, base_, run, value);
    }
    if (wrong != nullptr) return wrong;
  }
  return nullptr;
}

const char* Decoder::packed(Value& value, std::uint64_t length, std::uint64_t element_bits) {
  if (length > UINT32_MAX) return kTooLong;
  if (left() < length * element_bits) return kPastEnd;
  value.bytes = at();
  value.count = static_cast<std::uint32_t>(length);
  bit_ += length * element_bits;
  return nullptr;
}

inline void Decoder::load(Program::Segment& segment, Value* values) {
  std::uint64_t run = 0;
  for (const Step& step : segment.loads) {
    if (step.op == Step::Op::in_run) run = segment.runs[step.value];
    else if (!load_one(step, base_, run, values[step.value])) perform({&step, 1}, nullptr, values);
  }
}

Program* Decoder::option(Program::Segment& segment) const {
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
const char* Decoder::append_inside(Program::Segment& segment, std::size_t at) {
  const Type& type = *segment.last;
  std::uint64_t count = 1;
  Program* program = segment.inside.data();
  if (type.kind == Kind::array) count = type.is_sequence ? slots_[static_cast<std::size_t>(type.plan.load)] : type.count;
  if (count > UINT32_MAX) return kTooLong;
  if (type.kind == Kind::optional) count = is_selected(type) ? 1 : 0;
  if (type.kind == Kind::variant) program = option(segment);
  if (program == nullptr) return "holds a variant whose tag selects nothing";
  for (std::uint64_t i = 0; i < count; ++i)
    for (Program::Segment& inner : program->segments)
      if (const char* wrong = append(inner)) return wrong;
  buffer_[at].count = static_cast<std::uint32_t>(type.kind == Kind::structure ? type.members.size() : count);
  buffer_[at].nodes = static_cast<std::uint32_t>(buffer_.size() - at);
  return nullptr;
}

// Recursion is as deep as the types are nested, which the parser bounds.
const char* Decoder::append(Program::Segment& segment) {
  const std::size_t first = buffer_.size();
  if (first + segment.values.size() > kMaxValues) return "holds more than 1048576 values";
  buffer_.insert(buffer_.end(), segment.values.begin(), segment.values.end());
  Value* const values = buffer_.data() + first;
  if (const char* wrong = walk(segment, values, 0)) return wrong;
  load(segment, values);
  return segment.last != nullptr ? append_inside(segment, buffer_.size() - 1) : nullptr;
}

const char* Decoder::run_segments(Program& program) {
  waiting_ = nullptr;
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

const char* Decoder::run(Program& program) { return run_here(program); }

void Decoder::take_waiting() {
  Program& program = *std::exchange(waiting_, nullptr);
  load(program.segments[0], program.values.data());
  values_ = program.values;
  split_ = program.split_value;
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
