// Events that somebody waits for (record/event_watch.hpp), stated by this very process, beside a session that has all of them.
#include <algorithm>
#include <csetjmp>
#include <optional>

#include <ouro/trace.hpp>

#include "record/event_watch.hpp"
#include "recorded_process.hpp"
#include "trace/pair.hpp"

namespace ouro {
namespace {

using namespace std::chrono_literals;
using record::EventCondition;
using record::WatchedEvent;
using Fields = std::vector<std::pair<std::string, std::string>>;

EventCondition event(const std::string& name, const std::string& filter = {}, std::chrono::nanoseconds longer = 0ns) {
  EventCondition out{name, filter, {}, longer};
  if (!filter.empty()) out.code = filter::compile(filter)->code;
  return out;
}

class Watch : public RecordedProcess {
 protected:
  void SetUp() override { begin(rule("watch:*"), 64 << 10); }
  void watch(std::vector<EventCondition> conditions) {
    Result<record::EventWatch> made = record::EventWatch::create(runtime_, options_, std::move(conditions));
    ASSERT_TRUE(made) << made.error().text;
    watch_.emplace(std::move(*made));
    for (const record::Session& session : watch_->sessions()) attach(session);
  }
  std::vector<WatchedEvent> taken() {
    std::vector<WatchedEvent> out;
    watch_->take([&](const WatchedEvent& e) { out.push_back(e); });
    return out;
  }
  // Of events of which this is the field.
  std::vector<std::string> values() {
    std::vector<std::string> out;
    for (const WatchedEvent& e : taken()) out.push_back(e.fields.empty() ? "" : e.fields.front().second);
    return out;
  }
  std::uint64_t recorded() {
    const record::Summary summary = finish();
    EXPECT_EQ(summary.lost_total(), 0u);
    return summary.events;
  }
  static void write(int first, int last) {
    for (int i = first; i <= last; ++i) OURO_EVENT("watch:one", "number", i, "text", "x");
  }
  static std::size_t pairs() {
    std::size_t out = 0;
    trace::visit_sites([&](detail::Site& site) {
      const detail::Choice* const choice = site.choice.load();
      out += choice != nullptr && choice->is_pair;
    });
    return out;
  }
  static void span(int number, std::chrono::microseconds time) {
    OURO_SPAN("watch:span", "number", number);
    if (time > 0us) ::usleep(static_cast<useconds_t>(time.count()));
  }

  std::optional<record::EventWatch> watch_;
};

TEST_F(Watch, MatchesComeWithTheirFieldsAndTheOtherSessionHasAllOnce) {
  watch({event("watch:one", "number == 7 || number == 90")});
  write(1, 100);
  const std::vector<WatchedEvent> events = taken();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].name, "watch:one");
  EXPECT_EQ(events[1].condition, 0u);
  EXPECT_EQ(events[1].fields, (Fields{{"number", "90"}, {"text", "x"}}));
  EXPECT_EQ(events[1].pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(events[1].tid, static_cast<std::uint32_t>(::gettid()));
  EXPECT_NEAR(static_cast<double>(events[1].time_ns), static_cast<double>(std::chrono::system_clock::now().time_since_epoch().count()), 1e9);
  EXPECT_EQ(watch_->lost(), 0u);
  if (session_->options().clock == abi::ClockKind::tsc) {
    EXPECT_EQ(pairs(), 1u);  // what it refuses costs little
  }
  EXPECT_EQ(recorded(), 100u);
}

TEST_F(Watch, ABellRings) {
  watch({event("watch:one", "number > 1")});
  EXPECT_FALSE(watch_->wait(1ms));
  write(1, 1);
  EXPECT_FALSE(watch_->wait(1ms));
  write(2, 2);
  EXPECT_TRUE(watch_->wait(10s));
  EXPECT_FALSE(watch_->wait(1ms));
}

TEST_F(Watch, ConditionsOfDifferentEventsShareASession) {
  watch({event("watch:one", "number == 3"), event("watch:one", "number >= 3"), event("watch:other"), event("watch:o*")});
  EXPECT_EQ(watch_->sessions().size(), 3u);
  write(1, 4);
  OURO_EVENT("watch:other", "number", 50);
  std::vector<std::pair<std::size_t, std::string>> seen;
  for (const WatchedEvent& e : taken()) seen.emplace_back(e.condition, e.fields.front().second);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::pair<std::size_t, std::string>>{
                      {0, "3"}, {1, "3"}, {1, "4"}, {2, "50"}, {3, "1"}, {3, "2"}, {3, "3"}, {3, "4"}, {3, "50"}}));
  EXPECT_EQ(recorded(), 5u);
}

TEST_F(Watch, TooManySessionsAreRefused) {
  const Result<record::EventWatch> made = record::EventWatch::create(runtime_, options_, std::vector<EventCondition>(7, event("*")));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().text.find("triggers: 7 sessions would be needed, want at most 6 (hint: "), 0u) << made.error().text;
}

