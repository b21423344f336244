#include "format/pieces.hpp"

#include <gtest/gtest.h>

namespace ouro::format {
namespace {

TEST(Pieces, AreNamedByWhenTheyBeganAndTheirNumber) {
  EXPECT_EQ(piece_name(1577836800, 7), "20200101T000000Z-000007");
  EXPECT_EQ(piece_name(1577836800, 1234567), "20200101T000000Z-1234567");
  for (const std::uint64_t number : {0ull, 7ull, 999999ull, 1234567ull}) {
    const auto parsed = parse_piece_name(piece_name(1577836800, number));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->number, number);
    EXPECT_FALSE(parsed->is_part);
  }
  const auto part = parse_piece_name("20200101T000000Z-000007.part");
  ASSERT_TRUE(part);
  EXPECT_TRUE(part->is_part);
}

TEST(Pieces, OtherNamesAreNone) {
  for (const char* name : {"", ".", "metadata", ".part", "20200101T000000Z", "20200101T000000Z-", "20200101T000000Z-1", "20200101T000000Z-00000x",
                           "20200101T000000-000007", "20200101T000000Z-000007.par", "20200101T000000Z-000007 ", "x20200101T000000Z-000007",
                           "20200101T000000Z-0000000000000000000000000000007"})
    EXPECT_FALSE(parse_piece_name(name)) << name;
}

}  // namespace
}  // namespace ouro::format
