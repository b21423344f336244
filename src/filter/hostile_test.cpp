// Code in shared memory and schemas from other processes may hold anything. Whatever bind() lets through must end, and
// read nothing but the body; under AddressSanitizer these tests say so, elsewhere that nothing crashes.
#include <gtest/gtest.h>

#include <random>

#include "filter/test_event.hpp"

namespace ouro::filter {
namespace {

using namespace test;

Event order() {
  return Event()
      .scalar("id", std::uint32_t{7})
      .scalar("total", std::uint64_t{250})
      .scalar("state", std::int8_t{2}, {{-1, "FAILED"}, {2, "RUNNING"}})
      .text("user", "evelyn")
      .sequence("parts", std::vector<std::int16_t>{5, -3, 900})
      .array("box", std::vector<std::uint16_t>{30, 20, 10})
      .scalar("ratio", 0.5);
}

std::vector<Filter> filters() {
  std::vector<Filter> all;
  for (const char* text : {"total > 100 && user == \"eve*\" || !(id & 3 == 1)", "state == RUNNING && user == \"e[a-z]*n\" && parts[1] < 0",
                           "user == \"*lyn\" && len(user) > len(parts) && box[2] == 10 && thread != comm",
                           "ratio > 0.25 && ratio < id && total != ratio || tid == 5 || user == \"a text longer than eight\""}) {
    all.emplace_back();
    EXPECT_FALSE(compile(text, all.back()));
  }
  return all;
}

// As a stranger's bytes: in memory of just their size, at an odd address.
BindStatus try_out(const Bytes& code_bytes, const Bytes& schema_bytes) {
  static const std::vector<Bytes> bodies = [] {
    std::vector<Bytes> made = {order().body, {}, Bytes(7, std::byte{0xff}), Bytes(200, std::byte{0xff}), Bytes(200, std::byte{0}), Bytes(64, std::byte{'a'})};
    for (std::size_t n = 0; n < order().body.size(); n += 3) made.push_back(Bytes(made[0].begin(), made[0].begin() + static_cast<std::ptrdiff_t>(n)));
    return made;
  }();
  const Exact code(code_bytes), schema(schema_bytes);
  const std::span<const std::byte> code_span(code.data(), code.size()), schema_span(schema.data(), schema.size());
  Bytes memory(bound_size(code_span));
  const BindResult result = filter::bind(code_span, schema_span, memory);
  name_of(code_span, result);
  if (!result) return result.status;
  EXPECT_LE(size_of(*result.bound), memory.size());
  for (const Bytes& body : bodies) verdict(*result.bound, body);
  return result.status;
}

Filter with_code(const Filter& filter, Bytes code) { return {filter.text, std::move(code), filter.places}; }

TEST(FilterHostile, EveryByteOfTheCodeMayBeAnother) {
  const Bytes schema = order().schema();
  for (const Filter& filter : filters()) {
    ASSERT_EQ(try_out(filter.code, schema), BindStatus::ok) << filter.text;
    for (std::size_t i = 0; i < filter.code.size(); ++i)
      for (const unsigned flip : {0x01u, 0x02u, 0x04u, 0x10u, 0x80u, 0xffu, 0xfeu}) {
        Bytes code = filter.code;
        code[i] ^= static_cast<std::byte>(flip);
        try_out(code, schema);
        check(with_code(filter, code), schema);
      }
  }
}

TEST(FilterHostile, CodeThatIsCutOffIsRefused) {
  const Bytes schema = order().schema();
  for (const Filter& filter : filters())
    for (std::size_t n = 0; n < filter.code.size(); ++n) {
      Bytes code(filter.code.begin(), filter.code.begin() + static_cast<std::ptrdiff_t>(n));
      ASSERT_EQ(try_out(code, schema), BindStatus::bad_code) << n;
      if (n < sizeof(abi::FilterHeader)) continue;
      const auto size = static_cast<std::uint32_t>(n);  // and says so
      std::memcpy(code.data(), &size, sizeof size);
      try_out(code, schema);
    }
}

TEST(FilterHostile, ATextThatDoesNotEndIsRefused) {
  for (const Filter& filter : filters()) {
    Bytes code = filter.code;
    code.back() = std::byte{'x'};
    EXPECT_EQ(try_out(code, order().schema()), BindStatus::bad_code);
  }
}

TEST(FilterHostile, NoiseBehindAGoodHeaderIsHarmless) {
  std::mt19937_64 r(7);
  const Bytes schema = order().schema();
  for (int n = 0; n < 20000; ++n) {
    const auto terms = static_cast<std::uint16_t>(1 + r() % 4);
    Bytes code;
    put(code, abi::FilterHeader{0, abi::kFilterVersion, 0, terms});
    for (unsigned t = 0; t < terms; ++t) {
      const auto next = [&] { return static_cast<std::uint16_t>(r() % 3 == 0 ? t + 1 : 0xfffeu + r() % 2); };
      const auto operand = [&] {
        static constexpr std::uint16_t texts[] = {0, 3, 9, 14, 20, 26, 30, 34};
        return abi::FilterOperand{static_cast<abi::FilterOperandKind>(r() % 11), 0, texts[r() % 8], static_cast<std::uint32_t>(r() % 3 == 0 ? r() : r() % 5),
                                  r() % 3 != 0 ? ~0ULL : r()};
      };
      put(code, abi::FilterTerm{static_cast<abi::FilterCompare>(r() % 6), {}, next(), next(), operand(), operand()});
    }
    for (const char* text : {"id", "total", "user", "parts", "ratio", "box", "tid", "[a*"}) put_text(code, text);
    const auto size = static_cast<std::uint32_t>(code.size());
    std::memcpy(code.data(), &size, sizeof size);
    try_out(code, schema);
  }
}

TEST(FilterHostile, WhatCouldRunForeverIsRefused) {
  Filter filter = filters()[0];
  abi::FilterTerm term;
  const std::size_t second = sizeof(abi::FilterHeader) + sizeof term;
  for (const int next : {0, 1, 3, 0xfffd}) {  // back, itself, beyond the last
    std::memcpy(&term, filter.code.data() + second, sizeof term);
    term.then = static_cast<std::uint16_t>(next);
    Bytes code = filter.code;
    std::memcpy(code.data() + second, &term, sizeof term);
    EXPECT_EQ(try_out(code, order().schema()), BindStatus::bad_code) << next;
  }
}

TEST(FilterHostile, ANumberThatIsNoneIsRefused) {
  Filter filter;
  ASSERT_FALSE(compile("ratio > 0.25", filter));
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Bytes code = filter.code;
    std::memcpy(code.data() + sizeof(abi::FilterHeader) + offsetof(abi::FilterTerm, right) + offsetof(abi::FilterOperand, value), &bad, sizeof bad);
    EXPECT_EQ(try_out(code, order().schema()), BindStatus::bad_code);
  }
}

TEST(FilterHostile, EveryByteOfTheSchemaMayBeAnother) {
  const Bytes schema = order().schema();
  for (const Filter& filter : filters())
    for (std::size_t i = 0; i < schema.size(); ++i) {
      for (const unsigned flip : {0x01u, 0x08u, 0x80u, 0xffu}) {
        Bytes other = schema;
        other[i] ^= static_cast<std::byte>(flip);
        try_out(filter.code, other);
        check(filter, other);
      }
      const Bytes cut(schema.begin(), schema.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_EQ(try_out(filter.code, cut), BindStatus::bad_schema);
      if (i < sizeof(abi::SchemaHeader)) continue;
      Bytes said = cut;
      const auto size = static_cast<std::uint32_t>(i);
      std::memcpy(said.data(), &size, sizeof size);
      EXPECT_EQ(try_out(filter.code, said), BindStatus::bad_schema);
    }
}

TEST(FilterHostile, TooLittleMemoryIsSaidSo) {
  const Bytes schema = order().schema();
  for (const Filter& filter : filters()) {
    const std::size_t enough = bound_size(filter.code);
    EXPECT_LE(enough, kMaxBoundSize);
    for (std::size_t n = 0; n < enough; n += 5) {
      Bytes memory(n);
      EXPECT_EQ(filter::bind(filter.code, schema, memory).status, BindStatus::no_room);
    }
    for (std::size_t lead = 0; lead < 8; ++lead) {
      Bytes memory(enough + lead);
      EXPECT_TRUE(filter::bind(filter.code, schema, std::span(memory).subspan(lead)));
    }
  }
}

TEST(FilterHostile, TheLargestCodeFitsTheLargestMemory) {
  std::string text = "id == 1";
  for (std::uint32_t i = 1; i < abi::kMaxFilterTerms; ++i) text += "||id==" + std::to_string(i % 10);
  Filter filter;
  ASSERT_FALSE(compile(text, filter));
  EXPECT_LE(bound_size(filter.code), kMaxBoundSize);
  EXPECT_EQ(try_out(filter.code, order().schema()), BindStatus::ok);
  const auto mistake = compile(text + "||id==0", filter);
  ASSERT_TRUE(mistake);
  EXPECT_EQ(mistake->text, "too long: want at most 102 comparisons");
}

}  // namespace
}  // namespace ouro::filter
