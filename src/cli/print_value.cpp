#include "cli/print_value.hpp"

#include <array>

namespace ouro::cli {

using read::Kind;
using read::Type;
using read::Value;

namespace {

bool is_tail(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
}

// U+0080 to U+009F are controls.
std::size_t printable_length(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t n = utf8_length(text, at);
  return n == 2 && first == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0 ? 0 : n;
}

void escape_byte(PrintBuffer& out, unsigned char byte) {
  static constexpr char hex[] = "0123456789abcdef";
  switch (byte) {
    case '\n': out.put("\\n"); return;
    case '\t': out.put("\\t"); return;
    case '\r': out.put("\\r"); return;
    default: break;
  }
  out.put("\\x");
  out.put(hex[byte >> 4]);
  out.put(hex[byte & 15]);
}

// Bytes that stand for themselves in every text; most texts have no others.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

void print_text(PrintBuffer& out, std::string_view text, bool quoted) {
  std::size_t plain = 0;  // begin of what can be copied as it is
  for (std::size_t at = 0; at < text.size();) {
    if (kPlain[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const std::size_t n = printable_length(text, at);
    const bool special = quoted && (text[at] == '"' || text[at] == '\\');
    if (n != 0 && !special) {
      at += n;
      continue;
    }
    out.put(text.substr(plain, at - plain));
    if (special) {
      out.put('\\');
      out.put(text[at]);
    } else {
      escape_byte(out, static_cast<unsigned char>(text[at]));
    }
    plain = ++at;
  }
  out.put(text.substr(plain));
}

void print_integer(PrintBuffer& out, const Value& value) {
  const Type& type = value.type();
  if (type.base == 10) {
    if (type.is_signed)
      out.number(value.i);
    else
      out.number(value.u);
    return;
  }
  // In bases that show bits, a negative number shows those it has.
  const std::uint64_t mask = type.bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << type.bits) - 1;
  out.put(type.base == 16 ? "0x" : type.base == 8 ? "0" : "0b");
  out.number(value.u & mask, type.base);
}

void print_enumeration(PrintBuffer& out, const Value& value) {
  const std::string_view label = value.label();
  if (label.empty())
    print_integer(out, value);
  else
    print_text(out, label, false);
}

void print_float(PrintBuffer& out, const Value& value) {
  if (value.type().bits == 32)
    out.number(static_cast<float>(value.f));
  else
    out.number(value.f);
}

// The flags that are set, or all bits if none of those has a name.
void print_bit_map(PrintBuffer& out, const Value& value) {
  bool any = false;
  std::string_view before;
  for (const read::Label& flag : value.type().labels) {
    if (!value.holds(flag) || (any && flag.text == before)) continue;
    if (any) out.put('|');
    print_text(out, flag.text, false);
    any = true;
    before = flag.text;
  }
  if (!any) print_integer(out, value);
}

void print_bytes(PrintBuffer& out, const Value& value) {
  static constexpr char hex[] = "0123456789abcdef";
  out.put("0x");
  for (std::uint32_t i = 0; i < value.count; ++i) {
    out.put(hex[static_cast<unsigned char>(value.bytes[i]) >> 4]);
    out.put(hex[static_cast<unsigned char>(value.bytes[i]) & 15]);
  }
}

void print_scalar(PrintBuffer& out, const Value& value) {
  switch (value.kind()) {
    case Kind::floating_point: print_float(out, value); break;
    case Kind::enumeration: print_enumeration(out, value); break;
    case Kind::boolean: out.put(value.u != 0 ? "true" : "false"); break;
    case Kind::bit_map: print_bit_map(out, value); break;
    default: print_integer(out, value);
  }
}

void print_packed(PrintBuffer& out, const Value& value) {
  const Type& element = *value.type().members[0].type;
  if (element.kind == Kind::unsigned_integer && element.bits == 8 && element.base == 16) return print_bytes(out, value);
  out.put('[');
  for (std::uint32_t i = 0; i < value.count; ++i) {
    if (i != 0) out.put(", ");
    print_scalar(out, value.element(i));
  }
  out.put(']');
}

// Direct children, one behind the other, each with all inside it.
void print_children(PrintBuffer& out, const Value* parent, bool named) {
  const Value* child = parent + 1;
  for (std::uint32_t i = 0; i < parent->count; ++i, child += child->nodes) {
    if (i != 0) out.put(", ");
    if (named) {
      out.put(child->name());
      out.put('=');
    }
    print_value(out, child);
  }
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf && is_tail(text, at + 1)) return 2;
  if (first >= 0xe0 && first <= 0xef && is_tail(text, at + 1) && is_tail(text, at + 2)) {
    const bool overlong = first == 0xe0 && byte(at + 1) < 0xa0, surrogate = first == 0xed && byte(at + 1) > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4 && is_tail(text, at + 1) && is_tail(text, at + 2) && is_tail(text, at + 3)) {
    const bool overlong = first == 0xf0 && byte(at + 1) < 0x90, too_large = first == 0xf4 && byte(at + 1) > 0x8f;
    return overlong || too_large ? 0 : 4;
  }
  return 0;
}

bool is_length_of(const read::Field& field, const read::Field& next) {
  const std::string_view name = field.name, of = next.name;
  return next.type->is_sequence && name.size() == of.size() + 8 && name.front() == '_' && name.ends_with("_length") &&
         name.substr(1, of.size()) == of;
}

void print_value(PrintBuffer& out, const Value* value) {
  switch (value->kind()) {
    case Kind::string:
      out.put('"');
      print_text(out, value->text(), true);
      out.put('"');
      break;
    case Kind::structure:
      out.put('{');
      print_children(out, value, true);
      out.put('}');
      break;
    case Kind::variant: print_children(out, value, false); break;
    case Kind::blob: print_bytes(out, *value); break;
    case Kind::optional:
      if (value->count == 0) out.put("none");
      print_children(out, value, false);
      break;
    case Kind::array:
      if (value->is_packed()) {
        print_packed(out, *value);
      } else {
        out.put('[');
        print_children(out, value, false);
        out.put(']');
      }
      break;
    default: print_scalar(out, *value);
  }
}

void print_fields(PrintBuffer& out, std::span<const Value> fields) {
  bool first = true;
  for (std::size_t at = 0; at < fields.size(); at += fields[at].nodes) {
    const std::size_t next = at + fields[at].nodes;
    if (next < fields.size() && is_length_of(*fields[at].field, *fields[next].field)) continue;
    if (!first) out.put(' ');
    first = false;
    out.put(fields[at].name());
    out.put('=');
    print_value(out, &fields[at]);
  }
}

std::string escaped(std::string_view text) {
  std::string out;
  PrintBuffer buffer(out);
  print_text(buffer, text, false);
  buffer.flush();
  return out;
}

}  // namespace ouro::cli
