// cli/print_babeltrace_values.hpp -- which values babeltrace2 shows, and how: what a scope's values have in common is put together once, as a tree of shapes.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ouro/read.hpp>

#include "cli/print_buffer.hpp"

namespace ouro::cli::babeltrace {

// How a value is shown.
struct Shape {
  enum class As : std::uint8_t { decimal, negative, bits, enumeration, real, text, structure, variant, array, boolean, bytes, optional };
  As as{};
  bool is_shown = true;
  Lead lead;                 // in front of it: ", name = "
  const read::Type* type = nullptr;
  std::vector<Shape> inner;  // of a structure its members, of a variant its options, of an array its element
  struct Mapping {
    std::string text;  // with its quotes
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  };
  std::vector<Mapping> mappings;  // of an enumeration
};

using Slots = std::unordered_set<std::int32_t>;
using Hidden = std::unordered_set<const read::Type*>;

// Stamps are not shown, but for those that say how long or which something is that is shown: `used` has their slots. So what comes
// later is looked at earlier. Answers whether the value is shown, and notes in `hidden` if not.
bool find_hidden(const read::Type& type, Slots& used, Hidden& hidden, bool in_packet_context = false);

// A whole scope; null if nothing of it is shown.
std::shared_ptr<const Shape> shape_of_scope(const std::vector<read::Field>& members, const Hidden& hidden);

// `value`: the first of those that are direct inside.
void put_structure(PrintBuffer& out, const Shape& shape, const read::Value* value);

}  // namespace ouro::cli::babeltrace
