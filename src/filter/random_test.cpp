// Random events and random expressions: what run() says against an evaluator that knows nothing of ranges, offsets or
// jumps. It compares numbers as long doubles, which hold every u64, i64 and f64.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "filter/first_tests.hpp"
#include "filter/test_event.hpp"

namespace ouro::filter {
namespace {

using namespace test;

static_assert(std::numeric_limits<long double>::digits >= 64);

using Random = std::mt19937_64;
std::size_t below(Random& r, std::size_t n) { return r() % n; }
template <class T>
const T& one_of(Random& r, const std::vector<T>& all) {
  return all[below(r, all.size())];
}

// A value as the reference knows it. `exists` is false of elements beyond the end.
struct Value {
  bool exists = true, is_text = false, is_integer = true;
  long double number = 0;
  std::uint64_t bits = 0;  // of an integer, as wide as its type
  std::string text;
};

struct Field {
  std::string name;
  FieldType type{};
  FieldShape shape{};
  std::vector<Value> values;
  std::vector<std::pair<std::int64_t, std::string>> labels;
};

template <class T>
Value number_of(T value, Bytes& body) {
  put(body, value);
  Value v;
  v.number = static_cast<long double>(value);
  v.is_integer = std::is_integral_v<T>;
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) v.bits = static_cast<std::make_unsigned_t<T>>(value);
  else if constexpr (std::is_same_v<T, bool>) v.bits = value;
  return v;
}

template <class T>
T interesting(Random& r) {
  if constexpr (std::is_floating_point_v<T>) {
    static const std::vector<double> all = {0, -0.0, 0.5, -0.5, 1, 3, 4.5, -3, 127, 128, 255, 256, 9007199254740992.0, 9007199254740994.0,
                                            9223372036854775808.0, -9223372036854775808.0, 18446744073709551616.0, 1e30, -1e30, 1e-310,
                                            std::nan(""), HUGE_VAL, -HUGE_VAL};
    return static_cast<T>(one_of(r, all));
  } else {
    static const std::vector<std::uint64_t> all = {0, 1, 2, 3, 4, 5, 127, 128, 255, 256, 32767, 32768, 65535, 0x7fffffff, 0x80000000, 0xffffffff,
                                                   (1ULL << 53), (1ULL << 53) + 1, 0x7fffffffffffffff, 0x8000000000000000, ~0ULL, ~0ULL - 1, ~2ULL};
    return static_cast<T>(below(r, 8) == 0 ? r() : one_of(r, all));
  }
}

Value random_value(Random& r, FieldType type, Bytes& body) {
  switch (type) {
    case FieldType::u8: return number_of(interesting<std::uint8_t>(r), body);
    case FieldType::u16: return number_of(interesting<std::uint16_t>(r), body);
    case FieldType::u32: return number_of(interesting<std::uint32_t>(r), body);
    case FieldType::u64:
    case FieldType::pointer: return number_of(interesting<std::uint64_t>(r), body);
    case FieldType::i8: return number_of(interesting<std::int8_t>(r), body);
    case FieldType::i16: return number_of(interesting<std::int16_t>(r), body);
    case FieldType::i32: return number_of(interesting<std::int32_t>(r), body);
    case FieldType::i64: return number_of(interesting<std::int64_t>(r), body);
    case FieldType::f32: return number_of(interesting<float>(r), body);
    case FieldType::f64: return number_of(interesting<double>(r), body);
    case FieldType::boolean: return number_of(below(r, 2) == 0, body);
    case FieldType::string: break;
  }
  Value v;
  v.is_text = true;
  for (std::size_t n = below(r, 12); n > 0; --n) v.text += one_of<char>(r, {'a', 'b', 'c', '*', '?', '['});
  put_text(body, v.text);
  return v;
}

struct RandomEvent {
  std::vector<Field> fields;
  Bytes schema, body;
  KnownContexts contexts;

