#include <algorithm>
#include <array>

#include "filter/bind.hpp"
#include "filter/filter.hpp"
#include "filter/schema_view.hpp"

namespace ouro::filter {
namespace {

std::string type_of(const FieldView& field) {
  static constexpr const char* names[] = {"u8",  "u16", "u32", "u64",  "i8",      "i16",   "i32",
                                          "i64", "f32", "f64", "bool", "pointer", "string"};
  std::string name = names[static_cast<std::uint8_t>(field.type)];
  if (field.label_count != 0) name = "enum " + name;
  if (field.shape == abi::FieldShape::array) return name + "[" + std::to_string(field.count) + "]";
  return field.shape == abi::FieldShape::sequence ? name + "[]" : name;
}

std::string list_of_fields(const SchemaView& schema) {
  std::string list;
  for (std::uint32_t i = 0; i < schema.count; ++i)
    list += (i != 0 ? ", " : "") + std::string(schema.field[i].name) + " (" + type_of(schema.field[i]) + ")";
  return list.empty() ? "none" : list;
}

std::string list_of_contexts() {
  std::string list;
  for (std::uint32_t i = 0; i < abi::kFilterContexts; ++i)
    list += (i != 0 ? ", " : "") + std::string(abi::kFilterContextNames[i]) +
            (abi::is_text(static_cast<abi::FilterContext>(i)) ? " (string)" : " (u32)");
  return list;
}

std::string list_of_labels(const FieldView& field) {
  std::string list;
  SchemaView::find_label(field, [&](std::int64_t, const char* text) {
    list += (list.empty() ? "" : ", ") + std::string(text);
    return false;
  });
  return list;
}

// Letters put in, left out, exchanged for others.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t other = corner + (a[i - 1] != b[j - 1]);
      corner = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, other});
    }
  }
  return row[b.size()];
}

std::string hint_for(std::string_view name, const SchemaView& schema) {
  std::string_view best;
  std::size_t least = std::min<std::size_t>(2, name.size() / 2) + 1;
  for (std::uint32_t i = 0; i < schema.count; ++i)
    if (const std::size_t d = distance(name, schema.field[i].name); d < least) {
      least = d;
      best = schema.field[i].name;
    }
  return best.empty() ? "" : " (hint: " + std::string(best) + "?)";
}

const FieldView* field_of(const abi::FilterOperand& operand, const char* pool, const SchemaView& schema) {
  const bool is_field = operand.kind == abi::FilterOperandKind::name || operand.kind == abi::FilterOperandKind::element ||
                        operand.kind == abi::FilterOperandKind::length;
  return is_field ? schema.find(pool + operand.text) : nullptr;
}

std::string type_of_context(std::string_view name) { return name == "thread" || name == "comm" ? "string" : "u32"; }

// `is_alone`: it is not compared with anything that stands in the text.
std::string said(BindStatus status, const std::string& name, const FieldView* field, const FieldView* other, bool is_alone,
                 const SchemaView& schema) {
  const std::string type = field != nullptr ? type_of(*field) : type_of_context(name);
  const std::string is_a = "'" + name + "' is of type " + type;
  switch (status) {
    case BindStatus::no_such_field:
      return "'" + name + "' is no field of " + schema.event + hint_for(name, schema) + "; fields: " + list_of_fields(schema) +
             "; contexts: " + list_of_contexts();
    case BindStatus::no_such_label:
      return "'" + name + "' is none of the labels of '" + (other != nullptr ? other->name : "?") + "', which are compared whole: " +
             (other != nullptr ? list_of_labels(*other) : "");
    case BindStatus::number_and_text:
      if (is_alone) return is_a + ", which by itself is no condition (hint: " + name + " != \"\")";
      return is_a + ", but what it is compared with is " + (type == "string" ? "a number" : "a string");
    case BindStatus::not_an_integer: return is_a + ", '&' wants an integer";
    case BindStatus::no_order: return is_a + ", strings are compared with == and !=, they have no order here";
    case BindStatus::wants_element: return is_a + ", want one element, " + name + "[0], or their number, len(" + name + ")";
    case BindStatus::no_elements: return is_a + ", which has no elements";
    case BindStatus::no_length: return is_a + ", which has no length";
    case BindStatus::ok:
    case BindStatus::no_room:
    case BindStatus::bad_code:
    case BindStatus::bad_schema: break;
  }
  return "the event's schema is not in order";
}

}  // namespace

std::optional<Mistake> check(const Filter& filter, std::span<const std::byte> schema_bytes) {
  alignas(8) std::array<std::byte, kMaxBoundSize> memory;
  const BindResult result = filter::bind(filter.code, schema_bytes, memory);
  if (result) return std::nullopt;
  SchemaView schema;
  if (result.status >= BindStatus::no_room || !schema.read(schema_bytes)) {
    const bool is_code = result.status == BindStatus::bad_code;
    return Mistake{0, is_code ? "the filter's code is not in order" : "the event's schema is not in order"};
  }
  abi::FilterTerm term;
  std::memcpy(&term, filter.code.data() + sizeof(abi::FilterHeader) + result.term * sizeof term, sizeof term);
  abi::FilterHeader header;
  std::memcpy(&header, filter.code.data(), sizeof header);
  const char* pool = reinterpret_cast<const char*>(filter.code.data()) + sizeof header + header.term_count * sizeof term;
  const abi::FilterOperand &operand = result.is_right ? term.right : term.left, &other = result.is_right ? term.left : term.right;
  const Filter::Places places = result.term < filter.places.size() ? filter.places[result.term] : Filter::Places{};
  return Mistake{result.is_right ? places.right : places.left,
                 said(result.status, name_of(filter.code, result), field_of(operand, pool, schema), field_of(other, pool, schema),
                      places.left == places.right, schema)};
}

// Characters, not bytes, put the caret below its place; what cannot be shown is a space.
std::string render(const Mistake& mistake, std::string_view expression) {
  std::string line, caret;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const auto byte = static_cast<unsigned char>(expression[i]);
    line += byte < 0x20 || byte == 0x7f ? ' ' : expression[i];
    if (i < mistake.at && (byte & 0xc0) != 0x80) caret += ' ';
  }
  return "filter: " + mistake.text + "\n  " + line + "\n  " + caret + "^";
}

}  // namespace ouro::filter
