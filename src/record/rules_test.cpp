#include "record/rules.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/rules.hpp"

namespace ouro::record {
namespace {

Rule rule(const std::string& name, const std::string& filter = {}) {
  Rule out;
  out.name = name;
  out.filter = filter;
  for (const char c : filter) out.code.push_back(static_cast<std::byte>(c));  // any bytes
  return out;
}
Rule no(const std::string& name) {
  Rule out = rule(name);
  out.excludes = true;
  return out;
}

// Names of those in a list, '!' before those that exclude.
std::string names(const std::vector<Rule>& rules) {
  std::string out;
  for (const Rule& r : rules) out += (out.empty() ? "" : " ") + std::string(r.excludes ? "!" : "") + r.name;
  return out;
}

// Which of the rules decides about an event: its name; "-": it is off.
std::string decides(const std::vector<Rule>& rules, const char* name, const char* file = "src/a/cart.cpp", std::uint8_t level = 6) {
  const std::vector<std::byte> list = *encode(rules);
  base::Rule found;
  if (!base::find_rule(list.data(), list.size(), {name, file, level}, found)) return "-";
  return {found.name, found.name_end};
}

TEST(Rules, WhatIsEncodedIsDecoded) {
  std::vector<Rule> rules = {rule("*"), no("a:*"), rule("shop:*", "total > 100")};
  rules[2].file = "*/cart.cpp";
  rules[2].level = 4;
  rules[2].rate = 10;
  rules[2].every = 3;
  EXPECT_EQ(decode(*encode(rules)), rules);
  EXPECT_TRUE(decode(*encode({})).empty());
}

TEST(Rules, TheLastThatMatchesDecides) {
  const std::vector<Rule> rules = {rule("shop:*"), no("shop:sql*"), rule("shop:sql_slow")};
  EXPECT_EQ(decides(rules, "shop:order"), "shop:*");
  EXPECT_EQ(decides(rules, "shop:sql"), "-");
  EXPECT_EQ(decides(rules, "shop:sql_slow"), "shop:sql_slow");
  EXPECT_EQ(decides(rules, "bank:order"), "-");
  EXPECT_EQ(decides({}, "bank:order"), "-");
}

// A span's length is known at its end; its fields, at its begin.
TEST(Rules, ForLongSpansAreSpansOnly) {
  Rule slow = rule("shop:*", "id == 7");
  slow.longer = 1000;
  EXPECT_EQ(decode(*encode({{slow}})), (std::vector<Rule>{slow}));
  const std::vector<std::byte> list = *encode({{slow}});
  const auto filter_for = [&](abi::EventKind kind) {
    base::Rule found;
    return base::find_rule(list.data(), list.size(), {"shop:checkout", "x/y", 6, kind}, found) ? static_cast<int>(found.header.filter_size) : -1;
  };
  EXPECT_EQ(filter_for(abi::EventKind::point), -1);
  EXPECT_EQ(filter_for(abi::EventKind::counter), -1);
  EXPECT_EQ(filter_for(abi::EventKind::span_begin), static_cast<int>(slow.code.size()));
  EXPECT_EQ(filter_for(abi::EventKind::span_end), 0);
}

TEST(Rules, AFilesGlobIsForThePathOrForItsLastPart) {
  std::vector<Rule> rules = {rule("*")};
  for (const auto& [glob, matches] : {std::pair{"cart.cpp", true}, {"*/cart.cpp", true}, {"src/a/cart.cpp", true}, {"src/*", true}, {"art.cpp", false}, {"a/cart.cpp", false}}) {
    rules[0].file = glob;
    EXPECT_EQ(decides(rules, "x:y"), matches ? "*" : "-") << glob;
  }
}

TEST(Rules, ALevelIsForThatAndForGraverOnes) {
  std::vector<Rule> rules = {rule("*")};
  rules[0].level = 4;
  EXPECT_EQ(decides(rules, "x:y", "f", 0), "*");
  EXPECT_EQ(decides(rules, "x:y", "f", 4), "*");
  EXPECT_EQ(decides(rules, "x:y", "f", 5), "-");
}

TEST(Rules, AddingOneTakesAwayThoseThatNeverDecideAgain) {
  EXPECT_EQ(names(with_rule({rule("a:*"), rule("b:*")}, rule("a:*", "x > 1"))), "b:* a:*");
  EXPECT_EQ(names(with_rule({rule("a:*"), rule("b:*")}, no("a:*"))), "b:* !a:*");
  EXPECT_EQ(names(with_rule({rule("a:*"), no("a:b")}, rule("*"))), "*");
  EXPECT_EQ(names(with_rule({rule("a:*"), no("a:b")}, no("*"))), "") << "nothing is selected, nothing needs to be said";
  std::vector<Rule> rules = {rule("*")};
  for (int i = 0; i < 1000; ++i) rules = with_rule(with_rule(rules, rule("a:b")), no("a:b"));
  EXPECT_EQ(names(rules), "* !a:b") << "a session whose events come and go for months";
}

TEST(Rules, TooManyAreAnErrorThatSaysHowMany) {
  std::vector<Rule> rules(3000, rule("a:b"));
  const auto list = encode(rules);
  ASSERT_FALSE(list);
  EXPECT_NE(list.error().text.find("want at most 65536"), std::string::npos) << list.error().text;
}

TEST(Rules, NoBytesLeadOutOfTheList) {
  const std::vector<std::byte> good = *encode(std::vector<Rule>{rule("*"), no("a:*"), rule("shop:*", "total > 100")});
  for (std::size_t size = 0; size <= good.size(); ++size) {  // the sanitizers see where it reads
    const std::vector<std::byte> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    decode(cut);
  }
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> bad = good;
    for (int k = 0; k < 3; ++k) bad[random() % bad.size()] = static_cast<std::byte>(random());
    base::Rule found;
    base::find_rule(bad.data(), bad.size(), {"shop:order", "x/y", 3}, found);
    for (const Rule& r : decode(bad)) EXPECT_LE(r.code.size(), bad.size());
  }
}

}  // namespace
}  // namespace ouro::record
