#include "record/contexts.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace ouro::record {
namespace {

using abi::bit;
using abi::Context;

std::uint64_t parsed(const std::vector<std::string>& lists) {
  const Result<std::uint64_t> out = parse_contexts(lists);
  EXPECT_TRUE(out) << out.error().text;
  return out ? *out : 0;
}
// "CODE text"
std::string refused(const std::string& list) {
  const Result<std::uint64_t> out = parse_contexts({list});
  return out ? "" : std::to_string(out.error().code) + " " + out.error().text;
}

TEST(ParseContexts, TakesListsAndSeveralOfThem) {
  EXPECT_EQ(parsed({}), 0u);
  EXPECT_EQ(parsed({"pid"}), bit(Context::pid));
  EXPECT_EQ(parsed({"thread,pid", "tid", "pid"}), bit(Context::pid) | bit(Context::thread) | bit(Context::tid));
  EXPECT_EQ(parsed({"perf.page-faults,perf.task-clock"}), bit(Context::page_faults) | bit(Context::task_clock));
}

TEST(ParseContexts, TakesPatterns) {
  const std::uint64_t namespaces = parsed({"ns.*"});
  EXPECT_NE(namespaces & bit(Context::ns_net), 0u);
  EXPECT_EQ(namespaces & bit(Context::pid), 0u);
}

TEST(ParseContexts, TakesTheCallstacksDepth) {
  EXPECT_EQ(abi::callstack_depth(parsed({"callstack"})), abi::kDefaultDepth);
  const std::uint64_t some = parsed({"pid,callstack:5,callstack:7"});
  EXPECT_EQ(abi::callstack_depth(some), 7u);
  EXPECT_EQ(some & abi::kAllContexts, bit(Context::pid) | bit(Context::callstack));
  for (const char* depth : {"0", "65", "", "x", "5x", "-1", "4294967297"})
    EXPECT_EQ(refused("callstack:" + std::string(depth)).substr(0, 3), std::to_string(EINVAL) + " ") << depth;
}

TEST(ParseContexts, SaysWhatIsMeantAndWhatThereIs) {
  const std::string text = refused("pid,cycle");
  EXPECT_NE(text.find("'cycle' is unknown, perhaps perf.cycles is meant; want one of: pid, tid, thread"), std::string::npos) << text;
  EXPECT_NE(text.find("perf.task-clock"), std::string::npos) << text;
  EXPECT_EQ(refused("something").find("perhaps"), std::string::npos);
  for (const char* list : {"", "pid,", ",pid", "pid,,tid", "pid:3", "PID"}) EXPECT_NE(refused(list), "") << list;
}

// Which it is depends on the machine; that one of the two happens, and when, does not.
TEST(ParseContexts, ACounterIsThereOrRefusedAtOnceWithAReason) {
  const auto why = unavailable(abi::kContexts[static_cast<std::size_t>(Context::cycles)]);
  EXPECT_EQ(refused("perf.cycles"),
            why ? std::to_string(ENOTSUP) + " context 'perf.cycles' cannot be had here: " + *why : "");
}

TEST(ParseContexts, AWordSaysItsNamesAgain) {
  for (const char* list : {"", "pid", "pid,comm,uid", "callstack", "pid,callstack:7", "ns.mnt,ns.net"}) {
    const std::string text = list;
    EXPECT_EQ(context_names(text.empty() ? 0 : *parse_contexts({text})), text);
  }
}

TEST(ParseContexts, NamesAreUnique) {
  for (const abi::ContextInfo& a : abi::kContexts)
    for (const abi::ContextInfo& b : abi::kContexts) EXPECT_EQ(&a == &b, std::string(a.name) == b.name);
}

}  // namespace
}  // namespace ouro::record
