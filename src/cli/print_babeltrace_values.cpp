#include "cli/print_babeltrace_values.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "cli/print_number.hpp"

namespace ouro::cli::babeltrace {

using read::Field;
using read::Kind;
using read::Type;
using read::Value;
using As = Shape::As;

namespace {

// ---- what is shown

// Members of a packet's context that the reader itself uses.
bool is_of_packets(const std::string& name) {
  for (const char* other : {"timestamp_begin", "timestamp_end", "events_discarded", "packet_seq_num", "packet_size", "content_size"})
    if (name == other) return true;
  return false;
}

bool is_integer(const Type& type) {
  return type.kind == Kind::unsigned_integer || type.kind == Kind::signed_integer || type.kind == Kind::enumeration;
}

}  // namespace

bool find_hidden(const Type& type, Slots& used, Hidden& hidden, bool in_packet_context) {
  bool shown = true;
  switch (type.kind) {
    case Kind::unsigned_integer:
    case Kind::signed_integer:
    case Kind::enumeration: shown = !type.plan.maps_clock || (type.plan.store >= 0 && used.count(type.plan.store) != 0); break;
    case Kind::floating_point:
    case Kind::boolean:
    case Kind::bit_array:
    case Kind::bit_map: break;
    case Kind::string:
    case Kind::array:
    case Kind::blob:
    case Kind::optional:
      if (!type.members.empty()) shown = find_hidden(*type.members[0].type, used, hidden);
      if (shown && (type.is_sequence || type.kind == Kind::optional)) used.insert(type.plan.load);
      break;
    case Kind::structure:
    case Kind::variant:
      shown = type.members.empty();
      for (auto member = type.members.rbegin(); member != type.members.rend(); ++member) {
        const Type& inner = *member->type;
        if (in_packet_context && is_integer(inner) && is_of_packets(member->name)) {
          if (inner.plan.store >= 0 && used.count(inner.plan.store) != 0) shown = true;
          else hidden.insert(&inner);
        } else if (find_hidden(inner, used, hidden)) {
          shown = true;
        }
      }
      if (type.kind == Kind::variant && shown) {
        for (const Field& option : type.members) hidden.erase(option.type.get());
        used.insert(type.plan.load);
      }
  }
  if (!shown) hidden.insert(&type);
  return shown;
}

namespace {

// ---- shapes

void put_text(PrintBuffer& out, std::string_view text);

std::string in_quotes(std::string_view text) {
  std::string out;
  PrintBuffer buffer(out);
  put_text(buffer, text);
  buffer.flush();
  return out;
}

// Labels of the same text are one, at the place of the first.
std::vector<Shape::Mapping> mappings_of(const Type& type) {
  std::vector<Shape::Mapping> out;
  for (const read::Label& label : type.labels) {
    const std::string text = in_quotes(label.text);
    auto it = std::find_if(out.begin(), out.end(), [&](const auto& mapping) { return mapping.text == text; });
    if (it == out.end()) it = out.insert(it, {text, {}});
    it->ranges.emplace_back(label.low, label.high);
  }
  return out;
}

As as_of(const Type& type) {
  switch (type.kind) {
    case Kind::unsigned_integer: return type.base == 10 ? As::decimal : As::bits;
    case Kind::signed_integer: return type.base == 10 ? As::negative : As::bits;
    case Kind::enumeration: return As::enumeration;
    case Kind::floating_point: return As::real;
    case Kind::string: return As::text;
    case Kind::structure: return As::structure;
    case Kind::variant: return As::variant;
    case Kind::array: return As::array;
    case Kind::boolean: return As::boolean;
    case Kind::bit_array:
    case Kind::bit_map: return As::bits;
    case Kind::blob: return As::bytes;
    case Kind::optional: return As::optional;
  }
  return As::decimal;
}

Shape shape_of(const Type& type, const Hidden& hidden, const std::string& lead = "");

void add_members(Shape& out, const std::vector<Field>& members, const Hidden& hidden) {
  bool is_first = true;
  for (const Field& member : members) {
    out.inner.push_back(shape_of(*member.type, hidden, (is_first ? " " : ", ") + member.name + " = "));
    if (out.inner.back().is_shown) is_first = false;
  }
}

Shape shape_of(const Type& type, const Hidden& hidden, const std::string& lead) {
  Shape out;
  out.as = as_of(type);
  out.type = &type;
  out.is_shown = hidden.count(&type) == 0;
  out.lead = Lead(lead);
  if (type.kind == Kind::enumeration) out.mappings = mappings_of(type);
  if (type.kind == Kind::structure) add_members(out, type.members, hidden);
  if (type.kind == Kind::variant || type.kind == Kind::array || type.kind == Kind::optional)
    for (const Field& member : type.members) out.inner.push_back(shape_of(*member.type, hidden));
  return out;
}

}  // namespace

std::shared_ptr<const Shape> shape_of_scope(const std::vector<Field>& members, const Hidden& hidden) {
  Shape out;
  out.as = As::structure;
  add_members(out, members, hidden);
  const bool any = members.empty() || std::any_of(out.inner.begin(), out.inner.end(), [](const Shape& s) { return s.is_shown; });
  return any ? std::make_shared<Shape>(std::move(out)) : nullptr;
}

namespace {

// ---- values

constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 256; ++c) plain[c] = c != 0x7f && c != '"' && c != '\\' && c != '\'' && c != '?';
  return plain;
}();

