// ouro/abi/schema.hpp -- an event class as bytes: a constant in the program, copied as it is into the registry
// and into a session's event table. Version 1.
//
//   SchemaHeader | name \0 | file \0 | field 0 | field 1 | ...
//   field:  FieldHeader | name \0 | labels, if it has any: { i64 value | label \0 } x label_count
//
// Little endian, packed: nothing is aligned. Readers check every length (format/event_class.cpp does).
//
// The payload of a record is its fields' values in order, packed, little endian:
//   scalar      its bytes
//   array       `count` x scalar
//   sequence    u32 length in elements, then the elements
//   string      bytes without NUL, then NUL
#pragma once
#include <cstdint>

namespace ouro::abi {

inline constexpr std::uint8_t kSchemaVersion = 1;
inline constexpr std::uint32_t kMaxFields = 32;
inline constexpr std::uint32_t kMaxSchemaSize = 16384;

enum class EventKind : std::uint8_t { point = 0, span_begin = 1, span_end = 2, counter = 3 };

// Severities as syslog and LTTng-UST number them: smaller is graver.
enum class Level : std::uint8_t { emergency, alert, critical, error, warning, notice, info, debug_system, debug_program,
                                  debug_process, debug_module, debug_unit, debug_function, debug_line, debug };

enum class FieldType : std::uint8_t { u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, boolean, pointer, string };
enum class FieldShape : std::uint8_t { scalar, array, sequence };

// Size in bytes of one element; 0 for strings and unknown types.
constexpr std::uint32_t size_of(FieldType t) {
  constexpr std::uint8_t sizes[] = {1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 1, 8, 0};
  return static_cast<std::uint8_t>(t) < sizeof sizes ? sizes[static_cast<std::uint8_t>(t)] : 0;
}

#pragma pack(push, 1)
struct SchemaHeader {
  std::uint32_t size;  // of all of it, this header included
  std::uint8_t version;
  EventKind kind;
  Level level;
  std::uint8_t field_count;
  std::uint32_t line;
};
struct FieldHeader {
  FieldType type;
  FieldShape shape;
  std::uint8_t hex;            // 1: to be shown in base 16 (pointers, raw bytes)
  std::uint8_t reserved;
  std::uint32_t count;         // of an array; else 0
  std::uint16_t label_count;   // of an enumeration; its labels follow the name
};
#pragma pack(pop)

static_assert(sizeof(SchemaHeader) == 12 && sizeof(FieldHeader) == 10);

}  // namespace ouro::abi
