// ouro/detail/statement.hpp -- what stands between the parentheses of OURO_EVENT, as the compiler spells it. The macro
// hands over its arguments' spelling (#name, #__VA_ARGS__); the names of the fields are taken from there, at compile
// time:
//
//   "id", order.id, "pair", f<int, 2>(x), "text", "a, b"
//   ^name ^value    ^name   ^value         ^name   ^value
//
// Commas inside (), [], {} and literals separate nothing. One inside <> does, for all that can be told from the
// spelling; so a value reaches up to the next argument that is a string literal and nothing else. How many arguments
// there really are is known from their types: that the two agree is checked.
//
// Why not let the preprocessor pick the names: it has no loops. Imitating them bounds the number of fields, rescans
// every event dozens of times, and buries a mistake under a note for each of those.
#pragma once
#include <cstddef>
#include <cstdint>

#include <ouro/abi/schema.hpp>

namespace ouro::detail {

constexpr std::size_t length_of(const char* s) {
  std::size_t n = 0;
  while (s[n] != '\0') ++n;
  return n;
}

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr bool is_word(const char* s) {
  if (!is_letter(*s)) return false;
  while (is_letter(*s) || is_digit(*s)) ++s;
  return *s == '\0';
}

// "provider:event", both of them words.
constexpr bool is_event_name(const char* s) {
  if (!is_letter(*s)) return false;
  while (is_letter(*s) || is_digit(*s)) ++s;
  return *s == ':' && is_word(s + 1);
}

constexpr bool are_equal(const char* a, const char* b) {
  for (; *a != '\0' && *a == *b; ++a) ++b;
  return *a == *b;
}

// Behind the literal that begins at `p` with " or '.
constexpr const char* skip_literal(const char* p) {
  const char quote = *p++;
  while (*p != '\0' && *p != quote) {
    if (*p == '\\' && p[1] != '\0') ++p;
    ++p;
  }
  return *p == '\0' ? p : p + 1;
}

// Behind the raw literal whose " is at `p`: R"mark( ... )mark".
constexpr const char* skip_raw_literal(const char* p) {
  const char* mark = ++p;
  while (*p != '\0' && *p != '(') ++p;
  const auto length = static_cast<std::size_t>(p - mark);
  for (; *p != '\0'; ++p) {
    if (*p != ')') continue;
    std::size_t i = 0;
    while (i < length && p[1 + i] == mark[i]) ++i;
    if (i == length && p[1 + i] == '"') return p + length + 2;
  }
  return p;
}

// Behind the token that begins at `p`, as far as tokens matter here: 1'000 holds no character literal, u8'x' does.
constexpr const char* skip_token(const char* p) {
  if (*p == '"' || *p == '\'') return skip_literal(p);
  if (is_digit(*p)) {
    while (is_letter(*p) || is_digit(*p) || *p == '.' || (*p == '\'' && (is_letter(p[1]) || is_digit(p[1])))) ++p;
    return p;
  }
  if (!is_letter(*p)) return p + 1;
  while (is_letter(*p) || is_digit(*p)) ++p;
  return *p == '"' && p[-1] == 'R' ? skip_raw_literal(p) : p;
}

// Behind the argument that begins at `p`: at a comma or at the end.
constexpr const char* skip_argument(const char* p) {
  int depth = 0;
  while (*p != '\0' && (*p != ',' || depth > 0)) {
    if (*p == '(' || *p == '[' || *p == '{') ++depth;
    if (*p == ')' || *p == ']' || *p == '}') --depth;
    p = skip_token(p);
  }
  return p;
}

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t'; }

// Nothing but string literals, one behind the other?
constexpr bool is_literal(const char* p, const char* end) {
  bool any = false;
  while (p != end) {
    if (*p == '"') {
      p = skip_literal(p);
      any = true;
    } else if (is_space(*p)) {
      ++p;
    } else {
      return false;
    }
  }
  return any;
}

enum class Mistake : std::uint8_t { none, event_not_literal, event_not_word, event_too_long, field_not_literal, not_pairs,
                                    too_many_fields, field_not_word, same_field };

// kSize bounds the length of all names together.
template <std::size_t kSize>
struct Statement {
  char text[kSize]{};  // the event's name, then the fields', each with its NUL
  std::size_t used = 0;
  std::size_t count = 0;                              // of fields
  std::size_t field_at[abi::kMaxFields + 1]{};        // in `text`; of more than these only the count is known
  Mistake mistake = Mistake::none;

  constexpr const char* name() const { return text; }
  constexpr const char* field(std::size_t i) const { return i < count && i <= abi::kMaxFields ? text + field_at[i] : ""; }

  constexpr void note(Mistake m) {
    if (mistake == Mistake::none) mistake = m;
  }
  // The literals' content. Escapes stay as they are spelled: no name may have one.
  constexpr void take(const char* p, const char* end) {
    for (bool inside = false; p != end; ++p) {
      if (*p == '"') inside = !inside;
      else if (inside) text[used++] = *p;
    }
    text[used++] = '\0';
  }
  constexpr void take_event(const char* spelling) {
    const char* end = spelling + length_of(spelling);
    if (!is_literal(spelling, end)) note(Mistake::event_not_literal);
    take(spelling, end);
    if (!is_event_name(text)) note(Mistake::event_not_word);
    if (used > 256) note(Mistake::event_too_long);
  }
  constexpr void take_fields(const char* p) {
    while (*p != '\0') {
      const char* end = skip_argument(p);
      if (!is_literal(p, end)) return note(Mistake::field_not_literal);
      if (count <= abi::kMaxFields) field_at[count] = used;
      ++count;
      take(p, end);
      if (*end == '\0') return note(Mistake::not_pairs);
      p = skip_argument(end + 1);
      while (*p != '\0' && !is_literal(p + 1, skip_argument(p + 1))) p = skip_argument(p + 1);
      if (*p != '\0') ++p;
    }
  }
  constexpr void check(std::size_t arguments) {
    if (2 * count != arguments) note(Mistake::not_pairs);
    if (count > abi::kMaxFields) return note(Mistake::too_many_fields);
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_word(field(i))) note(Mistake::field_not_word);
      for (std::size_t j = 0; j < i; ++j)
        if (are_equal(field(i), field(j))) note(Mistake::same_field);
    }
  }
};

// Of a macro's arguments, how many are there?
template <std::size_t kCount>
struct Count {};
template <class... A>
Count<sizeof...(A)> count_of(const A&...);

template <std::size_t kArguments, std::size_t N, std::size_t M>
constexpr auto parse(Count<kArguments>, const char (&name)[N], const char (&fields)[M]) {
  Statement<N + M + 2> statement;
  statement.take_event(name);
  statement.take_fields(fields);
  statement.check(kArguments);
  return statement;
}

}  // namespace ouro::detail
