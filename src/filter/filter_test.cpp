// What the language says, on events built by hand.
#include "filter/filter.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "filter/test_event.hpp"

namespace ouro::filter {
namespace {

using namespace test;

Event order() {
  return Event()
      .scalar("id", std::uint32_t{7})
      .scalar("total", std::uint64_t{250})
      .scalar("flags", std::uint8_t{6})
      .scalar("state", std::int8_t{2}, {{-1, "FAILED"}, {1, "WAITING"}, {2, "RUNNING"}})
      .text("user", "evelyn")
      .sequence("parts", std::vector<std::int16_t>{5, -3, 900})
      .array("box", std::vector<std::uint16_t>{30, 20, 10})
      .scalar("ratio", 0.5)
      .scalar("paid", true);
}

void expect_yes(const std::string& expression, const Event& event = order()) { EXPECT_EQ(ask(expression, event), "yes") << expression; }
void expect_no(const std::string& expression, const Event& event = order()) { EXPECT_EQ(ask(expression, event), "no") << expression; }

TEST(Filter, ComparesFieldsWithConstants) {
  expect_yes("total > 100");
  expect_yes("total >= 250");
  expect_no("total > 250");
  expect_yes("total < 251");
  expect_no("total < 250");
  expect_yes("total <= 250");
  expect_yes("total == 250");
  expect_yes("total != 249");
  expect_no("total != 250");
  expect_yes("ratio == 0.5");
  expect_yes("ratio < 1");
}

TEST(Filter, ConstantsMayStandOnTheLeft) {
  expect_yes("100 < total");
  expect_no("100 > total");
  expect_yes("250 <= total");
  expect_yes("251 >= total");
  expect_yes("\"eve*\" == user");
  expect_yes("RUNNING == state");
  expect_yes("4 & flags");
  expect_yes("0.4 < ratio");
}

TEST(Filter, FieldsAreComparedWithEachOther) {
  expect_yes("id < total");
  expect_no("id > total");
  expect_yes("state < id");
  expect_yes("total > ratio");
  expect_yes("parts[0] < parts[2]");
  expect_yes("user == user");
  expect_no("user != user");
  expect_yes("flags & 2 == state");
}

TEST(Filter, AndBindsCloserThanOr) {
  expect_yes("id == 7 || id == 8 && total == 0");
  expect_no("(id == 7 || id == 8) && total == 0");
  expect_yes("id == 0 && total == 0 || paid");
  expect_no("id == 0 && (total == 0 || paid)");
}

TEST(Filter, NotExchangesBothWays) {
  expect_no("!(id == 7)");
  expect_yes("!(id == 7 && total == 0)");
  expect_no("!(id == 7 || total == 0)");
  expect_yes("!!(id == 7)");
  expect_yes("!(id == 0) && !(total == 0)");
  expect_no("!paid");
  expect_yes("!(flags & 8)");
  expect_yes("!flags & 8");
}

TEST(Filter, MasksBindCloserThanComparisonsUnlikeInC) {
  expect_yes("flags & 4");
  expect_no("flags & 1");
  expect_yes("flags & 4 == 4");
  expect_yes("(flags & 4) == 4");
  expect_yes("flags & 0xff & 2 == 2");
  expect_no("(flags & 4) && (flags & 1)");
}

TEST(Filter, WhatIsMaskedIsNeverNegative) {
  const Event e = Event().scalar("a", std::int8_t{-1}).scalar("b", std::int64_t{-2});
  expect_yes("a == -1", e);
  expect_yes("a & 0xff == 255", e);
  expect_yes("a & 0xffffff == 255", e);
  expect_yes("b & 0xfffffffffffffffe == 0xfffffffffffffffe", e);
  expect_yes("b & 3 == 2", e);
}

TEST(Filter, NumbersAreWrittenInFourBases) {
  expect_yes("total == 0xfa");
  expect_yes("total == 0XFA");
  expect_yes("total == 0o372");
  expect_yes("total == 0b11111010");
  expect_yes("total == 2.5e2");
  expect_yes("parts[1] == -3");
  expect_yes("parts[1] == -0x3");
  expect_yes("parts[1] > -3.5");
  expect_yes("id > -0");
}

TEST(Filter, FieldsByThemselvesAreTrueUnlessTheyAreZero) {
  expect_yes("paid");
  expect_yes("paid == true");
  expect_no("paid == false");
  expect_yes("id && ratio");
  expect_no("zero", Event().scalar("zero", 0.0));
  expect_yes("nan", Event().scalar("nan", std::nan("")));
}

TEST(Filter, LabelledFieldsAreComparedByLabel) {
  expect_yes("state == RUNNING");
  expect_yes("state == \"RUNNING\"");
  expect_yes("state != WAITING");
  expect_yes("state > WAITING");
  expect_yes("state == 2");
  expect_no("state == FAILED");
  expect_yes("state != FAILED");
}

TEST(Filter, AFieldHidesALabelAndBothHideAContext) {
  KnownContexts contexts;
  contexts.number[0] = 99;
  contexts.number[1] = 1;
  const Event e = Event().scalar("tid", std::uint32_t{5}).scalar("s", std::uint8_t{3}, {{3, "pid"}, {4, "tid"}});
  EXPECT_EQ(ask("tid == 5", e, contexts), "yes");
  EXPECT_EQ(ask("ctx.tid == 99", e, contexts), "yes");
  EXPECT_EQ(ask("s == pid", e, contexts), "yes");      // the label
  EXPECT_EQ(ask("s == ctx.pid", e, contexts), "no");
  EXPECT_EQ(ask("pid == 1", e, contexts), "yes");      // the context
  EXPECT_EQ(ask("s == tid", e, contexts), "no");       // the field, 5, not the label, 4
}

TEST(Filter, ContextsAreAskedOnlyWhenNeeded) {
  struct Counting : Contexts {
    Counting() : Contexts{get} {}
    mutable int asked = 0;
    static const void* get(const Contexts& self, abi::FilterContext) noexcept {
      ++static_cast<const Counting&>(self).asked;
      static const std::uint32_t value = 3;
      return &value;
    }
  } counting;
  EXPECT_EQ(ask("id == 0 && cpu == 3", order(), counting), "no");
  EXPECT_EQ(counting.asked, 0);
  EXPECT_EQ(ask("id == 7 && cpu == 3", order(), counting), "yes");
  EXPECT_EQ(counting.asked, 1);
}

TEST(Filter, AContextThatIsNotKnownMakesComparisonsFalse) {
  struct Ignorant : Contexts {
    Ignorant() : Contexts{[](const Contexts&, abi::FilterContext) noexcept -> const void* { return nullptr; }} {}
  } ignorant;
  EXPECT_EQ(ask("uid == 0 || uid != 0", order(), ignorant), "no");
  EXPECT_EQ(ask("comm == \"*\"", order(), ignorant), "no");
  EXPECT_EQ(ask("!(uid == 0)", order(), ignorant), "yes");
}

TEST(Filter, AllContextsCanBeAsked) {
  KnownContexts c;
  for (std::uint32_t i = 0; i < 5; ++i) c.number[i] = 10 + i;
  std::strcpy(c.thread, "worker-3");
  std::strcpy(c.comm, "fifteen-letters");
  for (const char* e : {"tid == 10", "pid == 11", "cpu == 12", "uid == 13", "gid == 14", "thread == \"worker-*\"",
                        "comm == \"fifteen-letters\"", "comm == \"*letters\"", "thread != comm", "tid < gid", "cpu & 4"})
    EXPECT_EQ(ask(e, order(), c), "yes") << e;
}

TEST(Filter, ElementsAndLengths) {
  expect_yes("parts[1] == -3");
  expect_yes("parts[2] == 900");
  expect_yes("box[2] == 10");
  expect_yes("len(parts) == 3");
  expect_yes("len(box) == 3");
  expect_yes("len(user) == 6");
  expect_yes("len(user) > len(parts)");
  expect_yes("len(parts) == len(box)");
  expect_yes("len(user) & 2");
}

TEST(Filter, AnElementThatIsNotThereMakesComparisonsFalse) {
  expect_no("parts[3] == 0");
  expect_no("parts[3] != 0");
  expect_no("parts[4294967295] != 0");
  expect_no("box[3] == 0 || box[3] != 0");
  expect_yes("!(parts[3] == 0)");
  expect_yes("parts[3] == 0 || id == 7");
  expect_no("id < parts[3] || id >= parts[3]");
}

TEST(Filter, FieldsBehindStringsAndSequencesAreFound) {
  expect_yes("parts[0] == 5 && box[0] == 30 && ratio == 0.5 && paid");
  expect_yes("paid && user == \"evelyn\" && ratio == 0.5");
  const Event e = Event().text("a", "").text("b", "xyz").sequence("c", std::vector<double>{}).text("d", "q").scalar("e", std::int32_t{-9});
  expect_yes("e == -9 && d == \"q\" && len(c) == 0 && b == \"xyz\" && a == \"\"", e);
}

TEST(Filter, StringsMayBePatterns) {
  const std::vector<std::pair<const char*, bool>> cases = {
      {"evelyn", true}, {"eve", false},    {"evelyns", false}, {"eve*", true},      {"evelyn*", true}, {"evelynn*", false},
      {"*lyn", true},   {"*evelyn", true}, {"*x", false},      {"*", true},         {"?????n", true},  {"e*e*n", true},
      {"*vel*", true},  {"e[uv]e*", true}, {"e[!uv]e*", false}, {"[a-e]velyn", true}, {"", false},       {"[evelyn", false}};
  for (const auto& [pattern, matches] : cases) {
    EXPECT_EQ(ask("user == \"" + std::string(pattern) + "\"", order()), matches ? "yes" : "no") << pattern;
    EXPECT_EQ(ask("user != \"" + std::string(pattern) + "\"", order()), matches ? "no" : "yes") << pattern;
  }
}

TEST(Filter, ABackslashTakesACharacterLiterally) {
  const auto matches = [](const char* text, const char* pattern) {
    return ask("s == \"" + std::string(pattern) + "\"", Event().text("s", text).scalar("x", 1)) == "yes";
  };
  EXPECT_TRUE(matches("a*", "a\\*"));
  EXPECT_FALSE(matches("ab", "a\\*"));
  EXPECT_TRUE(matches("a*bc", "a\\**"));
  EXPECT_FALSE(matches("abc", "a\\**"));
  EXPECT_TRUE(matches("x?y", "?\\?*"));
  EXPECT_TRUE(matches("[a]", "\\[?\\]"));
  EXPECT_TRUE(matches("a\"b\\c", "a\\\"b\\\\c"));
  EXPECT_TRUE(matches("tab\there\n", "tab\\there\\n"));
  EXPECT_TRUE(matches("\xc3\xa4", "\\xc3\\xa4"));
  EXPECT_TRUE(matches("[*", "[\\*"));  // nothing closes the '['
  EXPECT_FALSE(matches("[b", "[\\*"));
  EXPECT_TRUE(matches("[x*", "[x\\**"));
}

TEST(Filter, SetsMayHoldWhatIsSpecial) {
  const auto set_of = [](const char* set) {
    std::string held;
    for (char c = 1; c < 127; ++c)
      if (ask("s == \"" + std::string(set) + "\"", Event().text("s", std::string(1, c))) == "yes") held += c;
    return held;
  };
  EXPECT_EQ(set_of("[\\]]"), "]");
  EXPECT_EQ(set_of("[]]"), "]");
  EXPECT_EQ(set_of("[a\\]b]"), "]ab");
  EXPECT_EQ(set_of("[\\!x]"), "!x");
  EXPECT_EQ(set_of("[\\!\\^]"), "!^");
  EXPECT_EQ(set_of("[\\^]"), "^");
  EXPECT_EQ(set_of("[a\\-c]"), "-ac");
  EXPECT_EQ(set_of("[-ac]"), "-ac");
  EXPECT_EQ(set_of("[a-c]"), "abc");
  EXPECT_EQ(set_of("[X-\\]]"), "XYZ[\\]");
  EXPECT_EQ(set_of("[]-a]"), "]^_`a");
  EXPECT_EQ(set_of("[\\*\\?]"), "*?");
  EXPECT_EQ(set_of("[*?]"), "*?");
  EXPECT_EQ(set_of("[c-a]"), "");
  EXPECT_EQ(set_of("[!\\x02-~]"), "\x01");
  EXPECT_EQ(set_of("[^!\\x01-~]"), "");
}

TEST(Filter, LongAndShortTextsCompareWhole) {
  for (std::size_t n = 0; n < 40; ++n) {
    const std::string text(n, 'k');
    const Event e = Event().text("s", text);
    expect_yes("s == \"" + text + "\"", e);
    expect_yes("s == \"" + text + "*\"", e);
    expect_yes("s == \"*" + text + "\"", e);
    expect_no("s == \"" + text + "k\"", e);
    expect_no("s == \"" + text + "k*\"", e);
    expect_no("s == \"*k" + text + "\"", e);
    if (n == 0) continue;
    for (std::size_t i = 0; i < n; ++i) {
      std::string other = text;
      other[i] = 'j';
      expect_no("s == \"" + other + "\"", e);
    }
    expect_no("s == \"" + text.substr(1) + "\"", e);
  }
}

TEST(Filter, TextsEndAtTheirNulAndNowhereElse) {
  for (int byte = 1; byte < 256; ++byte)
    for (std::size_t n : {1u, 7u, 8u, 9u, 31u, 32u, 33u, 70u}) {
      const Event e = Event().text("s", std::string(n, static_cast<char>(byte))).scalar("x", std::uint8_t{77});
      ASSERT_EQ(ask("len(s) == " + std::to_string(n) + " && x == 77", e), "yes") << byte << ' ' << n;
    }
}

TEST(Filter, MixedNumbersCompareAsNumbers) {
  const Event e = Event()
                      .scalar("minus", std::int64_t{-1})
                      .scalar("five", std::uint64_t{5})
                      .scalar("most", std::numeric_limits<std::uint64_t>::max())
                      .scalar("least", std::numeric_limits<std::int64_t>::min())
                      .scalar("leastf", -9223372036854775808.0)
                      .scalar("big", std::int64_t{(1LL << 53) + 1})
                      .scalar("bigf", 9007199254740992.0)
                      .scalar("two64", 18446744073709551616.0)
                      .scalar("tenth", 0.1f)
                      .scalar("small", std::int8_t{-128});
  for (const char* yes : {"least == leastf", "leastf < minus", "minus < five", "minus < most", "!(most == minus)", "most > least", "big > bigf", "bigf < big", "big != bigf",
                          "most < two64", "two64 > most", "least < 0.5", "minus < -0.5", "minus > -1.5", "minus == -1.0", "five > 4.5",
                          "five < 5.5", "five != 5.5", "!(five == 5.5)", "bigf < 9007199254740993", "bigf != 9007199254740993",
                          "bigf <= 9007199254740993", "bigf > 9007199254740991", "two64 > 18446744073709551615", "most == 18446744073709551615",
                          "most < 1e30", "least > -1e30", "least == -9223372036854775808", "small < 200", "small >= -128", "small > -129",
                          "five < 300", "tenth != 0.1", "tenth > 0.1", "five >= -1", "minus < 18446744073709551615"})
    expect_yes(yes, e);
}

TEST(Filter, NothingIsComparedWithWhatIsNoNumber) {
  const Event e = Event().scalar("d", std::nan("")).scalar("f", std::nanf("")).scalar("i", 5);
  for (const char* name : {"d", "f"}) {
    for (const char* other : {"1", "0.5", "i", "d", "9007199254740993"}) {
      for (const char* compare : {"==", "<", "<=", ">", ">="})
        EXPECT_EQ(ask(std::string(name) + " " + compare + " " + other, e), "no") << name << compare << other;
      EXPECT_EQ(ask(std::string(name) + " != " + other, e), "yes") << name << other;
    }
  }
}

TEST(Filter, ABodyCutShortSelectsNothing) {
  const Event e = order();
  Filter filter;
  for (const char* text : {"total == 250", "user == \"evelyn\"", "user == \"*n\"", "user == \"e*l*n\"", "paid", "ratio < id", "box[2] == 10",
                           "parts[2] == 900", "len(user) == 6", "len(parts) == 3"}) {
    ASSERT_FALSE(compile(text, filter));
    Bytes memory(bound_size(filter.code));
    const BindResult bound = filter::bind(filter.code, e.schema(), memory);
    ASSERT_TRUE(bound);
    std::size_t size = e.body.size();
    while (size > 0 && verdict(*bound.bound, Bytes(e.body.begin(), e.body.begin() + static_cast<std::ptrdiff_t>(size)))) --size;
    EXPECT_LT(size, e.body.size()) << text;
    for (; size > 0; --size) EXPECT_FALSE(verdict(*bound.bound, Bytes(e.body.begin(), e.body.begin() + static_cast<std::ptrdiff_t>(size)))) << text << size;
  }
}

TEST(Filter, WhatIsBoundHasNoPointersAndMayBeCopied) {
  Filter filter;
  ASSERT_FALSE(compile("user == \"a long name that needs the pool\" || box[1] == 20 && tid == 4", filter));
  Bytes memory(bound_size(filter.code)), code = filter.code, schema = order().schema();
  const BindResult result = filter::bind(code, schema, memory);
  ASSERT_TRUE(result);
  EXPECT_EQ(contexts_of(*result.bound), 1u << static_cast<int>(abi::FilterContext::tid));
  std::vector<std::uint64_t> copy(size_of(*result.bound) / 8 + 1);
  std::memcpy(copy.data(), result.bound, size_of(*result.bound));
  std::fill(memory.begin(), memory.end(), std::byte{0xff});
  std::fill(code.begin(), code.end(), std::byte{0xff});
  std::fill(schema.begin(), schema.end(), std::byte{0xff});
  KnownContexts contexts;
  contexts.number[0] = 4;
  EXPECT_TRUE(verdict(*reinterpret_cast<const Bound*>(copy.data()), order().body, contexts));
}

}  // namespace
}  // namespace ouro::filter
