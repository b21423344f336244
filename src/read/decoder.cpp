// read/decoder.cpp -- see the header.
#include "read/decoder.hpp"

#include <algorithm>
#include <bit>

namespace ouro::read {
namespace {

using Op = Plan::Op;

// More values in one event than any tracer writes: an array of empty structures would else run for ever, for its
// elements take no bytes.
constexpr std::size_t kMaxValues = 1 << 20;

std::uint64_t sign_extended(std::uint64_t value, std::uint32_t bits) {
  if (bits >= 64) return value;
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return (value ^ sign) - sign;
}

std::uint64_t load_bytes(const char* at, std::uint32_t bits, bool big_endian) {
  switch (bits) {
    case 8: return static_cast<unsigned char>(*at);
    case 16: {
      std::uint16_t v;
      std::memcpy(&v, at, sizeof v);
      return big_endian ? __builtin_bswap16(v) : v;
    }
    case 32: {
      std::uint32_t v;
      std::memcpy(&v, at, sizeof v);
      return big_endian ? __builtin_bswap32(v) : v;
    }
    default: {
      std::uint64_t v;
      std::memcpy(&v, at, sizeof v);
      return big_endian ? __builtin_bswap64(v) : v;
    }
  }
}

double to_double(std::uint64_t raw, std::uint32_t bits) {
  if (bits == 64) return std::bit_cast<double>(raw);
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(raw)));
}

}  // namespace

// Little endian: the first bit is a byte's lowest, and earlier bytes are lower. Big endian: the reverse of both.
std::uint64_t Decoder::bits(std::uint32_t count, bool big_endian) const {
  std::uint64_t out = 0;
  std::uint64_t at = bit_;
  for (std::uint32_t done = 0; done < count;) {
    const auto byte = static_cast<unsigned char>(base_[at / 8]);
    const auto offset = static_cast<std::uint32_t>(at % 8);
    const std::uint32_t n = std::min(8 - offset, count - done);
    const std::uint32_t mask = (1u << n) - 1;
    if (big_endian)
      out = out << n | ((byte >> (8 - offset - n)) & mask);
    else
      out |= static_cast<std::uint64_t>((byte >> offset) & mask) << done;
    done += n;
    at += n;
  }
  return out;
}

const char* Decoder::decode_integer(const Type& type, Value& value) {
  if (end_ - bit_ < type.bits) return kPastEnd;
  const std::uint64_t raw = type.plan.op == Op::bits ? bits(type.bits, type.plan.big_endian)
                                                     : load_bytes(base_ + bit_ / 8, type.bits, type.plan.big_endian);
  bit_ += type.bits;
  value.u = type.is_signed ? sign_extended(raw, type.bits) : raw;
  if (type.plan.store >= 0) slots_[static_cast<std::size_t>(type.plan.store)] = value.u;
  if (type.plan.maps_clock) advance_clock(raw, type.bits);
  return nullptr;
}

const char* Decoder::decode_float(const Type& type, Value& value) {
  if (end_ - bit_ < type.bits) return kPastEnd;
  const std::uint64_t raw = type.plan.op == Op::float_bits
                                ? bits(type.bits, type.plan.big_endian)
                                : load_bytes(base_ + bit_ / 8, type.bits, type.plan.big_endian);
  bit_ += type.bits;
  value.f = to_double(raw, type.bits);
  return nullptr;
}

const char* Decoder::decode_string(Value& value) {
  const char* begin = base_ + bit_ / 8;
  const std::uint64_t left = (end_ - bit_) / 8;
  const void* nul = left != 0 ? std::memchr(begin, 0, left) : nullptr;
  if (nul == nullptr) return "holds a text without an end";
  const auto size = static_cast<std::uint64_t>(static_cast<const char*>(nul) - begin);
  if (size > UINT32_MAX) return "holds a text of more than 4 GiB";
  value.bytes = begin;
  value.count = static_cast<std::uint32_t>(size);
  bit_ += (size + 1) * 8;
  return nullptr;
}

