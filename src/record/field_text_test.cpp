#include "record/field_text.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace ouro::record {
namespace {

using abi::FieldShape;
using abi::FieldType;

template <class... T>
std::vector<std::byte> bytes(T... values) {
  std::vector<std::byte> out;
  const auto append = [&](const void* from, std::size_t size) {
    const auto* p = static_cast<const std::byte*>(from);
    out.insert(out.end(), p, p + size);
  };
  (append(&values, sizeof values), ...);
  return out;
}
format::Field field(FieldType type, FieldShape shape = FieldShape::scalar, std::uint32_t count = 0) {
  format::Field out;
  out.type = type;
  out.shape = shape;
  out.count = count;
  return out;
}
// What is left behind it is one byte.
std::string text(std::vector<std::byte> of, const format::Field& f) {
  of.push_back(std::byte{77});
  std::span<const std::byte> left = of;
  const std::optional<std::string> out = take_field(left, f);
  EXPECT_TRUE(out && left.size() == 1);
  return out.value_or("none");
}

TEST(FieldText, Numbers) {
  EXPECT_EQ(text(bytes(std::uint8_t{200}), field(FieldType::u8)), "200");
  EXPECT_EQ(text(bytes(std::int8_t{-3}), field(FieldType::i8)), "-3");
  EXPECT_EQ(text(bytes(std::int16_t{-300}), field(FieldType::i16)), "-300");
  EXPECT_EQ(text(bytes(std::int32_t{-70000}), field(FieldType::i32)), "-70000");
  EXPECT_EQ(text(bytes(INT64_MIN), field(FieldType::i64)), "-9223372036854775808");
  EXPECT_EQ(text(bytes(UINT64_MAX), field(FieldType::u64)), "18446744073709551615");
  EXPECT_EQ(text(bytes(0.1), field(FieldType::f64)), "0.1");
  EXPECT_EQ(text(bytes(0.1f), field(FieldType::f32)), "0.1");
  EXPECT_EQ(text(bytes(true), field(FieldType::boolean)), "true");
  EXPECT_EQ(text(bytes(std::uint64_t{0xdead}), field(FieldType::pointer)), "0xdead");
}

TEST(FieldText, LabelsTextsAndLists) {
  format::Field color = field(FieldType::u8);
  color.labels = {{1, "red"}, {2, "green"}};
  EXPECT_EQ(text(bytes(std::uint8_t{2}), color), "green");
  EXPECT_EQ(text(bytes(std::uint8_t{9}), color), "9");
  EXPECT_EQ(text(bytes('h', 'i', '\0'), field(FieldType::string)), "hi");
  EXPECT_EQ(text(bytes(std::int16_t{1}, std::int16_t{-2}), field(FieldType::i16, FieldShape::array, 2)), "1,-2");
  EXPECT_EQ(text(bytes(std::uint32_t{3}, 1.5, 2.5, 3.5), field(FieldType::f64, FieldShape::sequence)), "1.5,2.5,3.5");
  EXPECT_EQ(text(bytes(std::uint32_t{0}), field(FieldType::f64, FieldShape::sequence)), "");
  std::vector<std::byte> much(sizeof(std::uint32_t) + 100'000, std::byte{7});
  const std::uint32_t count = 100'000;
  std::memcpy(much.data(), &count, sizeof count);
  EXPECT_LE(text(much, field(FieldType::u8, FieldShape::sequence)).size(), kMostText + 4);
}

TEST(FieldText, BytesThatEndTooSoonAreNone) {
  const auto none = [](const std::vector<std::byte>& of, const format::Field& f) {
    std::span<const std::byte> left = of;
    return !take_field(left, f);
  };
  EXPECT_TRUE(none({}, field(FieldType::u8)));
  EXPECT_TRUE(none(bytes(std::uint16_t{1}), field(FieldType::u32)));
  EXPECT_TRUE(none(bytes('h', 'i'), field(FieldType::string)));
  EXPECT_TRUE(none(bytes(std::uint16_t{1}), field(FieldType::u8, FieldShape::sequence)));
  EXPECT_TRUE(none(bytes(~std::uint32_t{0}, 1.0), field(FieldType::f64, FieldShape::sequence)));
  EXPECT_TRUE(none(bytes(1.0), field(FieldType::f64, FieldShape::array, 2)));
}

}  // namespace
}  // namespace ouro::record
