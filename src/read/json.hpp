// read/json.hpp -- JSON as a tree that keeps what CTF 2 needs of it: the order of an object's properties, and integers exactly.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ouro/result.hpp>

namespace ouro::read {

struct Json {
  enum class Kind : std::uint8_t { null, boolean, integer, real, text, array, object };
  Kind kind{};
  bool is_negative = false;           // of integers; a boolean's value is bits
  std::uint64_t bits = 0;             // two's complement
  std::string text;
  std::vector<Json> items;            // of an array; of an object: its properties' values
  std::vector<std::string> names;     // of an object

  const Json* find(std::string_view name) const;  // the first of that name; null if there is none
  const char* kind_name() const;                  // "an array"
};

// Refused: what is nested more deeply than CTF 2's types can be, or has more than 1048576 values.
Result<Json> parse_json(std::string_view text);

}  // namespace ouro::read
