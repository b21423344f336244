// Commands that read several traces as one say, once and with their status unchanged, where the order of events is a guess.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/test_command.hpp"
#include "format/test_trace.hpp"

namespace ouro::cli {
namespace {

namespace fs = std::filesystem;
using test::Outcome;

class ClockWarnings : public testing::Test {
 protected:
  // Below one folder, as a session's traces are.
  void add(const std::string& name, const char* host) {
    format::TraceDescription out = format::test::description({{0, {"t:p", abi::EventKind::point, abi::Level::info, "a.cpp", 1, {}}}});
    out.env = {{"hostname", host}};
    for (std::size_t i = 0; i < out.uuid.size(); ++i) out.uuid[i] = static_cast<std::uint8_t>(name[0] + static_cast<int>(i));
    format::test::TestTrace trace(out);
    trace.packet("stream_cpu0", {.timestamp_begin = 100, .timestamp_end = 101}, format::test::Bytes().extended(0, 100, 1).get());
    fs::copy(trace.folder(), all_.file(name));
  }
  ClockWarnings() : all_(format::test::description({})) { fs::remove(all_.file("metadata")); }

  // How often it is said by each command.
  void expect_said(std::size_t times) {
    const std::string folder = all_.folder(), merged = folder + ".merged", what = "that they agree is a guess";
    for (const auto& [name, outcome] : {std::pair{"print", test::run(print_command, "print", {folder})}, {"stats", test::run(stats_command, "stats", {folder})},
                                        {"merge", test::run(merge_command, "merge", {folder, "-o", merged})}}) {
      EXPECT_EQ(outcome.status, 0) << name << ": " << outcome.err;
      std::size_t seen = 0;
      for (std::size_t at = 0; (at = outcome.err.find(what, at)) != std::string::npos; ++at) ++seen;
      EXPECT_EQ(seen, times) << name << ": " << outcome.err;
      EXPECT_EQ(outcome.err.find(std::string("ouro: warning: ") + name + ": ") != std::string::npos, times != 0) << outcome.err;
    }
    fs::remove_all(merged);
  }

  format::test::TestTrace all_;
};

TEST_F(ClockWarnings, AreSaidOfTracesOfTwoMachines) {
  add("a", "here");
  add("b", "there");
  expect_said(1);
}

TEST_F(ClockWarnings, AreNotSaidOfOneMachine) {
  add("a", "here");
  add("b", "here");
  expect_said(0);
}

TEST_F(ClockWarnings, AreNotSaidOfOneTrace) {
  add("a", "here");
  expect_said(0);
}

}  // namespace
}  // namespace ouro::cli
