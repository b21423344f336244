// base/glob.hpp -- which events a session wants: patterns as people type them after `ouro record -e`.
//
//   *      any text, also none; ':' is a character like all others
//   ?      one character
//   [a-z]  one of a set; [!a-z] or [^a-z]: none of it. A '[' that nothing closes stands for itself
//
// Traced programs match in signal handlers too: nothing here allocates, recurses or keeps state.
#pragma once
#include <cstddef>
#include <cstring>

namespace ouro::base {
namespace detail {

// Where the set that begins at `p` ("[...") ends, one past its ']'; null if nothing closes it before `end`.
// A ']' that comes first belongs to the set.
inline const char* end_of_set(const char* p, const char* end) noexcept {
  ++p;
  if (p != end && (*p == '!' || *p == '^')) ++p;
  if (p != end && *p == ']') ++p;
  while (p != end && *p != ']') ++p;
  return p == end ? nullptr : p + 1;
}

// Is `c` in the set [p, end), brackets included?
inline bool in_set(const char* p, const char* end, char c) noexcept {
  ++p;
  --end;
  const bool inverted = *p == '!' || *p == '^';
  if (inverted) ++p;
  const auto number = [](char x) { return static_cast<unsigned char>(x); };
  bool found = false;
  while (p != end) {
    if (end - p >= 3 && p[1] == '-') {
      found = found || (number(p[0]) <= number(c) && number(c) <= number(p[2]));
      p += 3;
    } else {
      found = found || *p == c;
      ++p;
    }
  }
  return found != inverted;
}

// The pattern is [p, end). On a mismatch only the last '*' needs to take one character more: what earlier ones took
// can stay, because everything between them matched as early as it could. So time is at most pattern times text.
inline bool match(const char* p, const char* end, const char* text) noexcept {
  const char* star = nullptr;   // behind the last '*'
  const char* taken = nullptr;  // the text behind what it took
  for (;;) {
    if (p != end && *p == '*') {
      star = ++p;
      taken = text;
      continue;
    }
    if (*text == '\0') return p == end;
    const char* set_end = p != end && *p == '[' ? end_of_set(p, end) : nullptr;
    if (set_end != nullptr ? in_set(p, set_end, *text) : p != end && (*p == '?' || *p == *text)) {
      p = set_end != nullptr ? set_end : p + 1;
      ++text;
    } else if (star != nullptr) {
      p = star;
      text = ++taken;
    } else {
      return false;
    }
  }
}

}  // namespace detail

inline bool glob_match(const char* pattern, const char* text) noexcept {
  return detail::match(pattern, pattern + std::strlen(pattern), text);
}

// Does the list `patterns`, `size` bytes of NUL-terminated globs, select `name`? A leading '!' excludes; the last
// entry that matches decides; none: not selected. A span's two events are called NAME_begin and NAME_end: callers
// pass NAME. Bytes behind the last NUL are ignored, so that a list cut short selects no more than it says.
inline bool selected(const char* patterns, std::size_t size, const char* name) noexcept {
  bool is_selected = false;
  for (const char *p = patterns, *list_end = patterns + size; p != list_end;) {
    const auto* end = static_cast<const char*>(std::memchr(p, '\0', static_cast<std::size_t>(list_end - p)));
    if (end == nullptr) break;
    const bool excludes = *p == '!';
    if (p != end && detail::match(p + excludes, end, name)) is_selected = !excludes;
    p = end + 1;
  }
  return is_selected;
}

}  // namespace ouro::base
