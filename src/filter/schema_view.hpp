// filter/schema_view.hpp -- an event's schema (ouro/abi/schema.hpp) as bind() needs it: where each field lies in a body.
// Every length is checked; nothing is allocated.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <ouro/abi/schema.hpp>

#include "filter/bound.hpp"

namespace ouro::filter {

struct FieldView {
  const char* name;
  const char* labels;  // { i64 | text \0 } x label_count
  std::uint16_t label_count;
  abi::FieldType type;
  abi::FieldShape shape;
  std::uint8_t segment;  // filter/bound.hpp
  std::uint32_t count;   // of an array
  std::uint32_t offset;  // in its segment

  bool is_list() const noexcept { return shape != abi::FieldShape::scalar; }
  bool is_string() const noexcept { return type == abi::FieldType::string; }
  bool is_signed() const noexcept { return type >= abi::FieldType::i8 && type <= abi::FieldType::i64; }
};

class SchemaView {
 public:
  const char* event = "";
  std::uint32_t count = 0, steps = 0;
  FieldView field[abi::kMaxFields];
  Step walk[kMaxSteps];

  // False: the bytes are not in order.
  bool read(std::span<const std::byte> bytes) noexcept {
    abi::SchemaHeader h;
    if (bytes.size() < sizeof h) return false;
    std::memcpy(&h, bytes.data(), sizeof h);
    if (h.version != abi::kSchemaVersion || h.size > bytes.size() || h.size > abi::kMaxSchemaSize || h.size < sizeof h ||
        h.field_count > abi::kMaxFields)
      return false;
    at_ = reinterpret_cast<const char*>(bytes.data()) + sizeof h;
    end_ = reinterpret_cast<const char*>(bytes.data()) + h.size;
    event = take_text();
    if (event == nullptr || take_text() == nullptr) return false;
    for (std::uint32_t offset = 0; count < h.field_count; ++count)
      if (!read_field(field[count], offset)) return false;
    return true;
  }

  const FieldView* find(const char* name) const noexcept {
    for (std::uint32_t i = 0; i < count; ++i)
      if (std::strcmp(field[i].name, name) == 0) return &field[i];
    return nullptr;
  }

  // Calls f(value, text) for each label until it says true.
  template <class F>
  static bool find_label(const FieldView& field, F f) noexcept(noexcept(f(std::int64_t{}, ""))) {
    const char* p = field.labels;
    for (std::uint32_t i = 0; i < field.label_count; ++i) {
      std::int64_t value;
      std::memcpy(&value, p, sizeof value);
      p += sizeof value;
      if (f(value, p)) return true;
      p += std::strlen(p) + 1;
    }
    return false;
  }

 private:
  static constexpr std::uint32_t kMaxArrayCount = 1 << 20;

  const char* take_text() noexcept {
    const auto* nul = static_cast<const char*>(std::memchr(at_, 0, static_cast<std::size_t>(end_ - at_)));
    if (nul == nullptr) return nullptr;
    const char* text = at_;
    at_ = nul + 1;
    return text;
  }

  // `offset`: of this field in its segment; then of the next one.
  bool read_field(FieldView& f, std::uint32_t& offset) noexcept {
    abi::FieldHeader h;
    if (static_cast<std::size_t>(end_ - at_) < sizeof h) return false;
    std::memcpy(&h, at_, sizeof h);
    at_ += sizeof h;
    const bool is_string = h.type == abi::FieldType::string;
    if (h.type > abi::FieldType::string || h.shape > abi::FieldShape::sequence || (h.label_count != 0 && h.type > abi::FieldType::i64) ||
        (is_string && h.shape != abi::FieldShape::scalar) || (h.shape == abi::FieldShape::array ? h.count > kMaxArrayCount : h.count != 0))
      return false;
    f = {take_text(), at_, h.label_count, h.type, h.shape, static_cast<std::uint8_t>(steps), h.count, offset};
    if (f.name == nullptr) return false;
    f.labels = at_;
    for (std::uint32_t i = 0; i < h.label_count; ++i) {
      if (end_ - at_ < 8) return false;
      at_ += 8;
      if (take_text() == nullptr) return false;
    }
    if (is_string || h.shape == abi::FieldShape::sequence) {
      walk[steps++] = {offset, is_string ? 0 : abi::size_of(h.type)};
      offset = 0;
    } else {
      offset += abi::size_of(h.type) * (f.is_list() ? h.count : 1);  // at most 32 x 8 MiB
    }
    return true;
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

}  // namespace ouro::filter
