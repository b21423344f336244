// cli/print_value.hpp -- values as people read them:
//
//   42  -7  0x1f  2.5      numbers; base 16 where the program asked for it
//   red                    labels of enumerations; the number if it has none
//   "say \"hi\"\n"         texts, as C writes them: nothing that a terminal would obey gets through
//   [1, 2, 3]              arrays;  0xcafe00  raw bytes, blobs
//   {a=1, b=2}             structures
//   true  a|b  none        booleans, the flags of a bit map that are set, an optional that holds nothing
#pragma once
#include <span>
#include <string>
#include <string_view>

#include <ouro/read.hpp>

#include "cli/print_buffer.hpp"

namespace ouro::cli {

// Appends `value`, whose inner values follow it in memory.
void print_value(PrintBuffer& out, const read::Value* value);
// "a=1 b=2": all of them, without the lengths of sequences, which the sequences show.
void print_fields(PrintBuffer& out, std::span<const read::Value> fields);
// "_NAME_length", before the sequence NAME.
bool is_length_of(const read::Field& field, const read::Field& next);
// Bytes of the UTF-8 sequence that begins at `at`; 0 if there is none.
std::size_t utf8_length(std::string_view text, std::size_t at);
// The text with everything that is not printable UTF-8 escaped, without quotes.
std::string escaped(std::string_view text);

}  // namespace ouro::cli
