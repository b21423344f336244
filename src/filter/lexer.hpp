// filter/lexer.hpp -- the words of a filter expression.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ouro/abi/filter_layout.hpp>

#include "filter/filter.hpp"

namespace ouro::filter {

struct Token {
  enum class Kind : std::uint8_t { end, name, number, text, symbol };
  Kind kind = Kind::end;
  std::size_t at = 0;  // where it begins
  std::string text;    // a name; a symbol ("&&"); a text as abi::FilterOperandKind wants it
  abi::FilterOperandKind constant{};  // of a number or a text
  std::uint64_t bits = 0;             // of a number
};

// The words, an `end` behind them; or what is wrong with one of them.
std::optional<Mistake> split(std::string_view expression, std::vector<Token>& tokens);

// The byte at `at` as a message shows it: 'x', "byte 0x07".
std::string quoted_character(std::string_view expression, std::size_t at);

}  // namespace ouro::filter
