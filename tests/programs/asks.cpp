// A program that asks for a flight recorder itself, in several threads at once, and is killed or ends.
//
//   asks N [name=NAME] [buffer=BYTES] [events=GLOBS] [level=NUMBER] [contexts=NAMES] [threads=N] [wait]
//
// N turns of asks:before, then it asks, then N turns of asks:after, asks:other and, as debug, asks:detail. Prints "ERROR TEXT" of each thread
// that asked, and what else it saw; waits for a signal.
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <ouro/trace.hpp>

namespace {

const char* value_of(const char* argument, const char* name) {
  const std::size_t n = std::strlen(name);
  return std::strncmp(argument, name, n) == 0 && argument[n] == '=' ? argument + n + 1 : nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  const long turns = argc > 1 ? std::atol(argv[1]) : 1;
  ouro::FlightOptions options;
  std::size_t threads = 1;
  bool waits = false;
  for (int i = 2; i < argc; ++i) {
    if (const char* v = value_of(argv[i], "name")) options.name = v;
    if (const char* v = value_of(argv[i], "buffer")) options.buffer_size = std::strtoull(v, nullptr, 10);
    if (const char* v = value_of(argv[i], "events")) options.events = v;
    if (const char* v = value_of(argv[i], "level")) options.level = static_cast<ouro::Level>(std::atoi(v));
    if (const char* v = value_of(argv[i], "contexts")) options.contexts = v;
    if (const char* v = value_of(argv[i], "threads")) threads = std::strtoul(v, nullptr, 10);
    waits = waits || std::strcmp(argv[i], "wait") == 0;
  }
  for (long i = 0; i < turns; ++i) OURO_EVENT("asks:before", "number", i);
  std::vector<ouro::Outcome> outcomes(threads);
  if (threads == 1) {
    errno = ENOTTY;
    const auto before = mallinfo2();
    outcomes[0] = ouro::flight_recorder(options);
    const auto after = mallinfo2();
    if (errno != ENOTTY) std::printf("errno changed to %d\n", errno);
    if (before.uordblks != after.uordblks || before.hblks != after.hblks) std::printf("it took memory from the heap\n");
  } else {
    std::vector<std::thread> all;
    for (std::size_t i = 0; i < threads; ++i) all.emplace_back([&, i] { outcomes[i] = ouro::flight_recorder(options); });
    for (std::thread& t : all) t.join();
  }
  for (const ouro::Outcome& o : outcomes) std::printf("%d %s\n", o.error, o.text);
  for (long i = 0; i < turns; ++i) {
    OURO_EVENT("asks:after", "number", i);
    OURO_EVENT("asks:other", "number", i);
    OURO_EVENT_LEVEL(ouro::Level::debug, "asks:detail", "number", i);
  }
  std::printf("done\n");
  std::fflush(stdout);
  while (waits) ::pause();
}
