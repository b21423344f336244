// cli/print_json.hpp -- values as JSON: integers whole, however large; numbers that are none as "NaN", "Infinity" and "-Infinity"; an
// enumeration as its label, or the number if it has none; bytes that are no UTF-8 as "\\xff", with both backslashes.
#pragma once
#include <span>
#include <string_view>

#include <ouro/read.hpp>

#include "cli/print_buffer.hpp"

namespace ouro::cli {

void put_json(PrintBuffer& out, std::string_view text);
void put_json(PrintBuffer& out, const read::Value* value);
// {"a":1,"b":2}, without the lengths of sequences, which the sequences show.
void put_json_object(PrintBuffer& out, std::span<const read::Value> fields);

}  // namespace ouro::cli
