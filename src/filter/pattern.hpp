// filter/pattern.hpp -- texts with * ? [set] and backslashes, as filter's code has them: without backslashes, and so
// that texts without patterns, and those with one star at an end, need no matcher.
//
//   "eve"  exact eve     "eve*"  prefix eve     "*.png"  suffix .png     "a\*"  exact a*     "a\**b"  glob a[*]*b
#pragma once
#include <string>
#include <vector>

#include <ouro/abi/filter_layout.hpp>

namespace ouro::filter {

struct Character {
  char c;
  bool is_plain;  // a backslash stood before it
};

// `kind` is one of the text_ ones; the text of a glob is one of base/glob.hpp.
struct Pattern {
  abi::FilterOperandKind kind;
  std::string text;
};
Pattern pattern_of(const std::vector<Character>& characters);

}  // namespace ouro::filter
