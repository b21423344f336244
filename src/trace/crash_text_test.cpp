// Numbers and texts as a crashing process writes them, beside what the C++ library would have written.
#include "trace/crash_text.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include <ouro/clock/tsc.hpp>

namespace ouro::trace {
namespace {

template <class T>
std::string ours(T value) {
  char text[kLongestFloat];
  return {text, float_text(value, text)};
}
template <class T>
std::string theirs(T value) {
  char text[512];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

// The same text; of large whole numbers, where the library writes digits that nobody needs, one that is as long and means the same.
template <class T>
void expect_same(T value) {
  const std::string seen = ours(value), wanted = theirs(value);
  if (seen == wanted) return;
  T back{};
  std::from_chars(seen.data(), seen.data() + seen.size(), back);
  EXPECT_TRUE(back == value && seen.size() == wanted.size() && wanted.find_first_not_of("-0123456789") == std::string::npos) << seen << ", the library: " << wanted;
}

TEST(CrashText, NumbersThatEverybodyKnows) {
  EXPECT_EQ(ours(0.0) + " " + ours(-0.0) + " " + ours(0.1) + " " + ours(-2.5) + " " + ours(100.0) + " " + ours(1e23) + " " + ours(0.1f), "0 -0 0.1 -2.5 100 1e+23 0.1");
  EXPECT_EQ(ours(5e-324) + " " + ours(1.7976931348623157e308) + " " + ours(2.2250738585072014e-308), "5e-324 1.7976931348623157e+308 2.2250738585072014e-308");
  EXPECT_EQ(ours(INFINITY) + " " + ours(-INFINITY) + " " + ours(std::numeric_limits<double>::quiet_NaN()), "inf -inf nan");
}

TEST(CrashText, AllSortsOfNumbersAreAsTheLibraryWritesThem) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t bits = random();
    if (const auto wide = std::bit_cast<double>(bits); std::isfinite(wide)) expect_same(wide);
    if (const auto narrow = std::bit_cast<float>(static_cast<std::uint32_t>(bits)); std::isfinite(narrow)) expect_same(narrow);
    expect_same(static_cast<double>(static_cast<std::int64_t>(bits) >> (bits & 63)));
    expect_same(static_cast<double>(bits % 1'000'000) / 1000);
  }
  for (int e = -1074; e <= 1023; ++e) {  // powers of two, whose neighbours are not as far below as above
    const double value = std::ldexp(1.0, e);
    for (const double v : {value, std::nextafter(value, 0.0), std::nextafter(value, INFINITY)}) expect_same(v);
  }
  for (int e = -149; e <= 127; ++e) expect_same(std::ldexp(1.0f, e));
}

TEST(CrashText, ALineIsCutWhereItIsTooLong) {
  Line line;
  for (int i = 0; i < 500; ++i) line.number(static_cast<std::uint64_t>(i)).add(' ');
  EXPECT_TRUE(line.is_full());
  line.end();
  const std::string text(line.text(), line.size());
  EXPECT_EQ(text.size(), 1004u);
  EXPECT_EQ(text.substr(text.size() - 10), "276 27...\n");
}

TEST(CrashText, WhatIsNotPrintableIsEscaped) {
  Line line;
  constexpr char kText[] = "a\"\\\n\x1b\xff \xc3\xa4 \xe2\x82\xac \xc3";
  line.escaped(kText, sizeof kText - 1, true).add(' ').hex(0).add(' ').hex(0xdeadbeef).add(' ').signed_number(std::numeric_limits<std::int64_t>::min()).column(120).add('|');
  line.end();
  EXPECT_EQ(std::string(line.text(), 64), "a\\\"\\\\\\n\\x1b\\xff \xc3\xa4 \xe2\x82\xac \\xc3 0x0 0xdeadbeef -9223372036854775808 ");
  EXPECT_EQ(line.size(), 122u);
}

TEST(CrashText, APipeThatNobodyReadsEndsTheOutputInTime) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const std::uint64_t begin = clock::read_monotonic();
  CrashOutput out(ends[1], begin + 200'000'000);
  Line line;
  for (int i = 0; i < 1000; ++i) {
    for (int k = 0; k < 100; ++k) line.add("0123456789");
    out.write(line);
  }
  const std::uint64_t took = clock::read_monotonic() - begin;
  EXPECT_GE(took, 150'000'000u);
  EXPECT_LT(took, 5'000'000'000u);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace ouro::trace
