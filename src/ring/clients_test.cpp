// The ready-made buffers do what their names say.
#include <ouro/ring/clients.hpp>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace ouro::ring {
namespace {

TEST(FlightRecorder, KeepsTheNewest) {
  auto recorder = flight_recorder::create({.subbuf_count = 4, .subbuf_size = 4096});
  ASSERT_TRUE(recorder);
  constexpr std::uint64_t kCount = 100'000;
  for (std::uint64_t i = 0; i < kCount; ++i) recorder->write(1, i);
  Records records(recorder->channel(), Records::Order::by_ring);
  std::vector<std::uint64_t> seen;
  for (Record r; records.next(r);) std::memcpy(&seen.emplace_back(), r.bytes.data(), 8);
  ASSERT_GT(seen.size(), 100u);
  EXPECT_EQ(*std::max_element(seen.begin(), seen.end()), kCount - 1);
  EXPECT_EQ(seen.size() + records.lost(), kCount);
}

TEST(Fifo, GivesEveryValueOnceInOrderToAnotherThread) {
  struct Value {
    std::uint64_t number, twice;
  };
  auto pipe = fifo<Value>::create(1000);
  ASSERT_TRUE(pipe);
  constexpr std::uint64_t kCount = 300'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kCount; ++i)
      while (!pipe->push({i, 2 * i})) std::this_thread::yield();
  });
  std::uint64_t next = 0;
  for (Value v{}; next < kCount;) {
    if (!pipe->pop(v)) {
      std::this_thread::yield();
      continue;
    }
    if (v.number != next || v.twice != 2 * next) break;
    ++next;
  }
  EXPECT_EQ(next, kCount);
  for (Value v{}; next != kCount; ++next)
    while (!pipe->pop(v)) std::this_thread::yield();  // so that the writer ends
  writer.join();
}

TEST(Fifo, HoldsWhatItWasMadeForAndThenRefuses) {
  auto pipe = fifo<std::uint64_t>::create(1000);
  ASSERT_TRUE(pipe);
  std::uint64_t in = 0, out = 0, value = 0;
  for (; pipe->push(in); ++in) ASSERT_LT(in, 100'000u);
  EXPECT_GE(in, 1000u);
  for (; pipe->pop(value); ++out) ASSERT_EQ(value, out);
  EXPECT_EQ(out, in);
  EXPECT_TRUE(pipe->push(7));
  EXPECT_TRUE(pipe->pop(value));
  EXPECT_EQ(value, 7u);
}

std::string dump_of(const text_log& log) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const std::uint64_t lines = log.dump(ends[1]);
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  EXPECT_EQ(static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')), lines);
  return text;
}

TEST(TextLog, DumpsItsNewestLines) {
  auto log = text_log::create({.subbuf_count = 2, .subbuf_size = 4096});
  ASSERT_TRUE(log);
  EXPECT_EQ(dump_of(*log), "");
  for (int i = 0; i < 1000; ++i) log->write("line " + std::to_string(i));
  const std::string text = dump_of(*log);
  EXPECT_NE(text.find(": line 999\n"), std::string::npos);
  EXPECT_EQ(text.find(": line 1\n"), std::string::npos) << "that was long ago";
}

text_log* crashing_log;

TEST(TextLog, IsReadableFromTheHandlerOfACrash) {
  auto log = text_log::create();
  ASSERT_TRUE(log);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    crashing_log = &*log;
    signal(SIGSEGV, [](int) {
      crashing_log->dump(STDERR_FILENO);
      _exit(3);
    });
    log->write("about to crash");
    Reserved outer = log->buffer().reserve(0, 100), inner = log->buffer().reserve(0, 10);
    raise(SIGSEGV);
    _exit(4);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_NE(text.find(": about to crash\n"), std::string::npos) << text;
  EXPECT_NE(text.find("-- nesting level of the interrupted write: 2\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace ouro::ring
