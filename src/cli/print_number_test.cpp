// Numbers against printf, which they replace.
#include "cli/print_number.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

namespace ouro::cli {
namespace {

template <class Put>
std::string text_of(Put put) {
  std::string out;
  PrintBuffer buffer(out);
  put(buffer);
  buffer.flush();
  return out;
}

std::string printf_text(const char* format, double value) {
  char text[400];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

void expect_as_printf(double value) {
  EXPECT_EQ(text_of([&](PrintBuffer& out) { put_real(out, value); }), printf_text("%g", value)) << printf_text("%a", value);
}

TEST(PrintReal, IsWhatPrintfWrites) {
  for (const double value : {0.0, 1.0, 0.1, 0.5, 1e-4, 9.9999995e-5, 9.99999e-5, 1e5, 99999.95, 99999.949999, 999999.0, 999999.4999, 999999.5, 1e6, 123456.5, 123457.5,
                             0.00012345650, 1.0000005, 1.00000050000001, 2.5, 1e15, 5e-324, 1.7976931348623157e308, std::numeric_limits<double>::infinity()}) {
    expect_as_printf(value);
    expect_as_printf(-value);
    expect_as_printf(std::nextafter(value, 0));
    expect_as_printf(std::nextafter(value, 1e308));
  }
  expect_as_printf(std::nan(""));
}

TEST(PrintReal, AlsoOfRandomNumbersAndOfTies) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const double size = std::pow(10.0, std::uniform_real_distribution<>(-6, 8)(random));
    expect_as_printf(size);
    expect_as_printf(static_cast<double>(static_cast<float>(size)));
    // Seven digits of which the last is a 5, as far as binary fractions have such.
    expect_as_printf(static_cast<double>(random() % 16'000'000) / 16);
    if (HasFailure()) return;
  }
}

TEST(PrintInteger, OfEveryLength) {
  std::mt19937_64 random(7);
  for (int bits = 0; bits < 64; ++bits)
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t value = random() >> bits;
      EXPECT_EQ(text_of([&](PrintBuffer& out) { out.number(value); }), std::to_string(value));
      const auto negative = -static_cast<std::int64_t>(value >> 1);
      EXPECT_EQ(text_of([&](PrintBuffer& out) { out.number(negative); }), std::to_string(negative));
      char text[32];
      std::snprintf(text, sizeof text, "%llX", static_cast<unsigned long long>(value));
      EXPECT_EQ(text_of([&](PrintBuffer& out) { put_hex(out, value); }), text);
      std::snprintf(text, sizeof text, "%09u", static_cast<unsigned>(value % 1'000'000'000));
      EXPECT_EQ(text_of([&](PrintBuffer& out) { out.nine_digits(value % 1'000'000'000); }), text);
      if (HasFailure()) return;
    }
  for (std::uint64_t value = 0; value < 12'000; ++value) EXPECT_EQ(text_of([&](PrintBuffer& out) { out.number(value); }), std::to_string(value));
}

TEST(PrintBuffer, TextsLongerThanTheBufferAreWhole) {
  std::string longer(300'000, 'x');
  for (std::size_t i = 0; i < longer.size(); ++i) longer[i] = static_cast<char>('a' + i % 26);
  EXPECT_EQ(text_of([&](PrintBuffer& out) { out.put("<"), out.put(longer), out.put(Lead(longer)), out.put(Lead("short")), out.pad(70); }),
            "<" + longer + longer + "short" + std::string(70, ' '));
}

TEST(Numbers, OfEveryLengthAreThoseOfTheStandardLibrary) {
  std::vector<std::uint64_t> numbers = {0, ~std::uint64_t{0}, 1'234'567, 12'345'678, 123'456'789'012'345'678};
  for (std::uint64_t power = 1; numbers.size() < 100 && power <= 1'000'000'000'000'000'000; power *= 10)
    for (const std::uint64_t number : {power - 1, power, power + 1, power * 3 + power / 7}) numbers.push_back(number);
  std::string text, expected;
  PrintBuffer out(text);
  for (const std::uint64_t number : numbers) {
    out.number(number);
    out.put('\n');
    out.number(-static_cast<std::int64_t>(number >> 1));
    out.put('\n');
    expected += std::to_string(number) + "\n" + std::to_string(-static_cast<std::int64_t>(number >> 1)) + "\n";
  }
  out.flush();
  EXPECT_EQ(text, expected);
}

}  // namespace
}  // namespace ouro::cli
