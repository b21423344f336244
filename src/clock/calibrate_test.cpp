#include "clock/calibrate.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <cmath>
#include <thread>

namespace ouro::clock {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// A reader's arithmetic: nanoseconds since the epoch.
long double to_ns(const Calibration& c, Ticks ticks) {
  return static_cast<long double>(c.offset_s) * kSecond +
         static_cast<long double>(c.offset_ticks + ticks) * kSecond / static_cast<long double>(c.frequency);
}

TEST(Calibrate, BothEndsOfARecordingHaveTheirRealTime) {
  // A counter of 2.1 GHz that began 1000 s before the recording; an hour of it.
  const std::int64_t epoch_ns = 1'700'000'000 * kSecond;
  const Pair begin{2'100'000'000'000, 1000 * kSecond, 20};
  const Pair end{begin.ticks + 3600 * Ticks{2'100'000'000}, 4600 * kSecond, 30};
  const Calibration c = calibrate(abi::ClockKind::tsc, begin, end, {0, epoch_ns, 15});
  EXPECT_EQ(c.frequency, 2'100'000'000u);
  EXPECT_LT(c.offset_ticks, c.frequency);
  EXPECT_NEAR(static_cast<double>(to_ns(c, begin.ticks) - static_cast<long double>(epoch_ns + begin.ns)), 0, 1);
  EXPECT_NEAR(static_cast<double>(to_ns(c, end.ticks) - static_cast<long double>(epoch_ns + end.ns)), 0, 1);
}

TEST(Calibrate, AFrequencyOfNoWholeHertzStaysWithinTheStatedError) {
  const Pair begin{5'000'000'000, 2 * kSecond, 20};
  const Pair end{begin.ticks + 181'440'000'043'199, begin.ns + 86'400 * kSecond,
                 20};  // a day, of 2.1 GHz and half a Hz
  const Calibration c = calibrate(abi::ClockKind::tsc, begin, end, {0, 0, 0});
  const auto off = static_cast<double>(to_ns(c, end.ticks) - static_cast<long double>(end.ns));
  EXPECT_GT(std::abs(off), 1000);  // it does matter
  EXPECT_LE(std::abs(off), static_cast<double>(c.error_ns));
}

TEST(Calibrate, ACounterAheadOfTheEpochGivesANegativeOffset) {
  const Calibration c = calibrate(abi::ClockKind::monotonic, {10 * kSecond, 10 * kSecond, 0},
                                  {11 * kSecond, 11 * kSecond, 0}, {0, -12 * kSecond + 1, 0});
  EXPECT_EQ(c.offset_s, -12);
  EXPECT_EQ(c.offset_ticks, 1u);
  EXPECT_EQ(c.frequency, static_cast<std::uint64_t>(kSecond));
}

TEST(Calibrate, ClocksThatDidNotMoveGiveAUsableAnswer) {
  const Calibration c = calibrate(abi::ClockKind::tsc, {5, 5, 1}, {5, 5, 1}, {0, 0, 1});
  EXPECT_GT(c.frequency, 0u);
}

TEST(Calibrate, OnThisMachineTimesAgreeWithTheSystems) {
  const abi::ClockKind kind = tsc_trust().trusted ? abi::ClockKind::tsc : abi::ClockKind::monotonic;
  const Pair begin = read_pair(kind);
  const Pair offset = read_realtime_offset();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const Pair middle = read_pair(kind);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const Calibration c = calibrate(kind, begin, read_pair(kind), offset);
  const auto off = static_cast<double>(to_ns(c, middle.ticks) - static_cast<long double>(middle.ns + offset.ns));
  EXPECT_LE(std::abs(off), static_cast<double>(c.error_ns + static_cast<std::uint64_t>(middle.error_ns)) + 100);
  EXPECT_LT(c.error_ns, 100'000u);
}

#if defined(__x86_64__)
const char* const kInfo = "processor\t: 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc\nbugs\t: x\n";

TEST(JudgeTsc, IsTrustedOnlyWhereTheKernelKeepsTimeByIt) {
  EXPECT_TRUE(judge_tsc("tsc\n", kInfo).trusted);
  EXPECT_FALSE(judge_tsc("kvm-clock\n", kInfo).trusted);
  EXPECT_EQ(judge_tsc("kvm-clock\n", kInfo).clocksource, "kvm-clock");
  EXPECT_FALSE(judge_tsc("", kInfo).trusted);
}

TEST(JudgeTsc, IsNotTrustedIfItMayStopOrChangeItsRate) {
  EXPECT_FALSE(judge_tsc("tsc\n", "a\nflags\t\t: fpu tsc constant_tsc\n").trusted);
  EXPECT_FALSE(judge_tsc("tsc\n", "a\nflags\t\t: fpu tsc nonstop_tsc_x constant_tsc\nbugs : nonstop_tsc\n").trusted);
  EXPECT_FALSE(judge_tsc("tsc\n", "").trusted);
}
#elif defined(__aarch64__)
TEST(JudgeTsc, IsTrustedOnlyWhereTheKernelKeepsTimeByIt) {
  EXPECT_TRUE(judge_tsc("arch_sys_counter\n", "").trusted);
  EXPECT_FALSE(judge_tsc("arch_mem_counter\n", "").trusted);  // a slower one beside the CPUs
  EXPECT_FALSE(judge_tsc("tsc\n", "").trusted);
  EXPECT_FALSE(judge_tsc("", "").trusted);
}
#endif

#if OURO_HAS_TSC
TEST(Tsc, OnOneCpuReadingsDoNotGoBack) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  Ticks last = read_tsc();
  const Ticks first = last;
  for (int i = 0; i < 100'000; ++i) {
    const Ticks now = i % 2 == 0 ? read_tsc() : read(true);
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(last, first);
}
#endif

}  // namespace
}  // namespace ouro::clock
