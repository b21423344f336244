// format/event_class.cpp -- a schema's bytes (ouro/abi/schema.hpp draws them) become an EventClass, or an error that
// says which part is wrong. The bytes may have been written by anybody: no length is used before it was checked.
#include "format/event_class.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

namespace ouro::format {
namespace {

using abi::FieldShape;
using abi::FieldType;

// Of scalars; more would not fit into a sub-buffer of any sane size, and readers hold a value per element.
constexpr std::uint32_t kMaxArrayCount = 1 << 20;

// Takes the bytes from front to back, and nothing beyond their end.
class Taker {
 public:
  explicit Taker(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t at() const { return at_; }
  bool at_end() const { return at_ == bytes_.size(); }

  template <class T>
  std::optional<T> value() {
    if (bytes_.size() - at_ < sizeof(T)) return std::nullopt;
    T out;
    std::memcpy(&out, bytes_.data() + at_, sizeof out);
    at_ += sizeof out;
    return out;
  }

  std::optional<std::string> text() {
    const std::size_t left = bytes_.size() - at_;
    if (left == 0) return std::nullopt;
    const char* begin = reinterpret_cast<const char*>(bytes_.data() + at_);
    const void* nul = std::memchr(begin, 0, left);
    if (nul == nullptr) return std::nullopt;
    std::string out(begin, static_cast<const char*>(nul));
    at_ += out.size() + 1;
    return out;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

// Length of the well-formed UTF-8 sequence at `p`, 0 if there is none (overlong forms, surrogates and code points
// above U+10FFFF are none).
std::size_t utf8_length(const unsigned char* p, std::size_t left) {
  const auto tail = [&](std::size_t i) { return i < left && (p[i] & 0xc0) == 0x80; };
  if (p[0] < 0x80) return 1;
  if (p[0] >= 0xc2 && p[0] <= 0xdf && tail(1)) return 2;
  if (p[0] >= 0xe0 && p[0] <= 0xef && tail(1) && tail(2)) {
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    return 3;
  }
  if (p[0] >= 0xf0 && p[0] <= 0xf4 && tail(1) && tail(2) && tail(3)) {
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return 4;
  }
  return 0;
}

bool is_printable(const std::string& text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = utf8_length(p + i, text.size() - i);
    if (n == 0 || (n == 1 && (p[i] < 0x20 || p[i] == 0x7f))) return false;
    if (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0) return false;  // U+0080 .. U+009F: controls, CSI among them
    i += n;
  }
  return true;
}

// Fails with the name of what was wanted.
Result<std::string> take_name(Taker& taker, const char* what, bool may_be_empty) {
  const std::size_t at = taker.at();
  std::optional<std::string> text = taker.text();
  if (!text) return errorf(EINVAL, "schema: %s at byte %zu does not end, want a NUL", what, at);
  if (text->empty() && !may_be_empty) return errorf(EINVAL, "schema: %s at byte %zu is empty", what, at);
  if (!is_printable(*text)) return errorf(EINVAL, "schema: %s at byte %zu is not printable UTF-8", what, at);
  return std::move(*text);
}

Status check(const abi::FieldHeader& h, std::size_t at) {
  const auto type = static_cast<unsigned>(h.type);
  const auto shape = static_cast<unsigned>(h.shape);
  if (type > static_cast<unsigned>(FieldType::string))
    return errorf(EINVAL, "schema: field at byte %zu has type %u, want at most %u", at, type,
                  static_cast<unsigned>(FieldType::string));
  if (shape > static_cast<unsigned>(FieldShape::sequence))
    return errorf(EINVAL, "schema: field at byte %zu has shape %u, want at most %u", at, shape,
                  static_cast<unsigned>(FieldShape::sequence));
  if (h.type == FieldType::string && h.shape != FieldShape::scalar)
    return errorf(EINVAL, "schema: field at byte %zu is an array or sequence of strings, want scalars", at);
  if (h.hex > 1) return errorf(EINVAL, "schema: field at byte %zu has hex %u, want 0 or 1", at, unsigned{h.hex});
  if (h.shape == FieldShape::array ? h.count == 0 || h.count > kMaxArrayCount : h.count != 0)
    return errorf(EINVAL, "schema: field at byte %zu has count %u, want %s", at, h.count,
                  h.shape == FieldShape::array ? "1 to 2^20 for an array" : "0 for anything but an array");
  if (h.label_count != 0 && h.type > FieldType::i64)
    return errorf(EINVAL, "schema: field at byte %zu has labels, but is no integer", at);
  return Ok{};
}

Result<Field> take_field(Taker& taker) {
  const std::size_t at = taker.at();
  const auto h = taker.value<abi::FieldHeader>();
  if (!h) return errorf(EINVAL, "schema: field at byte %zu is cut off", at);
  if (Status ok = check(*h, at); !ok) return ok.error();
  Result<std::string> name = take_name(taker, "field name", false);
  if (!name) return name.error();
  Field field{std::move(*name), h->type, h->shape, h->hex != 0, h->count, {}};
  for (unsigned i = 0; i < h->label_count; ++i) {
    const auto value = taker.value<std::int64_t>();
    if (!value) return errorf(EINVAL, "schema: labels of field '%s' are cut off", field.name.c_str());
    Result<std::string> text = take_name(taker, "label", false);
    if (!text) return text.error();
    field.labels.push_back({*value, std::move(*text)});
  }
  return field;
}

Status check(const abi::SchemaHeader& h, std::size_t available) {
  if (h.version != abi::kSchemaVersion)
    return errorf(EINVAL, "schema: version is %u, want %u (a program built with another Ouro?)", unsigned{h.version},
                  unsigned{abi::kSchemaVersion});
  if (h.size < sizeof h || h.size > abi::kMaxSchemaSize || h.size > available)
    return errorf(EINVAL, "schema: size is %u, want %zu to %zu", h.size, sizeof h,
                  std::min<std::size_t>(available, abi::kMaxSchemaSize));
  if (h.kind > abi::EventKind::counter)
    return errorf(EINVAL, "schema: kind is %u, want at most %u", static_cast<unsigned>(h.kind),
                  static_cast<unsigned>(abi::EventKind::counter));
  if (h.level > abi::Level::debug)
    return errorf(EINVAL, "schema: level is %u, want at most %u", static_cast<unsigned>(h.level),
                  static_cast<unsigned>(abi::Level::debug));
  if (h.field_count > abi::kMaxFields)
    return errorf(EINVAL, "schema: %u fields, want at most %u", unsigned{h.field_count}, abi::kMaxFields);
  return Ok{};
}

}  // namespace

Result<EventClass> parse_schema(std::span<const std::byte> bytes) {
  const auto h = Taker(bytes).value<abi::SchemaHeader>();
  if (!h) return errorf(EINVAL, "schema: %zu bytes, want at least %zu", bytes.size(), sizeof(abi::SchemaHeader));
  if (Status ok = check(*h, bytes.size()); !ok) return ok.error();

  Taker taker(bytes.first(h->size));
  taker.value<abi::SchemaHeader>();
  EventClass out;
  out.kind = h->kind;
  out.level = h->level;
  out.line = h->line;
  Result<std::string> name = take_name(taker, "event name", false);
  if (!name) return name.error();
  out.name = std::move(*name);
  Result<std::string> file = take_name(taker, "file name", true);
  if (!file) return file.error();
  out.file = std::move(*file);
  for (unsigned i = 0; i < h->field_count; ++i) {
    Result<Field> field = take_field(taker);
    if (!field) return field.error();
    out.fields.push_back(std::move(*field));
  }
  if (!taker.at_end())
    return errorf(EINVAL, "schema of '%s': %zu bytes are left behind the last field, want none", out.name.c_str(),
                  h->size - taker.at());
  return out;
}

const char* to_string(abi::Level level) {
  static constexpr const char* names[] = {"emergency",      "alert",         "critical",     "error",
                                          "warning",        "notice",        "info",         "debug_system",
                                          "debug_program",  "debug_process", "debug_module", "debug_unit",
                                          "debug_function", "debug_line",    "debug"};
  const auto i = static_cast<std::size_t>(level);
  return i < std::size(names) ? names[i] : "unknown";
}

const char* to_string(abi::EventKind kind) {
  switch (kind) {
    case abi::EventKind::point: return "event";
    case abi::EventKind::span_begin: return "span";
    case abi::EventKind::span_end: return "span_end";
    case abi::EventKind::counter: return "counter";
  }
  return "unknown";
}

std::string type_name(const Field& field) {
  static constexpr const char* names[] = {"u8",  "u16", "u32", "u64",  "i8",      "i16",   "i32",
                                          "i64", "f32", "f64", "bool", "pointer", "string"};
  const auto i = static_cast<std::size_t>(field.type);
  std::string name = i < std::size(names) ? names[i] : "unknown";
  if (!field.labels.empty()) name = "enum " + name;
  const bool raw = field.hex && field.type == FieldType::u8 && field.labels.empty();
  switch (field.shape) {
    case FieldShape::scalar: return name;
    case FieldShape::array: return (raw ? "bytes" : name) + "[" + std::to_string(field.count) + "]";
    case FieldShape::sequence: return raw ? "bytes" : name + "[]";
  }
  return name;
}

}  // namespace ouro::format
