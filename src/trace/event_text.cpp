#include "trace/event_text.hpp"

#include <cstring>

#include "base/foreign.hpp"
#include "trace/tracer.hpp"

namespace ouro::trace {
namespace {

constexpr std::uint32_t kElements = 16, kBytes = 32;  // shown of an array, of raw bytes
constexpr std::size_t kText = 200;                     // of a string

// What is read one behind the other, as far as it goes.
struct Cursor {
  const std::byte* at;
  const std::byte* end;
  std::size_t left() const { return static_cast<std::size_t>(end - at); }
  bool take(void* to, std::size_t size) noexcept {
    if (left() < size) return false;
    std::memcpy(to, at, size);
    at += size;
    return true;
  }
  // A text, up to its NUL. Null: it has none.
  const char* text() noexcept {
    const auto* nul = left() != 0 ? static_cast<const std::byte*>(std::memchr(at, 0, left())) : nullptr;
    const auto* const begin = reinterpret_cast<const char*>(at);
    if (nul == nullptr) return nullptr;
    at = nul + 1;
    return begin;
  }
};

bool read_field(Cursor& from, EventField& out) noexcept {
  abi::FieldHeader header;
  if (!from.take(&header, sizeof header) || header.type > abi::FieldType::string || header.shape > abi::FieldShape::sequence) return false;
  out = {from.text(), nullptr, header.count, header.label_count, header.type, header.shape, header.hex != 0};
  out.labels = reinterpret_cast<const char*>(from.at);
  for (std::uint32_t i = 0; out.name != nullptr && i < header.label_count; ++i) {
    std::int64_t value;
    if (!from.take(&value, sizeof value) || from.text() == nullptr) return false;
  }
  return out.name != nullptr;
}

// Steps over `count` values. False: they do not end there.
bool skip_elements(Cursor& from, abi::FieldType type, std::uint64_t count) noexcept {
  if (type == abi::FieldType::string) {
    for (; count != 0; --count)
      if (from.text() == nullptr) return false;
    return true;
  }
  const std::uint64_t size = count * abi::size_of(type);  // count: 32 bits
  if (size > from.left()) return false;
  from.at += size;
  return true;
}
bool read_count(Cursor& from, abi::FieldShape shape, std::uint32_t of_array, std::uint32_t& count) noexcept {
  count = shape == abi::FieldShape::array ? of_array : 1;
  return shape != abi::FieldShape::sequence || from.take(&count, sizeof count);
}
bool skip_value(Cursor& from, abi::FieldType type, abi::FieldShape shape, std::uint32_t of_array) noexcept {
  std::uint32_t count = 0;
  return read_count(from, shape, of_array, count) && skip_elements(from, type, count);
}

// ---- text

template <class T>
T take_as(Cursor& from) noexcept {
  T value{};
  from.take(&value, sizeof value);
  return value;
}

const char* label_of(const EventField& field, std::int64_t value) noexcept {
  const char* at = field.labels;
  for (std::uint32_t i = 0; i < field.label_count; ++i) {
    std::int64_t its;
    std::memcpy(&its, at, sizeof its);
    if (its == value) return at + sizeof its;
    at += sizeof its + std::strlen(at + sizeof its) + 1;
  }
  return nullptr;
}

void print_integer(Line& line, const EventField& field, std::uint64_t bits, std::int64_t value, bool is_signed) noexcept {
  if (const char* label = label_of(field, value); label != nullptr) line.escaped(label, std::strlen(label), false);
  else if (field.hex) line.hex(bits);
  else if (is_signed) line.signed_number(value);
  else line.number(bits);
}
template <class T>
void print_as(Line& line, const EventField& field, Cursor& from) noexcept {
  const T value = take_as<T>(from);
  constexpr bool kSigned = static_cast<T>(-1) < 0;
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  print_integer(line, field, bits, static_cast<std::int64_t>(value), kSigned);
}
template <class T>
void print_float(Line& line, Cursor& from) noexcept {
  char text[kLongestFloat];
  line.add(text, float_text(take_as<T>(from), text));
}

// One value, which is whole but for a string that was cut off.
void print_element(Line& line, const EventField& field, Cursor& from) noexcept {
  switch (field.type) {
    case abi::FieldType::u8: return print_as<std::uint8_t>(line, field, from);
    case abi::FieldType::u16: return print_as<std::uint16_t>(line, field, from);
    case abi::FieldType::u32: return print_as<std::uint32_t>(line, field, from);
    case abi::FieldType::u64: return print_as<std::uint64_t>(line, field, from);
    case abi::FieldType::i8: return print_as<std::int8_t>(line, field, from);
    case abi::FieldType::i16: return print_as<std::int16_t>(line, field, from);
    case abi::FieldType::i32: return print_as<std::int32_t>(line, field, from);
    case abi::FieldType::i64: return print_as<std::int64_t>(line, field, from);
    case abi::FieldType::f32: return print_float<float>(line, from);
    case abi::FieldType::f64: return print_float<double>(line, from);
    case abi::FieldType::boolean: {
      const auto value = take_as<std::uint8_t>(from);
      static_cast<void>(value > 1 ? line.number(value) : line.add(value == 0 ? "false" : "true"));
      return;
    }
    case abi::FieldType::pointer: line.hex(take_as<std::uint64_t>(from)); return;
    case abi::FieldType::string: {
      const auto* const begin = reinterpret_cast<const char*>(from.at);
      const std::size_t whole = strnlen(begin, from.left()), shown = whole < kText ? whole : kText;
      line.add('"').escaped(begin, shown, true).add(shown < whole || whole == from.left() ? "\"..." : "\"");
      from.at += whole < from.left() ? whole + 1 : whole;
      return;
    }
  }
}

// False: what comes is not there any more.
bool print_value(Line& line, const EventField& field, Cursor& from) noexcept {
  std::uint32_t count = 0;
  if (!read_count(from, field.shape, field.count, count)) return false;
  const std::size_t size = abi::size_of(field.type);
  if (field.shape == abi::FieldShape::scalar) {
    if (from.left() < (size != 0 ? size : 1)) return false;
    print_element(line, field, from);
    return true;
  }
  const bool is_raw = field.type == abi::FieldType::u8 && field.hex;
  const std::uint32_t most = is_raw ? kBytes : kElements;
  line.add(is_raw ? "0x" : "[");
  std::uint32_t i = 0;
  for (; i < count && i < most && !line.is_full() && from.left() >= (size != 0 ? size : 1); ++i) {
    if (!is_raw && i != 0) line.add(", ");
    if (!is_raw) {
      print_element(line, field, from);
      continue;
    }
    constexpr char kHex[] = "0123456789abcdef";
    const auto byte = take_as<std::uint8_t>(from);
    line.add(kHex[byte >> 4]).add(kHex[byte & 15]);
  }
  if (i < count) line.add(is_raw || i == 0 ? "..." : ", ...");
  if (!is_raw) line.add(']');
  return skip_elements(from, field.type, count - i);
}

EventField field_of(const abi::ContextInfo& info) noexcept { return {info.name, nullptr, 0, 0, info.type, info.shape, info.hex}; }

}  // namespace

EventTypes::EventTypes(const SessionView& view, std::byte* memory) noexcept
    : view_(view), contexts_(view.contexts), types_(reinterpret_cast<const EventType**>(memory)), free_(memory + kMostIds * sizeof *types_), end_(memory + kRoom) {
  std::memset(memory, 0, kMostIds * sizeof *types_);
}

const EventType* EventTypes::learn(std::uint32_t id) noexcept {
  const auto& row = reinterpret_cast<const abi::EventRow*>(view_.base + view_.events_offset)[id];
  if (row.state.load(std::memory_order_acquire) != abi::row_ready) return nullptr;
  const std::uint64_t offset = base::read_once(row.schema_offset);
  const std::uint32_t size = base::read_once(row.schema_size);
  if (size < sizeof(abi::SchemaHeader) || size > abi::kMaxSchemaSize || offset > view_.schemas_size || size > view_.schemas_size - offset) return nullptr;
  const std::size_t most = sizeof(EventType) + abi::kMaxFields * sizeof(EventField) + size + 16;
  if (static_cast<std::size_t>(end_ - free_) < most) return nullptr;
  auto* const type = reinterpret_cast<EventType*>(free_);
  std::byte* const copy = end_ - size;  // names stay at the end, types at the beginning
  std::memcpy(copy, view_.base + view_.schemas_offset + offset, size);
  Cursor from{copy, copy + size};
  abi::SchemaHeader header;
  from.take(&header, sizeof header);
  if (header.size > size || header.version != abi::kSchemaVersion || header.field_count > abi::kMaxFields) return nullptr;
  type->name = from.text();
  type->field_count = header.field_count;
  if (type->name == nullptr || from.text() == nullptr) return nullptr;  // its file
  for (std::uint32_t i = 0; i < header.field_count; ++i)
    if (!read_field(from, type->field[i])) return nullptr;
  free_ += (sizeof(EventType) + header.field_count * sizeof(EventField) + 15) & ~std::size_t{15};
  end_ = copy;
  return type;
}

const EventType* EventTypes::find(std::uint32_t id) noexcept {
  if (id >= kMostIds || id >= view_.event_capacity) return nullptr;
  if (types_[id] == nullptr) types_[id] = learn(id);
  return types_[id];
}

std::size_t EventTypes::size_of(const EventType& type, const std::byte* record, std::size_t room) const noexcept {
  Cursor from{record, record + room};
  if (room < detail::kTidSize) return 0;
  from.at += detail::kTidSize;
  for (std::uint64_t bits = contexts_ & abi::kAllContexts; bits != 0; bits &= bits - 1) {
    const abi::ContextInfo& info = abi::kContexts[__builtin_ctzll(bits)];
    if (info.size != 0 && !skip_value(from, info.type, info.shape, 0)) return 0;
  }
  for (std::uint32_t i = 0; i < type.field_count; ++i)
    if (!skip_value(from, type.field[i].type, type.field[i].shape, type.field[i].count)) return 0;
  return static_cast<std::size_t>(from.at - record);
}

void EventTypes::print(Line& line, const EventType& type, const std::byte* record, std::size_t size) const noexcept {
  Cursor from{record, record + size};
  from.at += detail::kTidSize;
  Cursor contexts = from;
  bool is_whole = true;
  for (std::uint64_t bits = contexts_ & abi::kAllContexts; is_whole && bits != 0; bits &= bits - 1) {
    const abi::ContextInfo& info = abi::kContexts[__builtin_ctzll(bits)];
    is_whole = info.size == 0 || skip_value(from, info.type, info.shape, 0);
  }
  for (std::uint32_t i = 0; is_whole && i < type.field_count; ++i) {
    line.add(' ').escaped(type.field[i].name, std::strlen(type.field[i].name), false).add('=');
    is_whole = print_value(line, type.field[i], from);
  }
  if (!is_whole) line.add("...");
  const char* before = "  {";
  for (std::uint64_t bits = contexts_ & abi::kAllContexts; bits != 0; bits &= bits - 1) {
    const abi::ContextInfo& info = abi::kContexts[__builtin_ctzll(bits)];
    if (info.size == 0) continue;
    line.add(before).add(info.name).add('=');
    before = ", ";
    if (!print_value(line, field_of(info), contexts)) break;
  }
  if (*before == ',') line.add('}');
}

}  // namespace ouro::trace