  explicit RandomEvent(Random& r) {
    std::vector<FieldSpec> specs;
    for (std::size_t n = 1 + below(r, 8); n > 0; --n) {
      Field f;
      f.name = std::string(1, static_cast<char>('a' + specs.size()));
      f.type = static_cast<FieldType>(below(r, 13));
      f.shape = f.type == FieldType::string ? FieldShape::scalar : static_cast<FieldShape>(std::max<std::size_t>(below(r, 5), 2) - 2);
      const bool is_sequence = f.shape == FieldShape::sequence;
      const std::size_t count = f.shape == FieldShape::scalar ? 1 : below(r, 4) + (is_sequence ? 0 : 1);
      if (is_sequence) put(body, static_cast<std::uint32_t>(count));
      for (std::size_t i = 0; i < count; ++i) f.values.push_back(random_value(r, f.type, body));
      if (f.type <= FieldType::i64 && below(r, 3) == 0) f.labels = {{3, "THREE"}, {-3, "MINUS"}, {1, "ONE"}, {127, "a"}, {1, "UNO"}};
      specs.push_back({f.name, f.type, f.shape, f.shape == FieldShape::array ? static_cast<std::uint32_t>(count) : 0, f.labels});
      fields.push_back(std::move(f));
    }
    schema = schema_of(specs);
    for (std::uint32_t& n : contexts.number) n = static_cast<std::uint32_t>(below(r, 6));
    std::strcpy(contexts.thread, "abc");
    std::strcpy(contexts.comm, "*b");
  }
};

// The whole of `text` against the whole of `pattern`, in which backslashes count.
bool matches(const char* pattern, const char* text) {
  if (*pattern == '\0') return *text == '\0';
  if (*pattern == '*') return matches(pattern + 1, text) || (*text != '\0' && matches(pattern, text + 1));
  if (*text == '\0') return false;
  if (*pattern == '?') return matches(pattern + 1, text + 1);
  if (*pattern == '[' && pattern[1] != '\0' && pattern[2] != '\0' && pattern[3] == ']')  // [xy] is all that is made here
    return (*text == pattern[1] || *text == pattern[2]) && matches(pattern + 4, text + 1);
  if (*pattern == '\\') ++pattern;
  return *pattern == *text && matches(pattern + 1, text + 1);
}

struct Operand {
  std::string text;
  Value value;
  const Field* labelled = nullptr;
};

class Maker {
 public:
  Maker(Random& r, const RandomEvent& event) : r_(r), event_(event) {}

  // An expression, and whether it is true. `level`: 0 where || may stand, 1 where && may, 2 behind a '!'.
  std::pair<std::string, bool> expression(int depth, int level = 0) {
    const std::size_t choice = depth == 0 ? 0 : below(r_, 5);
    if (choice <= 1) {
      auto [text, value] = comparison();
      if (level == 2 || below(r_, 6) == 0) text = "(" + text + ")";
      return {text, value};
    }
    if (choice == 2) {
      auto [text, value] = expression(depth - 1, 2);
      return {"!" + text, !value};
    }
    const bool is_or = choice == 3;
    auto [a, x] = expression(depth - 1, is_or ? 0 : 1);
    auto [b, y] = expression(depth - 1, is_or ? 0 : 1);
    const std::string text = a + (is_or ? " || " : below(r_, 2) == 0 ? "&&" : " && ") + b;
    const bool value = is_or ? x || y : x && y;
    return {level > (is_or ? 0 : 1) ? "(" + text + ")" : text, value};
  }

