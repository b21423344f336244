// record/field_text.hpp -- a field's value as text, from the bytes that a program wrote (ouro/abi/schema.hpp).
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "format/event_class.hpp"

namespace ouro::record {

// Takes the field off the front of `bytes`. Numbers in base 10 (pointers and raw bytes: 16), a label in place of its number, lists as "1,2,3";
// no more than kMostText characters of a text or a list. None: the bytes end before it does.
inline constexpr std::size_t kMostText = 4096;
std::optional<std::string> take_field(std::span<const std::byte>& bytes, const format::Field& field);

}  // namespace ouro::record