[[gnu::noinline]] void put_escaped(PrintBuffer& out, char c) {
  static constexpr std::string_view controls = "abtnvfr";  // from 7 on
  const auto byte = static_cast<unsigned char>(c);
  out.put('\\');
  if (byte >= 0x20 && byte != 0x7f) {
    out.put(c);
  } else if (byte >= 7 && byte <= 13) {
    out.put(controls[byte - 7u]);
  } else if (byte == 0x1b) {
    out.put('e');
  } else {
    static constexpr char hex[] = "0123456789abcdef";
    out.put('x');
    out.put(hex[byte >> 4]);
    out.put(hex[byte & 15]);
  }
}

void put_text(PrintBuffer& out, std::string_view text) {
  out.put('"');
  const char *plain = text.data(), *const end = plain + text.size();
  for (const char* at = plain; at != end;) {
    at = find_special(at, end, kPlain);
    if (at == end) break;
    out.put({plain, static_cast<std::size_t>(at - plain)});
    put_escaped(out, *at);
    plain = ++at;
  }
  out.put({plain, static_cast<std::size_t>(end - plain)});
  out.put('"');
}

void put_bits(PrintBuffer& out, const Type& type, std::uint64_t bits) {
  const auto low = [&](std::uint32_t n) { return n >= 64 ? bits : bits & ((std::uint64_t{1} << n) - 1); };
  if (type.base == 16 || type.kind == Kind::bit_array || type.kind == Kind::bit_map) {
    out.put("0x");
    put_hex(out, low((type.bits + 3) & ~3u));
  } else if (type.base == 8) {
    out.put('0');
    out.number(type.is_signed ? low((type.bits + 2) / 3 * 3) : bits, 8);
  } else {
    out.put("0b");
    for (std::uint32_t i = type.bits; i-- > 0;) out.put((bits >> i & 1) != 0 ? '1' : '0');
  }
}

void put_integer(PrintBuffer& out, const Type& type, std::uint64_t bits) {
  if (type.base != 10) put_bits(out, type, bits);
  else if (type.is_signed) out.number(static_cast<std::int64_t>(bits));
  else out.number(bits);
}

void put_enumeration(PrintBuffer& out, const Shape& shape, std::uint64_t bits) {
  out.put("( ");
  bool is_first = true;
  for (const Shape::Mapping& mapping : shape.mappings) {
    const bool holds = std::any_of(mapping.ranges.begin(), mapping.ranges.end(), [&](const auto& range) {
      return shape.type->is_signed ? static_cast<std::int64_t>(bits) >= static_cast<std::int64_t>(range.first) &&
                                         static_cast<std::int64_t>(bits) <= static_cast<std::int64_t>(range.second)
                                   : bits >= range.first && bits <= range.second;
    });
    if (!holds) continue;
    if (!is_first) out.put(", ");
    is_first = false;
    out.put(mapping.text);
  }
  if (is_first) out.put("<unknown>");
  out.put(" : container = ");
  put_integer(out, *shape.type, bits);
  out.put(" )");
}

