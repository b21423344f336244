#include "record/field_text.hpp"

#include <charconv>
#include <cstdint>
#include <cstring>

namespace ouro::record {
namespace {

template <class T>
T load(const std::byte* from) {
  T out;
  std::memcpy(&out, from, sizeof out);
  return out;
}

template <class T, class... Base>
std::string number(T value, Base... base) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value, base...).ptr};
}

std::int64_t signed_of(const std::byte* from, abi::FieldType type) {
  switch (type) {
    case abi::FieldType::i8: return load<std::int8_t>(from);
    case abi::FieldType::i16: return load<std::int16_t>(from);
    case abi::FieldType::i32: return load<std::int32_t>(from);
    case abi::FieldType::i64: return load<std::int64_t>(from);
    default: {
      std::uint64_t bits = 0;
      std::memcpy(&bits, from, abi::size_of(type));
      return static_cast<std::int64_t>(bits);
    }
  }
}

std::string scalar(const std::byte* from, const format::Field& field) {
  if (field.type == abi::FieldType::f32) return number(load<float>(from));
  if (field.type == abi::FieldType::f64) return number(load<double>(from));
  const std::int64_t value = signed_of(from, field.type);
  if (field.type == abi::FieldType::boolean) return value != 0 ? "true" : "false";
  for (const format::Label& label : field.labels)
    if (label.value == value) return label.text;
  if (field.hex || field.type == abi::FieldType::pointer) return "0x" + number(static_cast<std::uint64_t>(value), 16);
  const bool is_signed = field.type >= abi::FieldType::i8 && field.type <= abi::FieldType::i64;
  return is_signed ? number(value) : number(static_cast<std::uint64_t>(value));
}

}  // namespace

std::optional<std::string> take_field(std::span<const std::byte>& bytes, const format::Field& field) {
  if (field.type == abi::FieldType::string) {
    const void* const nul = bytes.empty() ? nullptr : std::memchr(bytes.data(), 0, bytes.size());
    if (nul == nullptr) return std::nullopt;
    const auto length = static_cast<std::size_t>(static_cast<const std::byte*>(nul) - bytes.data());
    const std::string out(reinterpret_cast<const char*>(bytes.data()), std::min(length, kMostText));
    bytes = bytes.subspan(length + 1);
    return out;
  }
  std::uint64_t count = field.shape == abi::FieldShape::array ? field.count : 1;
  if (field.shape == abi::FieldShape::sequence) {
    if (bytes.size() < sizeof(std::uint32_t)) return std::nullopt;
    count = load<std::uint32_t>(bytes.data());
    bytes = bytes.subspan(sizeof(std::uint32_t));
  }
  const std::uint64_t size = abi::size_of(field.type);
  if (size == 0 || count > bytes.size() / size) return std::nullopt;
  std::string out;
  for (std::uint64_t i = 0; i < count && out.size() < kMostText; ++i) out += (i == 0 ? "" : ",") + scalar(bytes.data() + i * size, field);
  bytes = bytes.subspan(count * size);
  return out;
}

}  // namespace ouro::record