const char* Decoder::length_of(const Type& type, std::uint64_t& length) const {
  length = type.is_sequence ? slots_[static_cast<std::size_t>(type.plan.load)] : type.count;
  return length <= UINT32_MAX ? nullptr : "holds an array of more than 2^32 elements";
}

const char* Decoder::decode_text_array(const Type& type, Value& value) {
  std::uint64_t length = 0;
  if (const char* wrong = length_of(type, length)) return wrong;
  if ((end_ - bit_) / 8 < length) return kPastEnd;
  value.bytes = base_ + bit_ / 8;
  const void* nul = length != 0 ? std::memchr(value.bytes, 0, length) : nullptr;
  value.count = static_cast<std::uint32_t>(
      nul != nullptr ? static_cast<std::uint64_t>(static_cast<const char*>(nul) - value.bytes) : length);
  bit_ += length * 8;
  return nullptr;
}

const char* Decoder::decode_packed_array(const Type& type, Value& value) {
  std::uint64_t length = 0;
  if (const char* wrong = length_of(type, length)) return wrong;
  if ((end_ - bit_) / 8 / type.plan.element_size < length) return kPastEnd;
  value.bytes = base_ + bit_ / 8;
  value.count = static_cast<std::uint32_t>(length);
  bit_ += length * type.plan.element_size * 8;
  return nullptr;
}

// values_[at] is the parent; it is found again by its index, for the vector may move.
const char* Decoder::decode_children(const Type& type, std::size_t at) {
  std::uint64_t length = type.members.size();
  if (type.kind == Kind::array)
    if (const char* wrong = length_of(type, length)) return wrong;
  for (std::uint64_t i = 0; i < length; ++i)
    if (const char* wrong = decode(type.members[type.kind == Kind::array ? 0 : i])) return wrong;
  values_[at].count = static_cast<std::uint32_t>(length);
  values_[at].nodes = static_cast<std::uint32_t>(values_.size() - at);
  return nullptr;
}

const char* Decoder::decode_variant(const Type& type, std::size_t at) {
  const std::uint64_t tag = slots_[static_cast<std::size_t>(type.plan.load)];
  const auto holds = [&](const Label& label) {
    return type.is_signed ? static_cast<std::int64_t>(tag) >= static_cast<std::int64_t>(label.low) &&
                                static_cast<std::int64_t>(tag) <= static_cast<std::int64_t>(label.high)
                          : tag >= label.low && tag <= label.high;
  };
  for (std::size_t i = 0; i < type.labels.size(); ++i) {
    if (!holds(type.labels[i])) continue;
    if (const char* wrong = decode(type.members[type.plan.options[i]])) return wrong;
    values_[at].count = 1;
    values_[at].nodes = static_cast<std::uint32_t>(values_.size() - at);
    return nullptr;
  }
  return "holds a variant whose tag selects nothing";
}

// Recursion is as deep as the types are nested, which the parser bounds.
const char* Decoder::decode(const Field& field) {
  const Type& type = *field.type;
  if (const char* wrong = align(type.align)) return wrong;
  if (values_.size() >= kMaxValues) return "holds more than 1048576 values";
  const std::size_t at = values_.size();
  Value& value = values_.emplace_back();
  value.field = &field;
  switch (type.plan.op) {
    case Op::f32:
    case Op::f64:
    case Op::float_bits: return decode_float(type, value);
    case Op::string: return decode_string(value);
    case Op::text_array: return decode_text_array(type, value);
    case Op::packed_array: return decode_packed_array(type, value);
    case Op::array:
    case Op::structure: return decode_children(type, at);
    case Op::variant: return decode_variant(type, at);
    default: return decode_integer(type, value);
  }
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

std::string_view Value::label() const {
  const Type& t = type();
  for (const Label& label : t.labels) {
    const bool inside = t.is_signed
                            ? i >= static_cast<std::int64_t>(label.low) && i <= static_cast<std::int64_t>(label.high)
                            : u >= label.low && u <= label.high;
    if (inside) return label.text;
  }
  return {};
}

}  // namespace ouro::read
