// What of a filter is decided at an event's place, before there is a body (ouro/detail/choice.hpp).
#include "filter/first_tests.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "filter/test_event.hpp"

namespace ouro::filter {
namespace {

using namespace test;
using detail::Choice;

Choice& choice_of(const std::string& expression, const Event& event, Choice& out, std::uint8_t accepted = Choice::kWrite) {
  Filter filter;
  EXPECT_FALSE(compile(expression, filter)) << expression;
  std::vector<std::byte> memory(bound_size(filter.code));
  const Bytes schema = event.schema();
  const BindResult bound = filter::bind(filter.code, schema, memory);
  EXPECT_TRUE(bound) << expression;
  take_first_tests(*bound.bound, schema, accepted, out);
  return out;
}

// "write", "reject" or "ask", of an event with these bits.
std::string said(const std::string& expression, const Event& event, const std::vector<std::uint64_t>& bits) {
  Choice choice;
  switch (detail::decide(choice_of(expression, event, choice), bits.data())) {
    case Choice::kWrite: return "write";
    case Choice::kReject: return "reject";
    case Choice::kAsk: return "ask";
    default: return "?";
  }
}

template <class T>
std::vector<T> edges() {
  using Limits = std::numeric_limits<T>;
  return {Limits::min(), static_cast<T>(Limits::min() + 1), static_cast<T>(-1), T{0}, T{1}, T{2}, T{100}, static_cast<T>(Limits::max() - 1), Limits::max()};
}

// All widths, both signs, all comparisons, at the ends and in the middle; masked and not.
template <class T>
void agree_with_run() {
  for (const T constant : edges<T>())
    for (const char* compare : {"==", "!=", "<", "<=", ">", ">="})
      for (const char* mask : {"", " & 1", " & 0x7f", " & 0x80", " & 0xffff", " & 0x8000000000000000"}) {
        const std::string expression = std::string("x") + mask + compare + std::to_string(constant);
        for (const T value : edges<T>()) {
          Event event;
          event.scalar<T>("x", value);
          const std::uint64_t bits = static_cast<std::make_unsigned_t<T>>(value);
          EXPECT_EQ(said(expression, event, {bits}), ask(expression, event) == "yes" ? "write" : "reject") << expression << " of " << +value;
        }
      }
}
TEST(FirstTests, AgreeWithTheInterpreterForEveryWidthSignAndMask) {
  agree_with_run<std::uint8_t>();
  agree_with_run<std::uint16_t>();
  agree_with_run<std::uint32_t>();
  agree_with_run<std::uint64_t>();
  agree_with_run<std::int8_t>();
  agree_with_run<std::int16_t>();
  agree_with_run<std::int32_t>();
  agree_with_run<std::int64_t>();
}

Event order() {
  Event event;
  event.scalar<std::uint32_t>("id", 0).text("user", "eve").scalar<std::uint16_t>("port", 0).array<std::uint32_t>("parts", {1, 2}).scalar<double>("ratio", 0);
  return event;
}

TEST(FirstTests, ScalarsBehindStringsAreTestedToo) {
  EXPECT_EQ(said("port >= 8000", order(), {0, 0, 8000, 0, 0}), "write");
  EXPECT_EQ(said("port >= 8000", order(), {0, 0, 7999, 0, 0}), "reject");
  EXPECT_EQ(said("id == 1 && (port == 2 || !(port & 1))", order(), {1, 0, 3, 0, 0}), "reject");
  EXPECT_EQ(said("id == 1 && (port == 2 || !(port & 1))", order(), {1, 0, 4, 0, 0}), "write");
}

TEST(FirstTests, WhatIsNoRangeOfAScalarIsLeftToTheTracer) {
  for (const char* expression : {"user == \"eve\"", "ratio > 0", "parts[0] == 1", "len(user) > 2", "tid == 1", "id == port", "len(parts) == 2"})
    EXPECT_EQ(said(expression, order(), {1, 0, 1, 1, 0}), "ask") << expression;
}

TEST(FirstTests, WhatComesFirstMayDecideWithoutTheRest) {
  EXPECT_EQ(said("id > 5 && user == \"eve\"", order(), {5, 0, 0, 0, 0}), "reject");
  EXPECT_EQ(said("id > 5 && user == \"eve\"", order(), {6, 0, 0, 0, 0}), "ask");
  EXPECT_EQ(said("id > 5 || user == \"eve\"", order(), {6, 0, 0, 0, 0}), "write");
  EXPECT_EQ(said("user == \"eve\" && id > 5", order(), {5, 0, 0, 0, 0}), "ask");
}

TEST(FirstTests, MoreThanThereIsRoomForIsLeftToTheTracer) {
  const std::string five = "id != 1 && id != 2 && id != 3 && id != 4 && id != 5";
  EXPECT_EQ(said(five, order(), {4}), "reject");
  EXPECT_EQ(said(five, order(), {5}), "ask");
}

TEST(FirstTests, AFieldTooFarBehindIsLeftToTheTracer) {
  Event event;
  for (std::size_t i = 0; i <= Choice::kFields; ++i) event.scalar<std::uint8_t>(std::string("f") + std::to_string(i), 0);
  EXPECT_EQ(said("f7 == 0", event, std::vector<std::uint64_t>(9)), "write");
  EXPECT_EQ(said("f8 == 0", event, std::vector<std::uint64_t>(9)), "ask");
}

TEST(FirstTests, WhatTheFirstOneRefusesIsRefusedAtOnce) {
  const std::uint64_t four[] = {4}, five[] = {5}, six[] = {6};
  for (const auto& [expression, refused] : {std::pair{"id > 5", five}, {"id >= 6", five}, {"id < 5", five}, {"id == 5", six}, {"id != 5", five}, {"id & 2", five},
                                            {"!(id & 1)", five}, {"id > 5 && user == \"eve\"", four}, {"id > 5 && id < 10", four}}) {
    Choice choice;
    choice_of(expression, order(), choice);
    EXPECT_TRUE(detail::refuses_at_once<1>(choice, refused)) << expression;
    EXPECT_TRUE(detail::refuses_at_once<5>(choice, refused)) << expression;
    EXPECT_EQ(detail::decide(choice, refused), Choice::kReject) << expression;
  }
  for (const char* expression : {"id > 5", "id > 5 && user == \"eve\"", "id != 5", "id < 10 || id == 6", "user == \"eve\""}) {
    Choice choice;
    choice_of(expression, order(), choice);
    EXPECT_FALSE(detail::refuses_at_once<1>(choice, six)) << expression;
  }
}

TEST(FirstTests, OfALimitedEventOnlyRefusalsAreDecided) {
  Choice choice;
  const std::uint64_t six[] = {6}, five[] = {5};
  choice_of("id > 5", order(), choice, Choice::kAsk);
  EXPECT_EQ(detail::decide(choice, six), Choice::kAsk);
  EXPECT_EQ(detail::decide(choice, five), Choice::kReject);
}

}  // namespace
}  // namespace ouro::filter
