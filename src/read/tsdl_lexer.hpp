// read/tsdl_lexer.hpp -- TSDL, the language of CTF 1.8's metadata, as tokens.
//
//   word       [A-Za-z_][A-Za-z0-9_]*       keywords are words; the parser knows them
//   number     123  0x7b  0173  0b1  with any of the suffixes u, l      (a sign is a token of its own)
//   text       "..." or L"..." with C's escapes
//   symbol     { } [ ] ( ) < > ; : , = := . ... * + -
//
// Comments of both kinds, lines that begin with # and a backslash at a line's end are space.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ouro/result.hpp>

namespace ouro::read {

struct Token {
  enum class Kind : std::uint8_t { word, number, text, symbol, end };
  Kind kind = Kind::end;
  std::uint32_t line = 0;
  std::uint64_t number = 0;
  std::string text;  // of words, texts (escapes resolved) and symbols; of numbers as written
};

// The last token is `end`. With `trouble`, what is ahead of an error is the answer, and the error goes there.
Result<std::vector<Token>> tokenize(std::string_view tsdl, std::string* trouble = nullptr);

}  // namespace ouro::read
