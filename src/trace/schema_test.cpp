// An event's schema and its values as bytes (ouro/abi/schema.hpp), as the compiler makes them.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <ouro/detail/schema_builder.hpp>

namespace {
enum class Color : short { red = -1, blue = 300 };
struct Money {
  long cents;
};
}  // namespace
template <>
struct ouro::EnumLabels<Color> {
  static constexpr ouro::Label<Color> labels[] = {{Color::red, "red"}, {Color::blue, "blue"}};
};
template <>
struct ouro::Field<Money> {
  static long value(const Money& m) { return m.cents; }
};

namespace ouro::detail {
namespace {

// What is read back from a schema's bytes, one number or text after the other.
class Bytes {
 public:
  template <std::size_t N>
  explicit Bytes(const Schema<N>& schema) : bytes_(schema.bytes, N) {}
  std::int64_t number(std::size_t size) {
    std::int64_t value = 0;
    std::memcpy(&value, bytes_.substr(at_, size).data(), size);
    at_ += size;
    return value;
  }
  std::string text() {
    const std::string out = bytes_.c_str() + at_;
    at_ += out.size() + 1;
    return out;
  }
  std::size_t at() const { return at_; }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

constexpr auto statement = parse(Count<4>{}, "\"shop:order\"", R"("color", c, "sums", s)");
using OrderSchema = SchemaOf<Types<Color, std::array<double, 3>>>;
constexpr auto order = OrderSchema::make<statement>(abi::EventKind::span_begin, Level::error, 77, "shop.cpp");

TEST(Schema, HoldsHeaderNamesPlaceFieldsAndLabels) {
  Bytes schema(order);
  const auto size = schema.number(4);
  EXPECT_EQ(schema.number(1), abi::kSchemaVersion);
  EXPECT_EQ(schema.number(1), static_cast<int>(abi::EventKind::span_begin));
  EXPECT_EQ(schema.number(1), static_cast<int>(Level::error));
  EXPECT_EQ(schema.number(1), 2);
  EXPECT_EQ(schema.number(4), 77);
  EXPECT_EQ(schema.text(), "shop:order_begin");
  EXPECT_EQ(schema.text(), "shop.cpp");

  EXPECT_EQ(schema.number(1), static_cast<int>(FieldType::i16));
  EXPECT_EQ(schema.number(1), static_cast<int>(FieldShape::scalar));
  EXPECT_EQ(schema.number(2), 0);
  EXPECT_EQ(schema.number(4), 0);
  EXPECT_EQ(schema.number(2), 2) << "labels";
  EXPECT_EQ(schema.text(), "color");
  EXPECT_EQ(schema.number(8), -1);
  EXPECT_EQ(schema.text(), "red");
  EXPECT_EQ(schema.number(8), 300);
  EXPECT_EQ(schema.text(), "blue");

  EXPECT_EQ(schema.number(1), static_cast<int>(FieldType::f64));
  EXPECT_EQ(schema.number(1), static_cast<int>(FieldShape::array));
  EXPECT_EQ(schema.number(2), 0);
  EXPECT_EQ(schema.number(4), 3);
  EXPECT_EQ(schema.number(2), 0);
  EXPECT_EQ(schema.text(), "sums");
  EXPECT_EQ(static_cast<std::int64_t>(schema.at()), size);
}

template <class T>
constexpr FieldType type_of = Prepared<T>::kType;
template <class T>
constexpr FieldShape shape_of = Prepared<T>::kShape;

TEST(Schema, EveryTypeHasItsFieldType) {
  EXPECT_EQ(type_of<char>, std::is_signed_v<char> ? FieldType::i8 : FieldType::u8);  // x86-64, aarch64
  EXPECT_EQ(type_of<unsigned char>, FieldType::u8);
  EXPECT_EQ(type_of<long>, FieldType::i64);
  EXPECT_EQ(type_of<unsigned long long>, FieldType::u64);
  EXPECT_EQ(type_of<volatile int>, FieldType::i32);
  EXPECT_EQ(type_of<bool>, FieldType::boolean);
  EXPECT_EQ(type_of<float>, FieldType::f32);
  EXPECT_EQ(type_of<void*>, FieldType::pointer);
  EXPECT_EQ(type_of<void (*)()>, FieldType::pointer);
  EXPECT_EQ(type_of<std::nullptr_t>, FieldType::pointer);
  EXPECT_EQ(type_of<char*>, FieldType::string);
  EXPECT_EQ(type_of<char[9]>, FieldType::string);
  EXPECT_EQ(type_of<std::string>, FieldType::string);
  EXPECT_EQ(type_of<std::byte>, FieldType::u8);
  EXPECT_EQ(type_of<Money>, FieldType::i64);
  EXPECT_EQ(shape_of<std::vector<int>>, FieldShape::sequence);
  EXPECT_EQ(shape_of<std::span<const int>>, FieldShape::sequence);
  EXPECT_EQ(shape_of<int[3]>, FieldShape::array);
  EXPECT_TRUE(Prepared<std::byte>::kHex);
  EXPECT_TRUE(Prepared<std::vector<std::byte>>::kHex);
}

template <class T>
std::string put(const T& value) {
  const auto prepared = prepare(value);
  std::string bytes(prepared.size(), '\0');
  const std::byte* end = prepared.put(reinterpret_cast<std::byte*>(bytes.data()));
  EXPECT_EQ(reinterpret_cast<const char*>(end), bytes.data() + bytes.size()) << "size() and put() differ";
  return bytes;
}

TEST(Value, BecomesItsBytes) {
  EXPECT_EQ(put(std::int16_t{-2}), std::string("\xfe\xff", 2));
  EXPECT_EQ(put(true), std::string("\x01", 1));
  EXPECT_EQ(put(Color::blue), std::string("\x2c\x01", 2));
  EXPECT_EQ(put("text"), std::string("text\0", 5));
  EXPECT_EQ(put(std::string("a\0b", 3)), std::string("a?b\0", 4));
  EXPECT_EQ(put(static_cast<const char*>(nullptr)), std::string("(null)\0", 7));
  EXPECT_EQ(put(std::vector<std::uint16_t>{1, 2}), std::string("\x02\0\0\0\x01\0\x02\0", 8));
  EXPECT_EQ(put(std::vector<int>{}), std::string(4, '\0'));
  EXPECT_EQ(put(std::array<std::int8_t, 2>{-1, 1}), std::string("\xff\x01", 2));
  EXPECT_EQ(put(Money{5}), std::string("\x05\0\0\0\0\0\0\0", 8));
}

// What a pointer points to may change under the tracer's hands: the length it took first is what it writes.
TEST(Value, AStringThatShrinksMeanwhileKeepsItsLength) {
  char text[] = "length";
  const auto prepared = prepare(static_cast<const char*>(text));
  text[3] = '\0';
  std::byte bytes[8]{};
  EXPECT_EQ(prepared.put(bytes) - bytes, 7);
  EXPECT_STREQ(reinterpret_cast<const char*>(bytes), "len?th");
}

}  // namespace
}  // namespace ouro::detail
