// What a terminal shows while a command reads, and that nothing else is shown it.
#include "cli/progress.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "format/test_trace.hpp"

namespace ouro::cli {
namespace {

using format::test::TestTrace;

void see_events(Progress& progress, std::uint64_t events) {
  read::Event event;
  event.size = 5;
  for (std::uint64_t i = 0; i < events; ++i) progress.see(event);
}

template <class See>
std::string said(bool is_terminal, std::chrono::milliseconds after, See see) {
  TestTrace folder(format::test::description({}));
  folder.write("stream_cpu0", std::string(100'000, '\0'));
  Result<read::Trace> trace = read::Trace::open(folder.folder());
  EXPECT_TRUE(trace);
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const base::Fd in(ends[0]);
  {
    const base::Fd out(ends[1]);
    Progress progress("stats", *trace, {.fd = out.get(), .is_terminal = is_terminal, .after = after, .every = std::chrono::milliseconds(0)});
    see(progress);
    progress.clear();
  }
  std::string text(4096, '\0');
  const ssize_t n = ::read(in.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

std::string said_of(std::uint64_t events, bool is_terminal, std::chrono::milliseconds after) {
  return said(is_terminal, after, [events](Progress& progress) { see_events(progress, events); });
}

TEST(Progress, ALineIsWrittenOverAndTakenAway) {
  const std::string text = said_of(10'000, true, std::chrono::milliseconds(0));
  EXPECT_NE(text.find("\rouro: stats: 4096 events, 20% ("), std::string::npos) << text;
  EXPECT_NE(text.find("\rouro: stats: 8192 events, 41% ("), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\r\x1b[K")) << text;
}

TEST(Progress, OfWhatIsDoneInPartsSaysTheShareOfThem) {
  const std::string text = said(true, std::chrono::milliseconds(0), [](Progress& progress) { progress.see(12'345'678, 0.5); });
  EXPECT_NE(text.find("\rouro: stats: 12.3 M events, 50% ("), std::string::npos) << text;
}

TEST(Progress, NothingIsSaidToFilesAndPipes) { EXPECT_EQ(said_of(10'000, false, std::chrono::milliseconds(0)), ""); }

TEST(Progress, NothingIsSaidOfWhatIsDoneAtOnce) { EXPECT_EQ(said_of(10'000, true, std::chrono::seconds(1)), ""); }

}  // namespace
}  // namespace ouro::cli