void put_other(PrintBuffer& out, const Shape& shape, const Value* value);

inline void put_value(PrintBuffer& out, const Shape& shape, const Value* value) {
  // Most are.
  if (shape.as == As::decimal) out.number(value->u);
  else if (shape.as == As::negative) out.number(value->i);
  else if (shape.as == As::text) put_text(out, value->text());
  else put_other(out, shape, value);
}

}  // namespace

void put_structure(PrintBuffer& out, const Shape& shape, const Value* value) {
  out.put('{');
  for (const Shape& member : shape.inner) {
    if (member.is_shown) {
      out.put(member.lead);
      put_value(out, member, value);
    }
    value += value->nodes;
  }
  out.put(" }");
}

namespace {

void put_index(PrintBuffer& out, std::uint32_t index) {
  static const Lead first(" [0] = "), next(", ["), end("] = ");
  if (index == 0) return out.put(first);
  out.put(next);
  out.number(index);
  out.put(end);
}

// Whole numbers in base 10 and this machine's byte order, as most arrays are of.
template <class T>
void put_numbers(PrintBuffer& out, const Value& array) {
  for (std::uint32_t i = 0; i < array.count; ++i) {
    T number;
    std::memcpy(&number, array.bytes + i * sizeof number, sizeof number);
    put_index(out, i);
    if constexpr (std::is_signed_v<T>) out.number(std::int64_t{number});
    else out.number(std::uint64_t{number});
  }
}

// Of the T that has as many bits as an element. False if none has.
template <class... T>
bool put_numbers_of(PrintBuffer& out, const Value& array) {
  const std::uint32_t bits = array.type().members[0].type->bits;
  return ((bits == sizeof(T) * 8 && (put_numbers<T>(out, array), true)) || ...);
}

bool put_numbers(PrintBuffer& out, As as, const Value& array) {
  const Type& type = *array.type().members[0].type;
  if (type.plan.big_endian && type.bits != 8) return false;
  if (as == As::decimal) return put_numbers_of<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>(out, array);
  return as == As::negative && put_numbers_of<std::int8_t, std::int16_t, std::int32_t, std::int64_t>(out, array);
}

void put_array(PrintBuffer& out, const Shape& shape, const Value* value) {
  out.put('[');
  if (!value->is_packed()) {
    const Value* element = value + 1;
    for (std::uint32_t i = 0; i < value->count; ++i, element += element->nodes) {
      put_index(out, i);
      put_value(out, shape.inner[0], element);
    }
  } else if (!put_numbers(out, shape.inner[0].as, *value)) {
    for (std::uint32_t i = 0; i < value->count; ++i) {
      const Value element = value->element(i);
      put_index(out, i);
      put_value(out, shape.inner[0], &element);
    }
  }
  out.put(" ]");
}

void put_other(PrintBuffer& out, const Shape& shape, const Value* value) {
  switch (shape.as) {
    case As::decimal:
    case As::negative:
    case As::text: break;  // put_value()'s
    case As::bits: put_bits(out, *shape.type, value->u); break;
    case As::enumeration: put_enumeration(out, shape, value->u); break;
    case As::real: put_real(out, value->f); break;
    case As::structure: put_structure(out, shape, value + 1); break;
    case As::array: put_array(out, shape, value); break;
    // Of CTF 2, as far as version 2.1 of babeltrace2 would show it.
    case As::boolean: out.put(value->u != 0 ? "true" : "false"); break;
    case As::bytes:
      out.put("0x");
      for (std::uint32_t i = 0; i < value->count; ++i) {
        out.put("0123456789ABCDEF"[static_cast<unsigned char>(value->bytes[i]) >> 4]);
        out.put("0123456789ABCDEF"[static_cast<unsigned char>(value->bytes[i]) & 15]);
      }
      break;
    case As::optional:
      if (value->count == 0) return out.put("<none>");
      out.put("{ ");
      put_value(out, shape.inner[0], value + 1);
      out.put(" }");
      break;
    case As::variant: {
      const auto option = static_cast<std::size_t>(value[1].field - shape.type->members.data());
      out.put("{ ");
      put_value(out, shape.inner[option], value + 1);
      out.put(" }");
    }
  }
}

}  // namespace
}  // namespace ouro::cli::babeltrace
