// format/event_class.hpp -- an event class as the offline and online halves know it, read from the bytes that a
// program states it in (ouro/abi/schema.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ouro/abi/schema.hpp>
#include <ouro/result.hpp>

namespace ouro::format {

struct Label {
  std::int64_t value = 0;
  std::string text;
};

struct Field {
  std::string name;
  abi::FieldType type{};
  abi::FieldShape shape{};
  bool hex = false;
  std::uint32_t count = 0;    // of an array
  std::vector<Label> labels;  // of an enumeration
};

struct EventClass {
  std::string name;  // "provider:event"; of a span's halves: with _begin or _end behind it
  abi::EventKind kind{};
  abi::Level level{};
  std::string file;
  std::uint32_t line = 0;
  std::vector<Field> fields;
};

// Trusts nothing: the bytes may come from another process. Names are checked to be printable and non-empty.
Result<EventClass> parse_schema(std::span<const std::byte> bytes);

const char* to_string(abi::Level);      // "info"
const char* to_string(abi::EventKind);  // "event", "span", "span_end", "counter"
std::string type_name(const Field&);    // "u32", "i64[4]", "f64[]", "string", "enum u8", "bool", "pointer", "bytes"

}  // namespace ouro::format
