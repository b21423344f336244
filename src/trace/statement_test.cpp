// How the spelling of a macro's arguments is taken apart (ouro/detail/statement.hpp).
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include <ouro/detail/statement.hpp>

namespace ouro::detail {
namespace {

// As OURO_EVENT("shop:order", <fields>) would see it, with that many arguments behind the name.
template <std::size_t kArguments, std::size_t N>
std::vector<std::string> names(const char (&fields)[N]) {
  const auto statement = parse(Count<kArguments>{}, "\"shop:order\"", fields);
  EXPECT_EQ(statement.mistake, Mistake::none) << fields;
  EXPECT_STREQ(statement.name(), "shop:order");
  std::vector<std::string> out;
  for (std::size_t i = 0; i < statement.count; ++i) out.emplace_back(statement.field(i));
  return out;
}
template <std::size_t kArguments, std::size_t N>
Mistake mistake(const char (&fields)[N]) {
  return parse(Count<kArguments>{}, "\"shop:order\"", fields).mistake;
}
template <std::size_t N>
Mistake mistake_in_name(const char (&name)[N]) {
  return parse(Count<0>{}, name, "").mistake;
}

using Names = std::vector<std::string>;

TEST(Statement, NamesAreEveryOtherArgument) {
  EXPECT_EQ(names<0>(""), (Names{}));
  EXPECT_EQ(names<2>(R"("id", 1)"), (Names{"id"}));
  EXPECT_EQ(names<4>(R"("id", order.id, "total", order.total)"), (Names{"id", "total"}));
}

TEST(Statement, AValueMayBeALiteralToo) {
  EXPECT_EQ(names<4>(R"("a", "text", "b", "text")"), (Names{"a", "b"}));
  EXPECT_EQ(names<4>(R"("a", "one, " "two", "b", "\", \"c\", ")"), (Names{"a", "b"}));
  constexpr char raw[] = R"outer("a", R"x(", "no", 1, )" )x", "b", 2)outer";
  EXPECT_EQ(names<4>(raw), (Names{"a", "b"}));
}

TEST(Statement, CommasInsideBracketsSeparateNothing) {
  EXPECT_EQ(names<4>(R"("a", f(1, "x", 2), "b", (g)[h{1, 2}, 3])"), (Names{"a", "b"}));
  EXPECT_EQ(names<4>(R"("a", [&, i] { return std::pair{i, "b"}; }(), "c", 1)"), (Names{"a", "c"}));
}

TEST(Statement, ACommaOfATemplateBelongsToTheValue) {
  EXPECT_EQ(names<4>(R"("a", std::span<const int, 2>(x, 2), "b", f<1, 2, 3>())"), (Names{"a", "b"}));
}

TEST(Statement, QuotesOfCharactersAndNumbersAreToldApart) {
  EXPECT_EQ(names<4>(R"("a", ',', "b", '\'')"), (Names{"a", "b"}));
  EXPECT_EQ(names<4>(R"("a", 1'000'000, "b", 0xff'ff)"), (Names{"a", "b"}));
  EXPECT_EQ(names<4>(R"("a", u8',', "b", L'"')"), (Names{"a", "b"}));
}

TEST(Statement, ANameMayBeOfSeveralLiterals) {
  EXPECT_EQ(names<2>(R"("or" "der_" "id", 1)"), (Names{"order_id"}));
  EXPECT_EQ(parse(Count<0>{}, R"("shop" ":" "order")", "").mistake, Mistake::none);
}

TEST(Statement, MistakesAreToldApart) {
  EXPECT_EQ(mistake_in_name("name"), Mistake::event_not_literal);
  EXPECT_EQ(mistake_in_name("\"a\" + b"), Mistake::event_not_literal);
  EXPECT_EQ(mistake_in_name("\"shop\""), Mistake::event_not_word);
  EXPECT_EQ(mistake_in_name("\"shop:\""), Mistake::event_not_word);
  EXPECT_EQ(mistake_in_name("\":order\""), Mistake::event_not_word);
  EXPECT_EQ(mistake_in_name("\"shop:or-der\""), Mistake::event_not_word);
  EXPECT_EQ(mistake_in_name("\"1shop:order\""), Mistake::event_not_word);
  EXPECT_EQ(mistake_in_name("u8\"shop:order\""), Mistake::event_not_literal);
  EXPECT_EQ(mistake<1>(R"("id")"), Mistake::not_pairs);
  EXPECT_EQ(mistake<3>(R"("id", 1, "total")"), Mistake::not_pairs);
  EXPECT_EQ(mistake<3>(R"("id", 1, 2)"), Mistake::not_pairs);
  EXPECT_EQ(mistake<1>("id"), Mistake::field_not_literal);
  EXPECT_EQ(mistake<2>("id, 1"), Mistake::field_not_literal);
  EXPECT_EQ(mistake<2>(R"("order id", 1)"), Mistake::field_not_word);
  EXPECT_EQ(mistake<2>(R"("a\n", 1)"), Mistake::field_not_word);
  EXPECT_EQ(mistake<2>(R"("", 1)"), Mistake::field_not_word);
  EXPECT_EQ(mistake<4>(R"("id", 1, "id", 2)"), Mistake::same_field);
}

TEST(Statement, AnEventsNameHasAtMost255Characters) {
  char name[260] = "\"shop:";
  std::memset(name + 6, 'x', 250);  // 255 with "shop:"
  std::strcpy(name + 256, "\"");
  EXPECT_EQ(mistake_in_name(name), Mistake::none);
  std::strcpy(name + 256, "x\"");
  EXPECT_EQ(mistake_in_name(name), Mistake::event_too_long);
}

}  // namespace
}  // namespace ouro::detail
