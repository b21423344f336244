// One event for each kind of field, with values whose right text stands in tests/e2e/fields.sh.
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ouro/trace.hpp>

namespace {

enum class Color : std::uint8_t { red = 1, green = 2, other = 200 };
enum class Error : int { none = 0, worse = -2147483647 };
enum Plain { plain_seven = 7 };

struct Money {
  std::int64_t cents;
};
struct Person {
  std::string name;
};

template <class T>
constexpr T lowest = std::numeric_limits<T>::lowest();
template <class T>
constexpr T highest = std::numeric_limits<T>::max();

}  // namespace

template <>
struct ouro::EnumLabels<Color> {
  static constexpr ouro::Label<Color> labels[] = {{Color::red, "red"}, {Color::green, "dark \"green\""}};
};
template <>
struct ouro::EnumLabels<Error> {
  static constexpr ouro::Label<Error> labels[] = {{Error::none, "none"}, {Error::worse, "worse"}};
};
template <>
struct ouro::Field<Money> {
  static std::int64_t value(const Money& m) { return m.cents; }
};
template <>
struct ouro::Field<Person> {
  static std::string_view value(const Person& p) { return p.name; }
};

namespace {

void write_numbers() {
  OURO_EVENT("fields:none");
  OURO_EVENT("fields:low", "a", lowest<signed char>, "b", lowest<short>, "c", lowest<int>, "d", lowest<long>, "e",
             lowest<long long>);
  OURO_EVENT("fields:high", "a", highest<signed char>, "b", highest<short>, "c", highest<int>, "d", highest<long>, "e",
             highest<long long>);
  OURO_EVENT("fields:natural", "a", highest<unsigned char>, "b", highest<unsigned short>, "c", highest<unsigned>, "d",
             highest<unsigned long>, "e", highest<unsigned long long>);
  OURO_EVENT("fields:one_u8", "v", std::uint8_t{171});
  OURO_EVENT("fields:one_u16", "v", std::uint16_t{43981});
  OURO_EVENT("fields:one_i8", "v", std::int8_t{-1});
  OURO_EVENT("fields:letters", "c", 'A', "wide", U'\x1F40D', "utf16", u'\xFFFF');
  OURO_EVENT("fields:truth", "yes", true, "no", false);
  OURO_EVENT("fields:real", "f", 0.1f, "d", -2.5e-300, "inf", std::numeric_limits<double>::infinity(), "min",
             std::numeric_limits<float>::denorm_min());
  OURO_EVENT("fields:choice", "color", Color::green, "unnamed", Color::other, "error", Error::worse, "plain", plain_seven,
             "none", Error::none);
  const volatile int changing = 42;
  OURO_EVENT("fields:constness", "v", changing, "f", [] { return 1; }());
  void* const pointer = reinterpret_cast<void*>(0x7fffdeadbeef);
  const int* nowhere = nullptr;
  OURO_EVENT("fields:place", "p", pointer, "null", nullptr, "typed", nowhere);
  struct {
    unsigned low : 3, high : 5;
  } bits{5, 30};
  OURO_EVENT("fields:bits", "low", bits.low, "high", bits.high);
}

void write_texts() {
  const char* c_string = "C string";
  const char* null_string = nullptr;
  char buffer[16] = "in a buffer";
  const char full[4] = {'f', 'u', 'l', 'l'};  // no NUL
  const std::string embedded("a\0b\0", 4);
  OURO_EVENT("fields:text", "literal", "quote \" and \\", "c", c_string, "null", null_string, "buffer", buffer, "full", full,
             "empty", "", "embedded", embedded, "view", std::string_view("view of more").substr(0, 4), "utf8", "Größe 龍");
  OURO_EVENT("fields:text32", "t", std::string(32, 'x'));
  OURO_EVENT("fields:text1000", "t", std::string(1000, 'y'), "after", 1);
  OURO_EVENT("fields:text5000", "t", std::string(5000, 'z'), "after", std::string("end"));
}

// One string among scalars is copied straight into the ring, by its length in different ways.
void write_text_around() {
  const std::string text = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";
  for (const unsigned length : {0u, 1u, 7u, 8u, 15u, 16u, 17u, 31u, 32u, 44u}) {
    const std::string_view t(text.data() + (44 - length) / 2, length);
    OURO_EVENT("fields:behind", "a", std::uint8_t{1}, "b", 2.5, "t", t);
    OURO_EVENT("fields:before", "t", t, "a", std::uint16_t{3}, "b", -4L);
    OURO_EVENT("fields:between", "a", 5, "t", t, "b", std::uint8_t{6}, "c", 7u);
  }
  for (const std::string& nul : {std::string("a\0b", 3), std::string("twenty\0bytes and one", 20)})
    OURO_EVENT("fields:nul", "t", nul, "a", 8);
}

void write_rows() {
  const int c_array[3] = {1, -2, 3};
  const std::array<std::uint16_t, 2> array{65535, 7};
  const std::vector<double> vector{0.5, -0.25};
  const std::vector<std::int64_t> empty;
  const std::array<std::byte, 3> bytes{std::byte{0xde}, std::byte{0xad}, std::byte{0x01}};
  const std::array<Color, 2> colors{Color::red, Color::green};
  const bool flags[2] = {true, false};
  OURO_EVENT("fields:row", "c_array", c_array, "array", array, "vector", vector, "empty", empty, "span",
             std::span<const int>(c_array).first(2), "fixed", std::span<const int, 2>(c_array, 2), "colors", colors, "flags",
             flags);
  OURO_EVENT("fields:raw", "bytes", std::span<const std::byte>(bytes), "array", bytes, "one", bytes[0]);
  const std::vector<std::uint32_t> many(1000, 4000000000u);
  OURO_EVENT("fields:long_row", "v", many);
}

void write_others() {
  OURO_EVENT("fields:own", "price", Money{-1234}, "who", Person{"Ada"});
  OURO_EVENT("fields:most", "f0", 0, "f1", 1, "f2", 2, "f3", 3, "f4", 4, "f5", 5, "f6", 6, "f7", 7, "f8", 8, "f9", 9, "f10",
             10, "f11", 11, "f12", 12, "f13", 13, "f14", 14, "f15", 15, "f16", 16, "f17", 17, "f18", 18, "f19", 19, "f20",
             20, "f21", 21, "f22", 22, "f23", 23, "f24", 24, "f25", 25, "f26", 26, "f27", 27, "f28", 28, "f29", 29, "f30",
             30, "f31", "the 32nd");
  // Names that CTF's own language uses for itself.
  OURO_EVENT("fields:keywords", "struct", 1, "event", 2, "x", 3, "_x", 4, "align", std::string("5"));
  OURO_EVENT_LEVEL(ouro::Level::error, "fields:grave", "reason", "because");
  OURO_COUNTER("fields:depth", 3.5);
  {
    OURO_SPAN("fields:outer", "id", 1);
    OURO_SPAN("fields:inner");
  }
}

}  // namespace

int main() {
  write_numbers();
  write_texts();
  write_text_around();
  write_rows();
  write_others();
}