 private:
  Operand looked_up() {
    for (;;) {
      if (below(r_, 8) == 0) return context();
      const Field& f = one_of(r_, event_.fields);
      const bool has_length = f.shape != FieldShape::scalar || f.type == FieldType::string;
      if (has_length && below(r_, 3) == 0) {
        Operand o{"len(" + f.name + ")", {}, nullptr};
        o.value.bits = f.type == FieldType::string ? f.values[0].text.size() : f.values.size();
        o.value.number = static_cast<long double>(o.value.bits);
        return masked(o);
      }
      if (f.shape == FieldShape::scalar) return masked({f.name, f.values[0], f.labels.empty() ? nullptr : &f});
      const std::size_t index = below(r_, f.values.size() + 2);
      Operand o{f.name + "[" + std::to_string(index) + "]", {}, f.labels.empty() ? nullptr : &f};
      o.value.is_integer = f.type < FieldType::f32 || f.type > FieldType::f64;
      o.value.exists = index < f.values.size();
      if (o.value.exists) o.value = f.values[index];
      return masked(o);
    }
  }
  Operand context() {
    static constexpr const char* names[] = {"tid", "pid", "cpu", "uid", "gid", "thread", "comm"};
    const std::size_t i = below(r_, 7);
    Operand o{(below(r_, 2) == 0 ? "ctx." : "") + std::string(names[i]), {}, nullptr};
    if (i < 5) {
      o.value.bits = event_.contexts.number[i];
      o.value.number = static_cast<long double>(o.value.bits);
    } else {
      o.value.is_text = true;
      o.value.text = i == 5 ? event_.contexts.thread : event_.contexts.comm;
    }
    return masked(o);
  }
  Operand masked(Operand o) {
    if (o.value.is_text || !o.value.is_integer || below(r_, 5) != 0) return o;
    const auto mask = interesting<std::uint64_t>(r_);
    if (mask == ~0ULL) return o;
    o.text = below(r_, 2) == 0 ? o.text + " & " + std::to_string(mask) : std::to_string(mask) + "&" + o.text;
    o.value.bits &= mask;
    o.value.number = static_cast<long double>(o.value.bits);
    o.labelled = nullptr;
    return o;
  }

  Operand constant(const Operand& other, std::size_t compare) {
    Operand o;
    if (other.value.is_text) {
      o.value.is_text = true;
      for (std::size_t n = below(r_, 6); n > 0; --n) o.text += one_of<std::string>(r_, {"a", "b", "c", "*", "?", "\\*", "\\?", "\\[", "[ab]", "[*c]"});
      if (below(r_, 3) == 0) o.text = escaped(other.value.text) + (below(r_, 2) == 0 ? "*" : "");
      o.value.text = o.text;
      o.text = "\"" + o.text + "\"";
    } else if (other.labelled != nullptr && below(r_, 2) == 0) {
      auto [value, label] = one_of(r_, other.labelled->labels);
      if (label == "a" && compare > 1) value = -3, label = "MINUS";  // a name is a field first, and texts have no order
      o.text = label == "a" || (compare <= 1 && below(r_, 2) == 0) ? "\"" + label + "\"" : label;
      const bool is_signed = other.labelled->type >= FieldType::i8;
      o.value.number = is_signed ? static_cast<long double>(value) : static_cast<long double>(static_cast<std::uint64_t>(value));
    } else if (below(r_, 4) == 0) {
      double d = interesting<double>(r_);
      if (!std::isfinite(d)) d = 2.5;
      char text[64];
      std::snprintf(text, sizeof text, "%.17e", d);
      o.text = text;
      o.value.number = static_cast<long double>(d);
    } else if (below(r_, 3) == 0) {
      const auto n = interesting<std::int64_t>(r_);
      o.text = std::to_string(n);
      o.value.number = static_cast<long double>(n);
    } else {
      const auto n = interesting<std::uint64_t>(r_);
      char text[32];
      std::snprintf(text, sizeof text, below(r_, 2) == 0 ? "0x%llx" : "%llu", static_cast<unsigned long long>(n));
      o.text = text;
      o.value.number = static_cast<long double>(n);
    }
    return o;
  }
  static std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) out += (c == '*' || c == '?' || c == '[' ? "\\" : "") + std::string(1, c);
    return out;
  }

  std::pair<std::string, bool> comparison() {
    Operand a = looked_up();
    if (!a.value.is_text && below(r_, 6) == 0) return {a.text, a.value.exists && a.value.number != 0};
    const std::size_t compare = below(r_, a.value.is_text ? 2 : 6);
    Operand b = constant(a, compare);
    bool b_is_constant = true;
    for (int tries = 0; tries < 4 && below(r_, 2) == 0; ++tries)
      if (Operand other = looked_up(); other.value.is_text == a.value.is_text) {
        b = std::move(other);
        b_is_constant = false;
        break;
      }
    static const std::vector<std::string> compares = {"==", "!=", "<", "<=", ">", ">="};
    const std::size_t exchanged[] = {0, 1, 4, 5, 2, 3};
    const bool result = a.value.exists && b.value.exists && decide(a.value, compare, b.value, b_is_constant);
    if (below(r_, 3) == 0) return {b.text + " " + compares[exchanged[compare]] + " " + a.text, result};
    return {a.text + compares[compare] + b.text, result};
  }
  static bool decide(const Value& a, std::size_t compare, const Value& b, bool b_is_pattern) {
    if (a.is_text) {
      const bool equal = b_is_pattern ? matches(b.text.c_str(), a.text.c_str()) : a.text == b.text;
      return compare == 0 ? equal : !equal;
    }
    const long double x = a.number, y = b.number;
    return compare == 0 ? x == y : compare == 1 ? x != y : compare == 2 ? x < y : compare == 3 ? x <= y : compare == 4 ? x > y : x >= y;
  }

  Random& r_;
  const RandomEvent& event_;
};

