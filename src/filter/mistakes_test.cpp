// What is wrong, and where: the place is the column of the '^' in the second line of each case.
#include <gtest/gtest.h>

#include <fstream>

#include "filter/test_event.hpp"

namespace ouro::filter {
namespace {

using namespace test;

Event order() {
  return Event()
      .scalar("id", std::uint32_t{7})
      .scalar("total", std::uint64_t{250})
      .scalar("state", std::int8_t{2}, {{-1, "FAILED"}, {2, "RUNNING"}})
      .text("user", "eve")
      .sequence("parts", std::vector<std::int16_t>{5})
      .scalar("ratio", 0.5);
}

struct Case {
  const char *expression, *caret, *text;
};

void expect_mistakes(const std::vector<Case>& cases) {
  for (const Case& c : cases)
    EXPECT_EQ(ask(c.expression, order()), std::string("filter: ") + c.text + "\n  " + c.expression + "\n  " + c.caret) << c.expression;
}

TEST(FilterMistakes, WhatIsMissing) {
  expect_mistakes({
      {"", "^", "an empty filter, want a condition"},
      {"total >", "       ^", "want a field, a context or a constant here, not the end"},
      {"total > 1 &&", "            ^", "want a field, a context or a constant here, not the end"},
      {"&& total", "^", "want a field, a context or a constant here, not '&&'"},
      {"(total == 1", "           ^", "want ) here, not the end (opened at character 1)"},
      {"total == 1)", "          ^", "')' follows what was already whole, want && or || (no parenthesis is open)"},
      {"total 100", "      ^", "'100' follows what was already whole, want && or ||"},
      {"parts[1 == 1", "        ^", "want ] behind the element's number, not '=='"},
      {"parts[-1] == 1", "      ^", "want an element's number, from 0 on, not '-1'"},
      {"len(parts", "         ^", "want ) behind the field's name, not the end"},
      {"user == \"abc", "        ^", "this text does not end, want a \""},
  });
}

TEST(FilterMistakes, WhatHasNoMeaning) {
  expect_mistakes({
      {"total = 1", "      ^", "'=' has no meaning here (hint: == compares)"},
      {"total | 1", "      ^", "'|' has no meaning here (hint: || is 'or')"},
      {"user == 'x'", "        ^", "a single quote has no meaning here (hint: texts stand in \"\")"},
      {"total + 5 == 3", "      ^", "'+' has no meaning here (hint: filters do not calculate; & with a number masks)"},
      {"total > -user", "        ^", "'-' has no meaning here (hint: '-' stands before a number only)"},
      {"total > 5 && \xc3\xb6", "             ^", "'\xc3\xb6' has no meaning here"},
      {"user == \"a\\qb\"", "          ^", "\\q has no meaning, want \\n, \\t, \\r, \\xHH or \\ before a character that is no letter"},
      {"user == \"a\\x0\"", "          ^", "want two digits of base 16 behind \\x, and not 00"},
      {"size(parts) == 3", "^", "'size' is no function, want len(...)"},
      {"total.x == 1", "     ^", "fields have no parts (hint: ctx.NAME is a context)"},
      {"ctx.foo == 1", "    ^", "'foo' is no context, want one of tid, pid, cpu, uid, gid, thread, comm"},
  });
}

TEST(FilterMistakes, Numbers) {
  expect_mistakes({
      {"total > 4K", "         ^", "'K' is no digit of base 10 (numbers have no units)"},
      {"total > 0x", "          ^", "want a digit of base 16 here"},
      {"total > 0b12", "           ^", "'2' is no digit of base 2"},
      {"total > 017", "        ^", "a number that begins with 0 means two things: want 17, or 0o... for base 8"},
      {"total > 1.5ms", "           ^", "'m' does not belong to a number (numbers have no units)"},
      {"total > 1e999", "        ^", "1e999 is beyond what an f64 holds"},
      {"total > 18446744073709551616", "        ^", "18446744073709551616 does not fit in 64 bits"},
      {"total > -9223372036854775809", "        ^", "-9223372036854775809 does not fit in 64 bits"},
      {"total & -1", "        ^", "a mask is a whole number that is not negative"},
      {"total & user", "        ^", "'&' wants a constant on one side and a field on the other"},
      {"total & 0xffffffffffffffff", "        ^", "a mask of 64 ones masks nothing"},
  });
}

TEST(FilterMistakes, Conditions) {
  expect_mistakes({
      {"total < id < 3", "           ^", "a condition is not compared (hint: a < b && b < c)"},
      {"(total == 1) == id", "             ^", "a condition is not compared (hint: a < b && b < c)"},
      {"(total == 1) & 3", "             ^", "'&' masks a number, want && between conditions"},
      {"!total == 5", "^", "'!' before a comparison: want !(...) around it, or the contrary comparison"},
      {"1 == 2", "  ^", "both sides are constants, want a field or a context on one of them"},
      {"total && true", "         ^", "a constant by itself is no condition, want a comparison"},
      {"user < \"abc\"", "       ^", "texts are compared with == and !=, they have no order here"},
  });
}

TEST(FilterMistakes, TypesThatDoNotFit) {
  expect_mistakes({
      {"user", "^", "'user' is of type string, which by itself is no condition (hint: user != \"\")"},
      {"user == 5", "^", "'user' is of type string, but what it is compared with is a number"},
      {"5 == user", "     ^", "'user' is of type string, but what it is compared with is a number"},
      {"id == 1 && total == \"abc\"", "           ^", "'total' is of type u64, but what it is compared with is a string"},
      {"tid == \"x\"", "^", "'tid' is of type u32, but what it is compared with is a string"},
      {"ctx.comm == 5", "^", "'comm' is of type string, but what it is compared with is a number"},
      {"id == user", "^", "'id' is of type u32, but what it is compared with is a string"},
      {"id == 1 || user & 3", "           ^", "'user' is of type string, '&' wants an integer"},
      {"ratio & 3", "^", "'ratio' is of type f64, '&' wants an integer"},
      {"user < user", "^", "'user' is of type string; strings are compared with == and !=, they have no order here"},
      {"parts == 5", "^", "'parts' is of type i16[], want one element, parts[0], or their number, len(parts)"},
      {"id < parts", "     ^", "'parts' is of type i16[], want one element, parts[0], or their number, len(parts)"},
      {"user[0] == 1", "^", "'user' is of type string, which has no elements"},
      {"len(id) == 4", "    ^", "'id' is of type u32, which has no length"},
  });
}

TEST(FilterMistakes, UnknownNamesListWhatThereIs) {
  EXPECT_EQ(ask("id == 1 && totel > 5", order()),
            "filter: 'totel' is no field of shop:order (hint: total?)\n"
            "  id == 1 && totel > 5\n"
            "             ^\n"
            "  fields: id (u32), total (u64), state (enum i8), user (string), parts (i16[]), ratio (f64)\n"
            "  contexts: tid (u32), pid (u32), cpu (u32), uid (u32), gid (u32), thread (string), comm (string)");
  EXPECT_EQ(ask("price", Event()),
            "filter: 'price' is no field of shop:order\n  price\n  ^\n  fields: none\n"
            "  contexts: tid (u32), pid (u32), cpu (u32), uid (u32), gid (u32), thread (string), comm (string)");
  EXPECT_EQ(ask("state == RUNING", order()),
            "filter: 'RUNING' is no label of 'state' (hint: RUNNING?)\n  state == RUNING\n           ^\n  labels: FAILED, RUNNING");
  EXPECT_EQ(ask("\"R*\" == state", order()),
            "filter: the labels of 'state' are compared whole, not with a pattern\n  \"R*\" == state\n  ^\n  labels: FAILED, RUNNING");
}

TEST(FilterMistakes, TheCaretCountsCharacters) {
  EXPECT_EQ(ask("user == \"\xc3\xb6\xe2\x82\xac\" && \tx =", order()),
            "filter: '=' has no meaning here (hint: == compares)\n  user == \"\xc3\xb6\xe2\x82\xac\" &&  x =\n                     ^");
}

TEST(FilterMistakes, DepthAndLengthHaveLimits) {
  const auto text_of = [](const std::string& expression) {
    Filter filter;
    const auto mistake = compile(expression, filter);
    return mistake ? mistake->text : "";
  };
  const std::string deep = "this is deeper than 64 levels of ( and !";
  EXPECT_EQ(text_of(std::string(60, '(') + "a == 1" + std::string(60, ')')), "");
  EXPECT_EQ(text_of(std::string(100000, '(') + "a == 1" + std::string(100000, ')')), deep);
  EXPECT_EQ(text_of(std::string(100000, '!') + "a"), deep);
  EXPECT_EQ(text_of("a == \"" + std::string(4040, 'x') + "\""), "");
  EXPECT_EQ(text_of("a == \"" + std::string(4080, 'x') + "\""), "too long: 4131 bytes as code, want at most 4096");
  EXPECT_EQ(text_of(std::string("a == \"x\0y\"", 10)), "a text holds no byte 0");
}

TEST(FilterMistakes, TheExamplesOfTheDocumentationHaveNone) {
  std::ifstream page(OURO_SOURCE_DIR "/docs/filters.md");
  std::string line;
  while (std::getline(page, line) && line != "```") {
  }
  int examples = 0;
  for (; std::getline(page, line) && line != "```"; ++examples) {
    const Result<Filter> filter = compile(line);
    EXPECT_TRUE(filter) << filter.error().text;
  }
  EXPECT_GE(examples, 5);
}

TEST(FilterMistakes, ResultsShowThemAsPeopleSeeThem) {
  const Result<Filter> filter = compile("total >");
  ASSERT_FALSE(filter);
  EXPECT_EQ(filter.error().text, "filter: want a field, a context or a constant here, not the end\n  total >\n         ^");
  EXPECT_TRUE(compile("total > 5"));
}

}  // namespace
}  // namespace ouro::filter
