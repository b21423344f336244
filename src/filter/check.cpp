#include <algorithm>
#include <array>

#include "filter/bind.hpp"
#include "filter/filter.hpp"
#include "filter/mistakes.hpp"
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

std::string list_of(const std::vector<Known>& known) {
  std::string list;
  for (const Known& one : known) list += (list.empty() ? "" : ", ") + one.name + " (" + one.type + ")";
  return list.empty() ? "none" : list;
}

const Known* find(const std::vector<Known>& known, std::string_view name) {
  for (const Known& one : known)
    if (one.name == name) return &one;
  return nullptr;
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

// What somebody may have meant who typed `name`.
class Hint {
 public:
  explicit Hint(std::string_view name) : name_(name), least_(std::min<std::size_t>(2, name.size() / 2) + 1) {}
  void consider(const std::string& other) {
    const std::size_t d = distance(name_, other);
    if (d >= least_) return;
    least_ = d;
    text_ = " (hint: " + other + "?)";
  }
  const std::string& text() const { return text_; }

 private:
  std::string_view name_;
  std::size_t least_;
  std::string text_;
};

Mistake no_such_field(const std::string& name, const KnownEvent& event) {
  Hint hint(name);
  for (const Known& field : event.fields) hint.consider(field.name);
  return {0, "'" + name + "' is no field of " + event.name + hint.text(), {"fields: " + list_of(event.fields), "contexts: " + list_of(event.contexts)}};
}

Mistake no_such_label(const std::string& name, bool is_pattern, const Known& labelled) {
  Hint hint(name);
  std::string list;
  for (const std::string& label : labelled.labels) {
    hint.consider(label);
    list += (list.empty() ? "" : ", ") + label;
  }
  const std::string of = "'" + labelled.name + "'";
  return {0, is_pattern ? "the labels of " + of + " are compared whole, not with a pattern" : "'" + name + "' is no label of " + of + hint.text(),
          {"labels: " + list}};
}

bool names_field(const abi::FilterOperand& operand) {
  return operand.kind == abi::FilterOperandKind::name || operand.kind == abi::FilterOperandKind::element ||
         operand.kind == abi::FilterOperandKind::length;
}

// What does not fit in `name`, a field or a context. `is_alone`: it is compared with nothing that stands in the text.
std::string said(BindStatus status, const std::string& name, const std::string& type, bool is_alone) {
  const std::string is_a = "'" + name + "' is of type " + type;
  switch (status) {
    case BindStatus::number_and_text:
      if (is_alone) return is_a + ", which by itself is no condition (hint: " + name + " != \"\")";
      return is_a + ", but what it is compared with is " + (type == "string" ? "a number" : "a string");
    case BindStatus::not_an_integer: return is_a + ", '&' wants an integer";
    case BindStatus::no_order: return is_a + "; strings are compared with == and !=, they have no order here";
    case BindStatus::wants_element: return is_a + ", want one element, " + name + "[0], or their number, len(" + name + ")";
    case BindStatus::no_elements: return is_a + ", which has no elements";
    case BindStatus::no_length: return is_a + ", which has no length";
    default: return is_a + ", which does not fit here";
  }
}

KnownEvent known(const SchemaView& schema) {
  KnownEvent out;
  out.name = schema.event;
  for (std::uint32_t i = 0; i < schema.count; ++i) {
    Known& field = out.fields.emplace_back(Known{schema.field[i].name, type_of(schema.field[i]), {}});
    SchemaView::find_label(schema.field[i], [&](std::int64_t, const char* text) {
      field.labels.emplace_back(text);
      return false;
    });
  }
  for (std::uint32_t i = 0; i < abi::kFilterContexts; ++i)
    out.contexts.push_back({abi::kFilterContextNames[i], abi::is_text(static_cast<abi::FilterContext>(i)) ? "string" : "u32", {}});
  return out;
}

}  // namespace

Mistake mistake_of(const Filter& filter, const BindResult& result, const KnownEvent& event) {
  abi::FilterTerm term;
  std::memcpy(&term, filter.code.data() + sizeof(abi::FilterHeader) + result.term * sizeof term, sizeof term);
  abi::FilterHeader header;
  std::memcpy(&header, filter.code.data(), sizeof header);
  const char* pool = reinterpret_cast<const char*>(filter.code.data()) + sizeof header + header.term_count * sizeof term;
  const abi::FilterOperand &operand = result.is_right ? term.right : term.left, &other = result.is_right ? term.left : term.right;
  const Filter::Places places = result.term < filter.places.size() ? filter.places[result.term] : Filter::Places{};
  const std::string name = name_of(filter.code, result);
  const auto field_of = [&](const abi::FilterOperand& o) { return names_field(o) ? find(event.fields, pool + o.text) : nullptr; };
  const Known *field = field_of(operand), *labelled = field_of(other);
  if (field == nullptr) field = find(event.contexts, name);
  Mistake mistake;
  if (result.status == BindStatus::no_such_field) mistake = no_such_field(name, event);
  else if (result.status == BindStatus::no_such_label && labelled != nullptr)
    mistake = no_such_label(name, operand.kind > abi::FilterOperandKind::text_exact, *labelled);
  else mistake.text = said(result.status, name, field != nullptr ? field->type : "another", places.left == places.right);
  mistake.at = result.is_right ? places.right : places.left;
  return mistake;
}

std::optional<Mistake> check(const Filter& filter, std::span<const std::byte> schema_bytes) {
  alignas(8) std::array<std::byte, kMaxBoundSize> memory;
  const BindResult result = filter::bind(filter.code, schema_bytes, memory);
  if (result) return std::nullopt;
  SchemaView schema;
  if (result.status >= BindStatus::no_room || !schema.read(schema_bytes)) {
    const bool is_code = result.status == BindStatus::bad_code;
    return Mistake{0, is_code ? "the filter's code is not in order" : "the event's schema is not in order"};
  }
  return mistake_of(filter, result, known(schema));
}

// Characters, not bytes, put the caret below its place; what cannot be shown is a space.
std::string render(const Mistake& mistake, std::string_view expression) {
  std::string line, caret;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const auto byte = static_cast<unsigned char>(expression[i]);
    line += byte < 0x20 || byte == 0x7f ? ' ' : expression[i];
    if (i < mistake.at && (byte & 0xc0) != 0x80) caret += ' ';
  }
  std::string all = "filter: " + mistake.text + "\n  " + line + "\n  " + caret + "^";
  for (const std::string& list : mistake.lists) all += "\n  " + list;
  return all;
}

}  // namespace ouro::filter
