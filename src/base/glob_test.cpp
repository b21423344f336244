#include "base/glob.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ouro::base {
namespace {

TEST(Glob, WithoutSpecialCharactersOnlyTheSameTextMatches) {
  EXPECT_TRUE(glob_match("shop:order", "shop:order"));
  EXPECT_FALSE(glob_match("shop:order", "shop:orders"));
  EXPECT_FALSE(glob_match("shop:order", "shop:orde"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "a"));
}

TEST(Glob, StarTakesAnyTextAlsoNone) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("shop:*", "shop:"));
  EXPECT_TRUE(glob_match("shop:*", "shop:a:b"));
  EXPECT_FALSE(glob_match("shop:*", "shoq:a"));
  EXPECT_TRUE(glob_match("*:order", "shop:order"));
  EXPECT_TRUE(glob_match("**a**", "bab"));
}

TEST(Glob, AStarGivesBackWhatItTookTooMuch) {
  EXPECT_TRUE(glob_match("*ab", "aab"));
  EXPECT_TRUE(glob_match("a*b*c", "abbcbc"));
  EXPECT_FALSE(glob_match("a*b*c", "abbcb"));
}

TEST(Glob, ManyStarsTakeNoExponentialTime) {
  const std::string text(2000, 'a');
  EXPECT_FALSE(glob_match("*a*a*a*a*a*a*a*a*a*a*b", text.c_str()));
}

TEST(Glob, QuestionMarkTakesExactlyOneCharacter) {
  EXPECT_TRUE(glob_match("a?c", "abc"));
  EXPECT_FALSE(glob_match("a?c", "ac"));
  EXPECT_FALSE(glob_match("?", ""));
}

TEST(Glob, ASetTakesOneOfItsCharacters) {
  EXPECT_TRUE(glob_match("q[0-3x]", "q2"));
  EXPECT_TRUE(glob_match("q[0-3x]", "qx"));
  EXPECT_FALSE(glob_match("q[0-3x]", "q4"));
  EXPECT_FALSE(glob_match("q[0-3x]", "q-"));
  EXPECT_TRUE(glob_match("q[!0-3]", "q4"));
  EXPECT_FALSE(glob_match("q[^0-3]", "q0"));
  EXPECT_TRUE(glob_match("q[]]", "q]"));
  EXPECT_TRUE(glob_match("q[a-]", "q-"));
  EXPECT_TRUE(glob_match("*[0-9]", "a1b2"));
}

TEST(Glob, ABracketThatNothingClosesStandsForItself) {
  EXPECT_TRUE(glob_match("a[b", "a[b"));
  EXPECT_FALSE(glob_match("a[b", "ab"));
  EXPECT_TRUE(glob_match("[", "["));
  EXPECT_TRUE(glob_match("[!]", "[!]"));
}

bool selects(const std::string& list, const char* name) { return selected(list.data(), list.size(), name); }

TEST(Selected, AnEmptyListSelectsNothing) {
  EXPECT_FALSE(selects("", "a"));
  EXPECT_FALSE(selects(std::string("\0\0", 2), "a"));
}

TEST(Selected, TheLastEntryThatMatchesDecides) {
  const std::string list("shop:*\0!shop:sql*\0shop:sql_error\0", 34);
  EXPECT_TRUE(selects(list, "shop:order"));
  EXPECT_FALSE(selects(list, "shop:sql_query"));
  EXPECT_TRUE(selects(list, "shop:sql_error"));
  EXPECT_FALSE(selects(list, "bank:order"));
}

TEST(Selected, AnEntryWithoutItsEndIsIgnored) {
  EXPECT_FALSE(selects("shop:*", "shop:order"));
  EXPECT_TRUE(selects(std::string("shop:*\0!sh", 10), "shop:order"));
}

TEST(Selected, AnExclusionOfNothingExcludesNothing) { EXPECT_TRUE(selects(std::string("*\0!\0", 4), "a")); }

}  // namespace
}  // namespace ouro::base
