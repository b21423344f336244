#include "export/ctf_encoder.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ouro::ctf {

using read::Kind;
using read::Type;
using read::Value;

namespace {

// Of one that was such a number before: nothing is rounded.
std::uint16_t half_of(double value) {
  const auto from = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<std::uint32_t>(from >> 63 << 15), fraction = static_cast<std::uint32_t>(from >> 42 & 0x3ff);
  const auto exponent = static_cast<std::int32_t>(from >> 52 & 0x7ff);
  if (exponent == 0x7ff) return static_cast<std::uint16_t>(sign | 0x7c00 | fraction);
  if (exponent > 1023 - 15) return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(exponent - 1023 + 15) << 10 | fraction);
  return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::ldexp(std::fabs(value), 24)));
}

}  // namespace

std::uint32_t alignment_of(std::span<const read::Field> fields) {
  std::uint32_t out = 1;
  for (const read::Field& field : fields) out = std::max(out, field.type->align);
  return out;
}

void Encoder::cut(std::uint64_t bit) {
  bit_ = bit;
  out_.resize((bit + 7) / 8);
  if (bit % 8 != 0) out_.back() = static_cast<char>(static_cast<unsigned char>(out_.back()) & ((1u << bit % 8) - 1));
}

void Encoder::align(std::uint32_t bits) {
  bit_ = (bit_ + bits - 1) & ~std::uint64_t{bits - 1};
  out_.resize((bit_ + 7) / 8);
}

// Little endian: the first bit is a byte's lowest, and earlier bytes are lower. Big endian: the reverse of both.
void Encoder::bits(std::uint64_t value, std::uint32_t count, bool big_endian) {
  out_.resize((bit_ + count + 7) / 8);
  for (std::uint32_t done = 0; done < count;) {
    const auto offset = static_cast<std::uint32_t>(bit_ % 8);
    const std::uint32_t n = std::min(8 - offset, count - done);
    const std::uint64_t mask = (std::uint64_t{1} << n) - 1;
    const std::uint64_t part = (big_endian ? value >> (count - done - n) : value >> done) & mask;
    const std::uint32_t shift = big_endian ? 8 - offset - n : offset;
    out_[bit_ / 8] = static_cast<char>(static_cast<unsigned char>(out_[bit_ / 8]) | part << shift);
    done += n;
    bit_ += n;
  }
}

void Encoder::integer(const Type& type, std::uint64_t value) {
  if (type.plan.store >= 0) {
    const auto slot = static_cast<std::size_t>(type.plan.store);
    if (slots_.size() <= slot) slots_.resize(slot + 1);
    slots_[slot] = value;
  }
  if (type.plan.op == read::Plan::Op::leb128 && keeps_leb128_) return leb128(value, type.is_signed);
  const bool whole = bit_ % 8 == 0 && (type.bits == 8 || type.bits == 16 || type.bits == 32 || type.bits == 64);
  if (!whole) return bits(value, type.bits, type.plan.big_endian);
  if (type.plan.big_endian) value = __builtin_bswap64(value) >> (64 - type.bits);
  raw(&value, type.bits / 8);
}

void Encoder::leb128(std::uint64_t value, bool is_signed) {
  for (bool more = true; more;) {
    const auto low = static_cast<std::uint8_t>(value & 0x7f);
    value = is_signed ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value) >> 7) : value >> 7;
    more = is_signed ? value != ((low & 0x40) != 0 ? ~std::uint64_t{0} : 0) : value != 0;
    put(static_cast<std::uint8_t>(low | (more ? 0x80 : 0)));
  }
}

void Encoder::floating_point(const Type& type, double value) {
  const std::uint64_t raw_bits = type.bits == 64   ? std::bit_cast<std::uint64_t>(value)
                                 : type.bits == 16 ? half_of(value)
                                                   : std::bit_cast<std::uint32_t>(static_cast<float>(value));
  Type as_integer;
  as_integer.bits = type.bits;
  as_integer.plan.big_endian = type.plan.big_endian;
  integer(as_integer, raw_bits);
}

std::uint64_t Encoder::length_of(const Type& type) const {
  if (!type.is_sequence) return type.count;
  const auto slot = static_cast<std::size_t>(type.plan.load);
  return slot < slots_.size() ? slots_[slot] : 0;
}

// A text in an array may end before the array does: what is behind its NUL has no meaning, and becomes zeroes.
const char* Encoder::text(const Value& value) {
  const Type& type = value.type();
  raw(value.bytes, value.count);
  if (type.plan.op == read::Plan::Op::string) {
    put('\0');
    return nullptr;
  }
  const std::uint64_t length = length_of(type);
  if (length < value.count) return "has a text that is longer than its length";
  out_.append(length - value.count, '\0');
  bit_ += (length - value.count) * 8;
  return nullptr;
}

const char* Encoder::children(const Value* value) {
  const Value* child = value + 1;
  for (std::uint32_t i = 0; i < value->count; ++i, child += child->nodes)
    if (const char* wrong = this->value(child)) return wrong;
  return nullptr;
}

// Recursion is as deep as the types are nested, which who read them bounds.
const char* Encoder::value(const Value* value) {
  const Type& type = value->type();
  align(type.align);
  switch (value->kind()) {
    case Kind::unsigned_integer:
    case Kind::signed_integer:
    case Kind::enumeration:
    case Kind::boolean:
    case Kind::bit_array:
    case Kind::bit_map: integer(type, value->u); return nullptr;
    case Kind::floating_point:
      floating_point(type, value->f);
      return nullptr;
    case Kind::string: return text(*value);
    case Kind::array:
      if (type.is_sequence && length_of(type) != value->count) return "has an array of another length than it states";
      if (value->is_packed()) {
        raw(value->bytes, std::size_t{value->count} * type.plan.element_size);
        return nullptr;
      }
      return children(value);
    case Kind::blob:
      if (length_of(type) != value->count) return "has a blob of another length than it states";
      raw(value->bytes, value->count);
      return nullptr;
    case Kind::structure:
    case Kind::variant:
    case Kind::optional: return children(value);
  }
  return nullptr;
}

const char* Encoder::structure(std::span<const read::Field> fields, std::span<const Value> values) {
  if (fields.empty()) return nullptr;
  align(alignment_of(fields));
  for (std::size_t at = 0; at < values.size(); at += values[at].nodes)
    if (const char* wrong = value(&values[at])) return wrong;
  return nullptr;
}

}  // namespace ouro::ctf