// Whoever changes either session's rules, or takes one away, is heard at once: also by an event that has remembered both.
TEST_F(Watch, ChangesOfEitherSessionHold) {
  watch({event("watch:one", "number == 1")});
  write(1, 3);
  EXPECT_EQ(values(), (std::vector<std::string>{"1"}));
  // Both at once: the filter word is the same again.
  set_rules(watch_->sessions()[0], {rule("watch:one", "number == 2")});
  set_rules(*session_, {rule("watch:*", "number != 3")});
  write(1, 3);
  EXPECT_EQ(values(), (std::vector<std::string>{"2"}));
  set_rules(*session_, {rule("watch:*")});
  set_rules(watch_->sessions()[0], {rule("watch:one")});
  write(1, 3);
  EXPECT_EQ(values(), (std::vector<std::string>{"1", "2", "3"}));
  attachments_.pop_back();
  watch_.reset();
  write(1, 3);
  EXPECT_EQ(pairs(), 0u);
  EXPECT_EQ(recorded(), 3u + 2u + 3u + 3u);
}

TEST_F(Watch, SpansThatTakeLongAreTheirEnds) {
  watch({event("watch:span", "", 20ms)});
  span(1, 0us);
  span(2, 25ms);
  span(3, 1ms);
  const std::vector<WatchedEvent> events = taken();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].name, "watch:span");
  EXPECT_EQ(events[0].fields, (Fields{{"number", "2"}}));
  EXPECT_GE(events[0].span_ns, 24'000'000);
  EXPECT_LT(events[0].span_ns, 10'000'000'000);
  EXPECT_EQ(recorded(), 6u);
}

void descend(int depth, std::chrono::microseconds time) {
  OURO_SPAN("watch:nested", "depth", depth);
  if (depth > 1) descend(depth - 1, time);
  else ::usleep(static_cast<useconds_t>(time.count()));
}

TEST_F(Watch, EachOfNestedSpansIsJudgedByItself) {
  watch({event("watch:nested", "depth > 2", 10ms)});
  descend(3, 12ms);
  EXPECT_EQ(values(), (std::vector<std::string>{"3"})) << "the filter is of the begin's fields: the two inner ones are not meant";
  descend(3, 0us);
  EXPECT_EQ(taken().size(), 0u);
  // Deeper than begins are kept: the innermost eight are judged. The filter leaves six of these.
  descend(30, 12ms);
  EXPECT_EQ(taken().size(), 6u);
  descend(4, 12ms);
  EXPECT_EQ(values(), (std::vector<std::string>{"3", "4"}));
}

// An event beside them has its own fields, and no length; fields that are kept in part are left out.
TEST_F(Watch, FieldsOfSpansAreThoseOfTheirBegin) {
  watch({event("watch:order", "", 5ms), event("watch:one", "number == 3")});
  {
    OURO_SPAN("watch:order", "user", "ada", "total", 12.5, "comment", std::string(300, 'x'), "id", 7);
    write(1, 4);
    span(1, 6ms);
  }
  {
    OURO_SPAN("watch:order", "large", std::string(3000, 'x'));
    ::usleep(6'000);
  }
  {
    OURO_SPAN("watch:order");
    ::usleep(6'000);
  }
  std::vector<WatchedEvent> events = taken();
  std::sort(events.begin(), events.end(), [](const WatchedEvent& a, const WatchedEvent& b) { return a.stamp < b.stamp; });  // of several CPUs
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].fields, (Fields{{"number", "3"}, {"text", "x"}}));
  EXPECT_EQ(events[0].span_ns, -1);
  EXPECT_EQ(events[1].fields, (Fields{{"user", "ada"}, {"total", "12.5"}}));
  EXPECT_EQ(events[1].condition, 0u);
  EXPECT_GE(events[1].span_ns, 6'000'000);
  EXPECT_TRUE(events[2].fields.empty());
  EXPECT_GE(events[2].span_ns, 6'000'000);
  EXPECT_TRUE(events[3].fields.empty());
  EXPECT_EQ(recorded(), 4u + 8u);
}

std::jmp_buf place;
[[noreturn, gnu::noinline]] void leave() {
  OURO_SPAN("watch:span", "number", 0);
  std::longjmp(place, 1);
}
void begin_and_leave() {
  if (setjmp(place) == 0) leave();
}

TEST_F(Watch, SpansLeftByLongjmpAreForgotten) {
  watch({event("watch:span", "", 20ms)});
  begin_and_leave();
  ::usleep(25'000);
  span(1, 0us);
  EXPECT_EQ(taken().size(), 0u);
  for (int i = 0; i < 100; ++i) begin_and_leave();
  span(2, 25ms);
  EXPECT_EQ(taken().size(), 1u);
}

TEST_F(Watch, WhatFindsNoRoomIsCounted) {
  watch({event("watch:one")});
  write(1, 200'000);
  std::uint64_t seen = 0;
  for (std::vector<WatchedEvent> events; !(events = taken()).empty();) seen += events.size();
  EXPECT_GT(watch_->lost(), 0u);
  EXPECT_EQ(seen + watch_->lost(), 200'000u);
}

}  // namespace
}  // namespace ouro
