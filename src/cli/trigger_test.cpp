#include "cli/trigger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace ouro::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using When = Trigger::When;

Result<std::vector<Trigger>> parse(std::vector<std::string> arguments) {
  CommandLine line;
  define_triggers(line);
  arguments.insert(arguments.begin(), "record");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  EXPECT_FALSE(line.parse(static_cast<int>(argv.size()), argv.data(), ""));
  return triggers_of(line);
}
Trigger one(const std::string& condition) {
  Result<std::vector<Trigger>> out = parse({"--on", condition});
  EXPECT_TRUE(out) << condition << ": " << out.error().text;
  return out ? std::move(out->at(0)) : Trigger{};
}
std::string mistake(std::vector<std::string> arguments) {
  const Result<std::vector<Trigger>> out = parse(std::move(arguments));
  return out ? "none" : out.error().text;
}

TEST(Triggers, Events) {
  EXPECT_EQ(one("event shop:refused").event.event, "shop:refused");
  const Trigger filtered = one(" event  shop:*  if total > 100 && user == \"eve*\" ");
  EXPECT_EQ(filtered.when, When::event);
  EXPECT_EQ(filtered.event.event, "shop:*");
  EXPECT_EQ(filtered.event.filter, "total > 100 && user == \"eve*\"");
  EXPECT_FALSE(filtered.event.code.empty());
}

TEST(Triggers, SpansAndCountersAreEventsToo) {
  const Trigger span = one("span shop:checkout > 250us if id == 7");
  EXPECT_EQ(span.when, When::event);
  EXPECT_EQ(span.event.longer, 250us);
  EXPECT_EQ(span.event.filter, "id == 7");
  EXPECT_EQ(one("counter shop:depth >= 1e3").event.filter, "value >= 1e3");
}

TEST(Triggers, WhatHappensOutsideOfPrograms) {
  EXPECT_EQ(one("signal USR1").signal, SIGUSR1);
  EXPECT_EQ(one("signal SIGWINCH").signal, SIGWINCH);
  EXPECT_EQ(one("crash").when, When::crash);
  EXPECT_DOUBLE_EQ(one("buffer > 75%").share, 0.75);
  EXPECT_EQ(one("at 03:30").time_of_day, 3h + 30min);
  EXPECT_EQ(one("at 23:59:58").time_of_day, 23h + 59min + 58s);
  EXPECT_EQ(one("every 10m").period, 10min);
}

TEST(Triggers, WhatFollowsBelongsToTheOneBefore) {
  const auto out = parse({"--on", "crash", "--do", "snapshot --last 30s /var/tmp", "--do", "run mail -s crash root", "--delay", "5s", "--on", "event a:b", "--times", "3/10s",
                          "--hold-off", "0", "--per-day", "4", "--do", "stop flight", "--do", "start --for 5s -p 1", "--do", "rotate"});
  ASSERT_TRUE(out) << out.error().text;
  const Trigger &crash = out->at(0), &event = out->at(1);
  ASSERT_EQ(crash.actions.size(), 2u);
  EXPECT_EQ(crash.actions[0].last, "30s");
  EXPECT_EQ(crash.actions[0].text, "/var/tmp");
  EXPECT_EQ(crash.actions[1].text, "mail -s crash root");
  EXPECT_EQ(crash.delay, 5s);
  EXPECT_EQ(crash.hold_off, 10s);
  EXPECT_EQ(event.times, 3u);
  EXPECT_EQ(event.within, 10s);
  EXPECT_EQ(event.hold_off, 0s);
  EXPECT_EQ(event.per_day, 4u);
  ASSERT_EQ(event.actions.size(), 3u);
  EXPECT_EQ(event.actions[0].what, Action::What::stop);
  EXPECT_EQ(event.actions[1].text, "--for 5s -p 1");
  EXPECT_EQ(event.actions[2].what, Action::What::rotate);
}

TEST(Triggers, MistakesSayWhatIsWanted) {
  EXPECT_THAT(mistake({"--on", "event"}), HasSubstr("want event NAME"));
  EXPECT_THAT(mistake({"--on", "event a:b when x > 1"}), HasSubstr("'if' and an expression"));
  EXPECT_THAT(mistake({"--on", "event a:b if x >"}), HasSubstr("filter"));
  EXPECT_THAT(mistake({"--on", "span a:b"}), HasSubstr("span NAME > TIME"));
  EXPECT_THAT(mistake({"--on", "span a:b > 5 parsecs"}), HasSubstr("'if' and an expression"));
  EXPECT_THAT(mistake({"--on", "span a:b < 5ms"}), HasSubstr("span NAME > TIME"));
  EXPECT_THAT(mistake({"--on", "counter a:b > many"}), HasSubstr("counter NAME > N"));
  EXPECT_THAT(mistake({"--on", "signal KILL"}), HasSubstr("signal USR1"));
  EXPECT_THAT(mistake({"--on", "buffer > 100%"}), HasSubstr("of 0 to 99"));
  EXPECT_THAT(mistake({"--on", "at 24:00"}), HasSubstr("HH:MM"));
  EXPECT_THAT(mistake({"--on", "at 3:00"}), HasSubstr("HH:MM"));
  EXPECT_THAT(mistake({"--on", "every now and then"}), HasSubstr("every TIME"));
  EXPECT_THAT(mistake({"--on", "full moon"}), HasSubstr("'full moon', want a condition that begins with event, span"));
  EXPECT_THAT(mistake({"--do", "snapshot"}), HasSubstr("--do has no --on before it"));
  EXPECT_THAT(mistake({"--on", "crash", "--do", "panic"}), HasSubstr("--do is 'panic', want snapshot"));
  EXPECT_THAT(mistake({"--on", "crash", "--do", "snapshot --last year"}), HasSubstr("snapshot --last TIME"));
  EXPECT_THAT(mistake({"--on", "crash", "--times", "3"}), HasSubstr("--times is '3', want N/TIME"));
  EXPECT_THAT(mistake({"--on", "crash", "--per-day", "0"}), HasSubstr("--per-day is '0', want a number above 0"));
  EXPECT_THAT(mistake({"--on", "crash", "--delay", "soon"}), HasSubstr("--delay is 'soon', want a time"));
}

}  // namespace
}  // namespace ouro::cli
