#include "filter/pattern.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace ouro::filter {
namespace {

using Kind = abi::FilterOperandKind;

bool is_special(Character c, char which) { return !c.is_plain && c.c == which; }
bool is_above(char a, char b) { return static_cast<unsigned char>(a) > static_cast<unsigned char>(b); }

// What a set holds, spelled so that base/glob.hpp needs no backslash: ']' stands first, '-' last, '!' and '^' behind
// something. Where there is nothing before these, a range that holds nothing is.
class Set {
 public:
  bool is_inverted = false;

  void add(char low, char high) {
    if (is_above(low, high)) return;
    if (low != high && low == ']') return add(']', ']'), add(']' + 1, high);
    if (low != high && high == ']') return add(']', ']'), add(low, ']' - 1);
    if (low != high) ranges_ += {low, '-', high};
    else if (low == ']') has_bracket_ = true;
    else if (low == '-') has_minus_ = true;
    else singles_ += low;
  }
  std::string spelled() const {
    std::string body = (has_bracket_ ? "]" : "") + ranges_ + singles_ + (has_minus_ ? "-" : "");
    if (body.empty() || (!is_inverted && (body[0] == '!' || body[0] == '^'))) body = "b-a" + body;
    return (is_inverted ? "[!" : "[") + body + "]";
  }

 private:
  std::string ranges_, singles_;
  bool has_bracket_ = false, has_minus_ = false;
};

// The set that begins at `i`, a '['; `i` is then on its ']'. None if nothing closes it.
std::optional<Set> take_set(const std::vector<Character>& all, std::size_t& i) {
  std::size_t begin = i + 1;
  Set set;
  if (begin < all.size() && (is_special(all[begin], '!') || is_special(all[begin], '^'))) set.is_inverted = true, ++begin;
  std::size_t end = begin + 1;  // a ']' that comes first belongs to the set
  while (end < all.size() && !is_special(all[end], ']')) ++end;
  if (end >= all.size()) return std::nullopt;
  for (std::size_t p = begin; p < end;) {
    if (end - p >= 3 && is_special(all[p + 1], '-')) {
      set.add(all[p].c, all[p + 2].c);
      p += 3;
    } else {
      set.add(all[p].c, all[p].c);
      ++p;
    }
  }
  i = end;
  return set;
}

}  // namespace

Pattern pattern_of(const std::vector<Character>& all) {
  std::string exact, glob;           // the same without what is special; all of it
  std::size_t others = 0, stars = 0;
  bool star_first = false, star_last = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t at = i;
    std::optional<Set> set;
    if (is_special(all[i], '[')) set = take_set(all, i);
    if (set) {
      glob += set->spelled();
      ++others;
    } else if (is_special(all[i], '*')) {
      glob += '*';
      ++stars;
      star_first = star_first || at == 0;
      star_last = at + 1 == all.size();
    } else if (is_special(all[i], '?')) {
      glob += '?';
      ++others;
    } else {
      const char c = all[i].c;
      exact += c;
      if (c == '*' || c == '?' || c == '[') glob += {'[', c, ']'};
      else glob += c;
    }
  }
  if (others == 0 && stars == 0) return {Kind::text_exact, std::move(exact)};
  if (others == 0 && stars == 1 && star_last) return {Kind::text_prefix, std::move(exact)};
  if (others == 0 && stars == 1 && star_first) return {Kind::text_suffix, std::move(exact)};
  return {Kind::text_glob, std::move(glob)};
}

}  // namespace ouro::filter