// What is decided before there is a body agrees with what is decided from the body, or is left to it. True: it was decided.
bool first_tests_agree(const Bound& bound, const RandomEvent& event, bool verdict) {
  using detail::Choice;
  Choice choice;
  take_first_tests(bound, event.schema, Choice::kWrite, choice);
  std::uint64_t bits[Choice::kFields] = {};
  for (std::size_t i = 0; i < event.fields.size() && i < Choice::kFields; ++i)
    if (event.fields[i].shape == FieldShape::scalar && event.fields[i].values[0].is_integer) bits[i] = event.fields[i].values[0].bits;
  const std::uint8_t said = detail::decide(choice, bits);
  if (said == Choice::kAsk) return false;
  EXPECT_EQ(said, verdict ? Choice::kWrite : Choice::kReject);
  return true;
}

TEST(FilterRandom, SaysWhatTheReferenceSays) {
  Random r(20240607);
  int accepted = 0, decided_first = 0;
  constexpr int kEvents = 4000, kExpressions = 8;
  for (int n = 0; n < kEvents; ++n) {
    const RandomEvent event(r);
    for (int m = 0; m < kExpressions; ++m) {
      const auto [text, expected] = Maker(r, event).expression(static_cast<int>(below(r, 4)));
      SCOPED_TRACE(text);
      Filter filter;
      const auto wrong = compile(text, filter);
      ASSERT_FALSE(wrong) << render(*wrong, text);
      const auto unfit = check(filter, event.schema);
      ASSERT_FALSE(unfit) << render(*unfit, text);
      Bytes memory(bound_size(filter.code));
      const BindResult bound = filter::bind(filter.code, event.schema, memory);
      ASSERT_TRUE(bound);
      ASSERT_EQ(verdict(*bound.bound, event.body, event.contexts), expected);
      accepted += expected;
      decided_first += first_tests_agree(*bound.bound, event, expected);
      // Any part of the body, and any other body: some verdict, nothing read behind it.
      verdict(*bound.bound, Bytes(event.body.begin(), event.body.begin() + static_cast<std::ptrdiff_t>(below(r, event.body.size() + 1))), event.contexts);
      Bytes noise(below(r, 60));
      for (std::byte& b : noise) b = static_cast<std::byte>(below(r, 3) == 0 ? r() : 0);
      verdict(*bound.bound, noise, event.contexts);
    }
  }
  EXPECT_GT(accepted, kEvents * kExpressions / 10);
  EXPECT_LT(accepted, kEvents * kExpressions * 9 / 10);
  EXPECT_GT(decided_first, kEvents * kExpressions / 20);
}

}  // namespace
}  // namespace ouro::filter
