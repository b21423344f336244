#include "format/event_class.hpp"

#include <gtest/gtest.h>

#include <random>

#include "format/test_trace.hpp"

namespace ouro::format {
namespace {

using abi::EventKind;
using abi::FieldShape;
using abi::FieldType;
using test::schema_bytes;

const std::vector<Field> kOrderFields = {
    {"id", FieldType::u32, FieldShape::scalar, false, 0, {}},
    {"state", FieldType::i8, FieldShape::scalar, false, 0, {{-1, "failed"}, {0, "new"}}},
    {"user", FieldType::string, FieldShape::scalar, false, 0, {}},
    {"blob", FieldType::u8, FieldShape::sequence, true, 0, {}},
    {"matrix", FieldType::f64, FieldShape::array, false, 9, {}},
};

std::vector<std::byte> order_schema() {
  return schema_bytes("shop:order", "src/shop.cpp", EventKind::point, kOrderFields);
}

std::string error_of(const std::vector<std::byte>& bytes) {
  const Result<EventClass> parsed = parse_schema(bytes);
  return parsed ? "" : parsed.error().text;
}

// The order schema with one byte replaced; offsets 4 to 7 are version, kind, level, field count.
std::string error_with_byte(std::size_t at, unsigned value) {
  std::vector<std::byte> bytes = order_schema();
  bytes.at(at) = static_cast<std::byte>(value);
  return error_of(bytes);
}

TEST(Schema, SaysWhatTheProgramStated) {
  const Result<EventClass> parsed = parse_schema(order_schema());
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->name, "shop:order");
  EXPECT_EQ(parsed->file, "src/shop.cpp");
  EXPECT_EQ(parsed->line, 42u);
  EXPECT_EQ(parsed->kind, EventKind::point);
  EXPECT_EQ(parsed->level, abi::Level::info);
  ASSERT_EQ(parsed->fields.size(), 5u);
  EXPECT_EQ(parsed->fields[1].labels.at(0).value, -1);
  EXPECT_EQ(parsed->fields[1].labels.at(0).text, "failed");
  EXPECT_EQ(parsed->fields[4].count, 9u);
}

TEST(Schema, TypesHaveNamesForPeople) {
  const Result<EventClass> parsed = parse_schema(order_schema());
  ASSERT_TRUE(parsed);
  std::vector<std::string> names;
  for (const Field& field : parsed->fields) names.push_back(type_name(field));
  EXPECT_EQ(names, (std::vector<std::string>{"u32", "enum i8", "string", "bytes", "f64[9]"}));
}

TEST(Schema, BytesBehindItsSizeAreNobodysBusiness) {
  std::vector<std::byte> bytes = order_schema();
  bytes.resize(bytes.size() + 7);
  EXPECT_EQ(error_of(bytes), "");
}

TEST(Schema, EveryTruncationIsRefused) {
  const std::vector<std::byte> whole = order_schema();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(error_of(cut), "") << size;  // shorter than it says
    if (size < sizeof(abi::SchemaHeader)) continue;
    const auto said = static_cast<std::uint32_t>(size);
    std::memcpy(cut.data(), &said, sizeof said);
    EXPECT_NE(error_of(cut), "") << size;  // as short as it says, but not whole
  }
}

TEST(Schema, ErrorsNameThePartTheValueAndTheLimit) {
  EXPECT_EQ(error_with_byte(4, 9), "schema: version is 9, want 1 (a program built with another Ouro?)");
  EXPECT_EQ(error_with_byte(5, 4), "schema: kind is 4, want at most 3");
  EXPECT_EQ(error_with_byte(6, 15), "schema: level is 15, want at most 14");
  EXPECT_EQ(error_with_byte(7, 33), "schema: 33 fields, want at most 32");
  EXPECT_NE(error_with_byte(7, 4).find("are left behind the last field, want none"), std::string::npos);
  EXPECT_NE(error_with_byte(7, 6).find("is cut off"), std::string::npos);
}

TEST(Schema, NamesMustBePrintable) {
  const auto named = [](const char* name) { return error_of(schema_bytes(name, "f", EventKind::point, {})); };
  EXPECT_EQ(named("shop:pr\xc3\xa9t"), "");
  EXPECT_EQ(named(""), "schema: event name at byte 12 is empty");
  for (const char* bad :
       {"a\nb", "a\x1b[2J", "a\x7f", "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc2\x9b", "\xe2\x82"})
    EXPECT_EQ(named(bad), "schema: event name at byte 12 is not printable UTF-8");
}

TEST(Schema, ContradictoryFieldsAreRefused) {
  const auto with = [](Field field) {
    return error_of(schema_bytes("a:b", "f", EventKind::point, {std::move(field)}));
  };
  EXPECT_NE(with({"x", FieldType::string, FieldShape::array, false, 3, {}}), "");
  EXPECT_NE(with({"x", FieldType::u8, FieldShape::array, false, 0, {}}), "");
  EXPECT_NE(with({"x", FieldType::u8, FieldShape::array, false, 0xffffffff, {}}), "");
  EXPECT_NE(with({"x", FieldType::u8, FieldShape::scalar, false, 1, {}}), "");
  EXPECT_NE(with({"x", FieldType::f32, FieldShape::scalar, false, 0, {{0, "zero"}}}), "");
  EXPECT_NE(with({"x", static_cast<FieldType>(13), FieldShape::scalar, false, 0, {}}), "");
  EXPECT_NE(with({"x", FieldType::u8, static_cast<FieldShape>(3), false, 0, {}}), "");
  EXPECT_NE(with({"", FieldType::u8, FieldShape::scalar, false, 0, {}}), "");
}

// Run under ASan, this is the proof that no length is trusted.
TEST(Schema, RandomDamageNeverReadsOutside) {
  std::mt19937 random(1);
  const std::vector<std::byte> whole = order_schema();
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> bytes = whole;
    for (unsigned n = 1 + random() % 4; n > 0; --n) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    bytes.shrink_to_fit();
    accepted += error_of(bytes).empty();
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 20000);
}

}  // namespace
}  // namespace ouro::format
